//! A small Bitbucket behind a real HTTP server.
