//! What surrounds every page, and how a request becomes a page: who asks, what they may, what went wrong.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::fields::Fields;
use super::words::Moment;
use super::{Ui, assets};
use crate::commands::caller::{Caller, Sees};
use crate::commands::request::{Answer, Request};
use crate::commands::{App, Exit, Failure, execute};
use crate::config::Role;
use crate::error::{Report, escape_control};
use crate::server::Base;
use crate::server::access::{self, Via};
use crate::server::problem::Problem;

/// How often, and after which time each, it is looked whether a config that was written is in force.
const LOOKS: usize = 60;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What the frame of a page shows.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// What stands before every path: that of `public_url`.
    pub(super) base: String,
    pub(super) title: String,
    /// Which entry of the navigation.
    pub(super) at: &'static str,
    pub(super) is_known: bool,
    pub(super) who: String,
    pub(super) may_edit: bool,
    /// Whether there is a session to end.
    pub(super) can_leave: bool,
    /// What was just done.
    pub(super) said: Option<String>,
    /// The config file is not what is in force.
    pub(super) refused: Option<Refused>,
}

/// A config file that was refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) at: Moment,
    /// For whoever sees all of it.
    pub(super) because: Vec<String>,
}

impl Frame {
    pub(super) fn asset(&self, name: &str) -> String {
        format!("{}{}", self.base, assets::address(name))
    }

    pub(super) fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// A request of somebody known, for a page.
pub(super) struct Asked {
    ui: Arc<Ui>,
    pub(super) app: App,
    pub(super) base: String,
    via: Option<Via>,
    /// What the request calls us.
    host: String,
    /// What stands behind the `?`.
    pub(super) query: Fields,
}

impl FromRequestParts<Arc<Ui>> for Asked {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, ui: &Arc<Ui>) -> Result<Self, Self::Rejection> {
        // Put there by whoever lets people in; without it nobody is shown anything.
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            return Err((StatusCode::UNAUTHORIZED, "nobody we know\n"));
        };
        let app = ui.commands.app().for_caller(caller);
        Ok(Self {
            base: Base::of(&app.config.server).path(""),
            app,
            ui: ui.clone(),
            via: parts.extensions.get::<Via>().copied(),
            host: access::authority_of(parts),
            query: Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        })
    }
}

impl Asked {
    pub(super) fn may_edit(&self) -> bool {
        self.app.caller.role == Role::Edit
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// Where we are, as whoever asks reaches us: with the path of `public_url`.
    pub(super) fn origin(&self) -> String {
        let server = &self.app.config.server;
        match &server.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("{}://{}", if server.tls.is_some() { "https" } else { "http" }, self.host),
        }
    }

    /// Path of an integration's pages.
    pub(super) fn integration_path(&self, name: &str) -> String {
        format!("{}/i/{}", self.base, super::words::segment(name))
    }

    pub(super) fn repository_path(&self, id: &str, integration: &str) -> String {
        let query = super::fields::query([("i", integration)]);
        format!("{}/r/{}?{query}", self.base, super::words::segment(id))
    }

    pub(super) fn entity_path(&self, entity: &str, integration: &str) -> String {
        let query = super::fields::query([("i", integration)]);
        format!("{}/e/{}?{query}", self.base, super::words::segments(entity))
    }

    pub(super) fn frame(&self, title: impl Into<String>, at: &'static str) -> Frame {
        Frame {
            base: self.base.clone(),
            title: title.into(),
            at,
            is_known: true,
            who: self.app.caller.name.clone(),
            may_edit: self.may_edit(),
            can_leave: self.via == Some(Via::Session),
            said: self.query.one("done").and_then(said),
            refused: self.refused(),
        }
    }

    /// Everybody is told that the file is refused; of whose lines it speaks, only who sees all of it.
    fn refused(&self) -> Option<Refused> {
        let refused = self.app.reloads.refused()?;
        let report = refused.report;
        let because = match self.app.caller.sees {
            Sees::Matching(_) => Vec::new(),
            Sees::Everything if report.because.is_empty() => vec![sentence(report.what)],
            Sees::Everything => report.because,
        };
        Some(Refused { at: Moment::new(self.now(), refused.at), because })
    }

    /// Carries out what only reads.
    pub(super) async fn ask(&self, request: Request) -> Result<Answer, Trouble> {
        execute(&self.app, request, &|_| {}).await.map_err(|failure| self.trouble(failure))
    }

    /// Carries out what changes something: to its end, also when the asker goes away.
    pub(super) async fn carry_out(&self, request: Request) -> Result<Answer, Trouble> {
        let (done, waiting) = oneshot::channel();
        let app = self.app.clone();
        self.ui.commands.spawn(Box::pin(async move {
            // Whoever asked may be gone.
            let _ = done.send(execute(&app, request, &|_| {}).await);
        }));
        match waiting.await {
            Ok(result) => result.map_err(|failure| self.trouble(failure)),
            Err(_) => Err(self.trouble(Failure::failed(Report::plain(
                "what was asked for ended without an answer",
                Some("look at the log; what was begun is on the pages".to_owned()),
            )))),
        }
    }

    /// Whether an integration is in the config in force; one that was just written is there in a moment.
    pub(super) async fn is_in_config(&self, name: &str) -> bool {
        for _ in 0..LOOKS {
            if self.ui.commands.app().config.integrations.iter().any(|one| one.name == name) {
                return true;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        false
    }

    /// Carries work to its end, whoever waits for it.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.ui.commands.spawn(Box::pin(work));
    }

    /// A failure as a page.
    pub(super) fn trouble(&self, failure: Failure) -> Trouble {
        let head = match failure.exit {
            Exit::Unknown => "Not found",
            Exit::Usage => "That cannot be done",
            Exit::Forbidden => "That is not allowed",
            Exit::Refused => "Not done",
            Exit::Done | Exit::Failed | Exit::Partly => "It did not work",
        };
        let mut frame = self.frame(head, "");
        frame.said = None;
        let status = match failure.exit {
            Exit::Unknown => StatusCode::NOT_FOUND,
            Exit::Usage => StatusCode::UNPROCESSABLE_ENTITY,
            Exit::Forbidden => StatusCode::FORBIDDEN,
            Exit::Refused => StatusCode::CONFLICT,
            Exit::Done | Exit::Failed | Exit::Partly => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Trouble { frame: Box::new(frame), status, report: failure.report }
    }

    /// What only who may change things is shown.
    pub(super) fn wants_edit(&self) -> Result<(), Trouble> {
        if self.may_edit() {
            return Ok(());
        }
        let forbidden = crate::commands::caller::Forbidden::Reads(self.app.caller.name.clone());
        Err(self.trouble(forbidden.into()))
    }

    /// Somewhere else, by GET.
    pub(super) fn to(&self, path: &str, query: &str) -> Response {
        let place = super::fields::with_query(path, query);
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        response
    }
}

/// What an address may say was done: its words are ours, whoever wrote the address.
fn said(code: &str) -> Option<String> {
    let (what, number) = code.split_once('-').unwrap_or((code, "1"));
    let number: u64 = number.parse().ok()?;
    let repositories = super::words::count(number, "repository", "repositories");
    Some(match what {
        "ignored" => format!("{repositories} set aside. They are under “ignored” and can be taken back."),
        "restored" => format!("{repositories} taken back into the list."),
        "unlinked" => format!("{repositories} unlinked. Entities and their data stay as they are."),
        "suspended" => "Suspended: nothing is synced until somebody resumes.".to_owned(),
        "resumed" => "Resumed: it syncs on schedule again.".to_owned(),
        "auto" => "Auto-import was switched.".to_owned(),
        "started" => "The sync has begun.".to_owned(),
        "cancelled" => "The sync stops at its next checkpoint.".to_owned(),
        "approved" => "What was held has been applied, as far as it still holds.".to_owned(),
        "deleted" => "Deleted. Entities and files stay as they are.".to_owned(),
        "undone" => format!("The import of {repositories} was taken back."),
        "created" => "The integration is in the config now. Its first sync begins by itself.".to_owned(),
        "rules" => "The rules file was written. The next sync judges by it.".to_owned(),
        _ => return None,
    })
}

/// What went wrong, as a page.
pub(super) struct Trouble {
    frame: Box<Frame>,
    status: StatusCode,
    report: Report,
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    f: Frame,
    head: String,
    what: String,
    because: Vec<String>,
    mend: Option<String>,
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let Report { what, because, mend } = self.report;
        let head = self.frame.title.clone();
        let page = FailurePage { f: *self.frame, head, what: sentence(what), because, mend: mend.map(sentence) };
        let mut response = page_of(&page);
        *response.status_mut() = self.status;
        response
    }
}

/// Reports are written lower case, without a full stop; on a page they are sentences.
pub(super) fn sentence(text: String) -> String {
    // A name at its beginning stays as it is written.
    let word = text.split(' ').next().unwrap_or_default();
    let is_word = word.chars().all(|c| c.is_alphabetic() || matches!(c, '\'' | ',' | ';' | '-'));
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if first.is_lowercase() && is_word => first.to_uppercase().chain(letters).collect(),
        _ => text,
    }
}

/// There is nothing at this address.
pub(super) async fn missing(uri: Uri, asked: Asked) -> Response {
    let what = format!("there is nothing at {}", escape_control(uri.path()));
    if uri.path().starts_with("/api/") {
        let problem = Problem::new(StatusCode::NOT_FOUND, what, "check the address");
        return access::answer(uri.path(), problem);
    }
    asked.trouble(Failure::unknown(what, "check the address, or begin at the integrations")).into_response()
}

/// A page as an answer.
pub(super) fn page_of(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let mut response = html.into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(header::VARY, HeaderValue::from_static("HX-Request"));
            response
        }
        Err(error) => {
            tracing::error!("a page could not be made: {error}; please report this with the log");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n").into_response()
        }
    }
}

/// What a page handler gives.
pub(super) type Page = Result<Response, Trouble>;

/// What a report advises on a command line, as one does it here.
pub(super) fn as_on_pages(text: &str) -> String {
    let text = text.replace("choose with `--into ENTITY`", "open the repository, and choose");
    text.replace("or name the entity with `--into`", "or open the repository and choose an entity")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_sentences() {
        let check = |text: &str, expected: &str| assert_eq!(sentence(text.to_owned()), expected);
        check("the file is gone", "The file is gone");
        check("component:default/web is claimed", "component:default/web is claimed");
        check("acme/web: not found", "acme/web: not found");
        check("no, thanks", "No, thanks");
        check("", "");
    }

    // An address is written by anybody: what it says was done is told in our words only.
    #[test]
    fn an_address_cannot_say_what_it_likes_p7_3() {
        assert!(said("ignored-3").is_some_and(|text| text.starts_with("3 repositories")));
        assert_eq!([said("you-were-hacked"), said("ignored-<b>"), said("")], [const { None }; 3]);
    }
}
