//! What a route takes: query parameters and a body, read by type and described by the same type.

use std::marker::PhantomData;

use axum::extract::Query;
use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::call::{Call, bad};
use crate::error::escape_control;
use crate::server::problem::Problem;

/// Something read from a call.
pub(super) trait Input: Sized {
    /// Whether a route that takes it has a body.
    const HAS_BODY: bool = false;
    fn read(call: &Call) -> Result<Self, Problem>;
    /// The parameters of the query, as an object.
    fn query(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
    /// The body.
    fn body(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// Nothing is taken.
pub(super) struct Nothing;

impl Input for Nothing {
    fn read(call: &Call) -> Result<Self, Problem> {
        NoParameters::read_query(call).map(|_| Self)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParameters {}

impl NoParameters {
    fn read_query(call: &Call) -> Result<Self, Problem> {
        read_query(call)
    }
}

fn read_query<T: DeserializeOwned>(call: &Call) -> Result<T, Problem> {
    let read = Query::<T>::try_from_uri(&call.uri);
    read.map(|Query(query)| query).map_err(|error| {
        let because = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        let mut problem = bad("the query has a parameter that is not understood", "/api/openapi.json tells them all");
        problem.because = vec![escape_control(&because)];
        problem
    })
}

/// Parameters of the query.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema> Input for Params<T> {
    fn read(call: &Call) -> Result<Self, Problem> {
        read_query(call).map(Self)
    }

    fn query(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(T::json_schema(schemas))
    }
}

/// A JSON body that is left to whom it concerns, unread: it may hold a secret. `T` describes it.
pub(super) struct Sealed<T>(PhantomData<T>);

impl<T: JsonSchema> Input for Sealed<T> {
    const HAS_BODY: bool = true;

    fn read(call: &Call) -> Result<Self, Problem> {
        NoParameters::read_query(call).map(|_| Self(PhantomData))
    }

    fn body(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}

/// A JSON body. An empty one is that of an object without fields.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema> Input for Json<T> {
    const HAS_BODY: bool = true;

    fn read(call: &Call) -> Result<Self, Problem> {
        NoParameters::read_query(call)?;
        let body: &[u8] = if call.body.is_empty() { b"{}" } else { &call.body };
        serde_json::from_slice(body).map(Self).map_err(|error| {
            let mut problem = match error.is_data() {
                true => Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "the body does not say what is wanted here",
                    "/api/openapi.json tells its fields",
                ),
                false => bad("the body is not whole JSON", "send one JSON object"),
            };
            problem.because = vec![escape_control(&error.to_string())];
            problem
        })
    }

    fn body(schemas: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemas.subschema_for::<T>())
    }
}
