//! Commands through a sidecar on another host: `--server` and a token, no config and no store here.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::args::{Command, Credential, Store};
use super::{Start, remote};
use crate::commands::request::{Answer, Request};
use crate::commands::{Exit, Failure};
use crate::engine::Progress;
use crate::error::{Report, escape_control};
use crate::server::command::{ANSWER, PATH};

/// The variable that names it, where no argument does.
const SERVER: &str = "CATALOG_SYNC_SERVER";
/// The variable with the token: an argument could be seen by everybody on this host.
const TOKEN: &str = "CATALOG_SYNC_TOKEN";
/// A sidecar begins its answer at once, whatever the work.
const ANSWER_BEGINS_WITHIN: Duration = Duration::from_secs(30);
/// Of what a stranger says, no more is read.
const PROBLEM_BYTES: usize = 64 * 1024;

/// A sidecar elsewhere.
pub(super) struct Elsewhere {
    url: Url,
    token: String,
}

/// The one that is named; `None`: none is, and this host does the work.
///
/// # Errors
/// Usage: no address, no token, or a token that would cross the network in the clear.
pub(super) fn named(start: &Start) -> Result<Option<Elsewhere>, Failure> {
    let argument = start.cli.global.server.as_deref();
    let Some(text) = argument.or_else(|| start.environment.get(SERVER)) else { return Ok(None) };
    let url = Url::parse(text).ok().filter(|url| {
        ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let Some(url) = url else {
        let what = format!("`{}` is not the address of a catalog-sync", escape_control(text));
        return Err(Failure::usage(what, "write it like `https://catalog-sync.acme.dev`"));
    };
    let is_here = url.host_str().is_some_and(|host| {
        host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    if url.scheme() == "http" && !is_here {
        let what = format!("over {url} the token would cross the network in the clear");
        return Err(Failure::usage(what, "use its https address, or forward its port to this host"));
    }
    let Some(token) = start.environment.get(TOKEN) else {
        let mend = format!("put a token of its `server.tokens` into the environment variable {TOKEN}");
        return Err(Failure::usage(format!("there is no token for {url}"), mend));
    };
    Ok(Some(Elsewhere { url, token: token.to_owned() }))
}

/// Refuses what only the host can do that has the config, the secrets and the store.
///
/// # Errors
/// Usage.
pub(super) fn refuse_local(start: &Start) -> Result<(), Failure> {
    let command = match &start.cli.command {
        Command::Check(_) => "check",
        Command::Store(Store::Import { .. }) => "store import",
        Command::Credential(Credential::Add(_)) => "credential add",
        Command::Credential(Credential::Login(_)) => "credential login",
        Command::Credential(Credential::Update(_)) => "credential update",
        Command::Credential(Credential::Rekey(_)) => "credential rekey",
        // With the argument somebody means it; the variable may just be there.
        Command::Run(_) if start.cli.global.server.is_some() => "run",
        _ => return Ok(()),
    };
    let is_named = start.cli.global.server.is_some() || start.environment.get(SERVER).is_some();
    if !is_named {
        return Ok(());
    }
    Err(Failure::usage(
        format!("`{command}` can be done only on the host of the catalog-sync, which has its config and secrets"),
        format!("run it there, without `--server` and {SERVER}"),
    ))
}

/// What is read of a problem.
#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    because: Vec<String>,
    mend: Option<String>,
}

impl Elsewhere {
    /// Asks it.
    ///
    /// # Errors
    /// What the command itself failed with; it cannot be reached, does not know the token, or is something else.
    pub(super) async fn ask(
        &self,
        request: &Request,
        progress: &(dyn Fn(Progress) + Sync + Send),
    ) -> Result<Answer, Failure> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::failed(Report::new("no connection can be made", &error, None)))?;
        let address = format!("{}{PATH}", self.url.as_str().trim_end_matches('/'));
        let sent = client.post(address).bearer_auth(&self.token).json(request).send();
        let mut response = match tokio::time::timeout(ANSWER_BEGINS_WITHIN, sent).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unreachable(&error.without_url())),
            Err(elapsed) => return Err(self.unreachable(&elapsed)),
        };
        if response.status().is_success() && is_of(&response, ANSWER) {
            return remote::answer_of(&mut response, progress).await;
        }
        Err(self.refused(response).await)
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Failure {
        let mend = "check the address, that it runs, and proxy and certificates of this host";
        Failure::failed(Report::new(format!("{} could not be reached", self.url), error, Some(mend.to_owned())))
    }

    async fn refused(&self, mut response: reqwest::Response) -> Failure {
        let status = response.status();
        if !is_of(&response, "application/problem+json") {
            let what = format!("what answers at {} ({status}): this is not a catalog-sync", self.url);
            return Failure::failed(Report::plain(what, Some("check the address, the path in it included".to_owned())));
        }
        if status == StatusCode::UNAUTHORIZED {
            let what = format!("{} does not know this token", self.url);
            return Failure::refused(what, format!("check {TOKEN}: it has to be one of its `server.tokens`"));
        }
        let mut body = Vec::new();
        while let Ok(Some(part)) = response.chunk().await {
            body.extend_from_slice(&part);
            if body.len() > PROBLEM_BYTES {
                break;
            }
        }
        let report = match serde_json::from_slice::<Problem>(&body) {
            Ok(Problem { title, because, mend }) => Report { what: title, because, mend },
            Err(_) => Report::plain(format!("{} answered {status}", self.url), None),
        };
        Failure { report, exit: if status.is_client_error() { Exit::Refused } else { Exit::Failed } }
    }
}

fn is_of(response: &reqwest::Response, content_type: &str) -> bool {
    let told = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    told.is_some_and(|told| told.split(';').next() == Some(content_type))
}
