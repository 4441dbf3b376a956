//! `activity KIND REPO`: the secondary kinds of one repository (P5.8); `activity users`: those of the integration.

use super::answer::{CommitRow, PullRequestRow, UserRow};
use super::request::Answer;
use super::{App, Failure};
use crate::model::{DetailKind, Item, SecondaryKind};

/// Newest first.
pub(super) async fn pull_requests(
    app: &App,
    repository: &str,
    integration: Option<&str>,
    limit: usize,
) -> Result<Answer, Failure> {
    let items = items(app, repository, integration, SecondaryKind::PullRequests, limit).await?;
    let rows = items.into_iter().filter_map(|item| match item {
        Item::PullRequest(pull_request) => Some(PullRequestRow {
            id: pull_request.id,
            title: pull_request.title,
            state: pull_request.state.as_str().to_owned(),
            author: pull_request.author,
            source_branch: pull_request.source_branch,
            target_branch: pull_request.target_branch,
            created_at: pull_request.created_at,
            updated_at: pull_request.updated_at,
            url: pull_request.url,
        }),
        Item::Commit(_) => None,
    });
    Ok(Answer::PullRequests(rows.collect()))
}

/// Newest first.
pub(super) async fn commits(
    app: &App,
    repository: &str,
    integration: Option<&str>,
    limit: usize,
) -> Result<Answer, Failure> {
    let items = items(app, repository, integration, SecondaryKind::Commits, limit).await?;
    let rows = items.into_iter().filter_map(|item| match item {
        Item::Commit(commit) => Some(CommitRow {
            hash: commit.hash,
            message: commit.message,
            author: commit.author,
            committed_at: commit.committed_at,
            url: commit.url,
        }),
        Item::PullRequest(_) => None,
    });
    Ok(Answer::Commits(rows.collect()))
}

/// Newest first. A kind that nobody selected is told from one of which nothing is stored.
pub(super) async fn details(
    app: &App,
    kind: DetailKind,
    repository: &str,
    integration: Option<&str>,
    limit: usize,
) -> Result<Answer, Failure> {
    let (integration, known) = app.find(repository, integration).await?;
    let stored = app.store.details(&integration.key(), &known.repository.key, kind, limit).await?;
    if stored.is_empty() && !integration.details.contains_key(&kind) {
        let name = kind.as_str();
        return Err(Failure::usage(
            format!("{name} are not fetched by {}", integration.name),
            format!("select them: `secondary_kinds: {{ …, {name}: {{}} }}`"),
        ));
    }
    Ok(Answer::Details(stored))
}

/// By name. What nobody selected is told from what nobody was met for.
pub(super) async fn users(app: &App, integration: Option<&str>, limit: usize) -> Result<Answer, Failure> {
    let integrations = app.integrations(integration)?;
    let mut rows = Vec::new();
    for integration in &integrations {
        let users = app.store.users(&integration.key()).await?;
        rows.extend(users.into_iter().map(|user| UserRow { integration: integration.name.clone(), user }));
    }
    if rows.is_empty() && integrations.iter().all(|integration| integration.users.is_none()) {
        let names: Vec<&str> = integrations.iter().map(|integration| integration.name.as_str()).collect();
        return Err(Failure::usage(
            format!("users are not fetched by {}", names.join(", ")),
            "select them: `secondary_kinds: { …, users: {} }`",
        ));
    }
    let by_name = |row: &UserRow| {
        let name = row.user.name.as_ref().map(|name| name.to_lowercase());
        (row.integration.clone(), name.is_none(), name, row.user.id.clone())
    };
    rows.sort_by_cached_key(by_name);
    rows.truncate(limit);
    Ok(Answer::Users(rows))
}

async fn items(
    app: &App,
    repository: &str,
    integration: Option<&str>,
    kind: SecondaryKind,
    limit: usize,
) -> Result<Vec<Item>, Failure> {
    let (integration, known) = app.find(repository, integration).await?;
    Ok(app.store.items(&integration.key(), &known.repository.key, kind, limit).await?)
}
