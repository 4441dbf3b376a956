//! Bitbucket URLs in all their forms (P6.1).

use ::url::Url;

use crate::model::InstanceId;

/// Which Bitbucket a URL points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// bitbucket.org.
    Cloud,
    /// A Data Center instance.
    DataCenter {
        /// With its context path, without a trailing slash.
        base: Url,
    },
}

/// How git reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `https://…` (or `http://…`).
    Http,
    /// `git@…` or `ssh://…`.
    Ssh,
}

/// A connector's URL, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorUrl {
    /// Which Bitbucket.
    pub host: Host,
    /// How it was written.
    pub transport: Transport,
    /// Cloud: the workspace; Data Center: a project key or `~user`. `None`: the URL names none.
    pub workspace: Option<String>,
    /// The repository's slug, in repository URLs.
    pub repository: Option<String>,
    /// Where the REST API is: `https://api.bitbucket.org/2.0`, no trailing slash.
    pub api_base: Url,
}

impl ConnectorUrl {
    /// Which Bitbucket, as identities name it.
    pub fn instance(&self) -> InstanceId {
        match &self.host {
            Host::Cloud => InstanceId::cloud(),
            Host::DataCenter { base } => InstanceId(base.as_str().trim_end_matches('/').to_owned()),
        }
    }
}
