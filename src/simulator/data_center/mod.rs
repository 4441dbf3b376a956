//! The face of Bitbucket Data Center: REST below `/rest/api/1.0` (or `latest`) and `/rest/build-status/1.0`, behind any
//! context path.
//!
//! What hurts on the real one hurts here: limits are clamped silently, pages have holes where the caller may not look,
//! repositories tell no dates and no default branch, 401 also means "you may not", nobody's token looks like success on
//! what is public, and what a version does not have yet answers like a wrong path.

mod builds;
mod commits;
mod options;
mod page;
mod people;
mod pull_requests;
mod refusal;
mod repositories;
mod request;
mod route;
mod spoil;
mod webhooks;
mod wire;

pub use options::{DataCenterOptions, NewestBy};
pub(super) use refusal::{bare, ordered, wrong_credentials};
pub(super) use request::Request;
pub(super) use route::Route;
pub(super) use spoil::spoil;
pub(super) use webhooks::{event, webhooks};
