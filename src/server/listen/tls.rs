//! The certificate of our own listener: read again when its files change, so that a renewed one needs no restart.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::{error, info};

use crate::config::Tls;
use crate::error::{Report, shown};

/// How often the files are looked at, at most.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file is not there, or not for us.
    #[error("{} cannot be read", shown(path))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} in PEM", shown(path))]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Key and certificate are not of one pair, or of a kind nobody uses.
    #[error("certificate and key cannot be used together")]
    Unfit(#[source] rustls::Error),
}

impl CertificateError {
    /// What a person can do about it.
    pub fn mend(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "check `server.tls` in the config, and that this user may read the files",
            Self::NotPem { .. } => {
                "name PEM files in `server.tls`: the certificate with its chain, and its private key"
            }
            Self::Unfit(_) => "name the key that the certificate was made with",
        }
    }
}

/// A certificate with its key, as the files have it now.
pub struct Certificate {
    files: Tls,
    now: Mutex<Now>,
}

struct Now {
    config: Arc<ServerConfig>,
    stamp: Stamp,
    looked_at: Instant,
}

/// By what one sees that a file is another one.
type Stamp = [Option<(SystemTime, u64, u64)>; 2];

impl Certificate {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(files: &Tls) -> Result<Self, CertificateError> {
        let now = Now { stamp: stamp(files), config: read(files)?, looked_at: Instant::now() };
        Ok(Self { files: files.clone(), now: Mutex::new(now) })
    }

    /// What shakes hands with it as it is now. One that cannot be used is told, once, and the one before stays.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if now.looked_at.elapsed() >= LOOK_AFTER {
            now.looked_at = Instant::now();
            let stamp = stamp(&self.files);
            if stamp != now.stamp {
                now.stamp = stamp;
                match read(&self.files) {
                    Ok(config) => {
                        now.config = config;
                        info!("the certificate of `server.tls` was read again");
                    }
                    Err(failed) => {
                        let mend = Some(failed.mend().to_owned());
                        let report = Report::new("the new certificate of `server.tls` is not taken", &failed, mend);
                        error!("{}; the one before stays in use", report.one_line());
                    }
                }
            }
        }
        TlsAcceptor::from(now.config.clone())
    }
}

fn stamp(files: &Tls) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    [&files.certificate, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    })
}

fn read(files: &Tls) -> Result<Arc<ServerConfig>, CertificateError> {
    let pem = contents(&files.certificate)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::NotPem { path: files.certificate.clone(), what: "certificate" })?;
    let key = PrivateKeyDer::from_pem_slice(&contents(&files.key)?)
        .map_err(|_| CertificateError::NotPem { path: files.key.clone(), what: "private key" })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(CertificateError::Unfit)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn contents(path: &Path) -> Result<Vec<u8>, CertificateError> {
    std::fs::read(path).map_err(|source| CertificateError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a pair and writes it.
    fn write(files: &Tls, name: &str) -> String {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.pem()
    }

    fn files(folder: &Path) -> Tls {
        Tls { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }
    }

    // P7.2: what cannot be used is told at start, with the file and the mend.
    #[test]
    fn what_is_no_certificate_is_refused_p7_2() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let refused = |files: &Tls| Certificate::open(files).err().unwrap();
        assert!(matches!(refused(&files), CertificateError::Unreadable { .. }));
        write(&files, "a");
        let mixed = Tls { certificate: files.key.clone(), key: files.key.clone() };
        assert!(refused(&mixed).to_string().ends_with("key.pem holds no certificate in PEM"));
        let mixed = Tls { certificate: files.certificate.clone(), key: files.certificate.clone() };
        assert!(refused(&mixed).to_string().ends_with("certificate.pem holds no private key in PEM"));
        let old = std::fs::read(&files.key).unwrap();
        write(&files, "a");
        std::fs::write(&files.key, old).unwrap();
        assert!(matches!(refused(&files), CertificateError::Unfit(_)));
    }

    // contract.md, server.tls: a renewed certificate is taken without a restart, a broken one is not.
    #[tokio::test(start_paused = true)]
    async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not_p7_2() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        write(&files, "a");
        let certificate = Certificate::open(&files).unwrap();
        let used = || Arc::as_ptr(certificate.acceptor().config());
        let first = used();
        tokio::time::advance(LOOK_AFTER).await;
        assert_eq!(used(), first);
        std::fs::write(&files.certificate, "half of it").unwrap();
        tokio::time::advance(LOOK_AFTER).await;
        assert_eq!(used(), first, "the one before stays");
        write(&files, "a.longer.name");
        tokio::time::advance(LOOK_AFTER).await;
        assert_ne!(used(), first);
    }
}
