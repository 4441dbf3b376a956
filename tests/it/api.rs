//! The REST API as programs use it: the built binary, over real HTTP (P4.1, P4.3, P4.5, P7.2, P7.4).

pub mod client;
mod credentials;
mod entities;
mod following;
mod fuzzed;
mod importing;
mod refusing;
mod routes;
