//! The config that is being made: connectors and integrations, before they are written.

use std::collections::BTreeSet;
use std::time::Duration;

use ::url::Url;

use super::ledger::{Entry, Fate, Ledger};
use super::reference::{From, Reference};
use super::selection::{Selection, is_personal};
use crate::model::{DetailKind, SecondaryKind};

/// What becomes of the file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub connectors: Vec<Connector>,
    pub integrations: Vec<Integration>,
    /// Folders that may be worth reading, with their lines.
    pub also_read: Vec<(String, usize)>,
    /// Entities are written in this format, where the file tells.
    pub format: Option<&'static str>,
    /// Connectors whose integration became part of another.
    pub absorbed: BTreeSet<usize>,
}

/// Which Bitbucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Site {
    Cloud,
    /// The base URL, with its context path.
    DataCenter(Url),
    /// Data Center; the file does not say where, but perhaps by a variable.
    Unknown(Option<String>),
}

impl Site {
    pub fn is_cloud(&self) -> bool {
        *self == Self::Cloud
    }
}

#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub name: String,
    pub site: Site,
    /// Where the API is, if not where the site says.
    pub api_url: Option<Url>,
    pub allow_http: bool,
    pub credentials: Vec<Credential>,
    pub test_repository: Option<String>,
    pub proxy: Option<String>,
    pub requests_per_second: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Credential {
    AccessToken(Reference),
    ApiToken { email: Reference, token: Reference },
    OAuth { key: Reference, secret: Reference },
    Basic { username: Reference, password: Reference },
}

impl Credential {
    fn references(&self) -> Vec<&Reference> {
        match self {
            Self::AccessToken(token) => vec![token],
            Self::ApiToken { email, token } => vec![email, token],
            Self::OAuth { key, secret } => vec![key, secret],
            Self::Basic { username, password } => vec![username, password],
        }
    }
}

/// What an integration serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Workspace {
    /// Cloud: a workspace; Data Center: a project key or `~user`.
    Named(String),
    /// A whole instance.
    Whole,
    /// Cloud; the file does not say which.
    Unknown,
}

impl Workspace {
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Named(one), Self::Named(another)) => one.to_lowercase() == another.to_lowercase(),
            _ => self == other,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Integration {
    pub name: String,
    pub description: Option<String>,
    pub tags: Vec<String>,
    /// Of its connector.
    pub connector: usize,
    pub workspace: Workspace,
    pub selection: Selection,
    /// Archived ones, where the file says.
    pub archived: Option<bool>,
    pub kinds: BTreeSet<SecondaryKind>,
    pub details: BTreeSet<DetailKind>,
    pub cadence: Option<Cadence>,
}

/// When it syncs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cadence {
    Every(Duration),
    /// An expression that our schedule has read.
    Cron(String),
}

const OTHER_PERSONAL: &str = "a personal project is named, so `personal: true`: what the filters let through of other personal projects \
                              is taken in, too";

/// Invented names of variables are no longer, but for a number.
const MAX_VARIABLE: usize = 60;

impl Draft {
    /// A connector of its own; plain http is allowed where the file uses it, and said.
    pub fn new_connector(&mut self, site: &Site, name: &str, entry: &Entry<'_>, ledger: &mut Ledger) -> usize {
        let taken: Vec<&str> = self.connectors.iter().map(|connector| connector.name.as_str()).collect();
        let mut connector = Connector {
            name: free_name(name, &taken),
            site: site.clone(),
            api_url: None,
            allow_http: false,
            credentials: Vec::new(),
            test_repository: None,
            proxy: None,
            requests_per_second: None,
        };
        if let Site::DataCenter(base) = site {
            connector.reach(base, entry, ledger);
        }
        self.connectors.push(connector);
        self.connectors.len() - 1
    }

    /// Adds an integration; where one serves the same already, the two become one, since two would undo each
    /// other's work.
    pub fn add(&mut self, integration: Integration, entry: &Entry<'_>, ledger: &mut Ledger) {
        let site = self.connectors[integration.connector].site.clone();
        let of_site: Vec<usize> = (0..self.integrations.len())
            .filter(|at| self.connectors[self.integrations[*at].connector].site == site)
            .collect();
        let find = |workspace: &Workspace| {
            of_site.iter().copied().find(|at| self.integrations[*at].workspace.is_same(workspace))
        };
        // A whole instance has its projects in it.
        let whole = if site.is_cloud() { None } else { find(&Workspace::Whole) };
        if let Some(at) = find(&integration.workspace).or(whole) {
            return self.absorb(at, integration, entry, ledger);
        }
        let is_whole = !site.is_cloud() && integration.workspace == Workspace::Whole;
        if integration.takes_other_personal() {
            ledger.note(Fate::Differs, entry, OTHER_PERSONAL);
        }
        self.integrations.push(integration);
        if is_whole {
            for at in of_site.into_iter().rev() {
                let part = self.integrations.remove(at);
                self.absorb(self.integrations.len() - 1, part, entry, ledger);
            }
        }
    }

    fn absorb(&mut self, at: usize, other: Integration, entry: &Entry<'_>, ledger: &mut Ledger) {
        let integration = &mut self.integrations[at];
        let took_other_personal = integration.takes_other_personal();
        let is_same = integration.workspace.is_same(&other.workspace);
        let selection = if is_same { other.selection.clone() } else { other.selection_of_whole() };
        let more = if integration.selection.join(selection) { "" } else { "; what one of them leaves out is taken in" };
        let what = format!(
            "one integration serves a workspace, so this is part of `{}`, which takes what either took{more}",
            integration.name
        );
        ledger.note(Fate::Differs, entry, what);
        if integration.takes_other_personal() && !took_other_personal {
            ledger.note(Fate::Differs, entry, OTHER_PERSONAL);
        }
        let (kept, absorbed) = (integration.connector, other.connector);
        integration.absorb(other);
        if kept == absorbed {
            return;
        }
        let from = self.connectors[absorbed].clone();
        let into = &mut self.connectors[kept];
        into.trust(from.credentials);
        into.proxy = into.proxy.take().or(from.proxy);
        match (&into.test_repository, from.test_repository) {
            (Some(one), Some(other)) if *one != other => {
                ledger.note(Fate::Differs, entry, "its test repository gives way to the one of the first");
            }
            (None, other) => into.test_repository = other,
            _ => {}
        }
        self.absorbed.insert(absorbed);
    }

    /// Gives each integration a name of its own, drops connectors whose integration was absorbed, and names the
    /// variables.
    pub fn settle(&mut self) -> Vec<Variable> {
        let mut taken: Vec<String> = Vec::new();
        for integration in &mut self.integrations {
            integration.name = free_name(&integration.name, &taken.iter().map(String::as_str).collect::<Vec<_>>());
            taken.push(integration.name.clone());
        }
        for at in std::mem::take(&mut self.absorbed).into_iter().rev() {
            if self.integrations.iter().all(|integration| integration.connector != at) {
                self.connectors.remove(at);
                let behind = self.integrations.iter_mut().filter(|integration| integration.connector > at);
                behind.for_each(|integration| integration.connector -= 1);
            }
        }
        self.name_variables()
    }

    fn name_variables(&mut self) -> Vec<Variable> {
        let references = || self.connectors.iter().flat_map(|connector| &connector.credentials);
        let mut taken: BTreeSet<String> = references()
            .flat_map(Credential::references)
            .filter_map(|reference| match &reference.from {
                From::Variable(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        let is_plain = |name: &str| self.connectors.len() == 1 || name == "bitbucket";
        let mut variables: Vec<Variable> = Vec::new();
        let suffix = |name: &str| if is_plain(name) { String::new() } else { format!("_{}", name.replace('-', "_")) };
        let suffixes: Vec<String> = self.connectors.iter().map(|connector| suffix(&connector.name)).collect();
        for (connector, suffix) in self.connectors.iter_mut().zip(suffixes) {
            for credential in &mut connector.credentials {
                for reference in credential.references_mut() {
                    let name = match &reference.from {
                        From::File(_) => continue,
                        From::Variable(name) => name.clone(),
                        From::New { name, .. } => {
                            free_variable(shortened(&format!("{name}{suffix}").to_uppercase()), &taken)
                        }
                    };
                    taken.insert(name.clone());
                    reference.from = From::Variable(name.clone());
                    let variable = Variable { name, what: reference.what, line: reference.line };
                    if variables.iter().all(|other| other.name != variable.name) {
                        variables.push(variable);
                    }
                }
            }
        }
        variables
    }
}

impl Credential {
    fn references_mut(&mut self) -> Vec<&mut Reference> {
        match self {
            Self::AccessToken(token) => vec![token],
            Self::ApiToken { email, token } => vec![email, token],
            Self::OAuth { key, secret } => vec![key, secret],
            Self::Basic { username, password } => vec![username, password],
        }
    }
}

impl Connector {
    /// Credentials will be sent to this address.
    pub fn reach(&mut self, url: &Url, entry: &Entry<'_>, ledger: &mut Ledger) {
        if url.scheme() == "http" && !is_loopback(url) && !self.allow_http {
            self.allow_http = true;
            let what =
                "over http, credentials cross the network in the clear: `allow_http: true` says that this is meant";
            ledger.note(Fate::Differs, entry, what);
        }
    }

    /// Adds credentials, each once.
    pub fn trust(&mut self, credentials: Vec<Credential>) {
        for credential in credentials {
            if !self.credentials.contains(&credential) {
                self.credentials.push(credential);
            }
        }
    }
}

impl Integration {
    /// Whether a personal project is named, so that personal repositories are not hidden.
    pub fn names_personal(&self) -> bool {
        self.selection.names_personal() || matches!(&self.workspace, Workspace::Named(name) if is_personal(name))
    }

    /// Whether repositories of personal projects are taken that nobody named.
    fn takes_other_personal(&self) -> bool {
        self.workspace == Workspace::Whole && self.names_personal() && self.selection.holds_for_any_personal()
    }

    /// What it selects, seen from its whole instance.
    fn selection_of_whole(&self) -> Selection {
        match &self.workspace {
            Workspace::Named(project) => self.selection.clone().within(project),
            Workspace::Whole | Workspace::Unknown => self.selection.clone(),
        }
    }

    /// Takes over what another brings, but for what it selects.
    fn absorb(&mut self, other: Self) {
        self.kinds.extend(other.kinds);
        self.details.extend(other.details);
        self.tags.extend(other.tags.into_iter().filter(|tag| !self.tags.contains(tag)).collect::<Vec<_>>());
        self.description = self.description.take().or(other.description);
        self.archived = match (self.archived, other.archived) {
            (Some(one), Some(another)) => Some(one || another),
            (one, another) => one.or(another),
        };
        self.cadence = match (self.cadence.take(), other.cadence) {
            (Some(Cadence::Every(one)), Some(Cadence::Every(another))) => Some(Cadence::Every(one.min(another))),
            (one, another) => one.or(another),
        };
    }
}

/// A variable that has to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What belongs into it.
    pub what: &'static str,
    /// Where the file that was read has it; 0: nowhere.
    pub line: usize,
}

/// Plain http to these crosses no network.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// A name of our config out of any text: `Git.Acme.dev` becomes `git-acme-dev`.
pub(super) fn name_of(text: &str, otherwise: &str) -> String {
    let mut name = String::new();
    for c in text.to_ascii_lowercase().chars() {
        match c {
            'a'..='z' => name.push(c),
            '0'..='9' if !name.is_empty() => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.truncate(50);
    let name = name.trim_end_matches('-');
    if name.is_empty() { otherwise.to_owned() } else { name.to_owned() }
}

fn free_name(name: &str, taken: &[&str]) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(&name.as_str())).unwrap_or_default()
}

/// Cut behind a word, where it is long.
fn shortened(name: &str) -> &str {
    let Some((start, _)) = name.split_at_checked(MAX_VARIABLE).filter(|(_, rest)| !rest.is_empty()) else {
        return name;
    };
    start.rsplit_once('_').map_or(start, |(words, _)| words)
}

fn free_variable(name: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
}
