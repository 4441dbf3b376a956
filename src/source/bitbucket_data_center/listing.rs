//! Repositories: the listing, and one that may have moved.

use serde::{Deserialize, Serialize};

use super::{Asking, BitbucketDataCenter, Page, PageAt, path_of, wire};
use crate::model::{IngestedRecord, Repository};
use crate::source::cursor::{cursor as cursor_of, place_of};
use crate::source::http::links::{segment, shown, value};
use crate::source::http::{Call, Who};
use crate::source::{Cursor, RepositoryPage, SourceError};

/// The most Data Center gives; where the administrator lowered it, pages are shorter without a word (facts 2.1).
const PAGE: u32 = 1000;
/// The first version that knows archived repositories, and leaves them out unless asked.
const KNOWS_ARCHIVED: u32 = 8;

/// Where a sweep is.
#[derive(Serialize, Deserialize)]
struct At {
    #[serde(flatten)]
    page: PageAt,
    /// The listing is asked for archived ones.
    archived: bool,
}

/// One page of the listing.
pub(super) async fn page(dc: &BitbucketDataCenter, cursor: Option<&Cursor>) -> Result<RepositoryPage, SourceError> {
    let mut at = match cursor {
        Some(cursor) => place_of::<At>(cursor)?,
        None => At { page: PageAt::FIRST, archived: dc.project.is_none() },
    };
    dc.prove().await?;
    let path = match dc.project.as_deref().and_then(segment) {
        // The archived ones come anyway (facts 2.2).
        Some(key) => format!("/projects/{key}/repos"),
        None => "/repos".to_owned(),
    };
    let Page { values, next, date, .. } = listed(dc, &path, &mut at, Who::Only(0)).await?;
    let mut records = Vec::with_capacity(values.len());
    let mut unreadable = Vec::new();
    for row in values {
        match wire::repository(row, &dc.instance) {
            Ok(record) => records.push(record),
            Err(row) => unreadable.push(row),
        }
    }
    let next = next.map(|page| cursor_of(&At { page, archived: at.archived }));
    Ok(RepositoryPage { records, unreadable, next, size: None, server_date: date })
}

/// One page, with the archived ones where they have to be asked for.
async fn listed(dc: &BitbucketDataCenter, path: &str, at: &mut At, who: Who) -> Result<Page, SourceError> {
    if at.archived {
        let with = if path.contains('?') { '&' } else { '?' };
        match dc.page(&format!("{path}{with}archived=ALL"), at.page, PAGE, &Asking::by(who)).await {
            // What is not known is passed over as a rule; a version that has no such parameter may refuse it as well.
            Err(SourceError::BadRequest { .. }) if lacks_archived(dc).await? => at.archived = false,
            page => return page,
        }
    }
    dc.page(path, at.page, PAGE, &Asking::by(who)).await
}

async fn lacks_archived(dc: &BitbucketDataCenter) -> Result<bool, SourceError> {
    Ok(dc.version().await?.is_some_and(|version| version.major < KNOWS_ARCHIVED))
}

/// A known repository, wherever it is. There is no look-up by id, so it is asked for where it was (a former name leads
/// on, on instances that remember it), then looked for by its display name in the whole instance: a move keeps that.
/// One that was moved and renamed at once is met by the sweep of the instance, by its id.
pub(super) async fn find(dc: &BitbucketDataCenter, known: &Repository) -> Result<Option<IngestedRecord>, SourceError> {
    dc.prove().await?;
    if let Some(path) = path_of(&known.workspace, &known.slug) {
        let reply = match dc.session.json(&Call::get(dc.session.base().url(&path)?, Who::Any)).await {
            Ok(reply) => Some(reply),
            Err(SourceError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(reply) = reply {
            let record = wire::repository(reply.value, &dc.instance).map_err(|row| SourceError::NotBitbucket {
                url: shown(&reply.url),
                message: format!("a repository that cannot be read: {}", row.reason),
            })?;
            if record.repository.key == known.key {
                return Ok(Some(record));
            }
        }
    }
    let named = format!("/repos?name={}", value(&known.name));
    let mut at = At { page: PageAt::FIRST, archived: true };
    loop {
        let page = listed(dc, &named, &mut at, Who::Any).await?;
        let mut rows = page.values.into_iter().filter_map(|row| wire::repository(row, &dc.instance).ok());
        if let Some(found) = rows.find(|record| record.repository.key == known.key) {
            return Ok(Some(found));
        }
        match page.next {
            Some(next) => at.page = next,
            None => return Ok(None),
        }
    }
}
