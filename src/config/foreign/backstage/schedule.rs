//! `schedule` of a provider: how often it runs.

use std::time::Duration;

use super::super::draft::Cadence;
use super::super::frequency;
use super::super::ledger::{Block, Entry, Fate, Ledger};
use super::super::reference::{Given, given};
use crate::schedule::Cron;

pub(super) fn schedule(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<Cadence> {
    let mut block = Block::of(entry, ledger)?;
    let frequency = block.take("frequency").and_then(|entry| cadence(&entry, ledger));
    block.pass("timeout", "a sync has no time limit, each of its requests has one", ledger);
    block.pass("initialDelay", "the first sync is due at once, and later ones are spread by a stable jitter", ledger);
    block.pass("scope", "one sidecar syncs an integration, never two at once", ledger);
    block.finish(ledger);
    frequency
}

fn cadence(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<Cadence> {
    const SHORTEST: Duration = Duration::from_secs(60);
    if let (Some(node), None) = (entry.node.get("cron"), given(entry.node)) {
        return match node.text().filter(|text| Cron::parse(text).is_ok()) {
            Some(cron) => {
                let what =
                    "Backstage meant it in its server's time zone, here it is UTC unless `timezone` says another";
                ledger.note(Fate::Differs, entry, what);
                Some(Cadence::Cron(cron.split_whitespace().collect::<Vec<_>>().join(" ")))
            }
            None => {
                ledger.note(Fate::Differs, entry, "this cron expression is not one of ours: it syncs every 3 hours");
                None
            }
        };
    }
    if entry.node.get("trigger").is_some() {
        let what = "there is no trigger by hand alone: it syncs every 3 hours under `run`, and `sync now` any time";
        ledger.note(Fate::Differs, entry, what);
        return None;
    }
    if matches!(given(entry.node), Some(Given::Variable { .. } | Given::File(_) | Given::Elsewhere)) {
        ledger.note(Fate::Differs, entry, "its value is not in this file: it syncs every 3 hours");
        return None;
    }
    match frequency::length(entry.node) {
        Some(length) if length < SHORTEST => {
            ledger.note(Fate::Differs, entry, "the shortest interval is a minute");
            Some(Cadence::Every(SHORTEST))
        }
        Some(length) => Some(Cadence::Every(length)),
        None => {
            let mend = "write `PT30M`, `{ minutes: 30 }`, `30 minutes` or `{ cron: \"0 */3 * * *\" }`";
            ledger.refuse(entry, "this is no length of time", mend);
            None
        }
    }
}
