//! Things that go wrong, to order. A fault is data; an [`Order`] says where and how often it strikes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::World;
use super::access::RetryAfter;

/// Which kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A list of repositories.
    Repositories,
    /// One repository.
    Repository,
    /// A list of pull requests.
    PullRequests,
    /// One pull request.
    PullRequest,
    /// A walk over commits.
    Commits,
    /// One commit.
    Commit,
    /// A list of branches, or one.
    Branches,
    /// One workspace.
    Workspace,
    /// Projects of a workspace, or one.
    Projects,
    /// The caller.
    User,
    /// The caller's workspaces.
    UserWorkspaces,
    /// Where a person grants an OAuth consumer access.
    Authorize,
    /// OAuth's token endpoint.
    Token,
    /// Data Center: version and name of the instance.
    ApplicationProperties,
    /// Data Center: what only somebody who is known may ask (`profile/recent/repos`).
    Identity,
    /// Data Center: the default branch of a repository.
    DefaultBranch,
    /// The files that a commit or pull request changes.
    Changes,
    /// Data Center: how many lines a commit or pull request changes.
    DiffStats,
    /// What happened to a pull request.
    Activities,
    /// Cloud: pipelines of a repository.
    Pipelines,
    /// Data Center: builds of a commit.
    BuildStatuses,
    /// Data Center: how many builds commits have.
    BuildTotals,
    /// Data Center: the instance's users. Cloud: the members of a workspace.
    Users,
    /// Webhooks of a workspace, a project or a repository.
    Webhooks,
    /// Anything else.
    Other,
}

/// How a row of a page is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRow {
    /// It has no uuid.
    NoUuid,
    /// What identifies and names it is there, other fields are numbers instead of text.
    WrongTypes,
    /// Not an object at all.
    NotAnObject,
}

/// Something that goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// A status with the error body that belongs to it.
    Status(u16),
    /// A status with this body, of this content type.
    Answer {
        /// HTTP status.
        status: u16,
        /// `Content-Type`
        content_type: String,
        /// Whole body.
        body: String,
    },
    /// 429.
    RateLimited(RetryAfter),
    /// 200 with a login page.
    HtmlPage,
    /// The right body as `text/html`.
    WrongContentType,
    /// 200, but the JSON breaks off in the middle and the length says that is all.
    TruncatedJson,
    /// The connection closes in the middle of the body.
    ConnectionClosed,
    /// The right answer, late.
    Slow(Duration),
    /// The right answer with so much filling that it is at least this long.
    HugeBody {
        /// Bytes.
        bytes: usize,
    },
    /// An empty page that is not the last one, and says to come back to where it starts (Data Center).
    EmptyPage,
    /// `next` (Data Center: `nextPageStart`) is this.
    NextIs(String),
    /// `next` is the page itself.
    NextIsItself,
    /// `next` is the first page of the same list.
    NextIsFirst,
    /// A redirect (302) to this address.
    Redirect(String),
    /// One row of the page cannot be read.
    BadRow {
        /// Which of the page, from 0.
        row: usize,
        /// How.
        how: BadRow,
    },
    /// The page has no `size`.
    SizeMissing,
    /// The page's `size` is wrong.
    SizeIs(u64),
    /// The person who is asked for access says no.
    Denied,
    /// The right answer, and then something happens in the world.
    Then(Hook),
}

/// What happens to the world; runs once per strike, after the answer was made and before anybody has it.
#[derive(Clone)]
pub struct Hook(pub(super) Arc<dyn Fn(&mut World) + Send + Sync>);

impl Fault {
    /// The right answer, and then this is done to the world.
    pub fn then(change: impl Fn(&mut World) + Send + Sync + 'static) -> Self {
        Self::Then(Hook(Arc::new(change)))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "Status({status})"),
            Self::Answer { status, .. } => write!(f, "Answer({status})"),
            Self::RateLimited(retry_after) => write!(f, "RateLimited({retry_after:?})"),
            Self::HtmlPage => f.write_str("HtmlPage"),
            Self::WrongContentType => f.write_str("WrongContentType"),
            Self::TruncatedJson => f.write_str("TruncatedJson"),
            Self::ConnectionClosed => f.write_str("ConnectionClosed"),
            Self::Slow(by) => write!(f, "Slow({by:?})"),
            Self::HugeBody { bytes } => write!(f, "HugeBody({bytes})"),
            Self::EmptyPage => f.write_str("EmptyPage"),
            Self::NextIs(next) => write!(f, "NextIs({next})"),
            Self::NextIsItself => f.write_str("NextIsItself"),
            Self::NextIsFirst => f.write_str("NextIsFirst"),
            Self::Redirect(to) => write!(f, "Redirect({to})"),
            Self::BadRow { row, how } => write!(f, "BadRow({row}, {how:?})"),
            Self::SizeMissing => f.write_str("SizeMissing"),
            Self::Denied => f.write_str("Denied"),
            Self::SizeIs(size) => write!(f, "SizeIs({size})"),
            Self::Then(_) => f.write_str("Then(…)"),
        }
    }
}

/// A fault with the place and times it strikes. Without more said: the next request, whatever it is.
#[derive(Clone, Debug)]
pub struct Order {
    pub(super) fault: Fault,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) repository: Option<String>,
    pub(super) query: Option<String>,
    /// Matching requests still let through.
    pub(super) skip: u64,
    /// Strikes left.
    pub(super) times: u64,
}

impl Order {
    /// The next request.
    pub fn next(fault: Fault) -> Self {
        Self { fault, endpoint: None, repository: None, query: None, skip: 0, times: 1 }
    }

    /// Every request.
    pub fn always(fault: Fault) -> Self {
        Self { times: u64::MAX, ..Self::next(fault) }
    }

    /// Only requests of this kind.
    #[must_use]
    pub fn at(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// Only requests to this repository (as in the path: `acme/web`).
    #[must_use]
    pub fn repository(mut self, full_name: &str) -> Self {
        self.repository = Some(full_name.to_owned());
        self
    }

    /// Only requests whose query, as sent, holds this text (`page=2`).
    #[must_use]
    pub fn query(mut self, part: &str) -> Self {
        self.query = Some(part.to_owned());
        self
    }

    /// Not before the nth matching request, counted from 1 and from now.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.skip = nth.saturating_sub(1);
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }
}

/// The orders not yet carried out.
#[derive(Debug, Default)]
pub(super) struct Orders(pub(super) Vec<Order>);

impl Orders {
    /// The fault that strikes this request, if any: the first order that matches and is due.
    pub(super) fn strike(&mut self, endpoint: Endpoint, repository: Option<&str>, query: &str) -> Option<Fault> {
        let mut struck = None;
        for order in &mut self.0 {
            let matches = order.endpoint.is_none_or(|wanted| wanted == endpoint)
                && order
                    .repository
                    .as_deref()
                    .is_none_or(|wanted| repository.is_some_and(|is| is.eq_ignore_ascii_case(wanted)))
                && order.query.as_deref().is_none_or(|part| query.contains(part));
            if !matches {
                continue;
            }
            if order.skip > 0 {
                order.skip -= 1;
            } else if struck.is_none() && order.times > 0 {
                if order.times != u64::MAX {
                    order.times -= 1;
                }
                struck = Some(order.fault.clone());
            }
        }
        self.0.retain(|order| order.times > 0);
        struck
    }
}
