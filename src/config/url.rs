//! Bitbucket URLs in all their forms (P6.1), and how a person names a repository.
//!
//! | | account | repository |
//! |---|---|---|
//! | Cloud | `https://bitbucket.org/WORKSPACE/`, `https://bitbucket.org`, `git@bitbucket.org:WORKSPACE/` | `https://bitbucket.org/WORKSPACE/REPO.git`, `git@bitbucket.org:WORKSPACE/REPO.git`, any page of it |
//! | Data Center | `https://HOST/scm/`, `git@HOST/`, `/projects/KEY` | `https://HOST/scm/PROJECT/REPO.git`, `git@HOST/PROJECT/REPO.git`, `ssh://git@HOST:7999/PROJECT/REPO.git`, `/projects/KEY/repos/SLUG` |

use std::fmt;

use ::url::Url;
use percent_encoding::percent_decode_str;

use crate::model::{InstanceId, RepoKey, Repository};

/// Which Bitbucket a URL points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// bitbucket.org.
    Cloud,
    /// A Data Center instance.
    DataCenter {
        /// With its context path, without a trailing slash in the path (but for the root). Of SSH URLs:
        /// `https://` and the host, since SSH does not tell where the web server is.
        base: Url,
    },
}

/// How git reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `https://…` (or, Data Center, `http://…`).
    Http,
    /// `git@…` or `ssh://…`.
    Ssh {
        /// When it is not 22.
        port: Option<u16>,
    },
}

/// A connector's URL, understood. Prints in its shortest full form, which parses to the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorUrl {
    /// Which Bitbucket.
    pub host: Host,
    /// How it was written.
    pub transport: Transport,
    /// Cloud: the workspace; Data Center: a project key or `~user`. `None`: the URL names none.
    pub workspace: Option<String>,
    /// The repository's slug; `None` in account URLs.
    pub repository: Option<String>,
    /// Where the REST API is: `https://api.bitbucket.org/2.0`, no trailing slash.
    pub api_base: Url,
}

/// Why a URL is none we can use, with the form that would be right. Holds no userinfo.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct UrlError {
    /// What is wrong.
    pub what: String,
    /// The form that would be right.
    pub mend: String,
}

fn refused<T>(what: impl Into<String>, mend: impl Into<String>) -> Result<T, UrlError> {
    Err(UrlError { what: what.into(), mend: mend.into() })
}

const CLOUD: &str = "bitbucket.org";
const CLOUD_FORM: &str = "write `https://bitbucket.org/WORKSPACE`";
/// Hosts that are bitbucket.org: its own, and the SSH endpoint behind port 443.
const CLOUD_HOSTS: [&str; 3] = [CLOUD, "www.bitbucket.org", "altssh.bitbucket.org"];
/// First path segments of bitbucket.org that are pages, not workspaces.
const CLOUD_PAGES: [&str; 6] = ["account", "dashboard", "repo", "site", "api", "product"];

impl ConnectorUrl {
    /// Understands an account or repository URL.
    ///
    /// # Errors
    /// [`UrlError`] with the form that would be right.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.is_empty() {
            return refused("the URL is empty", CLOUD_FORM);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return refused("a URL holds no spaces", CLOUD_FORM);
        }
        match text.split_once("://") {
            Some((scheme, _)) => match scheme.to_ascii_lowercase().as_str() {
                "https" | "http" => Self::parse_http(text),
                "ssh" | "git+ssh" => Self::parse_ssh(text),
                "git" => refused("git:// has no credentials", "write `https://…` or `ssh://git@…`"),
                _ => refused(format!("`{scheme}://` is no way to reach Bitbucket"), CLOUD_FORM),
            },
            None if is_scp(text) => Self::parse_scp(text),
            None => Self::parse_http(&format!("https://{text}")),
        }
    }

    /// Understands a URL that must name an account, not a repository.
    ///
    /// # Errors
    /// [`UrlError`], for a repository's URL with its account's.
    pub fn parse_account(text: &str) -> Result<Self, UrlError> {
        let url = Self::parse(text)?;
        match &url.repository {
            None => Ok(url),
            Some(repository) => {
                let what = format!("this names the repository `{repository}`, and an account is wanted");
                refused(what, format!("write `{}`", Self { repository: None, ..url.clone() }))
            }
        }
    }

    /// Understands a URL that must name a repository.
    ///
    /// # Errors
    /// [`UrlError`], for an account's URL with the form of its repositories'.
    pub fn parse_repository(text: &str) -> Result<Self, UrlError> {
        let url = Self::parse(text)?;
        if url.repository.is_some() {
            return Ok(url);
        }
        let named = Self {
            workspace: Some(url.workspace.clone().unwrap_or_else(|| url.workspace_word().to_owned())),
            repository: Some("REPO".to_owned()),
            ..url
        };
        refused("this names an account, and a repository is wanted", format!("write `{named}`"))
    }

    fn workspace_word(&self) -> &'static str {
        if self.host == Host::Cloud { "WORKSPACE" } else { "PROJECT" }
    }

    fn parse_http(text: &str) -> Result<Self, UrlError> {
        let Ok(url) = Url::parse(text) else {
            return refused("this is not a URL", CLOUD_FORM);
        };
        let Some(host) = url.host_str().map(str::to_ascii_lowercase) else {
            return refused("this URL has no host", CLOUD_FORM);
        };
        if url.password().is_some() {
            return refused("the URL holds a password", "take it out, and put the credential under `auth`");
        }
        let segments = segments(&url)?;
        if host == "api.bitbucket.org" {
            return refused("this is the address of the API", format!("{CLOUD_FORM}; the API's follows from it"));
        }
        if !CLOUD_HOSTS.contains(&host.as_str()) {
            return Self::data_center_http(&url, segments);
        }
        if url.scheme() == "http" || url.port().is_some_and(|port| port != 443) {
            return refused("bitbucket.org is reached by https and its own port", "write `https://bitbucket.org/…`");
        }
        Self::cloud(Transport::Http, &segments)
    }

    /// `git@HOST:PATH`, `git@HOST/PATH`, `git@HOST:PORT/PATH`.
    fn parse_scp(text: &str) -> Result<Self, UrlError> {
        let rest = text.split_once('@').map_or(text, |(_, rest)| rest);
        let (host, path) = match rest.find([':', '/']) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, ""),
        };
        let is_cloud = CLOUD_HOSTS.contains(&host.to_ascii_lowercase().as_str());
        let (port, path) = match path.split_once('/') {
            Some((port, path)) if !is_cloud && rest[host.len()..].starts_with(':') && port.parse::<u16>().is_ok() => {
                (format!(":{port}"), path)
            }
            _ => (String::new(), path),
        };
        let user = text.split_once('@').map_or("git", |(user, _)| user);
        Self::parse_ssh(&format!("ssh://{user}@{host}{port}/{path}"))
    }

    fn parse_ssh(text: &str) -> Result<Self, UrlError> {
        const FORM: &str = "write `git@bitbucket.org:WORKSPACE/`";
        let Ok(url) = Url::parse(&text.replacen("git+ssh://", "ssh://", 1)) else {
            return refused("this is not a URL", FORM);
        };
        let Some(host) = url.host_str().map(str::to_ascii_lowercase).filter(|host| !host.is_empty()) else {
            return refused("this URL has no host", FORM);
        };
        if url.password().is_some() {
            return refused("the URL holds a password", "take it out; SSH uses the key under `auth`");
        }
        if !["", "git"].contains(&url.username()) {
            return refused("Bitbucket's SSH user is `git`", FORM);
        }
        if host.starts_with('-') {
            return refused("a host does not begin with `-`", FORM);
        }
        let segments = segments(&url)?;
        if CLOUD_HOSTS.contains(&host.as_str()) {
            return Self::cloud(Transport::Ssh { port: None }, &segments);
        }
        let Ok(base) = Url::parse(&format!("https://{host}")) else {
            return refused("this URL has no host", FORM);
        };
        let transport = Transport::Ssh { port: url.port().filter(|port| *port != 22) };
        // Some write the HTTP path into SSH URLs; `scm` is no project there.
        let segments = match segments.split_first() {
            Some((first, rest)) if first == "scm" => rest,
            _ => &segments[..],
        };
        match segments {
            [] => Self::data_center(base, transport, None, None),
            [project] => Self::data_center(base, transport, Some(project), None),
            [project, repository] => Self::data_center(base, transport, Some(project), Some(repository)),
            _ => refused("an SSH URL has no more than a project and a repository", "write `git@HOST/PROJECT/REPO.git`"),
        }
    }

    fn cloud(transport: Transport, segments: &[String]) -> Result<Self, UrlError> {
        let (workspace, repository) = match segments {
            [] => (None, None),
            [first, ..] if transport == Transport::Http && CLOUD_PAGES.contains(&first.as_str()) => {
                return refused(format!("`/{first}` is a page of bitbucket.org, not a workspace"), CLOUD_FORM);
            }
            [name] if name.ends_with(".git") => {
                let what = format!("`{name}` is a repository's name, and the workspace before it is missing");
                return refused(what, format!("write `{}`", cloud_text(transport, Some("WORKSPACE"), Some(name))));
            }
            [workspace] => (Some(workspace), None),
            // Pages of a workspace: /WORKSPACE/workspace/projects/KEY, /workspace/repositories.
            [workspace, page, _, ..] if page == "workspace" && transport == Transport::Http => (Some(workspace), None),
            [workspace, repository] => (Some(workspace), Some(repository)),
            // Pages of a repository: /src/…, /pull-requests/1, /commits/….
            [workspace, repository, ..] if transport == Transport::Http && !repository.ends_with(".git") => {
                (Some(workspace), Some(repository))
            }
            [workspace, repository, ..] => {
                let form = cloud_text(transport, Some(workspace), Some(repository));
                return refused("there is more behind the repository", format!("write `{form}`"));
            }
        };
        let workspace = workspace.map(|name| cloud_name(name, "workspace")).transpose()?;
        let repository = repository.map(|name| cloud_name(slug(name), "repository")).transpose()?;
        Ok(Self { host: Host::Cloud, transport, workspace, repository, api_base: cloud_api() })
    }

    /// Finds where the context path ends by the words Bitbucket's paths begin with.
    fn data_center_http(url: &Url, segments: Vec<String>) -> Result<Self, UrlError> {
        let word = segments.iter().position(|segment| ["scm", "projects", "users", "rest"].contains(&segment.as_str()));
        let (context, path) = segments.split_at(word.unwrap_or(segments.len()));
        if word.is_none() && context.last().is_some_and(|last| last.ends_with(".git")) {
            let form = format!("write `{}/scm/PROJECT/REPO.git`", url.origin().ascii_serialization());
            return refused("on Data Center, repositories are below /scm/", form);
        }
        let mut base = url.clone();
        // http and https URLs have a host, so neither can fail.
        let _ = base.set_username("");
        base.set_query(None);
        base.set_fragment(None);
        base.set_path(&context.join("/"));
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let form = |rest: &str| format!("write `{}/{rest}`", base.as_str().trim_end_matches('/'));
        let (project, repository) = match path.as_slice() {
            [] | ["scm" | "projects"] => (None, None),
            ["rest", ..] => return refused("this is the address of the API", form("scm/")),
            ["scm", name] if name.ends_with(".git") => {
                let what = format!("`{name}` is a repository's name, and the project before it is missing");
                return refused(what, form(&format!("scm/PROJECT/{name}")));
            }
            ["scm", project] => (Some((*project).to_owned()), None),
            ["scm", project, repository] => (Some((*project).to_owned()), Some(*repository)),
            ["projects", project] | ["projects", project, "repos"] => (Some((*project).to_owned()), None),
            ["projects", project, "repos", repository, ..] => (Some((*project).to_owned()), Some(*repository)),
            ["users", user] | ["users", user, "repos"] => (Some(format!("~{user}")), None),
            ["users", user, "repos", repository, ..] => (Some(format!("~{user}")), Some(*repository)),
            ["scm", project, repository, ..] => {
                return refused("there is more behind the repository", form(&format!("scm/{project}/{repository}")));
            }
            ["users"] => return refused("a user is missing", form("users/USER")),
            ["projects", project, ..] => {
                return refused("this is a page of a project", form(&format!("projects/{project}")));
            }
            _ => return refused("this is none of Bitbucket's paths", form("scm/PROJECT/REPO.git")),
        };
        Self::data_center(base, Transport::Http, project.as_deref(), repository)
    }

    fn data_center(
        base: Url,
        transport: Transport,
        project: Option<&str>,
        repository: Option<&str>,
    ) -> Result<Self, UrlError> {
        let mut api_base = base.clone();
        api_base.set_path(&format!("{}/rest/api/1.0", base.path().trim_end_matches('/')));
        if project.is_some_and(|project| project.ends_with(".git")) && repository.is_none() {
            return refused("a project is missing before the repository", "write `git@HOST/PROJECT/REPO.git`");
        }
        let project = project.map(|name| segment_name(name, "project")).transpose()?;
        let repository = repository.map(|name| segment_name(slug(name), "repository")).transpose()?;
        Ok(Self { host: Host::DataCenter { base }, transport, workspace: project, repository, api_base })
    }

    /// The same, with the API where somebody says that it is: an SSH URL does not tell the web address.
    pub fn at_api(self, api_url: &Url) -> Self {
        let path = api_url.path().trim_end_matches('/');
        let context = path.find("/rest/api/").map_or(path, |at| &path[..at]);
        let mut base = api_url.clone();
        base.set_path(context);
        let mut api_base = base.clone();
        api_base.set_path(&format!("{context}/rest/api/1.0"));
        Self { host: Host::DataCenter { base }, api_base, ..self }
    }

    /// Which Bitbucket, as identities name it.
    pub fn instance(&self) -> InstanceId {
        match &self.host {
            Host::Cloud => InstanceId::cloud(),
            Host::DataCenter { base } => InstanceId(base.as_str().trim_end_matches('/').to_owned()),
        }
    }
}

/// `git@HOST…`, without a scheme.
fn is_scp(text: &str) -> bool {
    let host_part = text.split(['/', ':']).next().unwrap_or_default();
    host_part.contains('@')
}

/// Where the Cloud API is.
fn cloud_api() -> Url {
    Url::parse("https://api.bitbucket.org/2.0").expect("a constant that a test parses")
}

/// Path segments, decoded; empty ones left out, so that a trailing slash or a double one does not matter.
fn segments(url: &Url) -> Result<Vec<String>, UrlError> {
    let raw = url.path().split('/').filter(|segment| !segment.is_empty());
    raw.map(|segment| match percent_decode_str(segment).decode_utf8() {
        Ok(text) if !text.contains('/') => Ok(text.into_owned()),
        _ => refused("the URL's path is not text", CLOUD_FORM),
    })
    .collect()
}

fn slug(name: &str) -> &str {
    name.strip_suffix(".git").unwrap_or(name)
}

/// Workspaces and repositories of Cloud: ASCII letters, digits, `_`, `-`, `.`; or a `{uuid}`.
fn cloud_name(name: &str, what: &str) -> Result<String, UrlError> {
    let inner = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    if !is_segment(inner) || inner.starts_with('~') {
        return refused(format!("`{}` is not the name of a {what}", super::fields::cut(name)), CLOUD_FORM);
    }
    Ok(name.to_owned())
}

fn segment_name(name: &str, what: &str) -> Result<String, UrlError> {
    if !is_segment(name) {
        let what = format!("`{}` is not the name of a {what}", super::fields::cut(name));
        return refused(what, "write `https://HOST/scm/PROJECT/REPO.git`");
    }
    Ok(name.to_owned())
}

/// Nothing that could be an option, a parent directory, or need quoting.
fn is_segment(name: &str) -> bool {
    let plain = name.strip_prefix('~').unwrap_or(name);
    !plain.is_empty()
        && !plain.starts_with(['-', '.'])
        && plain.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn cloud_text(transport: Transport, workspace: Option<&str>, repository: Option<&str>) -> String {
    let start = match (transport, workspace) {
        (Transport::Http, _) => "https://bitbucket.org/",
        (Transport::Ssh { .. }, Some(_)) => "git@bitbucket.org:",
        (Transport::Ssh { .. }, None) => "ssh://git@bitbucket.org/",
    };
    format!("{start}{}", path_text(workspace, repository))
}

fn path_text(workspace: Option<&str>, repository: Option<&str>) -> String {
    match (workspace, repository) {
        (Some(workspace), Some(repository)) => format!("{workspace}/{}.git", slug(repository)),
        (Some(workspace), None) => format!("{workspace}/"),
        (None, _) => String::new(),
    }
}

impl fmt::Display for ConnectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = path_text(self.workspace.as_deref(), self.repository.as_deref());
        match (&self.host, self.transport) {
            (Host::Cloud, transport) => {
                f.write_str(&cloud_text(transport, self.workspace.as_deref(), self.repository.as_deref()))
            }
            (Host::DataCenter { base }, Transport::Http) => {
                write!(f, "{}/scm/{path}", base.as_str().trim_end_matches('/'))
            }
            (Host::DataCenter { base }, Transport::Ssh { port }) => {
                write!(f, "ssh://git@{}", base.host_str().unwrap_or_default())?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))?;
                write!(f, "/{path}")
            }
        }
    }
}

/// How a person names a repository on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryRef {
    /// Its identity as we print it: `bitbucket.org/{uuid}`.
    Key(RepoKey),
    /// Its id alone: `{uuid}` (Cloud; braces may be left out), a number (Data Center).
    Id(String),
    /// `workspace/slug` or `PROJECT/slug`.
    FullName(String),
    /// Its slug.
    Slug(String),
    /// Any URL of it.
    Url(Box<ConnectorUrl>),
}

impl RepositoryRef {
    /// Understands what a person typed.
    ///
    /// # Errors
    /// [`UrlError`] for the URL of an account, and for what is none of the forms.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if let Some((instance, id)) = text.rsplit_once('/')
            && is_uuid(id)
            && id.starts_with('{')
            && !instance.is_empty()
        {
            return Ok(Self::Key(RepoKey { instance: InstanceId(instance.to_owned()), id: id.to_lowercase() }));
        }
        if is_uuid(text) {
            let inner = text.trim_matches(['{', '}']).to_lowercase();
            return Ok(Self::Id(format!("{{{inner}}}")));
        }
        let is_host = text.split('/').next().is_some_and(|first| CLOUD_HOSTS.contains(&first.to_lowercase().as_str()));
        if text.contains("://") || is_scp(text) || is_host || text.matches('/').count() > 1 {
            return ConnectorUrl::parse_repository(text).map(|url| Self::Url(Box::new(url)));
        }
        let named = text.split('/').all(|part| is_segment(slug(part)));
        match text.split_once('/') {
            _ if !named => refused(
                format!("`{}` names no repository", super::fields::cut(text)),
                "use its id, its full name (`workspace/slug`), its slug, or a URL of it",
            ),
            Some((workspace, repository)) => Ok(Self::FullName(format!("{workspace}/{}", slug(repository)))),
            None => Ok(Self::Slug(slug(text).to_owned())),
        }
    }

    /// Whether this names the repository given. Names compare without case.
    pub fn names(&self, repository: &Repository) -> bool {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        match self {
            Self::Key(key) => *key == repository.key,
            Self::Id(id) => same(id, &repository.key.id),
            Self::FullName(name) => same(name, &repository.full_name),
            Self::Slug(slug) => same(slug, &repository.slug) || *slug == repository.key.id,
            Self::Url(url) => {
                let (workspace, slug) =
                    (url.workspace.as_deref().unwrap_or_default(), url.repository.as_deref().unwrap_or_default());
                // SSH does not tell the base URL of a Data Center instance: there, the path decides.
                let here = url.instance() == repository.key.instance
                    || (url.host != Host::Cloud && matches!(url.transport, Transport::Ssh { .. }));
                here && (same(&format!("{workspace}/{slug}"), &repository.full_name)
                    || (is_uuid(slug) && same(slug, &repository.key.id)))
            }
        }
    }
}

/// A uuid, with or without braces.
fn is_uuid(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    let groups: Vec<&str> = inner.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
