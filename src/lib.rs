//! catalog-sync keeps a software catalog and Bitbucket together: it discovers the repositories of a workspace, recommends for each
//! one to register it as a new entity or to merge it into an existing one, and imports what people decide into the
//! catalog's YAML. This is the map; `README.md` is for whoever runs it, `docs/promises.md` says what it owes.
//!
//! # The flow
//!
//! **schedule → discover → correlate → recommend → plan → apply → backfill → record**
//!
//! Each arrow is a value; no stage calls back into an earlier one. A scheduled sync, `sync now` and an import by hand are the
//! same code under another trigger: an import is `plan → apply → record` over what was chosen. [`engine`] has the stages of
//! one sync in order.
//!
//! # Where things are
//!
//! Deciding is pure: values in, values out. No I/O, no clock, no environment, no log, nothing async.
//!
//! - [`model`]: the nouns. Repository, entity, link, recommendation, decision, coverage, sync.
//! - [`correlate`]: rules × records × entities → candidates, with the whole trace.
//! - [`recommend`]: candidates × links × decisions → register, merge, conflict or none, and why.
//! - [`plan`]: recommendations → steps; what is written where, and what is held back with which reason. The guards.
//!
//! Three seams, each a trait with its error; they do not know each other:
//!
//! - [`source`]: where repositories come from. One careful HTTP client, and Bitbucket Cloud on it.
//! - [`catalog`]: where entities live. A directory of YAML, edited line by line; the Backstage and Harness formats.
//! - [`store`]: where state is kept. sled, behind operations that take the lease they need; the decisions file.
//!
//! Doing goes through the seams alone:
//!
//! - [`schedule`]: when. [`discover`]: pages → what is new, changed, hidden, moved, gone. [`apply`]: steps → outcomes, with a
//!   journal. [`backfill`]: pull requests and commits under caps and budgets.
//! - [`engine`]: one sync, on one screen; import; approval of what was held; undo.
//!
//! The edge holds no decision:
//!
//! - [`config`]: the file, with every fault at its line; [`credentials`]: secrets that are stored, encrypted; [`assemble`]
//!   makes sources, catalogs and rules of both.
//! - [`commands`]: what can be done, as requests and answers, and who did it. [`cli`] parses and prints them, [`server`] finds out who
//!   asks and takes them from other terminals, programs and browsers, [`sidecar`] runs syncs on schedule.
//! - [`metrics`]: what is counted, for Prometheus. [`error`]: one report for people (what, because, mend). [`clock`]: time as an argument. [`ids`]: ids that sort by when.
//! - [`simulator`]: a Bitbucket of our own, Cloud or Data Center, behind a real HTTP server, with faults to order; [`demo`] and the tests use it.
//!
//! # Invariants
//!
//! Some of them show only as an absence; `tests/it/layout.rs` and the property tests hold them.
//!
//! 1. The same records, entities, rules, links and decisions give the same recommendations and the same plan, byte for byte,
//!    in whatever order they came. Planning right after applying gives no step.
//! 2. No step can delete an entity: [`plan::Work`] has no such case. Only `imported undo` takes a file away, on a person's
//!    word: one that we made, and only while every byte of it is what we wrote ([`plan::undo`]).
//! 3. Ownership lives in the catalog: what we wrote carries our mark. The store is a journal and a cache; losing it costs history
//!    and a full backfill, never a duplicate. What people decided is also in the decisions file, where one is configured.
//! 4. A plan has at most one step per entity. What was wanted and is not done is in `held`, with a reason a person can act on.
//! 5. What triggers a sync says where to look, never what is there. A lost trigger costs time, not correctness.
//! 6. One crawl at a time per integration and one writer at a time per catalog: [`store::CrawlLease`] and
//!    [`store::CatalogLease`] prove it by being held.
//! 7. Stored + backlog = known. Whatever is killed whenever, each pull request and commit inside the window is stored exactly once or still
//!    waits.
//! 8. Secrets have types that do not print. URLs are shown without userinfo and query.
//! 9. Text from outside is data: control, bidi and zero-width characters are shown escaped ([`error::escape_control`]); YAML we
//!    write quotes whatever two parsers could read differently.
//!
//! And: an error is never an absence. Only a walk that ended complete, by type, can make a repository missing, and only the
//! second one in a row makes it gone.

#![warn(missing_docs)]

pub mod error;

pub mod clock;

pub mod ids;

pub mod metrics;

pub mod model;

pub mod schedule;

pub mod discover;

pub mod correlate;

pub mod recommend;

pub mod plan;

pub mod apply;

pub mod backfill;

pub mod engine;

pub mod source;

pub mod catalog;

pub mod store;

pub mod config;

pub mod credentials;

pub mod assemble;

pub mod commands;

pub mod cli;

pub mod server;

pub mod sidecar;

pub mod simulator;

pub mod demo;

#[cfg(test)]
mod recorded;
