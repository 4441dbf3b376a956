//! Whether a body was signed with one of our secrets: HMAC-SHA256 over the raw bytes, compared in constant time, all
//! secrets looked at whichever fits.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

/// Where Cloud and Data Center put it.
pub const HEADER: &str = "x-hub-signature";

/// `sha256=…` of a header, as bytes; `None`: no such signature.
pub fn given(header: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(header.trim().strip_prefix("sha256=")?, &mut bytes).ok()?;
    Some(bytes)
}

/// What a body signed with a secret comes with.
pub fn sign(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(hmac(secret, body)))
}

/// Whether the signature is that of any of these secrets. An empty secret signs nothing.
pub fn is_signed(given: &[u8; 32], secrets: &[SecretString], body: &[u8]) -> bool {
    let mut fits = Choice::from(0);
    for secret in secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| !secret.is_empty()) {
        fits |= hmac(secret, body).ct_eq(given);
    }
    fits.into()
}

fn hmac(secret: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(of: &[&str]) -> Vec<SecretString> {
        of.iter().map(|secret| SecretString::from(*secret)).collect()
    }

    // P6.12: the vendor's own test vector.
    #[test]
    fn a_signature_is_the_vendors_p6_12() {
        let signature = sign("It's a Secret to Everybody", b"Hello World!");
        assert_eq!(signature, "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9");
        assert!(is_signed(&given(&signature).unwrap(), &secrets(&["It's a Secret to Everybody"]), b"Hello World!"));
    }

    #[track_caller]
    fn check(known: &[&str], signed_with: &str, body: &str, fits: bool) {
        let signature = given(&sign(signed_with, b"body")).unwrap();
        assert_eq!(is_signed(&signature, &secrets(known), body.as_bytes()), fits);
    }

    // P6.12: one secret, or another while it is replaced; nothing else.
    #[test]
    fn any_secret_signs_and_nothing_else_p6_12() {
        check(&["old"], "old", "body", true);
        check(&["new", "old"], "old", "body", true);
        check(&["new", "old"], "new", "body", true);
        check(&["new"], "old", "body", false);
        check(&["old"], "old", "body ", false);
        check(&[], "old", "body", false);
        check(&[""], "", "body", false);
    }

    #[test]
    fn what_is_no_signature_is_none() {
        for header in ["", "sha256=", "sha1=00", "sha256=zz", &format!("sha256={}", "0".repeat(62))] {
            assert_eq!(given(header), None, "{header}");
        }
        assert_eq!(given(&format!("sha256={}", "AB".repeat(32))), Some([0xab; 32]));
    }
}
