//! Where a browser comes back to after a person granted access: a listener on loopback for one answer, and the same
//! answer read from a pasted address. What the browser is shown holds nothing of it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use url::form_urlencoded;

use crate::error::escape_control;

/// How long the browser may take to fetch the page that ends it.
const PAGE_WITHIN: Duration = Duration::from_secs(2);
/// What is said of an answer with another `state`.
pub(super) const FOREIGN: &str =
    "with an answer that does not belong to this login (its `state` is another); it was not used";
/// Of the server's word for a refusal.
const SHOWN_CHARACTERS: usize = 80;

/// What the browser was sent back with.
pub(super) enum Answered {
    /// Exchanged for tokens, once.
    Code(SecretString),
    /// The person, or Bitbucket, said no; escaped.
    Denied(String),
    /// It belongs to another login, or to none: not used.
    Foreign,
}

/// Reads a query; `None`: it says nothing of a login.
pub(super) fn read(query: &str, state: &str) -> Option<Answered> {
    let field = |name: &str| {
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(field, _)| field == name);
        values.next().map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
    };
    let (code, error) = (field("code"), field("error"));
    if code.is_none() && error.is_none() {
        return None;
    }
    if field("state").map(Sha256::digest) != Some(Sha256::digest(state)) {
        return Some(Answered::Foreign);
    }
    Some(match (code, error) {
        (Some(code), None) => Answered::Code(SecretString::from(code)),
        (_, error) => {
            let word: String = error.unwrap_or_default().chars().take(SHOWN_CHARACTERS).collect();
            Answered::Denied(escape_control(&word))
        }
    })
}

/// Reads what somebody pasted: the whole address, its query, or the code alone, which they vouch for themselves.
pub(super) fn read_pasted(text: &str, state: &str) -> Option<Answered> {
    let text = text.trim();
    let is_address = text.contains("://") || text.contains('?') || text.contains('=') && text.contains("code=");
    if is_address || text.contains("error=") {
        let query = text.split_once('?').map_or(text, |(_, query)| query);
        return read(query.split('#').next().unwrap_or_default(), state);
    }
    let is_code = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    is_code.then(|| Answered::Code(SecretString::from(text)))
}

/// Listens for the browser. Dropped, it stops.
pub(super) struct Browser {
    answers: mpsc::Receiver<Answered>,
    serving: JoinSet<()>,
    stop: CancellationToken,
}

struct Waiting {
    state: String,
    answers: mpsc::Sender<Answered>,
}

impl Browser {
    /// Takes connections of this machine alone, from now on.
    ///
    /// # Errors
    /// The port is taken, or may not be.
    pub(super) async fn listen(port: u16, state: &str) -> std::io::Result<Self> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        // Some browsers take `localhost` for ::1; a machine without it has no such browser.
        let second = TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, first.local_addr()?.port()))).await;
        let (sender, answers) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let waiting = Arc::new(Waiting { state: state.to_owned(), answers: sender });
        let mut serving = JoinSet::new();
        for listener in std::iter::once(first).chain(second.ok()) {
            let router = Router::new().fallback(answer).with_state(waiting.clone());
            let stopped = stop.clone().cancelled_owned();
            serving.spawn(async move {
                // A connection that breaks is the browser's.
                let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
            });
        }
        Ok(Self { answers, serving, stop })
    }

    /// The answer: a code or a no, of this login.
    pub(super) async fn answer(&mut self) -> Answered {
        match self.answers.recv().await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }

    /// Ends, once the browser has its page.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        // A browser that keeps its connection open has had its page.
        let _ = tokio::time::timeout(PAGE_WITHIN, async { while self.serving.join_next().await.is_some() {} }).await;
    }
}

async fn answer(State(waiting): State<Arc<Waiting>>, method: Method, uri: Uri) -> Response {
    if method != Method::GET {
        return page(StatusCode::METHOD_NOT_ALLOWED, "Only a browser's GET is answered here.");
    }
    let Some(answered) = read(uri.query().unwrap_or_default(), &waiting.state) else {
        return page(StatusCode::NOT_FOUND, "catalog-sync waits here for Bitbucket's answer.");
    };
    let words = match &answered {
        Answered::Code(_) => "catalog-sync has Bitbucket's answer. How it ends is told in the terminal.",
        Answered::Denied(_) => "Access was not granted. You can close this page.",
        // Any page may send a browser here: that ends no login, and takes no place in the queue.
        Answered::Foreign => {
            warn!("a browser came {FOREIGN}");
            let words = "This answer does not belong to the login that is under way; it was not used.";
            return page(StatusCode::BAD_REQUEST, words);
        }
    };
    match waiting.answers.try_send(answered) {
        Ok(()) => page(StatusCode::OK, words),
        Err(_) => page(StatusCode::CONFLICT, "There was an answer already; this one was not used."),
    }
}

/// Words of ours alone, and nothing that leads anywhere.
fn page(status: StatusCode, words: &'static str) -> Response {
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>catalog-sync</title></head>\
         <body><p>{words}</p></body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONNECTION, "close"),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn shown(answered: Option<Answered>) -> String {
        match answered {
            None => "nothing".to_owned(),
            Some(Answered::Code(code)) => format!("code {}", code.expose_secret()),
            Some(Answered::Denied(word)) => format!("denied {word}"),
            Some(Answered::Foreign) => "foreign".to_owned(),
        }
    }

    #[track_caller]
    fn check(query: &str, wanted: &str) {
        assert_eq!(shown(read(query, "s1")), wanted, "{query}");
    }

    // P6.4: only what carries our state is an answer.
    #[test]
    fn answers_of_the_browser_are_read_p6_4() {
        check("code=abc&state=s1", "code abc");
        check("state=s1&code=a%2Bb%3D", "code a+b=");
        check("code=abc&state=s2", "foreign");
        check("code=abc", "foreign");
        check("code=abc&state=", "foreign");
        check("code=abc&state=s1&state=s2", "code abc");
        check("code=abc&state=s2&state=s1", "foreign");
        check("error=access_denied&state=s1", "denied access_denied");
        check("error=access_denied", "foreign");
        check("error=a%1b%5B31m&state=s1", "denied a\\u{1b}[31m");
        check("error=no&code=abc&state=s1", "denied no");
        check("code=&state=s1", "nothing");
        check("", "nothing");
        check("favicon", "nothing");
    }

    #[track_caller]
    fn check_pasted(text: &str, wanted: &str) {
        assert_eq!(shown(read_pasted(text, "s1")), wanted, "{text}");
    }

    // P6.4: a machine without a browser: the address, its query, or the code.
    #[test]
    fn pasted_answers_are_read_p6_4() {
        check_pasted(" http://localhost:8323/?code=abc&state=s1\r\n", "code abc");
        check_pasted("https://acme.dev/back?state=s1&code=abc#top", "code abc");
        check_pasted("?code=abc&state=s1", "code abc");
        check_pasted("code=abc&state=s1", "code abc");
        check_pasted("http://localhost:8323/?code=abc&state=s2", "foreign");
        check_pasted("http://localhost:8323/?code=abc", "foreign");
        check_pasted("http://localhost:8323/?error=access_denied&state=s1", "denied access_denied");
        check_pasted("http://localhost:8323/", "nothing");
        check_pasted("aBc-123_", "code aBc-123_");
        check_pasted("aBc==", "code aBc==");
        check_pasted("two words", "nothing");
        check_pasted("", "nothing");
    }
}
