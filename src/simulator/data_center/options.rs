//! How a simulated Data Center is set up.

use crate::simulator::access::TokenBucket;

/// What `order=NEWEST` sorts pull requests by. The vendor does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewestBy {
    /// When they changed last.
    #[default]
    Updated,
    /// When they were opened.
    Created,
}

/// A Data Center instance. The default: version 9.4.0 at the root, no limit, public repositories open to everybody.
#[derive(Clone, Debug)]
pub struct DataCenterOptions {
    /// Path it is served below, like `/bitbucket`; empty: none.
    pub context: String,
    /// Version, like `9.4.0`: decides what there is.
    pub version: String,
    /// Whether those who do not say who they are see what is public.
    pub anonymous_access: bool,
    /// What a resource answers to somebody who may not see it: 401 by the documents, 403 here and there.
    pub denied_status: u16,
    /// What `order=NEWEST` sorts by.
    pub newest_by: NewestBy,
    /// The most rows of a page, where the server has no smaller number of its own.
    pub page_limit: usize,
    /// Pull requests and what happens to them have ISO dates instead of milliseconds.
    pub iso_dates: bool,
    /// Errors come as `{context, message, exceptionName}` without the list around it.
    pub bare_errors: bool,
    /// The base URL the instance thinks it has, which links name; `None`: the one it is called by.
    pub links_base: Option<String>,
    /// The limit per user, where it is switched on.
    pub bucket: Option<TokenBucket>,
}

impl Default for DataCenterOptions {
    fn default() -> Self {
        Self {
            context: String::new(),
            version: "9.4.0".to_owned(),
            anonymous_access: true,
            denied_status: 401,
            newest_by: NewestBy::default(),
            page_limit: 1000,
            iso_dates: false,
            bare_errors: false,
            links_base: None,
            bucket: None,
        }
    }
}

impl DataCenterOptions {
    /// Of a version, below a context path.
    pub fn new(version: &str, context: &str) -> Self {
        Self { version: version.to_owned(), context: context.to_owned(), ..Self::default() }
    }

    /// Drafts came late.
    pub(super) fn has_drafts(&self) -> bool {
        self.is_at_least(8, 18)
    }

    /// Whether it is this version or a later one.
    pub(super) fn is_at_least(&self, major: u32, minor: u32) -> bool {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
    }
}
