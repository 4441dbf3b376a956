//! Values: one version byte, then JSON: 1 plain, 2 deflated.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

const PLAIN: u8 = 1;
const DEFLATED: u8 = 2;

/// Below this, deflating saves nothing worth its time.
const DEFLATE_FROM_BYTES: usize = 512;

thread_local! {
    // Their tables are some hundred kilobytes: made for each value, they would cost more than its deflating.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// Encodes a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    Ok(encode_json(&json(value)?))
}

/// The JSON of a value, to be encoded.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value)
        .map_err(|error| StoreError::Malformed { place: "a value to be stored".to_owned(), message: error.to_string() })
}

/// Encodes the JSON of a value.
pub(super) fn encode_json(json: &[u8]) -> Vec<u8> {
    let deflated = if json.len() < DEFLATE_FROM_BYTES { None } else { deflated(json) };
    deflated.unwrap_or_else(|| [&[PLAIN], json].concat())
}

/// `None` when it would not become smaller.
fn deflated(json: &[u8]) -> Option<Vec<u8>> {
    DEFLATE.with_borrow_mut(|deflate| {
        deflate.reset();
        let mut bytes = Vec::with_capacity(json.len());
        bytes.push(DEFLATED);
        match deflate.compress_vec(json, &mut bytes, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => Some(bytes),
            _ => None,
        }
    })
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, String> {
    INFLATE.with_borrow_mut(|inflate| {
        inflate.reset(false);
        let mut json = Vec::with_capacity(deflated.len() * 4);
        loop {
            let before = (inflate.total_in(), inflate.total_out());
            let read = usize::try_from(before.0).unwrap_or(deflated.len());
            let rest = deflated.get(read..).unwrap_or_default();
            let status = inflate.decompress_vec(rest, &mut json, FlushDecompress::None);
            if status.map_err(|error| error.to_string())? == Status::StreamEnd {
                return Ok(json);
            }
            if json.len() == json.capacity() {
                json.reserve(json.capacity().max(64));
            } else if before == (inflate.total_in(), inflate.total_out()) {
                return Err("deflated text that breaks off".to_owned());
            }
        }
    })
}

/// The JSON text of a stored value; an error says what is wrong with the bytes.
pub(super) fn json_text(stored: &[u8]) -> Result<Vec<u8>, String> {
    match stored.split_first() {
        Some((&PLAIN, json)) => Ok(json.to_vec()),
        Some((&DEFLATED, deflated)) => inflated(deflated),
        Some((version, _)) => Err(format!("unknown value version {version}")),
        None => Err("the value is empty".to_owned()),
    }
}

/// Decodes a value.
pub(super) fn decode<T: DeserializeOwned>(stored: &[u8]) -> Result<T, String> {
    match stored.split_first() {
        Some((&PLAIN, json)) => serde_json::from_slice(json),
        _ => serde_json::from_slice(&json_text(stored)?),
    }
    .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(value: &Value, version: u8) {
        let stored = encode(value).expect("encodes");
        assert_eq!(stored[0], version);
        assert_eq!(decode::<Value>(&stored).as_ref(), Ok(value));
        assert_eq!(json_text(&stored).expect("decodes"), value.to_string().into_bytes());
    }

    #[test]
    fn big_values_are_deflated_and_come_back() {
        check(&json!({"name": "payments-api"}), PLAIN);
        check(&json!({"links": vec!["https://bitbucket.org/acme/payments-api"; 50]}), DEFLATED);
    }

    /// Unchanged records cost no write: a value has one form, whatever was encoded before it.
    #[test]
    fn a_value_is_encoded_the_same_after_others() {
        let value = json!({"links": vec!["https://bitbucket.org/acme/payments-api"; 50]});
        let first = encode(&value).expect("encodes");
        for other in 0..50 {
            encode(&json!(vec![format!("another {other}"); 100 + other])).expect("encodes");
            assert_eq!(encode(&value).expect("encodes"), first);
        }
    }

    #[test]
    fn deflated_values_of_every_size_come_back() {
        for length in [512, 600, 5_000, 200_000] {
            let value = json!("abc".repeat(length));
            assert!(decode::<Value>(&encode(&value).expect("encodes")) == Ok(value), "{length}");
        }
        let mut stored = encode(&json!("abc".repeat(5_000))).expect("encodes");
        stored.pop();
        assert!(decode::<Value>(&stored).is_err());
    }

    #[test]
    fn damage_is_told() {
        assert_eq!(decode::<Value>(&[]), Err("the value is empty".to_owned()));
        assert_eq!(decode::<Value>(&[9, b'{']), Err("unknown value version 9".to_owned()));
        assert!(decode::<Value>(&[DEFLATED, 0xff, 0xff]).is_err());
        assert!(decode::<Value>(b"\x01{").is_err());
    }
}
