//! `satellite.yml` of Harness SEI: one satellite, and the integrations it reads.

use std::collections::BTreeSet;

use ::url::Url;

use super::super::located::Value;
use super::super::url::{ConnectorUrl, Host, Transport};
use super::accounts;
use super::draft::{Connector, Credential, Draft, Integration, Site, Workspace, name_of};
use super::ledger::{Block, Entry, Fate, Ledger};
use super::selection::Selection;
use crate::model::{DetailKind, SecondaryKind};

/// Keys of the root that hold the satellite itself; the second is of older files.
pub(super) const ROOTS: [&str; 2] = ["satellite", "levelops"];
/// What `application` says of Bitbucket.
const BITBUCKETS: [&str; 5] =
    ["bitbucket", "bitbucket_cloud", "bitbucket_server", "bitbucket_datacenter", "bitbucket_data_center"];
const HARNESS: &str = "it is about the account at Harness, to which catalog-sync sends nothing";

/// Reads the whole file.
pub(super) fn read(root: &Entry<'_>, ledger: &mut Ledger) -> Draft {
    let mut draft = Draft::default();
    let Some(mut file) = Block::of(root, ledger) else { return draft };
    let proxy = ROOTS.iter().filter_map(|key| file.take(key)).filter_map(|entry| satellite(&entry, ledger)).next();
    let list = file.take("integrations");
    let mut applications = BTreeSet::new();
    for entry in list.iter().flat_map(Entry::items) {
        if let Some(application) = integration(&entry, proxy.as_ref(), &mut draft, ledger) {
            applications.insert(application);
        }
    }
    for application in ["jira", "github", "gitlab", "azure_devops", "jenkins", "sonarqube"] {
        file.pass(application, "it is about another application", ledger);
    }
    for settings in BITBUCKETS {
        let why = "certificates are always verified: name your authority's under `ca_bundle` of the connector";
        file.pass(settings, why, ledger);
    }
    file.finish(ledger);
    if draft.integrations.is_empty() && ledger.faults.is_empty() {
        let entry = list.as_ref().unwrap_or(root);
        let found = match applications.is_empty() {
            true => "it has no integrations".to_owned(),
            false => format!("its integrations are {}", applications.into_iter().collect::<Vec<_>>().join(", ")),
        };
        let what = format!("there is no Bitbucket in this satellite.yml; {found}");
        let mend = format!("an integration with `application: bitbucket_server` (or {}) is looked for", BITBUCKETS[0]);
        ledger.refuse_file(entry, what, mend);
    }
    draft
}

/// What the satellite sends its requests through.
struct Through {
    proxy: Option<String>,
}

fn satellite(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<Through> {
    let mut block = Block::of(entry, ledger)?;
    for key in ["tenant", "api_key", "url"] {
        block.pass(key, HARNESS, ledger);
    }
    let proxy = block.take("proxy").and_then(|entry| proxy(&entry, ledger));
    block.finish(ledger);
    Some(Through { proxy })
}

/// The proxy, where Bitbucket is reached through it.
fn proxy(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<String> {
    let mut block = Block::of(entry, ledger)?;
    let all_traffic = block.take("all_traffic").and_then(|entry| entry.boolean(ledger)).unwrap_or(false);
    let (host, port) = (block.take("host"), block.take("port"));
    let login: Vec<Entry<'_>> = ["username", "password"].into_iter().filter_map(|key| block.take(key)).collect();
    block.finish(ledger);
    if !all_traffic {
        let why = "without `all_traffic: true` only the satellite's own requests to Harness went through it";
        ledger.not_applicable(entry, why);
        return None;
    }
    let plain = |entry: Option<Entry<'_>>, ledger: &mut Ledger| entry.and_then(|entry| entry.plain(ledger));
    let host = plain(host, ledger)?;
    let port = plain(port, ledger).map_or_else(String::new, |port| format!(":{port}"));
    let url = Url::parse(&format!("http://{host}{port}")).ok();
    let url = url.filter(|url| url.path() == "/" && url.username().is_empty() && url.password().is_none());
    let Some(url) = url else {
        ledger.refuse(entry, "host and port are none of a proxy", "write `host: proxy.example.com` and `port: 3128`");
        return None;
    };
    let url = url.as_str().trim_end_matches('/').to_owned();
    if login.is_empty() {
        return Some(url);
    }
    for entry in &login {
        let what = "a proxy's login does not belong into the config: set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT where \
                    catalog-sync is started";
        ledger.not_applicable(entry, what);
    }
    None
}

/// Reads one integration. What another application is called, where it is one.
fn integration(entry: &Entry<'_>, through: Option<&Through>, draft: &mut Draft, ledger: &mut Ledger) -> Option<String> {
    let mut block = Block::of(entry, ledger)?;
    // Older files say `type`.
    let application = block.take("application").or_else(|| block.take("type"));
    let application = application.and_then(|entry| entry.plain(ledger)).unwrap_or_default().to_lowercase();
    let url_entry = block.take("url");
    let names_bitbucket =
        url_entry.as_ref().and_then(|entry| entry.node.text()).is_some_and(|url| url.contains("bitbucket.org"));
    if !(BITBUCKETS.contains(&application.as_str()) || (application.is_empty() && names_bitbucket)) {
        let shown = name_of(&application, "no application");
        ledger.not_applicable(entry, format!("not Bitbucket's ({shown})"));
        return Some(shown);
    }
    let Some(url_entry) = url_entry else {
        ledger.refuse(entry, "this integration has no `url`", "write `url: https://bitbucket.org/WORKSPACE`");
        return None;
    };
    let url = account(&url_entry, ledger)?;
    let site = match &url.host {
        Host::Cloud => Site::Cloud,
        Host::DataCenter { base } => Site::DataCenter(base.clone()),
    };
    if site.is_cloud() && !application.is_empty() && application != "bitbucket" && application != "bitbucket_cloud" {
        let what = "bitbucket.org is Bitbucket Cloud, whatever `application` says";
        ledger.note(Fate::Differs, &url_entry, what);
    }
    if url.transport != Transport::Http {
        let what = "this is an SSH URL: `url` is written with https; to bring commits over SSH, write it back and add an `ssh_key`";
        ledger.note(Fate::Differs, &url_entry, what);
    }
    let (workspace, test_repository) = scope(&url, &url_entry, ledger);
    let label = match (&workspace, &site) {
        (Workspace::Named(name), _) => name_of(name, "bitbucket"),
        (_, Site::DataCenter(base)) => name_of(base.host_str().unwrap_or_default(), "bitbucket"),
        _ => "bitbucket".to_owned(),
    };
    let credentials = credentials(&mut block, &site, &url_entry, ledger);

    block.pass("id", "the integration's number at Harness", ledger);
    block.pass("satellite", "catalog-sync reaches Bitbucket by itself", ledger);
    let name = block.take("name").and_then(|entry| entry.plain(ledger));
    let description = block.take("description").and_then(|entry| entry.prose(ledger));
    let tags = block.take("tags").map(|entry| entry.texts(ledger)).unwrap_or_default();
    let metadata = match block.take("metadata") {
        Some(entry) => metadata(&entry, &site, ledger),
        None => Metadata::default(),
    };
    block.finish(ledger);
    let connector = draft.new_connector(&site, &label, &url_entry, ledger);
    let Connector { credentials: trusted, test_repository: tested, proxy, .. } = &mut draft.connectors[connector];
    *trusted = credentials;
    *tested = test_repository;
    *proxy = through.and_then(|through| through.proxy.clone());
    let integration = Integration {
        name: name.map_or(label, |name| name_of(&name, "bitbucket")),
        description,
        tags,
        connector,
        workspace,
        selection: metadata.selection,
        archived: None,
        kinds: metadata.kinds,
        details: metadata.details,
        cadence: None,
    };
    draft.add(integration, entry, ledger);
    None
}

/// The URL, without a login that may stand in it.
fn account(entry: &Entry<'_>, ledger: &mut Ledger) -> Option<ConnectorUrl> {
    let text = entry.plain(ledger)?;
    let bare = Url::parse(&text).ok().map(|mut url| {
        let had_login = url.scheme() != "ssh" && (!url.username().is_empty() || url.password().is_some());
        if had_login {
            // http and https URLs can be without, so neither can fail.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        (had_login, url.to_string())
    });
    let text = match bare {
        Some((true, bare)) => {
            ledger.note(Fate::Differs, entry, "the login in it was left out");
            bare
        }
        _ => text,
    };
    if text.contains(['<', '>']) || text.contains("%3C") {
        ledger.refuse(entry, "this still holds what is to be filled in", "put the URL's parts where `<…>` stands");
        return None;
    }
    match ConnectorUrl::parse(&text) {
        Ok(url) => Some(url),
        Err(error) => {
            ledger.refuse(entry, "this is no URL of Bitbucket", error.mend);
            None
        }
    }
}

/// What the integration serves, and the test repository: a repository in the URL limits nothing there.
fn scope(url: &ConnectorUrl, entry: &Entry<'_>, ledger: &mut Ledger) -> (Workspace, Option<String>) {
    match (&url.host, &url.workspace, &url.repository) {
        (Host::Cloud, None, _) => {
            ledger.note(Fate::FillIn, entry, "the URL names no workspace");
            (Workspace::Unknown, None)
        }
        (Host::Cloud, Some(workspace), repository) => {
            (Workspace::Named(workspace.clone()), repository.as_ref().map(|slug| format!("{slug}.git")))
        }
        (Host::DataCenter { .. }, Some(project), Some(slug)) => {
            (Workspace::Whole, Some(format!("{project}/{slug}.git")))
        }
        (Host::DataCenter { .. }, Some(project), None) => {
            ledger.note(Fate::Differs, entry, "the URL names a project: only this one is discovered");
            (Workspace::Named(project.clone()), None)
        }
        (Host::DataCenter { .. }, None, _) => (Workspace::Whole, None),
    }
}

fn credentials(block: &mut Block<'_>, site: &Site, url: &Entry<'_>, ledger: &mut Ledger) -> Vec<Credential> {
    let (username, password) = (block.take("username"), block.take("password"));
    let key = block.take("api_key").or_else(|| block.take("token"));
    let credential = match (key, password) {
        (Some(key), password) => {
            if let Some(password) = password {
                ledger.not_applicable(&password, "the key beside it is used");
            }
            match site {
                Site::Cloud => {
                    accounts::cloud_token(username.as_ref(), &key, accounts::Username::MayBeAnything, ledger)
                }
                _ => accounts::http_token(username.as_ref(), &key, ledger),
            }
        }
        (None, Some(password)) if site.is_cloud() => accounts::app_password(username.as_ref(), &password, ledger),
        (None, Some(password)) => accounts::basic(username.as_ref(), &password, ledger),
        (None, None) => {
            if let Some(username) = username {
                ledger.not_applicable(&username, "there is no key beside it");
            }
            ledger.note(Fate::Differs, url, "there is no credential beside it: an access token is expected");
            Some(accounts::missing(url.line))
        }
    };
    credential.into_iter().collect()
}

struct Metadata {
    selection: Selection,
    kinds: BTreeSet<SecondaryKind>,
    details: BTreeSet<DetailKind>,
}

impl Default for Metadata {
    /// Both kinds, as a config that says nothing has them.
    fn default() -> Self {
        Self { selection: Selection::default(), kinds: SecondaryKind::ALL.into(), details: BTreeSet::new() }
    }
}

fn metadata(entry: &Entry<'_>, site: &Site, ledger: &mut Ledger) -> Metadata {
    let mut read = Metadata::default();
    let Some(mut block) = Block::of(entry, ledger) else { return read };
    for (key, kind) in [("fetch_prs", SecondaryKind::PullRequests), ("fetch_commits", SecondaryKind::Commits)] {
        if block.take(key).and_then(|entry| entry.boolean(ledger)) == Some(false) {
            read.kinds.remove(&kind);
        }
    }
    for (key, kind) in [("fetch_pr_reviews", DetailKind::Reviews), ("fetch_commit_files", DetailKind::CommitFiles)] {
        let Some(entry) = block.take(key) else { continue };
        if entry.boolean(ledger) != Some(true) {
            continue;
        }
        if kind.of().is_some_and(|of| !read.kinds.contains(&of)) {
            ledger.not_applicable(&entry, "what it hangs on is not fetched");
        } else {
            read.details.insert(kind);
        }
    }
    let names = block.take("repos").or_else(|| block.take("repositories"));
    let names = names.map(|entry| repositories(&entry, site, ledger)).unwrap_or_default();
    let projects = block.take("projects").map(|entry| projects(&entry, ledger)).unwrap_or_default();
    block.finish(ledger);
    read.selection = match (names.is_empty(), projects.is_empty()) {
        (false, _) => Selection::of_names(&names),
        (true, _) => Selection::of(&projects, &[]),
    };
    if !names.is_empty() && !projects.is_empty() {
        let slugs: Vec<String> = names.into_iter().map(|(_, slug)| slug).collect();
        read.selection = Selection::of(&projects, &slugs);
    }
    read
}

/// Slugs, with their projects on Data Center.
fn repositories(entry: &Entry<'_>, site: &Site, ledger: &mut Ledger) -> Vec<(Option<String>, String)> {
    let mut names = Vec::new();
    let mut is_whole = true;
    for text in entry.texts(ledger) {
        let text = text.strip_suffix(".git").unwrap_or(&text);
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            parts if !parts.iter().all(|part| is_name(part)) => is_whole = false,
            [slug] => names.push((None, (*slug).to_owned())),
            // The workspace is that of the URL.
            [_, slug] if site.is_cloud() => names.push((None, (*slug).to_owned())),
            [project, slug] => names.push((Some((*project).to_owned()), (*slug).to_owned())),
            _ => is_whole = false,
        }
    }
    if !is_whole {
        let what = "some are no names of repositories: write slugs, as in the browser's address, under `include`";
        ledger.note(Fate::Differs, entry, what);
    }
    names
}

fn projects(entry: &Entry<'_>, ledger: &mut Ledger) -> Vec<String> {
    let (names, others): (Vec<String>, Vec<String>) = entry.texts(ledger).into_iter().partition(|name| is_name(name));
    if !others.is_empty() {
        let what = "some are no keys of projects: write keys, as in the browser's address, under `projects`";
        ledger.note(Fate::Differs, entry, what);
    }
    names
}

/// Nothing that means something in a glob.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.~".contains(c))
}

/// Whether a file is one: by its root, or by integrations that say which application they are of.
pub(super) fn is_one(root: &Entry<'_>) -> bool {
    let has_root = ROOTS.iter().any(|key| root.node.get(key).is_some_and(|node| matches!(node.value, Value::Map(_))));
    let of_application = root.node.get("integrations").is_some_and(|node| match &node.value {
        Value::List(nodes) => nodes.iter().any(|node| node.get("application").is_some()),
        _ => false,
    });
    has_root || of_application
}
