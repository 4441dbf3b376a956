//! What stands between the program and Bitbucket: a front that speaks TLS under a private authority, and a proxy by
//! CONNECT.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Listeners of one test; they end with it.
pub struct Net {
    runtime: Runtime,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Net {
    /// Nobody listens yet.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { runtime: runtime.expect("a runtime"), asked: Arc::default() }
    }

    /// Speaks TLS for `names` and hands what it hears to `to`; returns its address and the authority's certificate.
    pub fn tls(&self, names: &[&str], to: u16) -> (SocketAddr, String) {
        let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("signed");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a certificate");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let address = self.listen(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                // Who does not trust the certificate hangs up here.
                let Ok(mut plain) = acceptor.accept(stream).await else { return };
                let mut onward = TcpStream::connect(("127.0.0.1", to)).await.expect("the simulator");
                let _ = copy_bidirectional(&mut plain, &mut onward).await;
            }
        });
        (address, authority.pem())
    }

    /// A proxy that leads to these hosts and no others, for who bears these credentials.
    pub fn proxy(&self, to: &[(&str, SocketAddr)], credentials: &str) -> SocketAddr {
        let to: Vec<(String, SocketAddr)> = to.iter().map(|(host, to)| (format!("CONNECT {host}:443 "), *to)).collect();
        let asked = self.asked.clone();
        let wanted = base64::engine::general_purpose::STANDARD.encode(credentials);
        self.listen(move |mut stream| {
            let (asked, wanted, to) = (asked.clone(), wanted.clone(), to.clone());
            async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).expect("text");
                let to = to.iter().find(|(line, _)| head.starts_with(line)).map(|(_, to)| *to);
                let is_known = head.contains(&format!("Basic {wanted}")) || wanted.is_empty();
                asked.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                if !is_known {
                    let _ = stream
                        .write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                        .await;
                    return;
                }
                let Some(to) = to else {
                    let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await;
                    return;
                };
                let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
                let mut onward = TcpStream::connect(to).await.expect("the front");
                let _ = copy_bidirectional(&mut stream, &mut onward).await;
            }
        })
    }

    fn listen<F: Future<Output = ()> + Send + 'static>(
        &self,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> SocketAddr {
        let listener = self.runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        address
    }

    /// Heads of the requests that the proxy was sent.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
