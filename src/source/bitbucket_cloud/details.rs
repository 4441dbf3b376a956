//! Details of one pull request or commit: reviews, changed files.

use super::{BitbucketCloud, Cursor, Place, Who, cursor as cursor_of, place_of, wire};
use crate::model::{DetailBody, DetailKind, FileChange, Item, PullRequest, Repository, Review};
use crate::source::http::links::{segment, value};
use crate::source::{PipelinePage, SourceError};

/// The most Cloud gives of activities (facts 1.1).
const ACTIVITIES: u32 = 50;
/// The most Cloud gives of changed files.
const FILES: u32 = 100;
/// A change of more files is a generated or imported tree: the rest is counted as not told.
const MOST_PAGES: u32 = 20;

/// What is kept of an activity.
const ACTIVITY_FIELDS: &str = "next,values.approval.date,values.approval.user.display_name,\
values.approval.user.nickname,values.changes_requested.date,values.changes_requested.user.display_name,\
values.changes_requested.user.nickname,values.comment.created_on,values.comment.user.display_name,\
values.comment.user.nickname,values.comment.deleted";
/// What is kept of a changed file.
const FILE_FIELDS: &str = "next,values.status,values.lines_added,values.lines_removed,values.old.path,values.new.path";

pub(super) async fn detail(
    cloud: &BitbucketCloud,
    repo: &Repository,
    kind: DetailKind,
    of: &Item,
) -> Result<DetailBody, SourceError> {
    let path = cloud.repository_path(repo)?;
    match (kind, of) {
        (DetailKind::Reviews, Item::PullRequest(pull_request)) => {
            let relative = format!(
                "{path}/pullrequests/{}/activity?pagelen={ACTIVITIES}&fields={}",
                pull_request.id,
                value(ACTIVITY_FIELDS)
            );
            let mut reviews: Vec<Review> = all(cloud, relative).await?.0.iter().filter_map(wire::review).collect();
            reviews.sort();
            Ok(DetailBody::Reviews { reviews })
        }
        (DetailKind::PullRequestFiles, Item::PullRequest(pull_request)) => {
            files(cloud, of_pull_request(repo, &path, pull_request)).await
        }
        (DetailKind::CommitFiles, Item::Commit(commit)) => {
            let Some(hash) = segment(&commit.hash) else { return Err(unknown(repo, kind)) };
            files(cloud, format!("{path}/diffstat/{hash}?pagelen={FILES}&fields={}", value(FILE_FIELDS))).await
        }
        _ => Err(unknown(repo, kind)),
    }
}

/// A page of pipelines, newest first. The slash before the parameters is needed, and `fields` is not to be relied on
/// here (facts 1.1, 1.6).
pub(super) async fn pipelines(
    cloud: &BitbucketCloud,
    repo: &Repository,
    cursor: Option<&Cursor>,
) -> Result<PipelinePage, SourceError> {
    let place = match cursor {
        Some(cursor) => place_of::<Place>(cursor)?,
        None => Place::first(format!("{}/pipelines/?sort=-created_on&pagelen={FILES}", cloud.repository_path(repo)?)),
    };
    let page = cloud.page(&place, cloud.get(&place, Who::Any)?).await?;
    Ok(PipelinePage {
        pipelines: page.values.iter().filter_map(wire::pipeline).collect(),
        next: page.next.as_ref().map(cursor_of),
    })
}

fn unknown(repo: &Repository, kind: DetailKind) -> SourceError {
    SourceError::NotFound { url: format!("{} of {}", kind.as_str(), repo.full_name) }
}

/// The address that the pull request's own one would only point to: one request instead of two (facts 1.4).
fn of_pull_request(repo: &Repository, path: &str, pull_request: &PullRequest) -> String {
    let parameters = format!("pagelen={FILES}&fields={}", value(FILE_FIELDS));
    let is_hash = |hash: &&String| hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let source = pull_request.source_commit.as_ref().filter(is_hash);
    let target = pull_request.target_commit.as_ref().filter(is_hash);
    match (source, target, segment(&repo.workspace), segment(&repo.slug)) {
        (Some(source), Some(target), Some(workspace), Some(slug)) => format!(
            "{path}/diffstat/{workspace}/{slug}:{source}%0D{target}?from_pullrequest_id={}&topic=true&{parameters}",
            pull_request.id
        ),
        _ => format!("{path}/pullrequests/{}/diffstat?{parameters}", pull_request.id),
    }
}

async fn files(cloud: &BitbucketCloud, relative: String) -> Result<DetailBody, SourceError> {
    let (rows, truncated) = all(cloud, relative).await?;
    let files: Vec<FileChange> = rows.iter().filter_map(wire::file_change).collect();
    let sum = |lines: fn(&FileChange) -> Option<u64>| {
        // Of a list that was cut, nobody knows.
        if truncated { None } else { files.iter().map(lines).sum::<Option<u64>>() }
    };
    Ok(DetailBody::Files {
        lines_added: sum(|file| file.lines_added),
        lines_removed: sum(|file| file.lines_removed),
        total: files.len() as u64,
        files,
        truncated,
    })
}

/// Every row, up to [`MOST_PAGES`]; and whether there are more.
async fn all(cloud: &BitbucketCloud, relative: String) -> Result<(Vec<serde_json::Value>, bool), SourceError> {
    let mut rows = Vec::new();
    let mut next = Some(Place::first(relative));
    let mut pages = 0;
    while let Some(place) = next.take_if(|_| pages < MOST_PAGES) {
        let page = cloud.page(&place, cloud.get(&place, Who::Any)?).await?;
        rows.extend(page.values);
        next = page.next;
        pages += 1;
    }
    Ok((rows, next.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts 1.4: the redirect is skipped where both commits are known.
    #[test]
    fn files_of_a_pull_request_are_asked_for_where_they_are() {
        let repo = crate::source::bitbucket_cloud::wire::repository(serde_json::json!({
            "uuid": "{1}", "full_name": "acme/shop"
        }));
        let repo = repo.expect("a repository").repository;
        let mut pull_request = PullRequest {
            source_commit: Some("aaaaaaaaaaaa".to_owned()),
            target_commit: Some("bbbbbbbbbbbb".to_owned()),
            ..PullRequest::bare(7, chrono::DateTime::UNIX_EPOCH)
        };
        let path = "/repositories/acme/shop";
        let direct = of_pull_request(&repo, path, &pull_request);
        let wanted =
            "/repositories/acme/shop/diffstat/acme/shop:aaaaaaaaaaaa%0Dbbbbbbbbbbbb?from_pullrequest_id=7&topic=true&";
        assert!(direct.starts_with(wanted), "{direct}");
        pull_request.target_commit = None;
        let pointed = of_pull_request(&repo, path, &pull_request);
        assert!(pointed.starts_with("/repositories/acme/shop/pullrequests/7/diffstat?"), "{pointed}");
        pull_request.target_commit = Some("not/a hash".to_owned());
        assert!(of_pull_request(&repo, path, &pull_request).contains("/pullrequests/7/diffstat?"));
    }
}
