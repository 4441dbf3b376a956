//! `/i/NAME/configuration`: the file's settings to read, what may change here, and the Danger Zone.

use askama::Template;
use axum::extract::Path;

use super::frame::{Asked, Frame, Page, page_of};
use super::integration::{Head, head, row as integration_row, title};
use super::words::took;
use crate::commands::answer::IntegrationRow;
use crate::config::filters::RepositoryGlob;
use crate::config::{Connector, ConnectorType, FirstSync, Integration, RulesRef};
use crate::error::shown;

#[derive(Template)]
#[template(path = "configuration.html")]
struct Configuration {
    f: Frame,
    h: Head,
    groups: Vec<Group>,
    file: String,
    auto_import: Option<AutoImport>,
}

struct Group {
    title: &'static str,
    rows: Vec<(&'static str, String)>,
    note: &'static str,
}

struct AutoImport {
    now: &'static str,
    words: String,
    turn: &'static str,
    verb: &'static str,
}

pub(super) async fn show(asked: Asked, Path(name): Path<String>) -> Page {
    let row = integration_row(&asked, &name).await?;
    let h = head(&asked, &row, "configuration").await?;
    let integration = asked.app.integration(&row.name).ok().filter(|_| !h.is_orphaned);
    let groups = integration.map(|integration| groups(&asked, integration)).unwrap_or_default();
    let file = match integration {
        Some(integration) => format!("{}, line {}", shown(&asked.app.config.path), integration.place.line),
        None => String::new(),
    };
    let auto_import = integration.map(|_| auto_import(&row));
    Ok(page_of(&Configuration {
        f: asked.frame(title("configuration", &row.name), "integrations"),
        h,
        groups,
        file,
        auto_import,
    }))
}

fn auto_import(row: &IntegrationRow) -> AutoImport {
    let by_file = if row.auto_import == row.auto_import_in_file {
        "As the file says. ".to_owned()
    } else {
        format!("Switched by hand; the file says {}. ", if row.auto_import_in_file { "on" } else { "off" })
    };
    AutoImport {
        now: if row.auto_import { "on" } else { "off" },
        words: format!(
            "{by_file}It concerns repositories discovered from the moment it is on; conflicts, weak matches and what people set aside are left for you."
        ),
        turn: if row.auto_import { "off" } else { "on" },
        verb: if row.auto_import { "Switch off" } else { "Switch on" },
    }
}

fn groups(asked: &Asked, integration: &Integration) -> Vec<Group> {
    let mut groups = vec![of_integration(integration)];
    if let Some(connector) = asked.app.config.connector_of(integration) {
        groups.push(of_connector(connector));
    }
    groups.push(of_repositories(integration));
    groups.push(of_kinds(integration));
    groups
}

fn of_integration(integration: &Integration) -> Group {
    let mut rows = vec![("Name", integration.name.clone())];
    rows.extend(integration.description.clone().map(|text| ("Description", text)));
    rows.push(("Registration", integration.registration.as_str().replace('_', " ")));
    rows.push(("Kind and type", format!("{}, {}", integration.kind, integration.entity_type)));
    let rules = match &integration.rules {
        RulesRef::Builtin(name) => name.clone(),
        RulesRef::File { path, .. } => shown(path),
    };
    rows.push(("Rules", rules));
    if !integration.tags.is_empty() {
        rows.push(("Tags", integration.tags.join(", ")));
    }
    rows.push(("Whole list walked", format!("every {}", long(integration.complete_sweep_every))));
    rows.push(("Guard", format!("stops above {} and {}", integration.guard.percent, integration.guard.at_least)));
    Group { title: "Integration", rows, note: "" }
}

fn of_connector(connector: &Connector) -> Group {
    let mut rows = vec![
        ("Name", connector.name.clone()),
        (
            "Product",
            match connector.kind {
                ConnectorType::BitbucketCloud => "Bitbucket Cloud",
                ConnectorType::BitbucketDataCenter => "Bitbucket Data Center",
            }
            .to_owned(),
        ),
    ];
    rows.extend(connector.description.clone().map(|text| ("Description", text)));
    rows.push(("API", connector.api_url.host_str().unwrap_or_default().to_owned()));
    let kinds: Vec<&str> = connector.auth.iter().map(|credential| credential.auth.as_str()).collect();
    rows.push(("Credentials", if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ").replace('_', " ") }));
    rows.extend(connector.test_repository.clone().map(|name| ("Test repository", name)));
    rows.extend(connector.requests_per_hour.map(|limit| ("Requests per hour", super::words::thousands(limit.into()))));
    rows.push(("Left to others", connector.reserve.to_string()));
    Group { title: "Connector", rows, note: "" }
}

fn of_repositories(integration: &Integration) -> Group {
    let filters = &integration.repositories;
    let globs = |globs: &[RepositoryGlob]| {
        let globs: Vec<&str> = globs.iter().map(RepositoryGlob::as_str).collect();
        if globs.is_empty() { "none".to_owned() } else { globs.join(", ") }
    };
    let yes = |on: bool| if on { "yes" } else { "no" }.to_owned();
    let mut rows = vec![
        ("Include", if filters.include.is_empty() { "all".to_owned() } else { globs(&filters.include) }),
        ("Exclude", globs(&filters.exclude)),
    ];
    if !filters.projects.is_empty() {
        rows.push(("Projects", filters.projects.join(", ")));
    }
    rows.push(("Forks", yes(filters.forks)));
    rows.push(("Personal", yes(filters.personal)));
    rows.push(("Archived", yes(filters.archived)));
    rows.extend(integration.start_date.map(|date| ("Start date", date.to_string())));
    Group { title: "Repositories", rows, note: "" }
}

fn of_kinds(integration: &Integration) -> Group {
    let first = |first: FirstSync| match first {
        FirstSync::Newest(number) => format!("the newest {} first", super::words::thousands(number)),
        FirstSync::All => "all of them".to_owned(),
    };
    let mut rows = Vec::new();
    for (kind, settings) in &integration.secondary_kinds {
        let label = if kind.as_str() == "commits" { "Commits" } else { "Pull requests" };
        let cap = super::words::thousands(settings.per_sync);
        rows.push((label, format!("{}; at most {cap} a sync", first(settings.first_sync))));
    }
    for (kind, settings) in &integration.details {
        let label = match kind {
            crate::model::DetailKind::Reviews => "Reviews",
            crate::model::DetailKind::PullRequestFiles => "Pull request files",
            crate::model::DetailKind::CommitFiles => "Commit files",
            crate::model::DetailKind::Pipelines => "Pipelines",
            crate::model::DetailKind::Builds => "Builds",
        };
        rows.push((label, format!("at most {} a sync", super::words::thousands(settings.per_sync))));
    }
    if integration.users.is_some() {
        rows.push(("Users", "yes".to_owned()));
    }
    if rows.is_empty() {
        rows.push(("None", "only repositories are kept".to_owned()));
    }
    Group {
        title: "Kept of each repository",
        rows,
        note: "Which of pull requests and commits are selected cannot change after the first sync.",
    }
}

fn long(time: std::time::Duration) -> String {
    let hours = time.as_secs() / 3_600;
    match (hours, time.as_secs() % 3_600) {
        (24, 0) => "day".to_owned(),
        (hours, 0) if hours > 0 => format!("{hours} h"),
        _ => took(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
    }
}
