//! Where a walk goes on, as text that is fit to be stored, and what an error means there.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Cursor, SourceError};

/// What means "not available" on a first page means on a later one that the walk is half read (facts
/// 1.7): it must never look complete.
pub(super) fn broken_off(error: SourceError, page: u32) -> SourceError {
    match error {
        SourceError::Forbidden { .. }
        | SourceError::NotFound { .. }
        | SourceError::Removed { .. }
        | SourceError::BadRequest { .. }
            if page > 1 =>
        {
            SourceError::Incomplete { page, source: Box::new(error) }
        }
        error => error,
    }
}

/// Cursors carry their version, so that one of another version begins anew instead of going astray.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u8,
    at: T,
}

const CURSOR_VERSION: u8 = 1;

pub(super) fn cursor<T: Serialize>(at: &T) -> Cursor {
    let text = serde_json::to_string(&Versioned { v: CURSOR_VERSION, at });
    Cursor(text.expect("cursors are plain strings and numbers"))
}

pub(super) fn place_of<T: DeserializeOwned>(cursor: &Cursor) -> Result<T, SourceError> {
    match serde_json::from_str::<Versioned<T>>(&cursor.0) {
        Ok(versioned) if versioned.v == CURSOR_VERSION => Ok(versioned.at),
        _ => Err(SourceError::StaleCursor),
    }
}
