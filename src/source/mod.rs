//! Seam 1: where repositories come from. A source sends pages and says what went wrong; it decides
//! nothing. Pages rather than streams, so that a crawl resumes from a stored cursor.

pub mod bitbucket_cloud;
pub mod bitbucket_data_center;
mod cursor;
pub mod git;
pub mod hooks;
pub mod http;
mod json;
mod look;
#[cfg(test)]
mod walked;

pub use look::{expiry_in_words, unused_in_words};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::hooks::{Hook, HookPlace, NewHook};
use crate::model::coverage::Head;
use crate::model::{Build, DetailBody, DetailKind, IngestedRecord, InstanceId, Item, RepoKey, Repository, User};

/// Where to go on. Opaque to everyone but the source that made it; fit to be stored. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// Which repositories to list, always in the order of their creation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "listing")]
pub enum Listing {
    /// All of them.
    Sweep,
    /// All created at or after an instant: the second walk by key, when the first one's count did not
    /// agree (product.md, section 8).
    SweepFrom {
        /// Inclusive.
        created_on: DateTime<Utc>,
    },
    /// Those updated at or after an instant.
    Delta {
        /// Inclusive.
        updated_on: DateTime<Utc>,
    },
}

/// A row of a listing that could not be read; it never takes the others along (P2.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableRecord {
    /// Its id, where the row still told it: such a repository counts as seen.
    pub key: Option<RepoKey>,
    /// Full name or whatever else names it for people.
    pub name: String,
    /// What was wrong.
    pub reason: String,
}

/// One page of repositories.
#[derive(Clone, Debug, Default)]
pub struct RepositoryPage {
    /// As sent, in order.
    pub records: Vec<IngestedRecord>,
    /// Rows that could not be read.
    pub unreadable: Vec<UnreadableRecord>,
    /// `None`: this was the last page, and the walk is complete.
    pub next: Option<Cursor>,
    /// How many rows the server says the whole listing has.
    pub size: Option<u64>,
    /// The server's `Date` of this answer.
    pub server_date: Option<DateTime<Utc>>,
}

/// What is asked of a repository's secondary kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Pull requests in all states, most recently updated first.
    PullRequests {
        /// Not before this update time (inclusive).
        from: Option<DateTime<Utc>>,
        /// Not after this update time (inclusive).
        to: Option<DateTime<Utc>>,
    },
    /// Commits reachable from any of `include` and from none of `exclude`, newest first.
    Commits {
        /// A branch name, [`HEAD`](crate::model::HEAD), or full hashes; at least one.
        include: Vec<String>,
        /// Full hashes.
        exclude: Vec<String>,
    },
}

/// One page of a secondary kind.
#[derive(Clone, Debug, Default)]
pub struct ItemPage {
    /// As sent, in order; pull requests most recently updated first.
    pub items: Vec<Item>,
    /// Rows that could not be read, in words for people.
    pub unreadable: Vec<String>,
    /// `None`: the walk is complete.
    pub next: Option<Cursor>,
    /// How many rows the server says the walk has, where it tells (pull requests; not commits).
    pub size: Option<u64>,
    /// Head of the branch asked for by its name, where the first page of commits showed it: also when none of its
    /// commits is new, so that nobody needs a second request to know that.
    pub head: Option<Head>,
}

/// One page of pipelines.
#[derive(Clone, Debug, Default)]
pub struct PipelinePage {
    /// Number, start and pipeline, newest first.
    pub pipelines: Vec<(u64, DateTime<Utc>, Build)>,
    /// `None`: the walk is complete.
    pub next: Option<Cursor>,
}

/// One page of people.
#[derive(Clone, Debug, Default)]
pub struct UserPage {
    /// As sent, in order.
    pub users: Vec<User>,
    /// Rows that could not be read, in words for people.
    pub unreadable: Vec<String>,
    /// `None`: the walk is complete.
    pub next: Option<Cursor>,
}

/// Requests spent and left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Sent since the source was made, retries included.
    pub requests: u64,
    /// Left in the present hour over all credentials, reserve taken off; `None` when not known.
    pub remaining: Option<u64>,
    /// Limit per hour over all credentials, reserve taken off; `None` when not known.
    pub per_hour: Option<u64>,
    /// When the next request may be sent, when none is left now.
    pub resume_at: Option<DateTime<Utc>>,
}

/// What a preflight found (P6.9), one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `ok`, `warning` or one of the five error codes of P6.9.
    pub code: FindingCode,
    /// What was looked at: `credential 1`, `projects`, `test repository payments-api`.
    pub subject: String,
    /// What was found.
    pub message: String,
    /// How to mend it; `None` when fine.
    pub mend: Option<String>,
    /// An equivalent curl command without the secret, where a request was made.
    pub curl: Option<String>,
}

/// The codes of P6.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// Fine.
    Ok,
    /// Works, but somebody should know.
    Warning,
    /// 401.
    InvalidCredentials,
    /// 403.
    InvalidPermissions,
    /// Nothing to list.
    NoResources,
    /// 404: the URL is wrong.
    NotFound,
    /// DNS, TLS, proxy, allow list.
    Unreachable,
}

/// Seam 1.
#[async_trait]
pub trait Source: Send + Sync {
    /// Which Bitbucket this is.
    fn instance(&self) -> &InstanceId;

    /// Reaches, authenticates, proves the rights a sync will need. Never fails: what fails is a finding.
    async fn preflight(&self) -> Vec<Finding>;

    /// One page of a listing; `cursor` is what the page before gave.
    ///
    /// # Errors
    /// Any [`SourceError`]; the walk is then incomplete and must not make anything gone.
    async fn repositories(&self, listing: &Listing, cursor: Option<&Cursor>) -> Result<RepositoryPage, SourceError>;

    /// How many repositories a sweep would list, in one small request; `None` when the server does not tell.
    async fn count(&self) -> Result<Option<u64>, SourceError>;

    /// Looks for a known repository, which may have moved since; `None` when the server says that it is not there
    /// (404). Only one with the same id is the one looked for: another may bear its old name.
    async fn repository(&self, known: &Repository) -> Result<Option<IngestedRecord>, SourceError>;

    /// One page of a secondary kind.
    ///
    /// # Errors
    /// [`SourceError::Forbidden`] or [`SourceError::NotFound`] on the first page: not available for this
    /// repository. On a later page they come as [`SourceError::Incomplete`].
    async fn secondary(&self, repo: &Repository, ask: &Ask, cursor: Option<&Cursor>) -> Result<ItemPage, SourceError>;

    /// Whether [`Listing::Delta`] can be asked; if not (Data Center tells no dates), every sync sweeps.
    fn tells_changes(&self) -> bool {
        true
    }

    /// How many requests may be under way at once, whatever the caller would like.
    fn most_at_once(&self) -> usize {
        usize::MAX
    }

    /// Which details it can tell (P5.5).
    fn detail_kinds(&self) -> &[DetailKind] {
        &[]
    }

    /// What is told about one pull request or commit, whole.
    ///
    /// # Errors
    /// [`SourceError::Forbidden`] or [`SourceError::NotFound`]: not available for this repository, or not for this
    /// item. [`SourceError::BadRequest`]: never for this item.
    async fn detail(&self, repo: &Repository, kind: DetailKind, of: &Item) -> Result<DetailBody, SourceError> {
        let _ = of;
        Err(SourceError::NotFound { url: format!("{} of {}", kind.as_str(), repo.full_name) })
    }

    /// How many pull requests or commits one request tells something of; 1: each is asked for by itself.
    fn details_at_once(&self, kind: DetailKind) -> usize {
        let _ = kind;
        1
    }

    /// What one request tells of many pull requests or commits, at most as many as [`Source::details_at_once`] says:
    /// in their order; `None`: that one has to be asked for by itself.
    ///
    /// # Errors
    /// As [`Source::detail`], for all of them.
    async fn details(
        &self,
        repo: &Repository,
        kind: DetailKind,
        of: &[Item],
    ) -> Result<Vec<Option<DetailBody>>, SourceError> {
        let _ = (repo, kind);
        Ok(vec![None; of.len()])
    }

    /// A page of a repository's pipelines, newest first.
    ///
    /// # Errors
    /// As [`Source::secondary`].
    async fn pipelines(&self, repo: &Repository, cursor: Option<&Cursor>) -> Result<PipelinePage, SourceError> {
        let _ = cursor;
        Err(SourceError::NotFound { url: format!("pipelines of {}", repo.full_name) })
    }

    /// Whether it lists people.
    fn tells_users(&self) -> bool {
        false
    }

    /// A page of people: members of the workspace (Cloud), accounts of the instance or of those who may read the
    /// project (Data Center).
    ///
    /// # Errors
    /// [`SourceError::Forbidden`], [`SourceError::NotFound`], [`SourceError::Removed`] or [`SourceError::BadRequest`] on
    /// the first page: not available to this credential. On a later page they come as [`SourceError::Incomplete`].
    async fn users(&self, cursor: Option<&Cursor>) -> Result<UserPage, SourceError> {
        let _ = cursor;
        Err(SourceError::NotFound { url: "users".to_owned() })
    }

    /// Webhooks at a place, ours and others'.
    ///
    /// # Errors
    /// [`SourceError::NotFound`]: none can be set up there; [`SourceError::Forbidden`]: not with this credential.
    async fn hooks(&self, place: &HookPlace) -> Result<Vec<Hook>, SourceError> {
        Err(SourceError::NotFound { url: format!("webhooks of the {place}") })
    }

    /// Creates a webhook, or makes the one with this id so. Sent once.
    ///
    /// # Errors
    /// As [`Source::hooks`].
    async fn set_hook(&self, place: &HookPlace, id: Option<&str>, hook: &NewHook) -> Result<Hook, SourceError> {
        let _ = (id, hook);
        Err(SourceError::NotFound { url: format!("webhooks of the {place}") })
    }

    /// Removes a webhook; one that is not there any more is as good.
    ///
    /// # Errors
    /// As [`Source::hooks`].
    async fn remove_hook(&self, place: &HookPlace, id: &str) -> Result<(), SourceError> {
        Err(SourceError::NotFound { url: format!("webhook {id} of the {place}") })
    }

    /// To be called when a sync starts: secrets kept in files are read again (P6.10).
    ///
    /// # Errors
    /// [`SourceError::SecretUnreadable`].
    fn begin_sync(&self) -> Result<(), SourceError> {
        Ok(())
    }

    /// Names of the credentials that were refused (401) and are left alone since (P6.11), in the order of the config.
    fn refused_credentials(&self) -> Vec<String> {
        Vec::new()
    }

    /// What was spent and what is left.
    fn usage(&self) -> Usage;

    /// The rolling-hour counters per credential, to be kept in the store between runs. Opaque JSON
    /// without secrets.
    fn budget_snapshot(&self) -> serde_json::Value;

    /// The credentials, in the order they are tried, for other ways to the same server.
    fn credentials(&self) -> Vec<http::CredentialSettings> {
        Vec::new()
    }

    /// Identifies the credential that lists repositories, without telling it: a sweep is resumed only
    /// under the same one (P6.5).
    fn listing_credential(&self) -> String;
}

/// What can go wrong between us and a source. Messages are for people and hold no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// 401: the credential is refused. Never retried (P6.11).
    #[error("{url} refused our credentials (401)")]
    Unauthorized {
        /// Without userinfo and query secrets.
        url: String,
    },
    /// The refresh token of a login by redirect is not taken any more (`invalid_grant`). Never retried.
    #[error("the login `{name}` has ended: its refresh token is not taken any more (invalid_grant)")]
    LoginEnded {
        /// Of the stored credential.
        name: String,
    },
    /// The new tokens of a login by redirect could not be written; nothing is sent with them.
    #[error("the login `{name}` was renewed, and its new tokens could not be written to the store: {message}")]
    LoginUnwritten {
        /// Of the stored credential.
        name: String,
        /// Why.
        message: String,
    },
    /// 401 with the remark that the account has to solve a CAPTCHA first, after failed logins (Data Center).
    #[error("{url} refuses the account until a CAPTCHA is solved (401)")]
    LockedOut {
        /// Without userinfo and query secrets.
        url: String,
    },
    /// 403.
    #[error("{url} forbids this (403){}", scopes(required, granted))]
    Forbidden {
        /// Without userinfo and query secrets.
        url: String,
        /// Scopes the server asked for, when it told.
        required: Vec<String>,
        /// Scopes the credential has, when it told.
        granted: Vec<String>,
    },
    /// 404.
    #[error("{url} was not found (404)")]
    NotFound {
        /// Without userinfo and query secrets.
        url: String,
    },
    /// 404 to a commit walk that names hashes the server does not know (rewritten history).
    #[error("the server does not know the commits {}", hashes.join(", "))]
    UnknownCommits {
        /// As the body named them (full or short hashes).
        hashes: Vec<String>,
    },
    /// 410: the endpoint was removed, or the workspace is blocked.
    #[error("{url} is gone for good (410): {message}")]
    Removed {
        /// Without userinfo and query secrets.
        url: String,
        /// What the server said.
        message: String,
    },
    /// 400 and whatever else is our fault or the resource's property.
    #[error("{url} refused the request ({status}): {message}")]
    BadRequest {
        /// Without userinfo and query secrets.
        url: String,
        /// HTTP status.
        status: u16,
        /// What the server said, cut and escaped.
        message: String,
    },
    /// No request is left in this hour (ours, or a 429 said so).
    #[error("the request budget of this hour is used up; it goes on at {}", resume_at.format("%Y-%m-%dT%H:%M:%SZ"))]
    BudgetExhausted {
        /// When requests are possible again.
        resume_at: DateTime<Utc>,
    },
    /// 5xx or 555, after all retries.
    #[error("{url} failed on the server's side ({status}) after {attempts} attempts")]
    Server {
        /// Without userinfo and query secrets.
        url: String,
        /// HTTP status.
        status: u16,
        /// How often it was asked.
        attempts: u32,
    },
    /// DNS, TLS, proxy, connection refused or broken, time-out; after all retries.
    #[error("could not reach {url}: {message}")]
    Unreachable {
        /// Without userinfo and query secrets.
        url: String,
        /// The innermost cause.
        message: String,
    },
    /// Not the JSON that was expected: HTML from a proxy, truncated JSON, a wrong content type.
    #[error("{url} did not answer with Bitbucket's JSON: {message}")]
    NotBitbucket {
        /// Without userinfo and query secrets.
        url: String,
        /// What came instead.
        message: String,
    },
    /// A body over the cap.
    #[error("the answer of {url} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Without userinfo and query secrets.
        url: String,
        /// The cap.
        limit_bytes: u64,
    },
    /// `next` or a redirect points elsewhere, or goes in circles.
    #[error("{url} points to {target}, where we do not send credentials")]
    UntrustedLink {
        /// Who sent it.
        url: String,
        /// Where it points, without userinfo and query.
        target: String,
    },
    /// A secret that was readable before cannot be read any more.
    #[error("the secret of {credential} cannot be read: {message}")]
    SecretUnreadable {
        /// Name of the credential.
        credential: String,
        /// Why; names the place, never the value.
        message: String,
    },
    /// The cursor given is not one of ours, or of another version.
    #[error("the stored place in the listing cannot be read")]
    StaleCursor,
    /// Commits that were asked for over git alone.
    #[error(transparent)]
    Git(#[from] git::GitError),
    /// The walk would never end.
    #[error("the pages of {url} go in circles")]
    Circular {
        /// Where the walk began.
        url: String,
    },
    /// A later page failed in a way that would mean "not available" on a first one.
    #[error("the listing broke off on page {page}")]
    Incomplete {
        /// From 1.
        page: u32,
        /// What the page said.
        #[source]
        source: Box<SourceError>,
    },
}

fn scopes(required: &[String], granted: &[String]) -> String {
    if required.is_empty() && granted.is_empty() {
        return String::new();
    }
    format!(": it needs {} and was granted {}", list(required), list(granted))
}

fn list(scopes: &[String]) -> String {
    if scopes.is_empty() { "nothing".to_owned() } else { scopes.join(", ") }
}

impl SourceError {
    /// Whether the same call may succeed later without anybody mending anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Server { .. }
            | Self::Unreachable { .. }
            | Self::BudgetExhausted { .. }
            | Self::NotBitbucket { .. } => true,
            Self::Git(error) => error.is_transient(),
            Self::Incomplete { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// Whether it makes the rest of the sync meaningless: nothing else will be answered either.
    pub fn ends_sync(&self) -> bool {
        match self {
            Self::Unauthorized { .. }
            | Self::LoginEnded { .. }
            | Self::LoginUnwritten { .. }
            | Self::LockedOut { .. }
            | Self::BudgetExhausted { .. }
            | Self::SecretUnreadable { .. } => true,
            Self::Incomplete { source, .. } => source.ends_sync(),
            _ => false,
        }
    }

    /// Whether requests are possible again after a while, and nothing is wrong.
    pub fn is_out_of_budget(&self) -> bool {
        match self {
            Self::BudgetExhausted { .. } => true,
            Self::Incomplete { source, .. } => source.is_out_of_budget(),
            _ => false,
        }
    }

    /// What a person can do about it.
    pub fn mend(&self) -> Option<String> {
        let text = match self {
            Self::Unauthorized { url } if !url.contains("bitbucket.org") => {
                "check that the token is current and of the kind configured (`catalog-sync check` tells)"
            }
            Self::Unauthorized { .. } => {
                "check that the token is current and of the kind configured (`catalog-sync check` tells); Cloud app passwords ended on 2026-07-28"
            }
            Self::LoginEnded { name } => {
                return Some(format!(
                    "`catalog-sync credential login {name}` logs in again, without a restart; a login ends when it is revoked or not used for 3 months, and when the program is killed between the server's answer and its own note of it"
                ));
            }
            Self::LoginUnwritten { name, .. } => {
                return Some(format!(
                    "free some space or mend the permissions of the store: a sidecar that runs on writes them then; if it ends before, `catalog-sync credential login {name}` logs in again"
                ));
            }
            Self::LockedOut { .. } => {
                "log in once in a browser with this account and solve the CAPTCHA, then check the configured password or token"
            }
            Self::Forbidden { .. } => {
                "give the credential the scopes repository, pullrequest and project (read), or exclude the repository"
            }
            Self::NotFound { .. } => {
                "check workspace and url in the config; a private repository the credential may not see answers the same"
            }
            Self::UnknownCommits { .. } => return None,
            Self::Removed { .. } => "check that the workspace is named in the config and not blocked",
            Self::BadRequest { .. } => return None,
            Self::BudgetExhausted { .. } => {
                "nothing to do: the next sync goes on; several credentials or a larger `requests_per_hour` make it faster"
            }
            Self::Server { .. } => {
                "nothing to do: it is retried in the next sync; see the status page of Bitbucket if it stays"
            }
            Self::Unreachable { message, .. } if message.to_lowercase().contains("certificate") => {
                "if the server's certificate is signed by your company's own authority or by itself: put that authority's certificate (PEM) into a file and set `ca_bundle: ./ca.pem` of the connector; certificates are always verified"
            }
            Self::Unreachable { .. } => {
                "check DNS, proxy (`proxy`, HTTPS_PROXY, NO_PROXY), firewall allow list, and `ca_bundle` for a private certificate"
            }
            Self::NotBitbucket { .. } => {
                "look for a proxy or login page between here and Bitbucket, and check `api_url`"
            }
            Self::TooLarge { .. } => "check `api_url`; Bitbucket's pages are far smaller",
            Self::UntrustedLink { .. } | Self::Circular { .. } => {
                "check `api_url`, and whether a proxy rewrites answers"
            }
            Self::SecretUnreadable { .. } => "check that the variable is set or the file is there and readable",
            Self::Git(error) => return Some(error.mend()),
            Self::StaleCursor => "nothing to do: the next sync begins the listing anew",
            Self::Incomplete { source, .. } => return source.mend(),
        };
        Some(text.to_owned())
    }
}
