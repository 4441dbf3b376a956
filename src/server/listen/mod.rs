//! Listening: connections are taken, under TLS where there is a certificate, each with a bound on how long it may
//! take and how many one peer may have. What is served on them is somebody else's.

mod connections;
mod patience;
mod tls;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use self::connections::Connections;
use self::patience::Patient;

pub use self::patience::bodies;
pub use self::tls::{Certificate, CertificateError};

/// A request's head has to be there within it; so long a connection may say nothing between requests.
const HEAD_WITHIN: Duration = Duration::from_secs(20);
/// Hands have to be shaken within it.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Of a request's head.
const HEAD_BYTES: usize = 64 * 1024;
/// Of a request.
const HEADERS: usize = 100;
/// On one connection of HTTP/2.
const STREAMS: u32 = 64;
/// A peer of HTTP/2 that has gone is noticed within twice this.
const ALIVE_EVERY: Duration = Duration::from_secs(20);
/// Out of descriptors, as a rule: some come back.
const TAKE_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Whether connections of a peer stand for many people: then it may have more.
pub type IsProxy = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// What is served where.
pub struct Listening {
    /// Where connections come in.
    pub listener: TcpListener,
    /// What is served.
    pub router: Router,
    /// With TLS.
    pub certificate: Option<Arc<Certificate>>,
    /// Who may have many connections.
    pub is_proxy: IsProxy,
}

/// Serves until `stop` is cancelled; answers in flight are finished. Handlers find the peer in
/// [`ConnectInfo`].
pub async fn serve(listening: Listening, stop: CancellationToken) {
    let Listening { listener, router, certificate, is_proxy } = listening;
    let connections = Connections::default();
    let mut open = JoinSet::new();
    loop {
        let taken = tokio::select! {
            () = stop.cancelled() => break,
            taken = listener.accept() => taken,
            Some(ended) = open.join_next() => {
                if let Err(failed) = ended {
                    error!("a connection ended unexpectedly: {failed}; please report this with the log");
                }
                continue;
            }
        };
        let (stream, peer) = match taken {
            Ok(taken) => taken,
            Err(failed) => {
                debug!("no connection could be taken: {failed}");
                tokio::time::sleep(TAKE_AGAIN_AFTER).await;
                continue;
            }
        };
        let address = peer.ip().to_canonical();
        let Some(place) = connections.take(address, is_proxy(address)) else {
            debug!(%peer, "too many connections");
            continue;
        };
        let (router, certificate, stop) = (router.clone(), certificate.clone(), stop.clone());
        open.spawn(async move {
            connected(stream, peer, router, certificate, stop).await;
            drop(place);
        });
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

async fn connected(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    certificate: Option<Arc<Certificate>>,
    stop: CancellationToken,
) {
    // Without it small answers may be late; a system that refuses it still answers.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream);
    let Some(certificate) = certificate else { return over_http1(stream, peer, router, stop).await };
    let shaken = tokio::time::timeout(HANDSHAKE_WITHIN, certificate.acceptor().accept(stream)).await;
    // Who does not trust the certificate hangs up here; that is theirs to tell.
    let Ok(Ok(stream)) = shaken else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        over_http2(stream, peer, router, stop).await;
    } else {
        over_http1(stream, peer, router, stop).await;
    }
}

async fn over_http1<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_headers(HEADERS).max_buf_size(HEAD_BYTES);
    let connection = builder.serve_connection(TokioIo::new(stream), service(router, peer));
    until(peer, connection, http1::Connection::graceful_shutdown, stop).await;
}

async fn over_http2<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_EVERY)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES as u32);
    let connection = builder.serve_connection(TokioIo::new(stream), service(router, peer));
    until(peer, connection, http2::Connection::graceful_shutdown, stop).await;
}

/// The routes for one peer, which handlers find in [`ConnectInfo`].
fn service(
    router: Router,
    peer: SocketAddr,
) -> impl hyper::service::Service<
    hyper::Request<Incoming>,
    Response = axum::response::Response,
    Error = Infallible,
    Future: Send + 'static,
> + Clone {
    let routes = TowerToHyperService::new(router.into_service::<Incoming>());
    hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    })
}

/// Carries a connection to its end; once all is to stop, no further than the answers in flight.
async fn until<C>(peer: SocketAddr, connection: C, shut_down: fn(Pin<&mut C>), stop: CancellationToken)
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return told(peer, ended),
        () = stop.cancelled() => shut_down(connection.as_mut()),
    }
    told(peer, connection.await);
}

/// What ends with an error was ended by the other side, or by their taking too long.
fn told(peer: SocketAddr, ended: hyper::Result<()>) {
    if let Err(why) = ended {
        debug!(%peer, "a connection broke off: {why}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Bytes;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    /// A listener with a route that answers with what it got.
    async fn served() -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", post(|body: Bytes| async move { body })).layer(from_fn(bodies));
        let stop = CancellationToken::new();
        let listening = Listening { listener, router, certificate: None, is_proxy: Arc::new(|_| false) };
        tokio::spawn(serve(listening, stop.clone()));
        (address, stop)
    }

    /// What comes back until the other side hangs up.
    async fn answer_to(address: SocketAddr, sent: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    // security.md, sessions: slow clients. The clock is tokio's, which runs on when everybody waits.
    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_is_hung_up_on_p7_4() {
        let (address, stop) = served().await;
        let begun = tokio::time::Instant::now();
        answer_to(address, "").await;
        answer_to(address, "POST / HTTP/1.1\r\nHost: a\r\n").await;
        assert!(begun.elapsed() >= 2 * HEAD_WITHIN && begun.elapsed() < 3 * HEAD_WITHIN, "{:?}", begun.elapsed());
        let half = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
        let answer = answer_to(address, half).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let whole = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody";
        assert!(answer_to(address, whole).await.ends_with("\r\n\r\nbody"));
        stop.cancel();
    }

    #[tokio::test]
    async fn heads_are_bounded_p7_4() {
        let (address, stop) = served().await;
        let long = format!("POST / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2 * HEAD_BYTES));
        assert!(answer_to(address, &long).await.starts_with("HTTP/1.1 431 "));
        let many = format!("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(HEADERS));
        assert!(answer_to(address, &many).await.starts_with("HTTP/1.1 431 "));
        stop.cancel();
    }

    // P7.2: an answer in flight is finished, and no new one is begun.
    #[tokio::test]
    async fn a_stop_finishes_what_is_in_flight_p7_2() {
        let (listener, entered, go) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            Arc::new(tokio::sync::Notify::new()),
            Arc::new(tokio::sync::Notify::new()),
        );
        let address = listener.local_addr().unwrap();
        let (tell, wait) = (entered.clone(), go.clone());
        let slow = move || {
            let (tell, wait) = (tell.clone(), wait.clone());
            async move {
                tell.notify_one();
                wait.notified().await;
                "finished"
            }
        };
        let router = Router::new().route("/", post(slow));
        let stop = CancellationToken::new();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let listening = Listening { listener, router, certificate: None, is_proxy: Arc::new(|_| false) };
        let stopped = stop.clone();
        let serving = tokio::spawn(async move {
            serve(listening, stopped).await;
            over.store(true, Ordering::SeqCst);
        });
        let asked = tokio::spawn(answer_to(address, "POST / HTTP/1.1\r\nHost: a\r\n\r\n"));
        entered.notified().await;
        stop.cancel();
        tokio::task::yield_now().await;
        assert!(!is_over.load(Ordering::SeqCst));
        go.notify_one();
        assert!(asked.await.unwrap().ends_with("finished"));
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
