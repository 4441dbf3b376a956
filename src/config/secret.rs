//! Secrets: where they come from, and the values, which never print (invariant 8).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::faults::Fault;
use super::fields::{self, Faults, Fields, nearest};
use super::load::Context;
use super::located::{Node, Value};
use crate::credentials::KeyPlace;

/// A secret file larger than this is a mistake in the path, not a token or a key.
const MAX_SECRET_FILE_BYTES: u64 = 64 * 1024;

/// The process environment as it was at start: read once in `main`, passed in. Prints names only.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, String>>);

impl Environment {
    /// From `std::env::vars_os()` in `main`, or from a table in a test. Names and values that are not
    /// UTF-8 are left out.
    pub fn new<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<std::ffi::OsString>,
        V: Into<std::ffi::OsString>,
    {
        let text = |(name, value): (N, V)| Some((name.into().into_string().ok()?, value.into().into_string().ok()?));
        Self(Arc::new(variables.into_iter().filter_map(text).collect()))
    }

    /// The value of a variable; `None` when it is not set or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Names of all variables, sorted: for "did you mean".
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where a secret comes from.
#[derive(Clone)]
pub enum SecretFrom {
    /// `{ env: NAME }`: as it was at start; a change needs a restart.
    Env(String),
    /// `{ file: PATH }`: read each time it is resolved, so a rotated file is picked up. Absolute, or
    /// relative to the working directory like every resolved path of the config.
    File(PathBuf),
    /// `{ credential: NAME }`: the encrypted credential store; read each time it is resolved.
    Credential {
        /// Its name.
        name: String,
        /// What of it.
        part: Part,
    },
    /// Written into the config as it is; loading warns.
    Plain(SecretString),
}

/// What of a stored credential a place of the config means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its secret.
    Secret,
    /// Its user name, e-mail address or consumer key: where one stands.
    User,
    /// All of it: a whole entry of `auth`.
    Login,
}

/// Where `{ credential: NAME }` leads: [`crate::credentials::Vault`].
pub trait StoredSecrets: Send + Sync + fmt::Debug {
    /// A part of a credential, as it is now; of [`Part::Login`] its secret.
    ///
    /// # Errors
    /// [`SecretError`], which names the credential and never its secret.
    fn part(&self, name: &str, part: Part) -> Result<SecretString, SecretError>;
}

/// What secrets are resolved from.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// As it was at start.
    pub environment: Environment,
    /// The credential store, where it is at hand.
    pub stored: Option<Arc<dyn StoredSecrets>>,
}

impl From<Environment> for Secrets {
    /// Without the credential store.
    fn from(environment: Environment) -> Self {
        Self { environment, stored: None }
    }
}

/// A secret of the config. Neither `Debug` nor `Display` shows its value, and it cannot be serialised.
#[derive(Clone)]
pub struct Secret {
    /// Where it comes from.
    pub from: SecretFrom,
    /// Where the config names it.
    pub place: super::Place,
}

impl Secret {
    /// The value as it is now. Of a file's end one newline (`\n` or `\r\n`) is trimmed.
    ///
    /// # Errors
    /// [`SecretError`], which names the source and never the value.
    pub fn resolve(&self, secrets: &Secrets) -> Result<SecretString, SecretError> {
        match &self.from {
            SecretFrom::Env(name) => match secrets.environment.get(name) {
                Some(value) => Ok(SecretString::from(value)),
                None if secrets.environment.names().any(|there| there == name) => {
                    Err(SecretError::EmptyVariable { name: name.clone() })
                }
                None => Err(SecretError::NoVariable { name: name.clone() }),
            },
            SecretFrom::File(path) => read_file(path),
            SecretFrom::Credential { name, part } => match &secrets.stored {
                Some(stored) => stored.part(name, *part),
                None => Err(SecretError::NotAtHand { name: name.clone() }),
            },
            SecretFrom::Plain(value) => Ok(value.clone()),
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // A device or a pipe has no length and no end.
    if !metadata.is_file() || metadata.len() > MAX_SECRET_FILE_BYTES {
        return Err(SecretError::NotASecret { path: path.to_owned() });
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let value = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if value.is_empty() {
        return Err(SecretError::EmptyFile { path: path.to_owned() });
    }
    Ok(SecretString::from(value))
}

/// Says where the secret comes from: `environment variable NAME`, `file PATH`, …
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            SecretFrom::Env(name) => write!(f, "environment variable {name}"),
            SecretFrom::File(path) => write!(f, "file {}", path.display()),
            SecretFrom::Credential { name, .. } => write!(f, "credential {name}"),
            SecretFrom::Plain(_) => f.write_str("a plain string in the config"),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// Compares sources and, of plain strings, the values: for finding out what a reload changed. Nothing an
/// attacker sends is ever compared this way.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (&self.from, &other.from) {
            (SecretFrom::Env(a), SecretFrom::Env(b)) => a == b,
            (SecretFrom::Credential { name: a, part: of }, SecretFrom::Credential { name: b, part }) => {
                a == b && of == part
            }
            (SecretFrom::File(a), SecretFrom::File(b)) => a == b,
            (SecretFrom::Plain(a), SecretFrom::Plain(b)) => a.expose_secret() == b.expose_secret(),
            _ => false,
        }
    }
}

impl Eq for Secret {}

/// Why a secret has no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// `{ env: NAME }`, and it is set to nothing.
    #[error("the environment variable {name} is empty")]
    EmptyVariable {
        /// Its name.
        name: String,
    },
    /// `{ env: NAME }`, and it is not set.
    #[error("the environment variable {name} is not set")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// `{ file: PATH }`, and it cannot be read.
    #[error("the secret file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is there and holds nothing.
    #[error("the secret file {} is empty", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// A directory, or far too large.
    #[error("{} is not a secret file (a directory, or over 64 KiB)", path.display())]
    NotASecret {
        /// The file.
        path: PathBuf,
    },
    /// `{ credential: NAME }` where no credential store is open.
    #[error("the credential {name} cannot be read: the credential store is not at hand here")]
    NotAtHand {
        /// Its name.
        name: String,
    },
    /// `{ credential: NAME }`, and the credential store says no.
    #[error("{message}")]
    Stored {
        /// Why, with its causes.
        message: String,
        /// What to do.
        mend: String,
    },
}

impl SecretError {
    /// What a person can do about it.
    pub fn mend(&self) -> String {
        match self {
            Self::EmptyVariable { name } => format!("put the secret into {name}, and start catalog-sync again"),
            Self::NoVariable { name } => {
                format!("set {name} where catalog-sync is started, and start it again; or use `{{ file: PATH }}`")
            }
            Self::Unreadable { .. } => "check that the file is there and readable for this user".to_owned(),
            Self::EmptyFile { .. } => "write the secret into it; one newline at its end is fine".to_owned(),
            Self::NotASecret { .. } => "name the file that holds the secret and nothing else".to_owned(),
            Self::NotAtHand { .. } => "use `{ env: NAME }` or `{ file: PATH }` here".to_owned(),
            Self::Stored { mend, .. } => mend.clone(),
        }
    }
}

impl Secret {
    /// What is wrong with it now: no value, or a file that others can read.
    pub(super) fn fault(&self, secrets: &Secrets) -> Option<Fault> {
        let error = match self.resolve(secrets) {
            Ok(_) => return self.open_file_warning(),
            Err(error) => error,
        };
        let mut fault = Fault::at(self.place, 1, error.to_string());
        if let Some(source) = std::error::Error::source(&error) {
            fault = fault.because(source.to_string());
        }
        let near = match &self.from {
            SecretFrom::Env(name) if matches!(error, SecretError::NoVariable { .. }) => {
                nearest(name, secrets.environment.names())
            }
            _ => None,
        };
        Some(match near {
            Some(near) => fault.mend(format!("did you mean `{near}`? {}", error.mend())),
            None => fault.mend(error.mend()),
        })
    }

    #[cfg(unix)]
    fn open_file_warning(&self) -> Option<Fault> {
        use std::os::unix::fs::PermissionsExt;
        let SecretFrom::File(path) = &self.from else { return None };
        let mode = std::fs::metadata(path).ok()?.permissions().mode();
        (mode & 0o004 != 0).then(|| {
            Fault::at(self.place, 1, format!("the secret file {} can be read by every user", path.display()))
                .mend(format!("chmod 600 {}", path.display()))
                .warning()
        })
    }

    #[cfg(not(unix))]
    fn open_file_warning(&self) -> Option<Fault> {
        None
    }
}

/// Whether a text is a Bitbucket token rather than the name of anything: people paste one where a
/// variable's name belongs.
pub(super) fn looks_like_token(text: &str) -> bool {
    (begins_like_token(text) || text.len() > 64) && !is_of_words(text)
}

/// Whether a text begins as Bitbucket's tokens do.
pub(super) fn begins_like_token(text: &str) -> bool {
    ["ATBB", "ATCTT", "ATATT", "ATOA", "BBDC-"].iter().any(|prefix| text.starts_with(prefix))
}

/// `TOKEN_OF_ACME_2`: capitals and digits, with underscores between words. No token looks like that.
fn is_of_words(text: &str) -> bool {
    let is_word = |word: &str| word.len() <= 24 && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    text.contains('_') && text.split('_').all(is_word)
}

/// Reads `{ env: NAME }`, `{ file: PATH }`, `{ credential: NAME }`, or (with a warning) a plain string.
pub(super) fn read(node: &Node, context: &Context, faults: &mut Faults) -> Option<Secret> {
    if let Value::Text { text, .. } = &node.value {
        if let Some(name) = shell_variable(text) {
            let fault = Fault::of(node, "this is plain text: variables are not expanded in the config");
            faults.push(fault.mend(format!("write `{{ env: {name} }}`")));
            return None;
        }
        let fault = Fault::of(node, "a secret stands in the config as plain text");
        faults.push(
            fault.because("whoever can read the file, its backups or its git history has it").mend(FORMS).warning(),
        );
        return Some(Secret { from: SecretFrom::Plain(SecretString::from(text.as_str())), place: node.place });
    }
    read_reference(node, Part::Secret, context, faults)
}

/// The same for what may be secret and mostly is not (a user's name): plain text is fine.
pub(super) fn read_or_text(node: &Node, context: &Context, faults: &mut Faults) -> Option<Secret> {
    if let Value::Text { text, .. } = &node.value {
        return Some(Secret { from: SecretFrom::Plain(SecretString::from(text.as_str())), place: node.place });
    }
    read_reference(node, Part::User, context, faults)
}

/// The name in `$NAME` or `${NAME}`, as a shell would expand it.
fn shell_variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    (!name.is_empty() && name.len() <= 64 && name.chars().all(fits)).then_some(name)
}

/// The key of the credential store: in the environment or in a file, and nowhere else.
pub(super) fn read_key(node: &Node, context: &Context, faults: &mut Faults) -> Option<KeyPlace> {
    if node.text().is_some() {
        let fault = Fault::of(node, "the key stands in the config as plain text");
        faults.push(fault.because("whoever can read the file, its backups or its git history has it").mend(KEY_FORMS));
        return None;
    }
    let mut map = Fields::of("secret", node, faults)?;
    let (env, file, credential) = (map.get("env"), map.get("file"), map.get("credential"));
    map.finish(faults);
    match (env, file, credential) {
        (Some(node), None, None) => Some(KeyPlace::Env(variable(node, faults)?)),
        (None, Some(node), None) => Some(KeyPlace::File(context.path(node, faults)?)),
        _ => {
            let fault = Fault::of(node, "this does not say where the key of the credential store is");
            faults.push(fault.mend(KEY_FORMS));
            None
        }
    }
}

/// The name of a stored credential that stands for a whole entry of `auth`.
pub(super) fn read_login(node: &Node, context: &Context, faults: &mut Faults) -> Option<Secret> {
    stored(node, Part::Login, context, faults)
}

fn stored(node: &Node, part: Part, context: &Context, faults: &mut Faults) -> Option<Secret> {
    let name = fields::name(node, faults)?;
    if !context.has_credential_store {
        let fault = Fault::of(node, "the config names no key for the credential store");
        faults.push(fault.mend("add `credentials: { key: { file: ./credentials.key } }` at the top of the config"));
        return None;
    }
    Some(Secret { from: SecretFrom::Credential { name, part }, place: node.place })
}

const FORMS: &str = "write `{ env: NAME }`, `{ file: PATH }` or `{ credential: NAME }`";
const KEY_FORMS: &str = "write `{ file: ./credentials.key }` or `{ env: NAME }`";

fn read_reference(node: &Node, part: Part, context: &Context, faults: &mut Faults) -> Option<Secret> {
    let mut map = Fields::of("secret", node, faults)?;
    let env = map.get("env");
    let file = map.get("file");
    let credential = map.get("credential");
    map.finish(faults);
    let given: Vec<&Node> = [env, file, credential].into_iter().flatten().collect();
    if given.len() != 1 {
        let what =
            if given.is_empty() { "this secret says nowhere where it is" } else { "this secret is in two places" };
        faults.push(Fault::of(node, what).mend(FORMS));
        return None;
    }
    let from = match (env, file, credential) {
        (Some(node), ..) => SecretFrom::Env(variable(node, faults)?),
        (_, Some(node), _) => SecretFrom::File(context.path(node, faults)?),
        (_, _, Some(node)) => return stored(node, part, context, faults),
        _ => return None,
    };
    Some(Secret { from, place: given[0].place })
}

fn variable(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    if looks_like_token(&text) {
        let fault = Fault::of(node, "this looks like a token itself, not like the name of a variable");
        faults.push(fault.mend("put the token into an environment variable, and name the variable here"));
        return None;
    }
    let fits =
        !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !fits {
        // Not shown: what does not look like a name may be the secret.
        let fault = Fault::of(node, "this is not the name of an environment variable");
        faults.push(fault.mend("use letters, digits and `_`, for example `{ env: BITBUCKET_TOKEN }`"));
        return None;
    }
    Some(text)
}
