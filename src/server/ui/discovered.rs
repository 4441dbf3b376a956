//! `/i/NAME/discovered`: what awaits a decision. The address holds the whole state of the list, so that it can be shared.

use askama::Template;
use askama::filters::Safe;
use axum::body::Bytes;
use axum::extract::Path;

use super::escape::exact;
use super::fields::{Fields, query, with_query};
use super::frame::{Asked, Frame, Page, Trouble, page_of};
use super::integration::{Confirm, Head, astray, head, points, row as integration_row, title};
use super::words::{Moment, Sums, count, outside, thousands};
use crate::commands::answer::{DiscoveredRow, DiscoveredState, Page as Rows};
use crate::commands::request::{Answer, DiscoveredFilter, DiscoveredSort, Paging, Request, StateFilter};
use crate::model::Action;

/// Rows of a page.
const ROWS: usize = 100;

/// What the address of the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) search: String,
    /// `register`, `merge`, `conflict`, `none`, or nothing.
    pub(super) action: &'static str,
    /// `ignored`, `hidden`, `inaccessible`, or nothing: pending.
    pub(super) state: &'static str,
    pub(super) project: String,
    pub(super) sort: &'static str,
    /// Where the page begins, as the page before told.
    pub(super) cursor: Option<String>,
    /// How many rows come before it: only told.
    pub(super) from: u64,
    /// All of it but the page, as in an address.
    pub(super) text: String,
}

/// State of those that are listed and may not be read.
const INACCESSIBLE: &str = "inaccessible";
const ACTIONS: [Action; 4] = [Action::Register, Action::Merge, Action::Conflict, Action::None];
const SORTS: [(&str, &str); 5] = [
    ("", "By name"),
    ("action", "By action"),
    ("entity", "By entity"),
    ("-detected", "Newest first"),
    ("detected", "Oldest first"),
];

impl Query {
    pub(super) fn of(fields: &Fields) -> Self {
        let said = fields.one("action");
        let mut query = Self {
            search: fields.trimmed("q").unwrap_or_default(),
            action: ACTIONS.map(Action::as_str).into_iter().find(|word| Some(*word) == said).unwrap_or_default(),
            state: ["ignored", "hidden", INACCESSIBLE]
                .into_iter()
                .find(|word| Some(*word) == fields.one("state"))
                .unwrap_or_default(),
            project: fields.trimmed("project").unwrap_or_default(),
            sort: SORTS
                .into_iter()
                .find(|(value, _)| Some(*value) == fields.one("sort"))
                .map_or("", |(value, _)| value),
            cursor: fields.trimmed("cursor"),
            from: fields.one("from").and_then(|from| from.parse::<u64>().ok()).unwrap_or(1).max(1) - 1,
            text: String::new(),
        };
        query.text = query.with(query.action, query.state);
        query
    }

    /// The same with another filter, as in an address.
    fn with(&self, action: &str, state: &str) -> String {
        query([
            ("q", self.search.as_str()),
            ("action", action),
            ("state", state),
            ("project", &self.project),
            ("sort", self.sort),
        ])
    }

    /// What is asked of the list.
    pub(super) fn filter(&self, integration: &str) -> DiscoveredFilter {
        DiscoveredFilter {
            integration: Some(integration.to_owned()),
            action: ACTIONS.into_iter().find(|action| action.as_str() == self.action),
            state: Some(match self.state {
                "ignored" => StateFilter::Ignored,
                "hidden" => StateFilter::Hidden,
                INACCESSIBLE => StateFilter::Inaccessible,
                _ => StateFilter::Pending,
            }),
            search: Some(self.search.clone()).filter(|search| !search.is_empty()),
            project: Some(self.project.clone()).filter(|project| !project.is_empty()),
            kind: None,
        }
    }

    fn paging(&self, limit: usize) -> Paging<DiscoveredSort> {
        let (sort, descending) = match self.sort {
            "-detected" => (DiscoveredSort::DetectedAt, true),
            "detected" => (DiscoveredSort::DetectedAt, false),
            "entity" => (DiscoveredSort::Entity, false),
            "action" => (DiscoveredSort::Action, false),
            _ => (DiscoveredSort::Name, false),
        };
        Paging { sort, descending, cursor: self.cursor.clone(), limit }
    }
}

#[derive(Template)]
#[template(path = "discovered.html")]
struct Discovered {
    f: Frame,
    h: Head,
    query: Query,
    searched: Safe<String>,
    projects: Vec<String>,
    sorts: [(&'static str, &'static str); 5],
    segments: Vec<Segment>,
    rows: Vec<Row>,
    total: String,
    sums: Sums,
    range_words: String,
    before: Option<String>,
    after: Option<String>,
    is_filtered: bool,
    none_title: &'static str,
    none_words: String,
    nothing_yet: Option<Empty>,
}

struct Segment {
    /// An action or a state; empty: all that wait.
    word: &'static str,
    label: &'static str,
    count: String,
    href: String,
    is_current: bool,
}

/// An empty page, and what to do next.
struct Empty {
    title: &'static str,
    words: String,
    offers_sync: bool,
}

struct Row {
    /// Of the page, from 1.
    at: usize,
    id: String,
    /// What the row said when it was looked at.
    version: String,
    full_name: String,
    href: String,
    out: Option<String>,
    action: &'static str,
    /// The action, or why it does not count.
    word: &'static str,
    entity: String,
    entity_href: Option<String>,
    rule: String,
    reason: String,
    kind: String,
    type_: String,
    detected: Moment,
    note: Option<String>,
}

pub(super) async fn show(asked: Asked, Path(name): Path<String>) -> Page {
    let integration = integration_row(&asked, &name).await?;
    let h = head(&asked, &integration, "discovered").await?;
    let query = Query::of(&asked.query);
    let page = asked.page(query.filter(&h.name), query.paging(ROWS)).await?;
    // What the other segments hold, with the same search: a look at each, without rows.
    let mut numbers = Vec::new();
    for state in ["", "ignored", "hidden", INACCESSIBLE] {
        let other = Query { action: "", state, ..query.clone() };
        let of_it = asked.page(other.filter(&h.name), Paging { limit: 1, ..Paging::default() }).await?;
        numbers.push((Sums::of_counts(&of_it.counts), of_it.total));
    }
    let path = format!("{}/discovered", h.at);
    let first = query.from;
    let shown: Vec<Row> = page.rows.iter().enumerate().map(|(at, row)| shown(&asked, &h, at + 1, row)).collect();
    let last = first + shown.len() as u64;
    let after = page.next.as_deref().map(|cursor| {
        let from = (last + 1).to_string();
        let next = super::fields::query([("cursor", cursor), ("from", &from)]);
        format!(
            "{path}?{}",
            [query.text.as_str(), &next].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&")
        )
    });
    let is_filtered = query.text != super::fields::query([("state", query.state)]);
    let nothing = numbers.iter().all(|(_, number)| *number == 0) && query.search.is_empty() && query.project.is_empty();
    let segments = segments(&path, &query, numbers[0].0, [numbers[1].1, numbers[2].1, numbers[3].1]);
    let of_filter = Sums::of_counts(&page.counts);
    let sums = ACTIONS
        .into_iter()
        .find(|action| action.as_str() == query.action)
        .map_or(of_filter, |action| of_filter.only(action));
    Ok(page_of(&Discovered {
        f: asked.frame(title("discovered", &h.name), "integrations"),
        searched: exact(&query.search),
        nothing_yet: nothing_yet(&integration, nothing),
        projects: page.projects,
        sorts: SORTS,
        segments,
        total: thousands(page.total),
        sums,
        range_words: match page.total {
            0 => String::new(),
            total => format!("{} to {} of {}", thousands(first + 1), thousands(last), thousands(total)),
        },
        before: (first > 0).then(|| with_query(&path, &query.text)),
        after,
        is_filtered,
        none_title: if is_filtered { "Nothing matches" } else { "Nothing waits here" },
        none_words: none_words(&query, is_filtered),
        rows: shown,
        h,
        query,
    }))
}

impl Asked {
    async fn page(
        &self,
        filter: DiscoveredFilter,
        paging: Paging<DiscoveredSort>,
    ) -> Result<Rows<DiscoveredRow>, Trouble> {
        match self.ask(Request::DiscoveredPage { filter, paging }).await? {
            Answer::DiscoveredPage(page) => Ok(*page),
            _ => Err(self.trouble(astray())),
        }
    }
}

fn none_words(query: &Query, is_filtered: bool) -> String {
    match (query.state, is_filtered) {
        (_, true) => "No repository fits this search and these filters.".to_owned(),
        ("ignored", _) => "Nobody has set a repository aside.".to_owned(),
        (INACCESSIBLE, _) => "Every repository of the list may be read.".to_owned(),
        ("hidden", _) => "No filter of the config hides a repository.".to_owned(),
        _ => "Every repository is imported, ignored or hidden. The next sync brings what is new.".to_owned(),
    }
}

fn nothing_yet(integration: &crate::commands::answer::IntegrationRow, is_empty: bool) -> Option<Empty> {
    if !is_empty || integration.imported > 0 {
        return None;
    }
    Some(match &integration.last_sync {
        None => Empty {
            title: "Nothing discovered yet",
            words: "The first sync lists every repository of the workspace and recommends what to do with each. It writes nothing to the catalog.".to_owned(),
            offers_sync: true,
        },
        Some(sync) if sync.outcome == crate::model::Outcome::Running => Empty {
            title: "The first sync is under way",
            words: "Repositories appear here as soon as they are judged.".to_owned(),
            offers_sync: false,
        },
        Some(_) => Empty {
            title: "Nothing discovered",
            words: "The last sync found no repository that waits. Its record says what it saw, under Syncs.".to_owned(),
            offers_sync: true,
        },
    })
}

fn segments(path: &str, query: &Query, sums: Sums, [ignored, hidden, forbidden]: [u64; 3]) -> Vec<Segment> {
    let segment = |word: &'static str, label, number: u64, action: &'static str, state: &'static str| Segment {
        word,
        label,
        count: thousands(number),
        href: with_query(path, &query.with(action, state)),
        is_current: query.action == action && query.state == state,
    };
    let mut segments = vec![segment("", "All that wait", sums.all(), "", "")];
    for action in ACTIONS {
        // With no rule that says `none`, nobody misses the word.
        if action != Action::None || sums.none > 0 {
            segments.push(segment(action.as_str(), "", sums.of(action), action.as_str(), ""));
        }
    }
    segments.push(segment("ignored", "", ignored, "", "ignored"));
    segments.push(segment("hidden", "", hidden, "", "hidden"));
    if forbidden > 0 || query.state == INACCESSIBLE {
        segments.push(segment(INACCESSIBLE, "", forbidden, "", INACCESSIBLE));
    }
    segments
}

fn shown(asked: &Asked, h: &Head, at: usize, row: &DiscoveredRow) -> Row {
    let recommendation = &row.recommendation;
    let word = match row.state {
        DiscoveredState::Pending => recommendation.action.as_str(),
        state => state.as_str(),
    };
    let (rule, becomes) = by_rule(&recommendation.reason);
    let exists = recommendation.action != Action::Register;
    // That a person decides is what a conflict means.
    let weak = row.needs_review.as_ref().filter(|_| recommendation.action != Action::Conflict);
    let note = row.tombstone.clone().or_else(|| row.hidden_by.as_ref().map(|filter| format!("by {filter}")));
    Row {
        at,
        id: row.repository.id.clone(),
        version: row.version.clone(),
        full_name: row.repository.full_name.clone(),
        href: asked.repository_path(&row.repository.id, &h.name),
        out: outside(&row.repository.url),
        action: recommendation.action.as_str(),
        word,
        entity: recommendation.entity.clone().or(becomes).unwrap_or_default(),
        entity_href: recommendation
            .entity
            .as_deref()
            .filter(|_| exists)
            .map(|entity| asked.entity_path(entity, &h.name)),
        rule,
        reason: recommendation.reason.clone(),
        kind: row.kind.clone(),
        type_: row.r#type.clone().unwrap_or_default(),
        detected: Moment::new(asked.now(), row.detected_at),
        note: note.or_else(|| weak.map(|_| "look first".to_owned())),
    }
}

/// `rule 6: name equals metadata.name` → `name equals metadata.name`: of a list, the rule is what counts. What it becomes
/// stands where entities stand.
fn by_rule(reason: &str) -> (String, Option<String>) {
    if let Some((_, says)) = reason.strip_prefix("rule ").and_then(|rest| rest.split_once(": ")) {
        return (says.to_owned(), None);
    }
    let Some((before, rest)) = reason.split_once("becomes ") else { return (reason.to_owned(), None) };
    let (entity, behind) = rest.split_once("; ").unwrap_or((rest, ""));
    let why = [before.trim_end_matches("; ").trim(), behind].into_iter().find(|part| !part.is_empty());
    (why.unwrap_or_default().to_owned(), Some(entity.to_owned()))
}

/// Back to the list as it was.
pub(super) fn back(asked: &Asked, name: &str, fields: &Fields, done: &str) -> axum::response::Response {
    // Read and written again: whatever stood there leads to the list and nowhere else.
    let list = Query::of(&Fields::parse(fields.one("back").unwrap_or_default().as_bytes())).text;
    let done = query([("done", done)]);
    let parts: Vec<&str> = [list.as_str(), done.as_str()].into_iter().filter(|part| !part.is_empty()).collect();
    asked.to(&format!("{}/discovered", asked.integration_path(name)), &parts.join("&"))
}

pub(super) async fn ignore(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let fields = Fields::parse(&body);
    let repositories = fields.repositories();
    if !fields.has("sure") {
        let number = repositories.len() as u64;
        let at = asked.integration_path(&name);
        let mut hidden: Vec<(&'static str, String)> = repositories.into_iter().map(|id| ("repository", id)).collect();
        hidden.push(("back", fields.one("back").unwrap_or_default().to_owned()));
        hidden.push(("sure", "yes".to_owned()));
        return Ok(page_of(&Confirm {
            f: asked.frame("Ignore", "integrations"),
            question: format!("Ignore {}?", count(number, "repository", "repositories")),
            lines: vec![
                "They leave the list, are never imported by themselves, and can be taken back at any time.".to_owned(),
            ],
            points: points(&fields.names()),
            action: format!("{at}/discovered/ignore"),
            fields: hidden,
            wants_reason: true,
            typed: None,
            back: format!("{at}/discovered"),
            verb: "Ignore".to_owned(),
            tone: "primary",
        }));
    }
    let request = Request::DiscoveredIgnore {
        repositories: repositories.clone(),
        integration: Some(name.clone()),
        reason: fields.trimmed("reason"),
    };
    asked.carry_out(request).await?;
    Ok(back(&asked, &name, &fields, &format!("ignored-{}", repositories.len())))
}

pub(super) async fn restore(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    let fields = Fields::parse(&body);
    let repositories = fields.repositories();
    let request = Request::DiscoveredRestore { repositories: repositories.clone(), integration: Some(name.clone()) };
    asked.carry_out(request).await?;
    Ok(back(&asked, &name, &fields, &format!("restored-{}", repositories.len())))
}

#[cfg(test)]
mod tests {
    use super::by_rule;

    // P4.1: what a new entity will be called is seen before anybody opens the row.
    #[test]
    fn a_row_tells_what_a_repository_becomes_p4_1() {
        let check = |reason: &str, why: &str, entity: Option<&str>| {
            assert_eq!(by_rule(reason), (why.to_owned(), entity.map(str::to_owned)), "{reason}");
        };
        check("rule 6: name equals metadata.name", "name equals metadata.name", None);
        let web = Some("component:default/web");
        check("no entity matches; becomes component:default/web", "no entity matches", web);
        check("becomes component:default/web; registration is register", "registration is register", web);
        check("two repositories claim it", "two repositories claim it", None);
    }
}
