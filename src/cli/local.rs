//! What this process needs when no sidecar does the work: config, store, app.

use std::io::{self, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, Notify};
use tracing::warn;

use super::output::Screen;
use super::{Exit, Start, args, elsewhere, printed, remote};
use crate::assemble::Assembler;
use crate::clock::Clock;
use crate::commands::answer::CheckRow;
use crate::commands::caller::Caller;
use crate::commands::decisions::DecisionsBook;
use crate::commands::{App, Failure, execute, request};
use crate::config::{Config, ConfigError, LoadOptions, Loaded};
use crate::error::{Report, escape_control, shown};
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::server::access;
use crate::sidecar;
use crate::simulator::{self, DataCenterOptions, ServeOptions, Tls};
use crate::store::decisions_file::DecisionsFile;
use crate::store::nothing::NothingStore;
use crate::store::sled::SledStore;
use crate::store::{ExportOf, Store};

/// An app over a store of our own.
pub struct Local {
    /// Ready for requests.
    pub app: App,
}

impl Local {
    /// Opens the store and reads the decisions file.
    ///
    /// # Errors
    /// A store in use or broken, a decisions file with faults.
    pub async fn open(start: &Start, config: Config) -> Result<Self, Failure> {
        let clock = Clock::System;
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&config.store, &clock).await?);
        let app = app(start, config, store, clock);
        drop(app.carry_over_renamed().await?);
        app.read_decisions().await?;
        app.end_lapsed_switches().await?;
        Ok(Self { app })
    }
}

/// A place for a store, and what was there before.
pub(super) struct StorePlace<'a> {
    path: &'a Path,
    was_folder: bool,
    was_store: bool,
}

impl<'a> StorePlace<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        // What is there and is no folder is left to opening it, which says so.
        let was_there = path.symlink_metadata().is_ok();
        Self { path, was_folder: was_there, was_store: was_there && (!path.is_dir() || path.join("db").exists()) }
    }

    /// Nothing has been kept there yet.
    pub(super) fn is_empty(&self) -> bool {
        !self.was_store
    }

    /// Takes away the store that was made only to look, or in vain; the one that was there stays.
    fn leave_as_it_was(&self) {
        if self.was_store {
            return;
        }
        // Left behind it is an empty store, no more.
        if !self.was_folder {
            let _ = std::fs::remove_dir_all(self.path);
            return;
        }
        for entry in std::fs::read_dir(self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            match name.to_str() {
                Some("db" | "conf") => drop(std::fs::remove_file(entry.path())),
                Some("blobs") => drop(std::fs::remove_dir_all(entry.path())),
                Some(name) if name.starts_with("snap.") => drop(std::fs::remove_file(entry.path())),
                _ => {}
            }
        }
    }
}

fn no_store(config: &Config) -> Failure {
    Failure::usage(
        format!("there is no store at {} yet", shown(&config.store)),
        "check `--store` and `store` in the config; `sync now` makes it",
    )
}

/// Answers what only reads where there is no store yet: nothing is known, and nothing is made.
pub(super) async fn answer_of_nothing(
    start: &Start,
    config: Config,
    request: &request::Request,
) -> Result<request::Answer, Failure> {
    if matches!(request, request::Request::StoreCheck) {
        return Err(no_store(&config));
    }
    warn!("there is no store at {} yet: nothing is known; `sync now` makes it", shown(&config.store));
    let store: Arc<dyn Store> = Arc::new(NothingStore);
    // Reading its decisions would leave a note of them in the store's folder.
    let app = app(start, Config { decisions: None, ..config }, store, Clock::System);
    execute(&app, request.clone(), &|_| {}).await
}

/// Reads the config; warnings go to the log.
///
/// # Errors
/// Usage, with every fault and its line.
pub fn load(start: &Start) -> Result<Config, Failure> {
    loaded(start, None).map(|loaded| loaded.config)
}

fn loaded(start: &Start, listen: Option<&str>) -> Result<Loaded, Failure> {
    let loaded = Config::load(&options(start, listen)).map_err(in_words)?;
    if !loaded.warnings.is_empty() {
        warn!("{}", loaded.warnings);
    }
    Ok(loaded)
}

pub(super) fn options<'a>(start: &'a Start, listen: Option<&'a str>) -> LoadOptions<'a> {
    LoadOptions {
        config: start.cli.global.config.as_deref(),
        store: start.cli.global.store.as_deref(),
        listen,
        environment: &start.environment,
        working_directory: &start.working_directory,
        now: Clock::System.now(),
    }
}

fn in_words(error: ConfigError) -> Failure {
    let mend = error.mend();
    let report = match &error {
        ConfigError::Listen { .. } => Report::plain(error.to_string(), error.mend()),
        // The report shows each fault with its line; it is the whole message.
        ConfigError::Faulty(faults) => Report { what: format!("{error}\n\n{faults}"), because: Vec::new(), mend: None },
        error => Report::new("there is no usable config", error, mend),
    };
    Failure { report, exit: Exit::Usage }
}

/// For a log: a fault after the other, without the lines they stand on.
fn in_a_line(error: ConfigError) -> Report {
    let ConfigError::Faulty(faults) = &error else { return in_words(error).report };
    let told = faults.faults.iter().filter(|fault| fault.is_error()).map(|fault| {
        let mend = fault.mend.as_deref().map_or_else(String::new, |mend| format!(" ({mend})"));
        escape_control(&format!("{}:{}: {}{mend}", faults.file.display(), fault.place.line, fault.what))
    });
    Report { what: error.to_string(), because: told.collect(), mend: None }
}

/// Makes sources, catalogs and rules of a config.
pub fn assembler(start: &Start, config: &Config) -> Assembler {
    Assembler::new(Arc::new(config.clone()), start.environment.clone(), Clock::System)
}

/// Whose terminal it is, for history and audit.
pub(super) fn user(start: &Start) -> Option<&str> {
    start.environment.get("USER").or_else(|| start.environment.get("LOGNAME"))
}

/// An app over a store.
pub fn app(start: &Start, config: Config, store: Arc<dyn Store>, clock: Clock) -> App {
    let config = Arc::new(config);
    App {
        assembler: Arc::new(Assembler::new(config.clone(), start.environment.clone(), clock.clone())),
        decisions: config
            .decisions
            .clone()
            .map(|path| Arc::new(Mutex::new(DecisionsBook::new(DecisionsFile::open(path), &config.store)))),
        ids: Arc::new(Ids::new(clock.clone(), rand::random())),
        config,
        store,
        clock,
        caller: Caller::at_the_terminal_of(user(start)),
        metrics: Metrics::default(),
        stop: start.stop.clone(),
        views: Arc::default(),
        running: Arc::default(),
        reloads: Arc::default(),
        jobs: Arc::default(),
        job: None,
        names: Arc::default(),
    }
}

/// `run`.
pub(super) async fn run_sidecar(start: &Start, listen: Option<&str>) -> Result<Exit, Failure> {
    let Loaded { config, stamp, .. } = loaded(start, listen)?;
    let terminal: access::Terminal = Box::new(|link| {
        eprintln!("sign in with a browser (good once, for ten minutes): {link}");
    });
    run_with(start, listen, config, stamp, io::stderr().is_terminal().then_some(terminal)).await
}

/// The sidecar on a config; shared with `demo --serve`. Who looks at the `terminal` gets the sign-in link.
///
/// # Errors
/// A store in use, a port that is taken.
pub async fn run_with(
    start: &Start,
    listen: Option<&str>,
    config: Config,
    stamp: crate::config::Stamp,
    terminal: Option<access::Terminal>,
) -> Result<Exit, Failure> {
    let store_path = config.store.clone();
    let path = config.path.clone();
    let local = Local::open(start, config).await?;
    let hangup = Arc::new(Notify::new());
    let hung_up = hangup.clone();
    let mut hangups = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
        .map_err(|error| Failure::failed(Report::new("SIGHUP cannot be listened for", &error, None)))?;
    let listening = tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            hung_up.notify_one();
        }
    });
    let clock = local.app.clock.clone();
    let store = local.app.store.clone();
    // What runs goes on under a new config; lists are made anew.
    let App { running, jobs, reloads, .. } = local.app.clone();
    local.app.views.keep();
    let again = (start.clone(), listen.map(str::to_owned), path);
    let anew = start.clone();
    let ended = sidecar::run(sidecar::Settings {
        app: local.app,
        stamp,
        reload: Box::new(move || {
            let (start, listen, path) = &again;
            Config::load_file(path, &options(start, listen.as_deref())).map_err(in_a_line)
        }),
        rebuild: Box::new(move |config| {
            let (running, jobs, reloads) = (running.clone(), jobs.clone(), reloads.clone());
            let app = App { running, jobs, reloads, ..app(&anew, config, store.clone(), clock.clone()) };
            app.views.keep();
            app
        }),
        store: store_path,
        token: token(),
        terminal,
        stop: start.stop.clone(),
        hangup,
    })
    .await;
    listening.abort();
    ended.map(|()| Exit::Done).map_err(Failure::failed)
}

/// 256 random bits.
fn token() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// `store import`: into an empty store, which no sidecar can have.
pub(super) async fn import_store(start: &Start, screen: &Screen, file: &Path) -> Result<Exit, Failure> {
    let config = load(start)?;
    let opened = match file == Path::new("-") {
        true => None,
        false => {
            let opened = std::fs::File::open(start.working_directory.join(file));
            Some(opened.map_err(|error| unreadable(file, &error))?)
        }
    };
    if remote::RunFile::read(&config.store).is_some_and(|run| run.is_answered()) {
        return Err(Failure::refused(
            format!("a running sidecar works on the store {}", shown(&config.store)),
            "an import needs an empty store: name a new one with `--store DIR`, then set `store` to it and start the \
             sidecar again",
        ));
    }
    let place = StorePlace::new(&config.store);
    let store = SledStore::open(&config.store, &Clock::System).await?;
    let imported = match opened {
        Some(file) => store.import(&mut BufReader::new(file)).await,
        None => store.import(&mut BufReader::new(io::stdin())).await,
    };
    let records = match imported {
        Ok(records) => records,
        Err(error) => {
            drop(store);
            place.leave_as_it_was();
            return Err(error.into());
        }
    };
    let data = serde_json::json!({ "records": records, "store": config.store });
    printed(screen.print(&data, |_| format!("read {records} records into {}", shown(&config.store))), Exit::Done)
}

pub(super) fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let report = Report::new(format!("{} could not be read", shown(file)), error, Some("check the path".to_owned()));
    Failure { report, exit: Exit::Usage }
}

/// `store export`: to a file that is there whole or not at all, or to stdout.
pub(super) async fn export_store(start: &Start, screen: &Screen, file: &Path, of: ExportOf) -> Result<Exit, Failure> {
    let elsewhere = elsewhere::named(start)?;
    if file != Path::new("-") && start.working_directory.join(file).exists() && !start.cli.global.yes {
        return Err(Failure::refused(
            format!("{} is there already", shown(file)),
            "name another file, or add `--yes` to overwrite it",
        ));
    }
    if let Some(elsewhere) = elsewhere {
        let lines = exported(elsewhere.ask(&request::Request::StoreExport { of }, &|_| {}).await?)?;
        return write_export(start, screen, file, &lines);
    }
    let config = load(start)?;
    let lines = match remote::RunFile::read(&config.store) {
        Some(run) => match remote::ask(&run, user(start), &request::Request::StoreExport { of }, &|_| {}).await {
            Some(answer) => Some(exported(answer?)?),
            None => None,
        },
        None => None,
    };
    if lines.is_none() && StorePlace::new(&config.store).is_empty() {
        // Whoever keeps a backup must not think that it is one.
        if file != Path::new("-") {
            return Err(no_store(&config));
        }
        let nothing = exported(answer_of_nothing(start, config, &request::Request::StoreExport { of }).await?)?;
        return printed(io::stdout().lock().write_all(nothing.as_bytes()), Exit::Done);
    }
    if file == Path::new("-") {
        let lines = match lines {
            Some(lines) => lines,
            None => exported(local_export(start, config, of).await?)?,
        };
        return printed(io::stdout().lock().write_all(lines.as_bytes()), Exit::Done);
    }
    let path = start.working_directory.join(file);
    let records = match lines {
        Some(lines) => whole_file(&path, |out| out.write_all(lines.as_bytes()).map(|()| records_of(&lines)))?,
        None => {
            let store = SledStore::open(&config.store, &Clock::System).await?;
            let mut kept = whole_file_begun(&path)?;
            let records = store.export(&mut kept.out, of).await?;
            kept.finish()?;
            records
        }
    };
    let data = serde_json::json!({ "records": records, "file": path });
    printed(screen.print(&data, |_| format!("wrote {records} records to {}", shown(&path))), Exit::Done)
}

/// Lines that somebody else exported.
fn write_export(start: &Start, screen: &Screen, file: &Path, lines: &str) -> Result<Exit, Failure> {
    if file == Path::new("-") {
        return printed(io::stdout().lock().write_all(lines.as_bytes()), Exit::Done);
    }
    let path = start.working_directory.join(file);
    let records = whole_file(&path, |out| out.write_all(lines.as_bytes()).map(|()| records_of(lines)))?;
    let data = serde_json::json!({ "records": records, "file": path });
    printed(screen.print(&data, |_| format!("wrote {records} records to {}", shown(&path))), Exit::Done)
}

/// Of an export: its first and last lines are about the others.
fn records_of(lines: &str) -> u64 {
    (lines.lines().count() as u64).saturating_sub(2)
}

async fn local_export(start: &Start, config: Config, of: ExportOf) -> Result<request::Answer, Failure> {
    let local = Local::open(start, config).await?;
    execute(&local.app, request::Request::StoreExport { of }, &|_| {}).await
}

fn exported(answer: request::Answer) -> Result<String, Failure> {
    match answer {
        request::Answer::Export(lines) => Ok(lines),
        _ => Err(Failure::failed(Report::plain("the sidecar answered something else", None))),
    }
}

/// A file that appears under its name only when it is whole.
struct WholeFile {
    out: io::BufWriter<std::fs::File>,
    written_as: PathBuf,
    path: PathBuf,
}

fn whole_file_begun(path: &Path) -> Result<WholeFile, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let written_as = path.with_file_name(format!(".{name}.part"));
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&written_as)
        .map_err(|error| unwritable(path, &error))?;
    Ok(WholeFile { out: io::BufWriter::new(file), written_as, path: path.to_owned() })
}

impl WholeFile {
    fn finish(self) -> Result<(), Failure> {
        let Self { out, written_as, path } = self;
        let file = out.into_inner().map_err(|error| unwritable(&path, error.error()))?;
        file.sync_all().map_err(|error| unwritable(&path, &error))?;
        std::fs::rename(&written_as, &path).map_err(|error| unwritable(&path, &error))
    }
}

fn whole_file(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<std::fs::File>) -> io::Result<u64>,
) -> Result<u64, Failure> {
    let mut kept = whole_file_begun(path)?;
    let written = write(&mut kept.out).map_err(|error| unwritable(path, &error))?;
    kept.finish()?;
    Ok(written)
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(Report::new(
        format!("{} could not be written", shown(path)),
        error,
        Some("check free space and permissions of its folder".to_owned()),
    ))
}

/// Whether the store can be opened, for `check`; a running sidecar has it, and that is fine.
pub(super) async fn check_store(_start: &Start, config: &Config) -> Vec<CheckRow> {
    let row = |code: &str, message: String, mend: Option<String>| CheckRow {
        about: "store".to_owned(),
        code: code.to_owned(),
        subject: config.store.display().to_string(),
        message,
        mend,
        curl: None,
    };
    if remote::RunFile::read(&config.store).is_some() {
        return vec![row("ok", "a running sidecar has it".to_owned(), None)];
    }
    let place = StorePlace::new(&config.store);
    let opened = SledStore::open(&config.store, &Clock::System).await;
    if place.is_empty() {
        let told = match opened {
            Ok(store) => {
                drop(store);
                row("ok", "there is none yet, and it can be made".to_owned(), None)
            }
            Err(error) => row("unusable", error.to_string(), error.mend()),
        };
        place.leave_as_it_was();
        return vec![told];
    }
    match opened {
        Ok(store) => {
            let mut rows = vec![row("ok", "can be opened and written".to_owned(), None)];
            for integration in &config.integrations {
                if let Ok(Some(state)) = store.integration(&integration.key()).await
                    && let Err(error) = crate::engine::refuse_locked(&state, integration)
                {
                    let mut refused = row("locked", error.to_string(), error.mend());
                    refused.about = format!("integration {}", integration.name);
                    refused.subject = "settings that cannot change any more".to_owned();
                    rows.push(refused);
                }
            }
            rows
        }
        Err(error) => vec![row("unusable", error.to_string(), error.mend())],
    }
}

/// What a connector to the simulator may be told, where the simulator has no limit.
const SIMULATED_REQUESTS_PER_HOUR: u32 = 100_000;

/// `simulate`.
pub(super) async fn simulate(start: &Start, of: args::Simulate) -> Result<Exit, Failure> {
    let data_center = of.data_center.then(|| {
        let usual = DataCenterOptions::default();
        DataCenterOptions::new(
            of.server_version.as_deref().unwrap_or(&usual.version),
            of.context.as_deref().unwrap_or_default(),
        )
    });
    let tls = match (&of.tls_certificate, &of.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate: pem(certificate)?, key: pem(key)? }),
        _ => None,
    };
    let options = ServeOptions {
        listen: of.listen,
        workspace: of.workspace.clone(),
        repositories: of.repositories,
        pull_requests: of.pull_requests,
        commits: of.commits,
        seed: of.seed,
        latency: of.latency,
        requests_per_hour: of.rate_limit,
        data_center,
        tls,
        webhook: of.webhook_url.clone().zip(of.webhook_secret.clone()),
        happens_every: of.happens_every,
        ..ServeOptions::default()
    };
    let announce = |address: &str| {
        match &options.data_center {
            Some(instance) => {
                eprintln!("a simulated Bitbucket Data Center {} listens; point a connector at it:", instance.version);
                eprintln!("  url: {address}");
            }
            None => {
                let workspace = escape_control(&of.workspace);
                eprintln!(
                    "a simulated Bitbucket Cloud with the workspace {workspace} listens; point a connector at it:"
                );
                eprintln!("  url: https://bitbucket.org/{workspace}");
                eprintln!("  api_url: {address}");
                // Else the client keeps to Bitbucket's own limit, and two syncs use up the hour.
                eprintln!("  requests_per_hour: {}", of.rate_limit.unwrap_or(SIMULATED_REQUESTS_PER_HOUR));
            }
        }
        eprintln!("any token is accepted; stop it with Ctrl-C");
    };
    simulator::serve(&options, announce, start.stop.clone()).await.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::failed(Report::new(
            "could not serve HTTPS",
            &error,
            Some("give a certificate and the key that belongs to it, both as PEM".to_owned()),
        )),
        _ => Failure::failed(Report::new(
            format!("could not listen on {}", of.listen),
            &error,
            Some("choose another address with `--listen`".to_owned()),
        )),
    })?;
    Ok(Exit::Done)
}

/// Reads a PEM file.
fn pem(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::failed(Report::new(format!("could not read {}", shown(path)), &error, None)))
}
