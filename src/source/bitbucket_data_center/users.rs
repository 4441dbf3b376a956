//! Accounts of the instance, or those who may read the project.

use super::{Asking, BitbucketDataCenter, PageAt, wire};
use crate::source::cursor::{cursor as cursor_of, place_of};
use crate::source::http::Who;
use crate::source::http::links::value;
use crate::source::{Cursor, SourceError, UserPage};

/// The most Data Center gives (facts 2.1).
const PAGE: u32 = 1000;

/// Whom an integration of a project has nothing to do with is not listed. Every known caller is answered here; the list of
/// the administrators tells more than is kept.
pub(super) fn place(project: Option<&str>) -> String {
    match project {
        Some(key) => format!("/users?permission.1=PROJECT_READ&permission.1.projectKey={}", value(key)),
        None => "/users".to_owned(),
    }
}

/// By one credential, as all listings: another may see others, who would seem to come and go.
pub(super) async fn page(dc: &BitbucketDataCenter, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
    let at = match cursor {
        Some(cursor) => place_of::<PageAt>(cursor)?,
        None => PageAt::FIRST,
    };
    let page = dc.page(&place(dc.project.as_deref()), at, PAGE, &Asking::by(Who::Only(0))).await?;
    let (mut users, mut unreadable) = (Vec::with_capacity(page.values.len()), Vec::new());
    for row in &page.values {
        match wire::user(row) {
            Ok(user) => users.push(user),
            Err(reason) => unreadable.push(reason),
        }
    }
    Ok(UserPage { users, unreadable, next: page.next.as_ref().map(cursor_of) })
}
