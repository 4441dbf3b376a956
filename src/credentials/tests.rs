//! Sealing, opening, the key, and what is understood as a credential.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::input::{self, Given, InputError};
use super::*;
use crate::config::Environment;
use crate::store::SealedCredential;

const SECRET: &str = "ATCTT3x-needle-of-a-secret";
const USER: &str = "alice-the-needle";

fn now() -> DateTime<Utc> {
    "2026-11-21T12:00:00.123456Z".parse().unwrap()
}

fn key(byte: u8) -> Key {
    Key::parse(&hex::encode([byte; 32])).unwrap()
}

fn head() -> Head {
    Head { created_at: now(), updated_at: now(), expires: "2027-03-31".parse().ok() }
}

fn what(kind: Kind) -> Opened {
    let tokens = (kind == Kind::OAuthLogin).then(|| Tokens {
        login: "l1".to_owned(),
        refresh: "needle-refresh".into(),
        access: "needle-access".into(),
        until: now(),
    });
    Opened { kind, user: kind.user().map(|_| USER.into()), secret: SECRET.into(), tokens }
}

fn sealed_as(name: &str, kind: Kind) -> SealedCredential {
    seal(&key(1), name, &what(kind), head()).unwrap()
}

fn told(opened: &Opened) -> Vec<String> {
    let Opened { kind, user, secret, tokens } = opened;
    let user = user.iter().map(|user| user.expose_secret().to_owned());
    let tokens = tokens.iter().flat_map(|Tokens { login, refresh, access, until }| {
        [login.clone(), refresh.expose_secret().to_owned(), access.expose_secret().to_owned(), until.to_rfc3339()]
    });
    user.chain([kind.to_string(), secret.expose_secret().to_owned()]).chain(tokens).collect()
}

// P6.10: what is sealed comes back, also through JSON, and nothing of it shows.
#[test]
fn every_kind_comes_back_and_none_shows_p6_10() {
    for kind in Kind::ALL {
        let record = sealed_as("labs", kind);
        let json = serde_json::to_string(&record).unwrap();
        let back: SealedCredential = serde_json::from_str(&json).unwrap();
        assert_eq!(back, record);
        assert_eq!(told(&open(&key(1), "labs", &back).unwrap()), told(&what(kind)));
        assert!(!json.contains("needle") && !format!("{record:?}{:?}", what(kind)).contains("needle"), "{json}");
        assert_ne!(sealed_as("labs", kind).nonce, record.nonce, "never the same nonce");
        assert_eq!(Kind::parse(kind.as_str()), Some(kind));
    }
}

#[track_caller]
fn refused(record: &SealedCredential, name: &str, key: &Key, says: &str) {
    let error = open(key, name, record).unwrap_err();
    let text = format!("{error}\n{}\n{error:?}", error.mend());
    assert!(text.contains(says), "`{says}` is not in:\n{text}");
    assert!(error.mend().len() > 10 && !text.contains("needle"), "{text}");
}

// P6.10: another key, a record that was changed, moved, cut, or made by a newer program.
#[test]
fn what_was_tampered_with_does_not_open_p6_10() {
    let record = sealed_as("labs", Kind::Basic);
    let changed = |change: &dyn Fn(&mut SealedCredential)| {
        let mut changed = record.clone();
        change(&mut changed);
        changed
    };
    refused(&record, "labs", &key(2), "sealed under the key");
    refused(&record, "labs", &key(2), "rekey --old-key-file");
    let broken = "its seal is broken";
    refused(&record, "prod", &key(1), broken);
    refused(&changed(&|r| r.kind = "access_token".to_owned()), "labs", &key(1), broken);
    refused(&changed(&|r| r.kind = "unheard_of".to_owned()), "labs", &key(1), broken);
    refused(&changed(&|r| r.expires = None), "labs", &key(1), broken);
    refused(&changed(&|r| r.updated_at += chrono::Duration::seconds(1)), "labs", &key(1), broken);
    refused(&changed(&|r| r.created_at -= chrono::Duration::days(1)), "labs", &key(1), broken);
    refused(&changed(&|r| r.sealed.truncate(8)), "labs", &key(1), broken);
    refused(&changed(&|r| r.sealed.clear()), "labs", &key(1), broken);
    refused(&changed(&|r| r.sealed = "no base64!".to_owned()), "labs", &key(1), broken);
    refused(&changed(&|r| r.nonce.truncate(10)), "labs", &key(1), broken);
    refused(&changed(&|r| r.nonce = "ö".repeat(24)), "labs", &key(1), broken);
    refused(&changed(&|r| r.nonce = hex::encode([0; 24])), "labs", &key(1), broken);
    refused(&changed(&|r| r.version = 2), "labs", &key(1), "version 2");
    refused(&changed(&|r| r.version = 3), "labs", &key(1), "version 3");
    refused(&changed(&|r| (r.version, r.kind) = (2, "oauth_login".to_owned())), "labs", &key(1), broken);
    // Of a login: programs that know no tokens must leave it alone.
    let login = sealed_as("labs", Kind::OAuthLogin);
    assert_eq!(login.version, 2);
    refused(&SealedCredential { version: 1, ..login }, "labs", &key(1), "version 1");
    refused(&changed(&|r| r.key_id = "\u{1b}[31m".to_owned()), "labs", &key(1), "\\u{1b}");
    // Another key that pretends to be ours.
    refused(&changed(&|r| r.key_id = key(2).id()), "labs", &key(2), broken);
}

proptest! {
    /// Whatever bit is turned, whatever stands in the fields: an error, never a panic, never another secret.
    #[test]
    fn no_bit_can_be_turned_p6_10(at in 0_usize..10_000, bit in 0_u8..8, junk in "\\PC{0,40}", field in 0_usize..5) {
        let record = sealed_as("labs", Kind::OAuth);
        let mut turned = record.clone();
        let mut bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &record.sealed).unwrap();
        let index = at % bytes.len();
        bytes[index] ^= 1 << bit;
        turned.sealed = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
        prop_assert!(open(&key(1), "labs", &turned).is_err());
        let mut other = record.clone();
        let place = match field {
            0 => &mut other.kind,
            1 => &mut other.key_id,
            2 => &mut other.nonce,
            3 => &mut other.sealed,
            _ => &mut turned.nonce,
        };
        *place = junk.clone();
        prop_assert!(other == record || open(&key(1), "labs", &other).is_err());
        prop_assert!(junk == "labs" || open(&key(1), &junk, &record).is_err());
    }

    #[test]
    fn any_text_is_a_key_or_is_not(text in "\\PC{0,80}") {
        let _ = Key::parse(&text);
    }

    #[test]
    fn any_input_is_read_or_refused_without_telling_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for kind in [None, Some(Kind::Basic), Some(Kind::Secret)] {
            let _ = input::read(&bytes, kind, false);
        }
    }
}

#[test]
fn keys_are_32_bytes_as_base64_or_hex_p6_10() {
    let hex = "00ff".repeat(16);
    let wanted = Key::parse(&hex).unwrap().id();
    let bytes = hex::decode(&hex).unwrap();
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    for text in [hex.to_uppercase(), STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes), format!(" {hex}\r\n")] {
        assert_eq!(Key::parse(&text).map(|key| key.id()), Some(wanted.clone()), "{text:?}");
    }
    for bad in ["", "hunter2", &hex[2..], &format!("{hex}00"), &STANDARD.encode(&bytes[1..]), "ö"] {
        assert!(Key::parse(bad).is_none(), "{bad:?}");
    }
    let key = Key::random().unwrap();
    assert_ne!(key.id(), Key::random().unwrap().id());
    assert_eq!(format!("{key:?}"), format!("Key({})", key.id()));
}

#[track_caller]
fn no_key(place: &KeyPlace, environment: &Environment, says: &[&str]) {
    let error = place.read(environment).unwrap_err();
    let text = format!("{error} {} {error:?}", error.mend());
    for part in says {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(!text.contains("needle"), "{text}");
}

// P6.10: the key file is made 0600, never over another, and is refused where others can read it.
#[test]
fn a_key_file_is_made_for_its_owner_alone_p6_10() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.key");
    let environment = Environment::new([("KEY", hex::encode([7; 32])), ("SHORT", "needle".to_owned())]);
    let place = KeyPlace::File(path.clone());
    no_key(&place, &environment, &["is not there", "put the key back", "credential delete NAME"]);
    let made = place.create().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.read(&environment).unwrap().id(), made.id());
    assert!(matches!(place.create(), Err(CredentialError::KeyFile { .. })), "never overwritten");
    assert_eq!(place.read(&environment).unwrap().id(), made.id());
    for mode in [0o604, 0o640, 0o666, 0o602] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        no_key(&place, &environment, &["can be read by others", &format!("mode {mode:o}"), "chmod 600", "rekey"]);
    }
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    place.read(&environment).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    for content in ["", "needle", &"needle".repeat(1000)] {
        std::fs::write(&path, content).unwrap();
        no_key(&place, &environment, &["holds no key", "openssl rand -base64 32"]);
    }
    std::fs::write(&path, b"\xff\xfe").unwrap();
    no_key(&place, &environment, &["holds no key"]);
    no_key(&KeyPlace::File(folder.path().to_owned()), &environment, &["holds no key"]);
    let nowhere = KeyPlace::File(folder.path().join("no/folder/key"));
    assert!(nowhere.create().unwrap_err().mend().contains("folder"));
    KeyPlace::Env("KEY".to_owned()).read(&environment).unwrap();
    no_key(&KeyPlace::Env("NONE".to_owned()), &environment, &["NONE is not set"]);
    no_key(&KeyPlace::Env("SHORT".to_owned()), &environment, &["environment variable SHORT holds no key"]);
    assert!(KeyPlace::Env("NONE".to_owned()).create().is_err());
}

#[track_caller]
fn reads(text: &str, kind: Option<Kind>, wanted: (Kind, Option<&str>, Option<&str>)) {
    let Given { kind, user, secret, .. } = input::read(text.as_bytes(), kind, false).unwrap();
    let shown = |secret: &Option<SecretString>| secret.as_ref().map(|text| text.expose_secret().to_owned());
    let (wanted_kind, wanted_user, wanted_secret) = wanted;
    assert_eq!(kind, Some(wanted_kind), "{text}");
    assert_eq!((shown(&user).as_deref(), shown(&secret).as_deref()), (wanted_user, wanted_secret), "{text}");
}

// P6.10: the secret alone, user and secret on two lines, or named fields, also as others name them.
#[test]
fn what_is_given_is_understood_p6_10() {
    let (user, secret) = (Some("alice"), Some("s3cret"));
    reads("s3cret", None, (Kind::AccessToken, None, secret));
    reads("s3cret\r\n", Some(Kind::Secret), (Kind::Secret, None, secret));
    reads(" spaced ", Some(Kind::Secret), (Kind::Secret, None, Some(" spaced ")));
    reads("alice\ns3cret\n", Some(Kind::Basic), (Kind::Basic, user, secret));
    reads("alice\r\ns3cret", Some(Kind::ApiToken), (Kind::ApiToken, user, secret));
    for (fields, kind) in [
        (r#"{"username": "alice", "password": "s3cret"}"#, Kind::Basic),
        (r#" {"email": "alice", "token": "s3cret"}"#, Kind::ApiToken),
        (r#"{"key": "alice", "secret": "s3cret"}"#, Kind::OAuth),
        (r#"{"consumer_key": "alice", "consumer_secret": "s3cret"}"#, Kind::OAuth),
        (
            r#"{"settings": {"bitbucket_data_center_username": "alice"}, "secrets": {"bitbucket_data_center_password": "s3cret"}}"#,
            Kind::Basic,
        ),
        (
            r#"{"settings.bitbucket_data_center_username": "alice", "secrets.bitbucket_data_center_password": "s3cret"}"#,
            Kind::Basic,
        ),
        (r#"{"bitbucket_data_center_username": "alice", "bitbucket_data_center_password": "s3cret"}"#, Kind::Basic),
    ] {
        // A mapping inside is understood wherever its dotted name is.
        reads(fields, None, (kind, user, secret));
        reads(fields, Some(kind), (kind, user, secret));
    }
    reads(r#"{"access_token": "s3cret"}"#, None, (Kind::AccessToken, None, secret));
    reads(
        r#"{"token": "s3cret", "note": null, "kind": "api_token"}"#.replace(r#""note": null, "#, "").as_str(),
        None,
        (Kind::ApiToken, None, secret),
    );
    reads(r#"{"value": "s3cret"}"#, None, (Kind::Secret, None, secret));
    reads(r#"{"secret": "s3cret"}"#, None, (Kind::Secret, None, secret));
    reads(r#"{"passphrase": "s3cret"}"#, None, (Kind::Secret, None, secret));
    let given = input::read(br#"{"access_token": "s3cret", "expires": "2027-03-31"}"#, None, false).unwrap();
    assert_eq!(given.expires, "2027-03-31".parse().ok());
    assert!(input::read(b"s3cret", Some(Kind::Basic), true).unwrap().user.is_none(), "the user is stored already");
}

#[track_caller]
fn not_read(text: &[u8], kind: Option<Kind>, says: &str) {
    let error = input::read(text, kind, false).err().unwrap();
    let shown = format!("{error} {} {error:?}", error.mend());
    assert!(shown.contains(says) && !shown.contains("needle"), "{shown}");
}

#[test]
fn what_is_no_credential_is_refused_without_telling_it() {
    not_read(b"", None, "nothing was given");
    not_read(b"\n", None, "nothing was given");
    not_read(b"needle\nneedle", None, "2 lines were given, and one was");
    not_read(b"needle", Some(Kind::Basic), "1 lines were given, and two were");
    not_read(b"alice\n", Some(Kind::Basic), "1 lines");
    not_read(b"needle\x07", None, "control character");
    not_read(b"\xffneedle", None, "not UTF-8");
    not_read(&vec![b'x'; input::MAX_BYTES + 1], None, "64 KiB");
    not_read(br#"{"password": "needle"#, None, "line 1");
    not_read(br#"{"password": 12345}"#, None, "line 1");
    not_read(br#"{"password": "needle", "password": "needle"}"#, None, "line 1");
    not_read(br#"{"passwort": "needle"}"#, None, "no field `passwort`");
    not_read(br#"{"username": "a", "token": "needle", "email": "b"}"#, None, "do not make a credential");
    not_read(br#"{"username": "a", "password": "needle"}"#, Some(Kind::AccessToken), "do not make a credential");
    not_read(br#"{"access_token": "needle", "token": "needle"}"#, None, "again");
    not_read(br#"{"token": "needle", "expires": "soon-needle"}"#, None, "a date like");
    not_read(br#"{"token": "needle", "kind": "needle"}"#, None, "one of access_token");
    assert!(matches!(input::read(b"{}", None, false), Ok(Given { secret: None, .. })), "what is missing is told later");
    assert_eq!(InputError::Empty.to_string(), "nothing was given");
}

fn vault(folder: &Path, records: &[(&str, SealedCredential)]) -> Vault {
    let text = "
credentials: { key: { file: key } }
connectors:
  acme: { type: bitbucket_cloud, url: https://bitbucket.org/acme, auth: { credential: labs } }
catalogs: { main: { directory: { path: ./catalog } } }
integrations: [ { name: acme, connector: acme, catalog: main } ]
";
    let environment = Environment::default();
    let options = crate::config::LoadOptions {
        config: None,
        store: None,
        listen: None,
        environment: &environment,
        working_directory: folder,
        now: now(),
    };
    let (config, report) = crate::config::Config::read(text.as_bytes(), Path::new("catalog-sync.yaml"), &options);
    let vault = Vault::new(&config.unwrap_or_else(|| panic!("{report}")), &environment);
    vault.refresh(records.iter().map(|(name, record)| ((*name).to_owned(), record.clone())).collect());
    vault
}

// P6.10: a place that wants a user gets a user or an error; a record swapped with another is noticed; a rekey under way
// leaves everything readable.
#[test]
fn a_vault_gives_each_place_its_part_p6_10() {
    use crate::config::Part;
    use crate::config::secret::StoredSecrets;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    key::write_new(&path, &key(1)).unwrap();
    let vault = vault(
        folder.path(),
        &[
            ("labs", sealed_as("labs", Kind::Basic)),
            ("bare", sealed_as("bare", Kind::Secret)),
            ("swapped", sealed_as("labs", Kind::Basic)),
            ("next", seal(&key(2), "next", &what(Kind::AccessToken), head()).unwrap()),
        ],
    );
    let part = |name: &str, part| match vault.part(name, part) {
        Ok(secret) => secret.expose_secret().to_owned(),
        Err(error) => format!("{error}; {}", error.mend()),
    };
    assert_eq!((part("labs", Part::User).as_str(), part("labs", Part::Secret).as_str()), (USER, SECRET));
    assert_eq!(part("labs", Part::Login), SECRET);
    assert_eq!(part("bare", Part::Secret), SECRET);
    for (name, wanted, says) in [
        ("bare", Part::User, "one with a user name"),
        ("bare", Part::Login, "of the kind secret"),
        ("lab", Part::Secret, "did you mean `labs`?"),
        ("unheard", Part::Secret, "credential add unheard"),
        ("swapped", Part::Secret, "its seal is broken"),
        ("next", Part::Secret, "sealed under the key"),
    ] {
        let said = part(name, wanted);
        assert!(said.contains(says) && !said.contains("needle"), "{name}: {said}");
    }
    key::write_new(&key::next_to(&path), &key(2)).unwrap();
    assert_eq!(part("next", Part::Secret), SECRET);
    assert_eq!(part("labs", Part::Secret), SECRET);
    assert!(!format!("{vault:?}").contains("needle"), "{vault:?}");
    std::fs::remove_file(&path).unwrap();
    let said = part("labs", Part::Secret);
    assert!(said.contains("is not there") && said.contains("if it is lost for good"), "{said}");
}
