//! Whole programs under test: the built binary, a simulated Bitbucket over real HTTP, a catalog on disk; and the
//! promises, the layout and the README held to what the sources are. One binary, one module per subject.

mod absence;
mod busy_catalog;
mod decisions;
mod discover;
mod harness;
mod killed;
mod layout;
mod limits;
mod missing_entities;
mod order;
mod promises;
mod readme;
mod sidecar;
mod supply_chain;
mod walkthrough;
