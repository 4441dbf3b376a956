//! Commits of a branch, newest first.

use super::{BitbucketCloud, Cursor, Place, Who, cursor as cursor_of, place_of, wire};
use crate::model::{Item, Repository};
use crate::source::http::links::value;
use crate::source::{ItemPage, SourceError};

/// The most Cloud gives (facts 1.1).
const PAGE: u32 = 100;

/// What is kept; `next` has to be named, or the walk would end after one page.
const FIELDS: &str = "next,values.hash,values.date,values.message,values.author.raw,\
values.author.user.display_name,values.parents.hash,values.links.html.href";

/// Gateways refuse longer addresses; beyond it the revisions go into a form.
const LONGEST_URL: usize = 6000;

/// One page of a commit walk. A repository without a default branch is empty and never asked.
pub(super) async fn page(
    cloud: &BitbucketCloud,
    repo: &Repository,
    include: &str,
    exclude: &[String],
    cursor: Option<&Cursor>,
) -> Result<ItemPage, SourceError> {
    if repo.default_branch.is_none() {
        return Ok(ItemPage::default());
    }
    let mut call;
    let place = match cursor {
        Some(cursor) => {
            let place = place_of::<Place>(cursor)?;
            call = cloud.get(&place, Who::Any)?;
            place
        }
        None => {
            let (relative, form) = first(&cloud.repository_path(repo)?, include, exclude);
            let place = Place::first(relative);
            call = cloud.get(&place, Who::Any)?;
            call.form = form;
            place
        }
    };
    call.hashes = exclude.iter().cloned().chain(is_hash(include).then(|| include.to_owned())).collect();
    let page = cloud.page(&place, call).await?;
    let mut items = Vec::with_capacity(page.values.len());
    let mut unreadable = Vec::new();
    for row in &page.values {
        match wire::commit(row) {
            Ok(commit) => items.push(Item::Commit(commit)),
            Err(reason) => unreadable.push(reason),
        }
    }
    Ok(ItemPage { items, unreadable, next: page.next.as_ref().map(cursor_of), size: page.size })
}

/// Address of the first page, and the form when it would get too long.
fn first(path: &str, include: &str, exclude: &[String]) -> (String, Option<String>) {
    let mut revisions = format!("include={}", value(include));
    for hash in exclude {
        revisions.push_str("&exclude=");
        revisions.push_str(&value(hash));
    }
    let common = format!("{path}/commits?pagelen={PAGE}&fields={}", value(FIELDS));
    if common.len() + revisions.len() > LONGEST_URL {
        (common, Some(revisions))
    } else {
        (format!("{common}&{revisions}"), None)
    }
}

fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_go_into_the_address_while_it_is_short() {
        let (relative, form) = first("/repositories/acme/x", "release/1.0+x", &["aa".to_owned(), "bb".to_owned()]);
        assert!(relative.ends_with("&include=release%2F1.0%2Bx&exclude=aa&exclude=bb"), "{relative}");
        assert_eq!(form, None);
        let many: Vec<String> = (0..200).map(|n| format!("{n:040x}")).collect();
        let (relative, form) = first("/repositories/acme/x", "main", &many);
        assert!(!relative.contains("exclude") && relative.contains("pagelen=100"));
        assert_eq!(form.unwrap().matches("exclude=").count(), 200);
    }
}
