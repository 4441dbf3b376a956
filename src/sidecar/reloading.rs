//! A changed config taken up while it runs, and where commands find the process meanwhile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tracing::{error, info, warn};

use super::{Listeners, Rebuild, Reload, Sidecar};
use crate::cli::remote::RunFile;
use crate::commands::{App, Exit, Failure};
use crate::config::Stamp;
use crate::error::{Report, shown};

/// `run.json`, in the store in force and in the one the config names meanwhile.
pub(super) struct Announced {
    pub(super) run: RunFile,
    pub(super) stores: BTreeSet<PathBuf>,
}

impl Sidecar {
    /// Takes over a changed config; a bad one is reported and the old one stays.
    pub(super) async fn reload(self: &Arc<Self>, reload: &Reload, rebuild: &Rebuild) {
        let mut loaded = match reload() {
            Ok(loaded) => loaded,
            Err(report) => {
                let stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner).renewed();
                return self.keep_old(stamp, report);
            }
        };
        let before = self.current();
        self.announce_in(&loaded.config.store, &before.config.store);
        // Until the next start everything goes on with the store in force: also what lies beside the records.
        loaded.config.store.clone_from(&before.config.store);
        if Listeners::of(&loaded.config.server) != self.listeners {
            warn!(
                "an address or `tls` of `server` changed in the config: it takes effect when catalog-sync is started again"
            );
        }
        // What is counted goes on.
        let app = Arc::new(App { metrics: before.metrics.clone(), ..rebuild(loaded.config) });
        // Held until the new config is in force: nobody begins a sync under a name that is no more.
        let _carried = match app.carry_over_renamed().await {
            Ok(carried) => carried,
            Err(failure) if failure.exit == Exit::Refused => {
                // Looked at again in a moment; told once.
                if !self.is_postponed.swap(true, Ordering::Relaxed) {
                    info!("{}: until then, the old config stays in force", failure.report.one_line());
                }
                return;
            }
            Err(failure) => return self.keep_old(loaded.stamp, failure.report),
        };
        self.is_postponed.store(false, Ordering::Relaxed);
        let taken_up = match app.read_decisions().await {
            Ok(()) => app.end_lapsed_switches().await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        match taken_up {
            Ok(()) => {
                *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = loaded.stamp;
                app.reloads.take_up();
                *self.app.write().unwrap_or_else(PoisonError::into_inner) = app;
                info!("the config was read again");
            }
            Err(failure) => self.keep_old(loaded.stamp, failure.report),
        }
    }

    /// Logged once: a config that cannot be taken up is looked at again when it changes again. Until then pages, metrics
    /// and `/readyz` tell of it.
    fn keep_old(&self, stamp: Stamp, report: Report) {
        *self.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        error!("{}; the old config stays in force", report.one_line());
        self.current().reloads.refuse(self.clock.now(), report);
    }

    /// Commands read the config as well: they find us by the store it names, whichever we work on.
    fn announce_in(&self, named: &Path, in_force: &Path) {
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Announced { run, stores }) = announced.as_mut() else { return };
        for old in stores.iter().filter(|store| *store != named && *store != in_force) {
            run.remove(old);
        }
        stores.retain(|store| store == named || store == in_force);
        if named == in_force {
            return;
        }
        warn!("`store` changed in the config: it takes effect when catalog-sync is started again");
        match run.point_from(named) {
            Ok(()) => drop(stores.insert(named.to_owned())),
            Err(error) => warn!(
                "commands that read this config will not find this process: {} could not be written: {error}",
                shown(&RunFile::path(named))
            ),
        }
    }

    pub(super) fn announce_nowhere(&self) {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Announced { run, stores }) = announced {
            stores.iter().for_each(|store| run.remove(store));
        }
    }

    /// Whether the files of the config differ from what was read.
    pub(super) fn config_changed(&self) -> bool {
        self.stamp.lock().unwrap_or_else(PoisonError::into_inner).has_changed()
    }
}
