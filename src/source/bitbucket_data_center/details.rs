//! Details of pull requests and commits: reviews, changed files, builds.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use serde_json::Value;
use url::Url;

use super::{Asking, BitbucketDataCenter, PageAt, wire};
use crate::model::{DetailBody, DetailKind, Item, Repository};
use crate::source::SourceError;
use crate::source::cursor::broken_off;
use crate::source::http::links::shown;
use crate::source::http::{Call, Posted, Reply, Who};

/// The most Data Center gives of activities (facts 2.1).
const ACTIVITIES: u32 = 500;
/// The most it gives of changed files: what is beyond is not told at all.
const CHANGES: u32 = 1000;
/// The most it tells of the builds of one commit.
const BUILDS: u32 = 100;
/// A longer list of one pull request or commit was made by a machine: what is beyond is not read.
const MOST_PAGES: u32 = 20;
/// Commits asked in one request whether they have builds at all: most have none, or all have.
pub(super) const COMMITS_AT_ONCE: usize = 100;
/// The first version that counts the lines of a change.
const COUNTS_LINES: (u32, u32) = (9, 1);

pub(super) async fn detail(
    dc: &BitbucketDataCenter,
    repo: &Repository,
    kind: DetailKind,
    of: &Item,
) -> Result<DetailBody, SourceError> {
    let path = dc.repository_path(repo)?;
    match (kind, of) {
        (DetailKind::Reviews, Item::PullRequest(it)) => {
            reviews(dc, &format!("{path}/pull-requests/{}/activities", it.id)).await
        }
        (DetailKind::PullRequestFiles, Item::PullRequest(it)) => {
            files(dc, &format!("{path}/pull-requests/{}", it.id)).await
        }
        (DetailKind::CommitFiles, Item::Commit(commit)) if wire::is_hash(&commit.hash) => {
            files(dc, &format!("{path}/commits/{}", commit.hash)).await
        }
        (DetailKind::Builds, Item::Commit(commit)) if wire::is_hash(&commit.hash) => {
            builds(dc, repo, &commit.hash).await
        }
        _ => Err(SourceError::NotFound { url: format!("{} of {}", kind.as_str(), repo.full_name) }),
    }
}

/// Of commits: which have no build.
pub(super) async fn of_many(
    dc: &BitbucketDataCenter,
    repo: &Repository,
    kind: DetailKind,
    of: &[Item],
) -> Result<Vec<Option<DetailBody>>, SourceError> {
    if kind != DetailKind::Builds || dc.learned.counts_no_builds.load(Ordering::Relaxed) {
        return Ok(vec![None; of.len()]);
    }
    let hash = |item: &Item| match item {
        Item::Commit(commit) if wire::is_hash(&commit.hash) => Some(commit.hash.clone()),
        _ => None,
    };
    let hashes: Vec<Option<String>> = of.iter().map(hash).collect();
    let asked: Vec<&String> = hashes.iter().flatten().collect();
    let totals = match totals(dc, repo, &asked).await {
        Ok(totals) => totals,
        // What cannot be asked of many is asked of each.
        Err(SourceError::NotFound { .. } | SourceError::BadRequest { .. }) => {
            dc.learned.counts_no_builds.store(true, Ordering::Relaxed);
            return Ok(vec![None; of.len()]);
        }
        Err(error) => return Err(error),
    };
    let none = || Some(DetailBody::Builds { builds: Vec::new() });
    // What is left out has none.
    let has_none = |hash: &String| !totals.get(hash).is_some_and(wire::has_builds);
    Ok(hashes.iter().map(|hash| hash.as_ref().filter(|hash| has_none(hash)).and_then(|_| none())).collect())
}

async fn totals(dc: &BitbucketDataCenter, repo: &Repository, hashes: &[&String]) -> Result<Value, SourceError> {
    let question = serde_json::to_string(hashes)
        .map_err(|_| SourceError::NotFound { url: format!("commits of {}", repo.full_name) })?;
    let mut call = Call::get(dc.builds.url("/commits/stats")?, Who::Any);
    call.posted = Some(Posted::Json(question));
    let reply = dc.session.json(&call).await?;
    if reply.value.is_object() { Ok(reply.value) } else { Err(not_bitbucket(&reply.url, "JSON that is no object")) }
}

async fn builds(dc: &BitbucketDataCenter, repo: &Repository, hash: &str) -> Result<DetailBody, SourceError> {
    // The address of the repository's own resource wants the key of a build, which nobody tells: this one knows them.
    let url = dc.builds.url(&format!("/commits/{hash}?limit={BUILDS}"))?;
    let reply = dc.session.json(&Call::get(url, Who::Any)).await?;
    let page = wire::envelope(reply.value).map_err(|message| not_bitbucket(&reply.url, &message))?;
    let mut builds: Vec<_> = page.values.iter().filter_map(|row| wire::build(row, repo)).collect();
    builds.sort_by(|a, b| (a.started_at, a.ended_at, &a.key).cmp(&(b.started_at, b.ended_at, &b.key)));
    Ok(DetailBody::Builds { builds })
}

/// Newest first, as they come; in the order of time, as they are kept.
async fn reviews(dc: &BitbucketDataCenter, path: &str) -> Result<DetailBody, SourceError> {
    let mut rows = Vec::new();
    let mut next = Some(PageAt::FIRST);
    while let Some(at) = next.filter(|at| at.page <= MOST_PAGES) {
        let page = dc.page(path, at, ACTIVITIES, &Asking::by(Who::Any)).await?;
        rows.extend(page.values);
        next = page.next;
    }
    Ok(DetailBody::Reviews { reviews: wire::reviews(&rows) })
}

/// Which files, and how many lines in all, where the instance counts them. A diff would tell lines of each file, and
/// the source code with them, which is never read (P5.9).
async fn files(dc: &BitbucketDataCenter, of: &str) -> Result<DetailBody, SourceError> {
    let (rows, truncated) = changes(dc, &format!("{of}/changes?withComments=false")).await?;
    let files: Vec<_> = rows.iter().filter_map(wire::file_change).collect();
    let counted = lines(dc, &format!("{of}/diff-stats-summary")).await?;
    let named = files.len() as u64;
    Ok(DetailBody::Files {
        lines_added: counted.map(|it| it.added),
        lines_removed: counted.map(|it| it.removed),
        total: counted.and_then(|it| it.files).filter(|_| truncated).map_or(named, |total| total.max(named)),
        files,
        truncated,
    })
}

/// Rows, each path once, and whether there are more. Where a next page is told of, it is asked for; as a rule there is
/// none, and some answer the first page again.
async fn changes(dc: &BitbucketDataCenter, relative: &str) -> Result<(Vec<Value>, bool), SourceError> {
    let (mut rows, mut seen) = (Vec::new(), HashSet::new());
    let mut start = 0;
    for page in 1..=MOST_PAGES {
        let from = if start == 0 { String::new() } else { format!("&start={start}") };
        let url = dc.session.base().url(&format!("{relative}&limit={CHANGES}{from}"))?;
        let reply = dc.session.json(&Call::get(url, Who::Any)).await.map_err(|error| broken_off(error, page))?;
        let Reply { value, url, .. } = reply;
        let changes = wire::changes(value).map_err(|message| not_bitbucket(&url, &message))?;
        let before = rows.len();
        rows.extend(changes.rows.into_iter().filter(|row| seen.insert(row.get("path").map(Value::to_string))));
        match changes.next {
            Some(next) if next > start && rows.len() > before => start = next,
            _ => return Ok((rows, !changes.is_all)),
        }
    }
    Ok((rows, true))
}

/// `None`: the instance does not count them, or not these.
async fn lines(dc: &BitbucketDataCenter, path: &str) -> Result<Option<wire::Counted>, SourceError> {
    if dc.learned.counts_no_lines.load(Ordering::Relaxed) {
        return Ok(None);
    }
    // One that does not tell its version is asked; what it has not is told by a 404.
    if dc.version().await?.is_some_and(|version| (version.major, version.minor) < COUNTS_LINES) {
        dc.learned.counts_no_lines.store(true, Ordering::Relaxed);
        return Ok(None);
    }
    match dc.session.json(&Call { attempts: Some(2), ..Call::get(dc.session.base().url(path)?, Who::Any) }).await {
        Ok(reply) => Ok(wire::counted(&reply.value)),
        // The pull request or commit is there: its changes were told just now.
        Err(SourceError::NotFound { .. }) => {
            dc.learned.counts_no_lines.store(true, Ordering::Relaxed);
            Ok(None)
        }
        // Not of this one: a diff that is too large takes longer than the server allows itself.
        Err(SourceError::Forbidden { .. } | SourceError::BadRequest { .. } | SourceError::Server { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn not_bitbucket(url: &Url, message: &str) -> SourceError {
    SourceError::NotBitbucket { url: shown(url), message: message.to_owned() }
}
