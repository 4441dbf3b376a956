//! `run` (P2.4, P2.7, P4.4, P7.2, P7.5): the sidecar as a process, with second terminals beside it, and its scheduler
//! on a clock that a test moves.

pub mod process;
mod scheduled;
