//! Values: one version byte, then JSON: 1 plain, 2 deflated.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::StoreError;

const PLAIN: u8 = 1;
const DEFLATED: u8 = 2;

/// Below this, deflating saves nothing worth its time.
const DEFLATE_FROM_BYTES: usize = 512;

/// Encodes a value.
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![PLAIN];
    serde_json::to_writer(&mut bytes, value).map_err(|error| StoreError::Malformed {
        place: "a value to be stored".to_owned(),
        message: error.to_string(),
    })?;
    if bytes.len() < DEFLATE_FROM_BYTES {
        return Ok(bytes);
    }
    let mut deflated = DeflateEncoder::new(vec![DEFLATED], Compression::fast());
    // Writing to memory cannot fail; were it to, the plain form is as good.
    let written = deflated.write_all(&bytes[1..]).and_then(|()| deflated.finish());
    Ok(match written {
        Ok(deflated) if deflated.len() < bytes.len() => deflated,
        _ => bytes,
    })
}

/// The JSON text of a stored value; an error says what is wrong with the bytes.
pub(super) fn json_text(stored: &[u8]) -> Result<Vec<u8>, String> {
    match stored.split_first() {
        Some((&PLAIN, json)) => Ok(json.to_vec()),
        Some((&DEFLATED, deflated)) => {
            let mut json = Vec::with_capacity(deflated.len() * 4);
            DeflateDecoder::new(deflated).read_to_end(&mut json).map_err(|error| error.to_string())?;
            Ok(json)
        }
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

    #[test]
    fn damage_is_told() {
        assert_eq!(decode::<Value>(&[]), Err("the value is empty".to_owned()));
        assert_eq!(decode::<Value>(&[9, b'{']), Err("unknown value version 9".to_owned()));
        assert!(decode::<Value>(&[DEFLATED, 0xff, 0xff]).is_err());
        assert!(decode::<Value>(b"\x01{").is_err());
    }
}
