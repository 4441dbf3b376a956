//! What somebody gives for a credential: at a prompt, on stdin, in a file. Never on the command line, where every
//! process can read it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::Kind;

/// More is no token, no password and no key.
pub const MAX_BYTES: usize = 64 * 1024;

/// What was given; the rest is asked for, or taken from what is stored.
#[derive(Default)]
pub struct Given {
    /// Where it was told, or follows from the names of the fields.
    pub kind: Option<Kind>,
    /// User name, e-mail address, consumer key.
    pub user: Option<SecretString>,
    /// The secret.
    pub secret: Option<SecretString>,
    /// The day it ends.
    pub expires: Option<NaiveDate>,
}

/// Why a text is no credential. Holds nothing of it but names of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing there.
    #[error("nothing was given")]
    Empty,
    /// Far too long.
    #[error("this is longer than 64 KiB: no secret is")]
    TooLong,
    /// Not text.
    #[error("this is not UTF-8 text")]
    NotText,
    /// It begins with `{` and is no JSON object of texts.
    #[error("this begins like a JSON object of named fields, and is none (line {line}, column {column})")]
    NotFields {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A field nobody knows.
    #[error("there is no field `{0}`")]
    UnknownField(String),
    /// Two fields that mean the same.
    #[error("the field `{0}` says again what another one said")]
    Twice(String),
    /// Fields that do not go together.
    #[error("these fields do not make a credential: {0}")]
    Mixed(String),
    /// A field whose value is of no use.
    #[error("the field `{field}` is not {wanted}")]
    BadField {
        /// Which.
        field: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Too many lines.
    #[error("{lines} lines were given, and {wanted} wanted")]
    Lines {
        /// How many came.
        lines: usize,
        /// What was expected.
        wanted: &'static str,
    },
    /// A line break or another control character in a secret.
    #[error("the {0} holds a line break or another control character")]
    Control(&'static str),
}

impl InputError {
    /// What a person can do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Empty => "give the secret on stdin with `--stdin`, in a file with `--file`, or at the prompt",
            Self::Lines { .. } => {
                "one line is the secret; for kinds with a user the first line is the user, the second the secret"
            }
            Self::TooLong | Self::NotText | Self::Control(_) => "give the secret alone, as it was issued",
            Self::NotFields { .. }
            | Self::UnknownField(_)
            | Self::Twice(_)
            | Self::Mixed(_)
            | Self::BadField { .. } => {
                "named fields are one JSON object, like {\"username\": …, \"password\": …}, {\"email\": …, \"token\": …}, {\"key\": …, \"secret\": …}, {\"access_token\": …}, {\"value\": …}; also `kind`, `expires`, `settings.bitbucket_data_center_username`, `secrets.bitbucket_data_center_password`"
            }
        }
    }
}

/// Reads the text of stdin or a file: a JSON object of named fields, or the secret alone (behind the user on a line
/// of its own, for kinds that have one; without it where `user_known`).
///
/// # Errors
/// [`InputError`], which holds nothing of the text but names of fields.
pub fn read(bytes: &[u8], kind: Option<Kind>, user_known: bool) -> Result<Given, InputError> {
    if bytes.len() > MAX_BYTES {
        return Err(InputError::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InputError::NotText)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return fields(text, kind);
    }
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(InputError::Empty);
    }
    let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let of = |line: &str, what: &'static str| checked(SecretString::from(line), what);
    let kind = kind.unwrap_or(Kind::AccessToken);
    let given = match (kind.user(), lines.as_slice()) {
        (None, [secret]) => Given { secret: Some(of(secret, kind.secret())?), ..Given::default() },
        (Some(_), [secret]) if user_known => Given { secret: Some(of(secret, kind.secret())?), ..Given::default() },
        (Some(word), [user, secret]) => {
            Given { user: Some(of(user, word)?), secret: Some(of(secret, kind.secret())?), ..Given::default() }
        }
        (None, lines) => return Err(InputError::Lines { lines: lines.len(), wanted: "one was" }),
        (Some(_), lines) => return Err(InputError::Lines { lines: lines.len(), wanted: "two were" }),
    };
    Ok(Given { kind: Some(kind), ..given })
}

/// A secret that can be sent: one line, not empty.
///
/// # Errors
/// [`InputError`].
pub fn checked(secret: SecretString, what: &'static str) -> Result<SecretString, InputError> {
    use secrecy::ExposeSecret;
    let text = secret.expose_secret();
    if text.is_empty() {
        return Err(InputError::Empty);
    }
    if text.len() > MAX_BYTES {
        return Err(InputError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(InputError::Control(what));
    }
    Ok(secret)
}

/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    User,
    Secret,
    Kind,
    Expires,
}

/// Every name we know, with the kind it tells. `token` goes with an e-mail address or alone, `secret` with a key
/// or alone.
const FIELDS: [(&str, Role, Option<Kind>); 20] = [
    ("access_token", Role::Secret, Some(Kind::AccessToken)),
    ("token", Role::Secret, None),
    ("api_token", Role::Secret, Some(Kind::ApiToken)),
    ("email", Role::User, Some(Kind::ApiToken)),
    ("key", Role::User, Some(Kind::OAuth)),
    ("consumer_key", Role::User, Some(Kind::OAuth)),
    ("secret", Role::Secret, None),
    ("consumer_secret", Role::Secret, Some(Kind::OAuth)),
    ("username", Role::User, Some(Kind::Basic)),
    ("password", Role::Secret, Some(Kind::Basic)),
    ("value", Role::Secret, Some(Kind::Secret)),
    ("passphrase", Role::Secret, Some(Kind::Secret)),
    ("kind", Role::Kind, None),
    ("expires", Role::Expires, None),
    // As others call them (P6.10).
    ("bitbucket_data_center_username", Role::User, Some(Kind::Basic)),
    ("bitbucket_data_center_password", Role::Secret, Some(Kind::Basic)),
    ("settings.bitbucket_data_center_username", Role::User, Some(Kind::Basic)),
    ("secrets.bitbucket_data_center_password", Role::Secret, Some(Kind::Basic)),
    ("settings.username", Role::User, Some(Kind::Basic)),
    ("secrets.password", Role::Secret, Some(Kind::Basic)),
];

fn fields(text: &str, wanted: Option<Kind>) -> Result<Given, InputError> {
    // The parser's own words may repeat a value.
    let Tree(tree) = serde_json::from_str(text)
        .map_err(|error: serde_json::Error| InputError::NotFields { line: error.line(), column: error.column() })?;
    let mut given = Given { kind: wanted, ..Given::default() };
    let mut told: Option<Kind> = None;
    let mut names = Vec::new();
    for (name, value) in tree {
        let Some((_, role, kind)) = FIELDS.iter().find(|(known, ..)| *known == name) else {
            return Err(InputError::UnknownField(crate::error::escape_control(&crate::config::fields::cut(&name))));
        };
        names.push(name.clone());
        match (told, kind) {
            (Some(told), Some(kind)) if told != *kind => return Err(InputError::Mixed(names.join(", "))),
            (_, Some(kind)) => told = Some(*kind),
            (_, None) => {}
        }
        let bad = |wanted| InputError::BadField { field: name.clone(), wanted };
        let again = match role {
            Role::User => given.user.replace(checked(SecretString::from(value.as_str()), "user")?).is_some(),
            Role::Secret => given.secret.replace(checked(SecretString::from(value.as_str()), "secret")?).is_some(),
            Role::Expires => {
                let date = value.parse().map_err(|_| bad("a date like 2027-03-31"))?;
                given.expires.replace(date).is_some()
            }
            Role::Kind => {
                let kind =
                    Kind::parse(&value).ok_or_else(|| bad("one of access_token, api_token, oauth, basic, secret"))?;
                if wanted.is_some_and(|wanted| wanted != kind) {
                    return Err(InputError::Mixed(format!("{}, and the kind asked for is another", names.join(", "))));
                }
                given.kind = Some(kind);
                false
            }
        };
        if again {
            return Err(InputError::Twice(name));
        }
    }
    let kind = match (given.kind, told) {
        (Some(kind), Some(told)) if kind != told => return Err(InputError::Mixed(names.join(", "))),
        (Some(kind), _) | (None, Some(kind)) => kind,
        (None, None) if names.iter().any(|name| name == "secret") => Kind::Secret,
        (None, None) => Kind::AccessToken,
    };
    if given.user.is_some() && kind.user().is_none() {
        return Err(InputError::Mixed(names.join(", ")));
    }
    given.kind = Some(kind);
    Ok(given)
}

/// Texts by name; a mapping inside gives names with dots. Wiped when dropped.
struct Tree(BTreeMap<String, Zeroizing<String>>);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Tree;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut tree = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let entries: Vec<(String, Zeroizing<String>)> = match map.next_value::<Entry>()? {
                        Entry::Text(text) => vec![(name, text)],
                        Entry::Map(Tree(inner)) => {
                            inner.into_iter().map(|(key, text)| (format!("{name}.{key}"), text)).collect()
                        }
                        Entry::Nothing => Vec::new(),
                    };
                    for (name, text) in entries {
                        if tree.insert(name, text).is_some() {
                            return Err(serde::de::Error::custom("a name comes twice"));
                        }
                    }
                }
                Ok(Tree(tree))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Entry {
    Text(#[serde(deserialize_with = "wiped")] Zeroizing<String>),
    Map(Tree),
    Nothing,
}

fn wiped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}
