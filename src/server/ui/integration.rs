//! What all pages of one integration share: its head with the tabs, and what may be done to it as a whole.

use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;

use super::fields::Fields;
use super::frame::{Asked, Frame, Page, Trouble, page_of};
use super::words::{Chip, Moment, Sums, count, segment, thousands};
use crate::commands::Failure;
use crate::commands::answer::IntegrationRow;
use crate::commands::request::{Answer, DiscoveredFilter, Paging, Request};

/// So many are named in a question.
const NAMED: usize = 12;
/// State of an integration that left the config.
const ORPHANED: &str = "orphaned";

/// Name, state, what may be done, and the tabs.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) name: String,
    /// Path of its pages.
    pub(super) at: String,
    pub(super) state: Chip,
    pub(super) workspace: String,
    pub(super) catalog: String,
    pub(super) schedule: String,
    pub(super) next: Option<Moment>,
    pub(super) is_suspended: bool,
    pub(super) is_suspended_by_file: bool,
    pub(super) is_orphaned: bool,
    /// The page of the sync that runs now.
    pub(super) syncing: Option<String>,
    /// Path of the tab that is open.
    pub(super) tab: &'static str,
    pub(super) tabs: Vec<Tab>,
}

/// A tab.
#[derive(Clone, Debug)]
pub(super) struct Tab {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    pub(super) count: Option<String>,
}

/// One integration as `integration show` tells it.
pub(super) async fn row(asked: &Asked, name: &str) -> Result<IntegrationRow, Trouble> {
    let answer = asked.ask(Request::IntegrationList { name: Some(name.to_owned()) }).await?;
    let Answer::Integrations(rows) = answer else { return Err(asked.trouble(astray())) };
    rows.into_iter().next().ok_or_else(|| {
        asked.trouble(Failure::unknown(format!("there is no integration `{name}`"), "`/` lists those there are"))
    })
}

/// An answer of another kind than the request's: a fault of ours.
pub(super) fn astray() -> Failure {
    Failure::failed(crate::error::Report::plain(
        "the answer was of another kind than the question",
        Some("please report this with the log".to_owned()),
    ))
}

/// How many repositories wait for a decision, by action.
pub(super) async fn waiting(asked: &Asked, name: &str) -> Result<Sums, Trouble> {
    let filter = DiscoveredFilter { integration: Some(name.to_owned()), ..DiscoveredFilter::default() };
    let paging = Paging { limit: 1, ..Paging::default() };
    match asked.ask(Request::DiscoveredPage { filter, paging }).await? {
        Answer::DiscoveredPage(page) => Ok(Sums::of_counts(&page.counts)),
        _ => Err(asked.trouble(astray())),
    }
}

/// The head of an integration's pages.
pub(super) async fn head(asked: &Asked, row: &IntegrationRow, tab: &'static str) -> Result<Head, Trouble> {
    let is_orphaned = row.state == ORPHANED;
    let waiting = match is_orphaned {
        true => None,
        false => Some(waiting(asked, &row.name).await?),
    };
    let tabs = [
        Tab { path: "discovered", label: "Discovered", count: waiting.map(|sums| thousands(sums.all())) },
        Tab { path: "imported", label: "Imported", count: Some(thousands(row.imported)) },
        Tab { path: "syncs", label: "Syncs", count: None },
        Tab { path: "rules", label: "Rules", count: None },
        Tab { path: "configuration", label: "Configuration", count: None },
    ];
    let flight = asked.app.integration(&row.name).ok().and_then(|one| asked.app.running.of(&one.key()));
    let at = asked.integration_path(&row.name);
    Ok(Head {
        syncing: flight.map(|flight| format!("{at}/syncs/{}", segment(&flight.id.0))),
        at,
        name: row.name.clone(),
        state: Chip::state(&row.state),
        workspace: row.workspace.clone(),
        catalog: row.catalog.clone(),
        schedule: row.schedule.clone(),
        next: row.next_run.map(|at| Moment::new(asked.now(), at)),
        is_suspended: row.state.starts_with("suspended"),
        is_suspended_by_file: row.state == "suspended by the config",
        is_orphaned,
        tab,
        tabs: tabs.into_iter().filter(|tab| !is_orphaned || matches!(tab.path, "syncs" | "configuration")).collect(),
    })
}

/// What a browser's tab is called: the page first, for of several tabs little is seen.
pub(super) fn title(tab: &str, name: &str) -> String {
    let mut letters = tab.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} · {name}", letters.as_str())
}

/// Row and head at once.
pub(super) async fn open(asked: &Asked, name: &str, tab: &'static str) -> Result<(Frame, Head), Trouble> {
    let row = row(asked, name).await?;
    let head = head(asked, &row, tab).await?;
    Ok((asked.frame(title(tab, &row.name), "integrations"), head))
}

/// `/i/NAME`: the main page.
pub(super) async fn enter(asked: Asked, Path(name): Path<String>) -> Page {
    let row = row(&asked, &name).await?;
    let tab = if row.state == ORPHANED { "configuration" } else { "discovered" };
    Ok(asked.to(&format!("{}/{tab}", asked.integration_path(&name)), ""))
}

/// Names of what is chosen, the first of many.
pub(super) fn points(names: &[String]) -> Vec<String> {
    let mut points: Vec<String> = names.iter().take(NAMED).cloned().collect();
    let more = names.len().saturating_sub(NAMED) as u64;
    points.extend((more > 0).then(|| format!("and {} more", thousands(more))));
    points
}

/// A question before something that cannot simply be taken back: a page of its own, or in a dialog.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub(super) f: Frame,
    pub(super) question: String,
    pub(super) lines: Vec<String>,
    pub(super) points: Vec<String>,
    pub(super) action: String,
    /// Hidden fields.
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) wants_reason: bool,
    /// What has to be typed, where nothing brings back what is lost.
    pub(super) typed: Option<String>,
    pub(super) back: String,
    pub(super) verb: String,
    pub(super) tone: &'static str,
}

pub(super) async fn ask_suspend(asked: Asked, Path(name): Path<String>) -> Page {
    asked.wants_edit()?;
    let row = row(&asked, &name).await?;
    let at = asked.integration_path(&row.name);
    Ok(page_of(&Confirm {
        f: asked.frame(format!("Suspend {}", row.name), "integrations"),
        question: format!("Suspend {}?", row.name),
        lines: vec!["Until somebody resumes it:".to_owned()],
        points: vec![
            "nothing new is discovered".to_owned(),
            format!(
                "{} stay as they are, and are not kept in step",
                count(row.imported, "imported entity", "imported entities")
            ),
        ],
        action: format!("{at}/suspend"),
        fields: Vec::new(),
        wants_reason: false,
        typed: None,
        back: format!("{at}/configuration"),
        verb: "Suspend".to_owned(),
        tone: "danger",
    }))
}

pub(super) async fn suspend(asked: Asked, Path(name): Path<String>) -> Page {
    asked.carry_out(Request::IntegrationSuspend { name: name.clone(), suspended: true }).await?;
    Ok(asked.to(&format!("{}/configuration", asked.integration_path(&name)), "done=suspended"))
}

pub(super) async fn resume(asked: Asked, Path(name): Path<String>) -> Page {
    asked.carry_out(Request::IntegrationSuspend { name: name.clone(), suspended: false }).await?;
    Ok(asked.to(&format!("{}/discovered", asked.integration_path(&name)), "done=resumed"))
}

pub(super) async fn auto_import(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    let on = Fields::parse(&body).one("on") == Some("on");
    asked.carry_out(Request::IntegrationAutoImport { name: name.clone(), on }).await?;
    Ok(asked.to(&format!("{}/configuration", asked.integration_path(&name)), "done=auto"))
}

pub(super) async fn ask_delete(asked: Asked, Path(name): Path<String>) -> Page {
    asked.wants_edit()?;
    let answer = asked.ask(Request::IntegrationDelete { name: name.clone(), dry_run: true }).await?;
    let Answer::Deleted(lost) = answer else { return Err(asked.trouble(astray())) };
    let at = asked.integration_path(&name);
    let mut points = vec![
        format!("{} with history and activity", count(lost.repositories, "repository", "repositories")),
        count(lost.links, "link", "links"),
    ];
    points.retain(|point| !point.starts_with("0 "));
    let mut lines = vec![if points.is_empty() { "Nothing is kept of it yet." } else { "This forgets:" }.to_owned()];
    if !lost.is_orphaned {
        lines.insert(
            0,
            "It is in the config: its next sync discovers everything anew, and makes the links again from the marks in the catalog."
                .to_owned(),
        );
    }
    Ok(page_of(&Confirm {
        f: asked.frame(format!("Delete {}", lost.name), "integrations"),
        question: format!("Delete {} ({})?", lost.name, lost.workspace),
        lines,
        points,
        action: format!("{at}/delete"),
        fields: Vec::new(),
        wants_reason: false,
        // Only of one that left the config nothing brings the history back.
        typed: lost.is_orphaned.then(|| lost.name.clone()),
        back: format!("{at}/configuration"),
        verb: "Delete".to_owned(),
        tone: "danger",
    }))
}

pub(super) async fn delete(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    let row = row(&asked, &name).await?;
    if row.state == ORPHANED && Fields::parse(&body).trimmed("typed").as_deref() != Some(row.name.as_str()) {
        let what = format!("{} was not deleted: the name typed is another one", row.name);
        return Err(asked.trouble(Failure::refused(what, format!("type `{}`", row.name))));
    }
    asked.carry_out(Request::IntegrationDelete { name, dry_run: false }).await?;
    Ok(asked.to(&format!("{}/", asked.base), "done=deleted"))
}
