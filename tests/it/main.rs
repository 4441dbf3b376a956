//! Whole programs under test: the built binary, a simulated Bitbucket over real HTTP, a catalog on disk. One binary,
//! one module per subject.

mod harness;
mod walkthrough;
