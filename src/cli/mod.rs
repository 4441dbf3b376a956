//! The command line: arguments, and how results are shown.

pub mod args;
