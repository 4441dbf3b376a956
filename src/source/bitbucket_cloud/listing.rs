//! Repositories: the listing, its count, one by its stable id.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{BitbucketCloud, Call, Cursor, Place, Who, cursor as cursor_of, place_of, wire};
use crate::model::{IngestedRecord, RepoKey};
use crate::source::http::links::{segment, shown, value};
use crate::source::{Listing, RepositoryPage, SourceError};

/// The most Cloud gives (facts 1.1).
const PAGE: u32 = 100;

/// Only drops: the record is kept whole otherwise (product.md section 9). Avatars are a tenth of a page
/// and change by themselves.
const FIELDS: &str = "-values.links.avatar,-values.owner.links.avatar,-values.workspace.links.avatar,\
-values.project.links.avatar,-values.parent.links.avatar";

/// One page of a listing, always in the order of creation: an order that does not change while it is
/// walked, so that no row is skipped (product.md section 8).
pub(super) async fn page(
    cloud: &BitbucketCloud,
    listing: &Listing,
    cursor: Option<&Cursor>,
) -> Result<RepositoryPage, SourceError> {
    let place = match cursor {
        Some(cursor) => place_of::<Place>(cursor)?,
        None => Place::first(first(cloud, listing)),
    };
    let page = cloud.page(&place, cloud.get(&place, Who::Only(0))?).await?;
    let mut records = Vec::with_capacity(page.values.len());
    let mut unreadable = Vec::new();
    for row in page.values {
        match wire::repository(row) {
            Ok(record) => records.push(record),
            Err(row) => unreadable.push(row),
        }
    }
    Ok(RepositoryPage {
        records,
        unreadable,
        next: page.next.as_ref().map(cursor_of),
        size: page.size,
        server_date: page.date,
    })
}

/// How many repositories a sweep would list.
pub(super) async fn count(cloud: &BitbucketCloud, who: Who) -> Result<Option<u64>, SourceError> {
    let relative = format!("/repositories/{}?pagelen=1&fields=size", cloud.workspace_segment);
    let reply = cloud.session.json(&Call::get(cloud.session.base().url(&relative)?, who)).await?;
    // An error that came as a success tells no count, but it is none of "the server does not tell".
    if !reply.value.is_object() || reply.value.get("error").is_some() {
        let message = "JSON that is no page".to_owned();
        return Err(SourceError::NotBitbucket { url: shown(&reply.url), message });
    }
    Ok(reply.value.get("size").and_then(Value::as_u64))
}

/// One repository by its uuid, wherever it moved to (facts 1.3).
pub(super) async fn by_key(cloud: &BitbucketCloud, key: &RepoKey) -> Result<Option<IngestedRecord>, SourceError> {
    let Some(uuid) = segment(&key.id) else { return Ok(None) };
    let fields = FIELDS.replace("values.", "");
    let relative = format!("/repositories/%7B%7D/{uuid}?fields={}", value(&fields));
    let reply = match cloud.session.json(&Call::get(cloud.session.base().url(&relative)?, Who::Any)).await {
        Ok(reply) => reply,
        Err(SourceError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let record = wire::repository(reply.value).map_err(|row| SourceError::NotBitbucket {
        url: shown(&reply.url),
        message: format!("a repository that cannot be read: {}", row.reason),
    })?;
    if record.repository.key != *key {
        let message = "another repository than the one asked for".to_owned();
        return Err(SourceError::NotBitbucket { url: shown(&reply.url), message });
    }
    Ok(Some(record))
}

fn first(cloud: &BitbucketCloud, listing: &Listing) -> String {
    let q = match listing {
        Listing::Sweep => None,
        Listing::SweepFrom { created_on } => Some(format!("created_on>={}", not_before(*created_on))),
        Listing::Delta { updated_on } => Some(format!("updated_on>={}", not_before(*updated_on))),
    };
    let mut relative =
        format!("/repositories/{}?sort=created_on&pagelen={PAGE}&fields={}", cloud.workspace_segment, value(FIELDS));
    if let Some(q) = q {
        relative.push_str("&q=");
        relative.push_str(&value(&q));
    }
    relative
}

/// An instant as a lower bound in a query: microseconds, which is what Cloud keeps; never later.
pub(super) fn not_before(at: DateTime<Utc>) -> String {
    format!("\"{}\"", at.format("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
}

/// An instant as an upper bound: never earlier.
pub(super) fn not_after(at: DateTime<Utc>) -> String {
    let beyond = i64::from(!at.timestamp_subsec_nanos().is_multiple_of(1000));
    not_before(at + chrono::Duration::microseconds(beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_never_lose_an_instant() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        assert_eq!(not_before(at), "\"2026-01-02T03:04:05.123456+00:00\"");
        assert_eq!(not_after(at), "\"2026-01-02T03:04:05.123457+00:00\"");
        let whole: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(not_after(whole), "\"2026-01-02T03:04:05.000000+00:00\"");
    }
}
