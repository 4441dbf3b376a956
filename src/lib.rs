//! catalog-sync keeps a software catalog and Bitbucket together.
//!
//! **schedule → discover → correlate → recommend → plan → apply → backfill → record**
//!
//! Each arrow is a value; no stage calls back into an earlier one.

#![warn(missing_docs)]

pub mod clock;
pub mod error;
pub mod ids;
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

pub mod assemble;

pub mod commands;

pub mod sidecar;

pub mod server;

pub mod cli;

pub mod simulator;

pub mod demo;
