//! A route: method, path, what it takes and answers, and who does it. Made of a handler, whose types say the rest.

use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use futures::future::BoxFuture;
use schemars::{Schema, SchemaGenerator};

use super::call::Call;
use super::input::Input;
use super::reply::Reply;
use crate::server::problem::Problem;

/// Whoever may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// `view` and `edit`.
    Anyone,
    /// `edit`.
    Editors,
    /// `edit`, and every integration.
    EditorsOfAll,
    /// Both roles, and every integration.
    AnyoneOfAll,
}

type Handle = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Response, Problem>> + Send + Sync>;
type Describe = fn(&mut SchemaGenerator) -> Option<Schema>;

/// One route of the table.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: Method,
    /// Behind [`super::BASE`]; `{name}` is a parameter.
    pub(super) path: &'static str,
    /// `tag: what it does`.
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// The command that does the same.
    pub(super) command: &'static str,
    pub(super) may: For,
    pub(super) takes_body: bool,
    pub(super) query: Describe,
    pub(super) body: Describe,
    pub(super) status: u16,
    pub(super) content: &'static str,
    pub(super) answer: fn(&mut SchemaGenerator) -> Schema,
    pub(super) handle: Handle,
}

/// A route without what is said of it.
pub(super) fn route<I, R, F>(method: Method, path: &'static str, handler: fn(Call, I) -> F) -> Route
where
    I: Input + 'static,
    R: Reply + 'static,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
{
    let handle = move |call: Call| -> BoxFuture<'static, Result<Response, Problem>> {
        // Read before anything is done.
        match I::read(&call) {
            Ok(input) => {
                let answer = handler(call, input);
                Box::pin(async move { answer.await.map(Reply::into_response) })
            }
            Err(problem) => Box::pin(std::future::ready(Err(problem))),
        }
    };
    Route {
        may: if method == Method::GET { For::Anyone } else { For::Editors },
        method,
        path,
        tag: "",
        summary: "",
        command: "",
        takes_body: I::HAS_BODY,
        query: I::query,
        body: I::body,
        status: R::STATUS.as_u16(),
        content: R::CONTENT,
        answer: R::schema,
        handle: Arc::new(handle),
    }
}

/// A route that reads.
pub(super) fn get<I, R, F>(path: &'static str, handler: fn(Call, I) -> F) -> Route
where
    I: Input + 'static,
    R: Reply + 'static,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
{
    route(Method::GET, path, handler)
}

/// A route that does something.
pub(super) fn post<I, R, F>(path: &'static str, handler: fn(Call, I) -> F) -> Route
where
    I: Input + 'static,
    R: Reply + 'static,
    F: Future<Output = Result<R, Problem>> + Send + 'static,
{
    route(Method::POST, path, handler)
}

impl Route {
    /// What it does, in a line; and the command that does the same, where there is one.
    pub(super) fn does(self, tag: &'static str, summary: &'static str, command: &'static str) -> Self {
        Self { tag, summary, command, ..self }
    }

    pub(super) fn only_for(self, may: For) -> Self {
        Self { may, ..self }
    }

    /// Names of the parameters in the path.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The data of the one answer that a request can have.
macro_rules! only {
    ($answer:expr, $variant:path) => {
        match $answer {
            $variant(data) => Ok(data),
            _ => Err($crate::server::api::call::unexpected()),
        }
    };
}
pub(super) use only;
