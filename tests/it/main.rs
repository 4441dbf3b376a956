//! Whole programs under test: the built binary, a simulated Bitbucket over real HTTP, a catalog on disk; and the
//! promises, the layout and the README held to what the sources are. One binary, one module per subject.

mod absence;
mod again;
mod approving;
mod bad_input;
mod busy_catalog;
mod checks;
mod credentials;
mod decisions;
mod details;
mod discover;
mod discovery;
mod git;
mod harness;
mod importing;
mod killed;
mod layout;
mod limits;
mod missing_entities;
mod network;
mod newcomer;
mod order;
mod output;
mod promises;
mod readme;
mod refused;
mod several;
mod shapes;
mod sidecar;
mod simulate;
mod state;
mod supply_chain;
mod taken_names;
mod terminal;
mod unjudged;
mod walkthrough;
