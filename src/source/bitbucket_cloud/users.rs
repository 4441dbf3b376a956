//! The members of a workspace.

use super::{BitbucketCloud, Call, Cursor, Place, Who, cursor as cursor_of, place_of, wire};
use crate::source::http::Pool;
use crate::source::http::links::value;
use crate::source::{SourceError, UserPage};

/// The most Cloud gives of lists that are not known to give less (facts 1.1).
const PAGE: u32 = 100;
/// What is kept of a member. Cloud tells no e-mail address unless asked for it.
const FIELDS: &str = "next,values.user.uuid,values.user.account_id,values.user.display_name,values.user.nickname,\
values.user.type,values.user.account_status,values.user.links.html.href";

/// By one credential, as all listings: another may see others, who would seem to come and go.
pub(super) async fn page(cloud: &BitbucketCloud, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
    let place = match cursor {
        Some(cursor) => place_of::<Place>(cursor)?,
        None => Place::first(format!(
            "/workspaces/{}/members?pagelen={PAGE}&fields={}",
            cloud.workspace_segment,
            value(FIELDS)
        )),
    };
    let call = Call { pool: Pool::Other, ..cloud.get(&place, Who::Only(0))? };
    let page = cloud.page(&place, call).await?;
    let (mut users, mut unreadable) = (Vec::with_capacity(page.values.len()), Vec::new());
    for row in &page.values {
        match wire::member(row) {
            Ok(user) => users.push(user),
            Err(reason) => unreadable.push(reason),
        }
    }
    Ok(UserPage { users, unreadable, next: page.next.as_ref().map(cursor_of) })
}
