//! The face of Bitbucket Cloud: REST 2.0 below `/2.0`, and OAuth's token endpoint.

mod details;
mod fields;
mod oauth;
mod parameters;
mod query;
mod refusal;
mod request;
mod route;
mod rows;
mod spoil;
mod webhooks;
mod wire;

pub(super) use oauth::{authorize, token};
pub(super) use request::Request;
pub(super) use route::Route;
pub(super) use spoil::spoil;
pub(super) use webhooks::{event, webhooks};
