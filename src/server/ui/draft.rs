//! `/new`: a new integration by a form. It is looked at live, and then shown as the lines to put into the file (P7.11).

use askama::Template;
use askama::filters::Safe;
use axum::body::Bytes;

use super::escape::exact;
use super::fields::Fields;
use super::frame::{Asked, Frame, Page, page_of, sentence};
use super::integration::astray;
use super::words::Chip;
use crate::commands::draft::{Drafted, IntegrationDraft};
use crate::commands::request::{Answer, Request};
use crate::correlate::BUILTIN;

const KINDS: [&str; 4] = ["Component", "Resource", "System", "Domain"];
const EVERY: [(&str, &str); 6] =
    [("30m", "30 minutes"), ("1h", "hour"), ("3h", "3 hours"), ("6h", "6 hours"), ("12h", "12 hours"), ("1d", "day")];
const REGISTRATIONS: [(&str, &str, &str); 3] = [
    ("register_and_merge", "Register and merge", "merge what matches, register the rest"),
    ("register", "Register", "never merge"),
    ("merge", "Merge", "never make an entity"),
];

#[derive(Template)]
#[template(path = "new.html")]
struct New {
    f: Frame,
    draft: Shown,
    connectors: Vec<String>,
    catalogs: Vec<String>,
    rules: Vec<&'static str>,
    kinds: [&'static str; 4],
    every: [(&'static str, &'static str); 6],
    registrations: [(&'static str, &'static str, &'static str); 3],
    faults: Vec<String>,
    found: Vec<Found>,
    is_checked: bool,
    is_sound: bool,
    lines: String,
    file: String,
    /// The config allows it at all.
    may_write: bool,
    is_writable: bool,
    unwritable: Option<String>,
    version: String,
}

/// The draft as the form shows it.
struct Shown {
    name: Safe<String>,
    connector: String,
    catalog: String,
    workspace: Safe<String>,
    description: Safe<String>,
    include: Safe<String>,
    exclude: Safe<String>,
    projects: Safe<String>,
    registration: String,
    kind: String,
    type_: Safe<String>,
    rules: String,
    every: String,
    start_date: String,
    pull_requests: bool,
    commits: bool,
    auto_import: bool,
}

struct Found {
    about: String,
    chip: Chip,
    words: String,
    mend: Option<String>,
    curl: Option<String>,
}

pub(super) async fn form(asked: Asked) -> Page {
    asked.wants_edit()?;
    let draft = IntegrationDraft {
        pull_requests: true,
        commits: true,
        update_every: Some("3h".to_owned()),
        kind: Some("Component".to_owned()),
        r#type: Some("service".to_owned()),
        ..IntegrationDraft::default()
    };
    Ok(page(&asked, &draft, None))
}

pub(super) async fn check(asked: Asked, body: Bytes) -> Page {
    asked.wants_edit()?;
    let draft = read(&Fields::parse(&body));
    let Answer::Drafted(drafted) = asked.carry_out(Request::IntegrationDraft(Box::new(draft.clone()))).await? else {
        return Err(asked.trouble(astray()));
    };
    Ok(page(&asked, &draft, Some(*drafted)))
}

/// Writes what was checked into the config, where that is allowed.
pub(super) async fn write(asked: Asked, body: Bytes) -> Page {
    asked.wants_edit()?;
    let fields = Fields::parse(&body);
    let draft = Box::new(read(&fields));
    let (name, instead_of) = (draft.name.clone(), fields.one("version").unwrap_or_default().to_owned());
    asked.carry_out(Request::IntegrationCreate { draft, instead_of }).await?;
    // Read again at once: whoever wrote it is led to it.
    let at = asked.integration_path(&name);
    match asked.is_in_config(&name).await {
        true => Ok(asked.to(&format!("{at}/discovered"), "done=created")),
        false => Ok(asked.to(&format!("{}/", asked.base), "done=created")),
    }
}

fn read(fields: &Fields) -> IntegrationDraft {
    let list = |name: &str| {
        let text = fields.trimmed(name).unwrap_or_default();
        let parts = text.split([',', ' ', '\n']).map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect::<Vec<_>>()
    };
    IntegrationDraft {
        name: fields.trimmed("name").unwrap_or_default(),
        connector: fields.trimmed("connector").unwrap_or_default(),
        catalog: fields.trimmed("catalog").unwrap_or_default(),
        workspace: fields.trimmed("workspace"),
        description: fields.trimmed("description"),
        include: list("include"),
        exclude: list("exclude"),
        projects: list("projects"),
        registration: fields.trimmed("registration"),
        kind: fields.trimmed("kind"),
        r#type: fields.trimmed("type"),
        rules: fields.trimmed("rules"),
        pull_requests: fields.has("pull_requests"),
        commits: fields.has("commits"),
        update_every: fields.trimmed("every"),
        start_date: fields.trimmed("start_date"),
        auto_import: fields.has("auto_import"),
    }
}

fn page(asked: &Asked, draft: &IntegrationDraft, drafted: Option<Drafted>) -> axum::response::Response {
    let config = &asked.app.config;
    let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
    let found: Vec<Found> = drafted.iter().flat_map(|drafted| &drafted.found).map(found).collect();
    let is_sound = drafted.as_ref().is_some_and(|drafted| {
        drafted.faults.is_empty() && drafted.found.iter().all(|row| matches!(row.code.as_str(), "ok" | "warning"))
    });
    page_of(&New {
        f: asked.frame("New integration", "integrations"),
        connectors: config.connectors.keys().cloned().collect(),
        catalogs: config.catalogs.keys().cloned().collect(),
        rules: BUILTIN.iter().map(|(name, _)| *name).collect(),
        kinds: KINDS,
        every: EVERY,
        registrations: REGISTRATIONS,
        is_checked: drafted.is_some(),
        is_sound,
        faults: drafted.iter().flat_map(|drafted| drafted.faults.iter().cloned().map(sentence)).collect(),
        found,
        lines: drafted.as_ref().map(|drafted| drafted.lines.clone()).unwrap_or_default(),
        may_write: config.server.edit_config,
        is_writable: drafted.as_ref().is_some_and(|drafted| drafted.is_writable),
        unwritable: drafted.as_ref().and_then(|drafted| drafted.unwritable.clone()),
        version: drafted.as_ref().map(|drafted| drafted.version.clone()).unwrap_or_default(),
        file: drafted.map(|drafted| drafted.file).unwrap_or_default(),
        draft: Shown {
            name: exact(&draft.name),
            connector: draft.connector.clone(),
            catalog: draft.catalog.clone(),
            workspace: exact(&or_nothing(&draft.workspace)),
            description: exact(&or_nothing(&draft.description)),
            include: exact(&draft.include.join(", ")),
            exclude: exact(&draft.exclude.join(", ")),
            projects: exact(&draft.projects.join(", ")),
            registration: draft.registration.clone().unwrap_or_else(|| "register_and_merge".to_owned()),
            kind: or_nothing(&draft.kind),
            type_: exact(&or_nothing(&draft.r#type)),
            rules: or_nothing(&draft.rules),
            every: or_nothing(&draft.update_every),
            start_date: or_nothing(&draft.start_date),
            pull_requests: draft.pull_requests,
            commits: draft.commits,
            auto_import: draft.auto_import,
        },
    })
}

fn found(row: &crate::commands::answer::CheckRow) -> Found {
    Found {
        about: row.about.clone(),
        chip: match row.code.as_str() {
            "ok" => Chip::new("ok", "good", "good"),
            "warning" => Chip::new("warning", "look", "look"),
            code => Chip::new(code.replace('_', " "), "bad", "bad"),
        },
        words: format!("{}: {}", row.subject, row.message),
        mend: row.mend.clone().map(sentence),
        curl: row.curl.clone(),
    }
}
