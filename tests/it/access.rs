//! Who may come in, and what they see and may do: the built binary over real HTTP (P7.4, security.md).

mod audit;
mod browser;
mod elsewhere;
mod http;
mod others;
mod proxies;
mod scoped;
mod tls;
mod tokens;
