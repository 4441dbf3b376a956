//! The key: 32 bytes, in the environment or in a file that nobody else can read.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use rand::TryRngCore;
use rand::rngs::OsRng;
use secrecy::zeroize::Zeroizing;
use sha2::{Digest, Sha256};

use super::CredentialError;
use crate::config::Environment;

/// Base64 of 32 bytes is 44 characters, hex 64; a larger file is something else.
const MAX_KEY_BYTES: u64 = 1024;

/// 32 secret bytes. Prints its id.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A new one, from the operating system's randomness.
    ///
    /// # Errors
    /// The operating system's.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// Reads 32 bytes as base64 (any of its alphabets) or hex; `None`: it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let from = |bytes: Vec<u8>| {
            let bytes = Zeroizing::new(bytes);
            <[u8; 32]>::try_from(bytes.as_slice()).ok().map(|key| Self(Zeroizing::new(key)))
        };
        if text.len() == 64 {
            return hex::decode(text).ok().and_then(from);
        }
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|alphabet| alphabet.decode(text).ok())
            .and_then(from)
    }

    /// Tells keys apart without telling them.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"catalog-sync credential key\0");
        hash.update(self.0.as_slice());
        hex::encode(&hash.finalize()[..8])
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}\n", STANDARD.encode(self.0.as_slice())))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// Where a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In an environment variable, as it was at start.
    Env(String),
    /// In a file; read each time it is needed.
    File(PathBuf),
}

impl KeyPlace {
    /// The key that is there now.
    ///
    /// # Errors
    /// [`CredentialError`]: it is not there, is no key, or others can read its file.
    pub fn read(&self, environment: &Environment) -> Result<Key, CredentialError> {
        match self {
            Self::Env(name) => {
                let text = environment.get(name).ok_or_else(|| CredentialError::NoVariable { name: name.clone() })?;
                Key::parse(text)
                    .ok_or_else(|| CredentialError::NotAKey { place: format!("the environment variable {name}") })
            }
            Self::File(path) => read_file(path),
        }
    }

    /// Makes the key file; a variable cannot be made.
    ///
    /// # Errors
    /// [`CredentialError`]; a file that is there is never overwritten.
    pub fn create(&self) -> Result<Key, CredentialError> {
        match self {
            Self::Env(name) => Err(CredentialError::NoVariable { name: name.clone() }),
            Self::File(path) => {
                let failed = |source| CredentialError::KeyFile { path: path.clone(), doing: "written", source };
                let key = Key::random().map_err(failed)?;
                write_new(path, &key)?;
                Ok(key)
            }
        }
    }
}

/// Writes a key into a new file that only its owner can read, durably.
///
/// # Errors
/// [`CredentialError::KeyFile`], also when something is there.
pub fn write_new(path: &Path, key: &Key) -> Result<(), CredentialError> {
    let failed = |source| CredentialError::KeyFile { path: path.to_owned(), doing: "written", source };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(key.text().as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Where `credential rekey` keeps the new key until everything is sealed under it.
pub fn next_to(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Puts the key file `from` in the place of `to`, durably.
///
/// # Errors
/// [`CredentialError::KeyFile`].
pub fn replace(from: &Path, to: &Path) -> Result<(), CredentialError> {
    let failed = |source| CredentialError::KeyFile { path: to.to_owned(), doing: "replaced", source };
    std::fs::rename(from, to).and_then(|()| sync_folder(to)).map_err(failed)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}

/// A key of a file, refused where others can read it.
///
/// # Errors
/// [`CredentialError`].
pub fn read_file(path: &Path) -> Result<Key, CredentialError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => CredentialError::KeyMissing { path: path.to_owned() },
        _ => CredentialError::KeyFile { path: path.to_owned(), doing: "read", source },
    };
    let not_a_key = || CredentialError::NotAKey { place: format!("the file {}", path.display()) };
    // Looked at before it is opened: a pipe would never end.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > MAX_KEY_BYTES {
        return Err(not_a_key());
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & forbidden_bits(metadata.uid()) != 0 {
        return Err(CredentialError::KeyOpen { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_KEY_BYTES).read_to_string(&mut text).map_err(|source| match source.kind() {
        ErrorKind::InvalidData => not_a_key(),
        _ => unreadable(source),
    })?;
    Key::parse(&text).ok_or_else(not_a_key)
}

/// A file of ours is ours alone. One that belongs to somebody else (a secret that an orchestrator mounts) may
/// reach us by our group, but not everybody.
fn forbidden_bits(owner: u32) -> u32 {
    let is_ours = std::fs::metadata("/proc/self").map_or(true, |me| me.uid() == owner);
    if is_ours { 0o077 } else { 0o027 }
}
