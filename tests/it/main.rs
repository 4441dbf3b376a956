//! Whole programs under test: the built binary, a simulated Bitbucket over real HTTP, a catalog on disk; and the
//! promises, the layout and the README held to what the sources are. One binary, one module per subject.

mod harness;
mod layout;
mod promises;
mod readme;
mod supply_chain;
mod walkthrough;
