//! The config that `init` writes.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Commented, and loads without a fault.
pub const STARTER: &str = include_str!("starter.yaml");

/// Why no starter config was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StarterError {
    /// Something is there already; it is never overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{} could not be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl StarterError {
    /// What a person can do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "edit that file, or name another with `--config FILE`",
            Self::Io { .. } => "check that the folder is there and may be written to",
        }
    }
}

/// Writes a config into a new file.
///
/// # Errors
/// [`StarterError::Exists`] whatever it is that exists, a broken link included.
pub fn write(path: &Path, text: &str) -> Result<(), StarterError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => StarterError::Exists { path: path.to_owned() },
        _ => StarterError::Io { path: path.to_owned(), source },
    };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_never_overwrites_p7_1() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalog-sync.yaml");
        write(&path, STARTER).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), STARTER);
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(write(&path, STARTER), Err(StarterError::Exists { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert!(matches!(write(&folder.path().join("no/folder.yaml"), STARTER), Err(StarterError::Io { .. })));
    }
}
