//! Commits of a branch, newest first.

use super::{BitbucketCloud, Cursor, Place, Who, cursor as cursor_of, place_of, wire};
use crate::model::{Item, Repository};
use crate::source::http::Posted;
use crate::source::http::links::value;
use crate::source::{ItemPage, SourceError};

/// The most Cloud gives (facts 1.1).
const PAGE: u32 = 100;

/// What is kept; `next` has to be named, or the walk would end after one page.
const FIELDS: &str = "next,values.hash,values.date,values.message,values.author.raw,\
values.author.user.display_name,values.parents.hash,values.links.html.href";

/// Gateways refuse longer addresses; beyond it the revisions go into a form.
const LONGEST_URL: usize = 6000;

/// One page of a commit walk. A repository without a default branch is asked only for what hashes name.
pub(super) async fn page(
    cloud: &BitbucketCloud,
    repo: &Repository,
    include: &[String],
    exclude: &[String],
    cursor: Option<&Cursor>,
) -> Result<ItemPage, SourceError> {
    if repo.default_branch.is_none() && !include.iter().all(|revision| is_hash(revision)) {
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
            call.posted = form.map(Posted::Form);
            place
        }
    };
    call.hashes = exclude.iter().chain(include.iter().filter(|revision| is_hash(revision))).cloned().collect();
    let page = cloud.page(&place, call).await?;
    let mut items = Vec::with_capacity(page.values.len());
    let mut unreadable = Vec::new();
    for row in &page.values {
        match wire::commit(row) {
            Ok(commit) => items.push(Item::Commit(commit)),
            Err(reason) => unreadable.push(reason),
        }
    }
    Ok(ItemPage { items, unreadable, next: page.next.as_ref().map(cursor_of), size: page.size, head: None })
}

/// Address of the first page, and the form when it would get too long.
fn first(path: &str, include: &[String], exclude: &[String]) -> (String, Option<String>) {
    let include = include.iter().map(|revision| format!("include={}", value(revision)));
    let exclude = exclude.iter().map(|revision| format!("exclude={}", value(revision)));
    let revisions = include.chain(exclude).collect::<Vec<_>>().join("&");
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
        let of = |revisions: &[&str]| revisions.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (relative, form) = first("/repositories/acme/x", &of(&["release/1.0+x", "cc"]), &of(&["aa", "bb"]));
        assert!(relative.ends_with("&include=release%2F1.0%2Bx&include=cc&exclude=aa&exclude=bb"), "{relative}");
        assert_eq!(form, None);
        let many: Vec<String> = (0..200).map(|n| format!("{n:040x}")).collect();
        let (relative, form) = first("/repositories/acme/x", &of(&["main"]), &many);
        assert!(!relative.contains("exclude") && relative.contains("pagelen=100"));
        assert_eq!(form.unwrap().matches("exclude=").count(), 200);
    }
}
