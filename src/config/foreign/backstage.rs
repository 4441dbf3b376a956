//! The Bitbucket parts of a Backstage `app-config.yaml`: `integrations` (how it is reached), `catalog.providers` (what is
//! discovered, how often) and `catalog.locations`.

mod filters;
mod hosts;
mod locations;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};

use self::filters::{Filters, filters};
use self::schedule::schedule;
use super::super::located::Value;
use super::super::url::ConnectorUrl;
use super::draft::{Draft, Integration, Site, Workspace, name_of};
use super::ledger::{Block, Entry, Fate, Ledger, Text};
use super::selection::Selection;
use crate::model::SecondaryKind;

/// Where Bitbucket stands in such a file.
const PLACES: &str = "`integrations.bitbucketCloud`, `.bitbucketServer` and `.bitbucket`, `catalog.providers.bitbucketCloud` and \
                      `.bitbucketServer`, and `catalog.locations` of type `bitbucket-discovery`";
const CLOUD: &str = "bitbucket.org";
const NO_FILES: &str = "catalog-sync looks for no files in repositories: it discovers the repositories themselves";
const OTHER_HOST: &str = "not Bitbucket's";

/// Reads the parts that are Bitbucket's; the others are named, each once.
pub(super) fn read(root: &Entry<'_>, ledger: &mut Ledger) -> Draft {
    let draft = Draft { format: Some("backstage"), ..Draft::default() };
    let mut reading = Reading { draft, hosts: BTreeMap::new(), providers: 0 };
    let parts = root.entries();
    let part = |name: &str| parts.iter().find(|(key, _)| *key == name).map(|(_, entry)| entry);
    if let Some(entry) = part("integrations") {
        for (key, entry) in entries(entry, ledger) {
            let is_bitbucket = matches!(key, "bitbucket" | "bitbucketCloud" | "bitbucketServer");
            if !is_bitbucket {
                ledger.not_applicable(&entry, OTHER_HOST);
                continue;
            }
            for entry in entry.items().iter().filter(|entry| entry.node.value != Value::Null) {
                reading.host(entry, key == "bitbucketCloud", ledger);
            }
        }
    }
    if let Some(entry) = part("catalog") {
        for (key, entry) in entries(entry, ledger) {
            match key {
                "providers" => {
                    for (key, entry) in entries(&entry, ledger) {
                        match key {
                            "bitbucketCloud" | "bitbucketServer" => {
                                reading.providers(&entry, key == "bitbucketCloud", ledger);
                            }
                            _ => ledger.not_applicable(&entry, OTHER_HOST),
                        }
                    }
                }
                "locations" => {
                    for entry in entry.items().iter().filter(|entry| entry.node.value != Value::Null) {
                        reading.location(entry, ledger);
                    }
                }
                _ => ledger.not_applicable(&entry, "it is about Backstage's own catalog"),
            }
        }
    }
    for (key, entry) in &parts {
        if !matches!(*key, "integrations" | "catalog") {
            let why = if *key == "events" {
                "webhooks are set up with `webhook_secrets` and `webhook create`"
            } else {
                "not about Bitbucket's repositories"
            };
            ledger.not_applicable(entry, why);
        }
    }
    reading.without_providers(ledger, root);
    if reading.draft.integrations.is_empty() && ledger.faults.is_empty() {
        ledger.refuse_file(root, "there is no Bitbucket in this app-config.yaml", format!("looked for {PLACES}"));
    }
    reading.draft
}

struct Reading {
    draft: Draft,
    /// Connectors of Data Center by their `host`, as `integrations` and providers name it.
    hosts: BTreeMap<String, usize>,
    providers: usize,
}

/// The keys of a mapping; refused where it is none.
fn entries<'n>(entry: &Entry<'n>, ledger: &mut Ledger) -> Vec<(&'n str, Entry<'n>)> {
    Block::of(entry, ledger).map(|block| block.entry().entries()).unwrap_or_default()
}

impl Reading {
    /// The connector of a site.
    fn connector(&mut self, site: &Site, entry: &Entry<'_>, ledger: &mut Ledger) -> usize {
        if let Some(at) = self.draft.connectors.iter().position(|one| one.site == *site) {
            return at;
        }
        let name = match site {
            Site::DataCenter(base) => name_of(base.host_str().unwrap_or_default(), "bitbucket"),
            Site::Cloud | Site::Unknown(_) => "bitbucket".to_owned(),
        };
        self.draft.new_connector(site, &name, entry, ledger)
    }

    /// `catalog.providers.bitbucketCloud` or `.bitbucketServer`: one provider, or several by their ids.
    fn providers(&mut self, entry: &Entry<'_>, is_cloud: bool, ledger: &mut Ledger) {
        let single = if is_cloud { "workspace" } else { "host" };
        if entry.node.get(single).is_some() {
            self.provider("default", entry, is_cloud, ledger);
            return;
        }
        if Block::of(entry, ledger).is_none() {
            return;
        }
        for (id, entry) in entry.entries() {
            self.provider(id, &entry, is_cloud, ledger);
        }
    }

    fn provider(&mut self, id: &str, entry: &Entry<'_>, is_cloud: bool, ledger: &mut Ledger) {
        let Some(mut block) = Block::of(entry, ledger) else { return };
        self.providers += 1;
        let (connector, workspace) = if is_cloud {
            let connector = self.connector(&Site::Cloud, entry, ledger);
            let workspace = block.take("workspace");
            (connector, workspace_of(workspace.as_ref(), entry, ledger))
        } else {
            let Some(connector) = self.server(block.take("host"), entry, ledger) else { return };
            (connector, Workspace::Whole)
        };
        self.without_login(connector, entry, ledger);
        let filters = match block.take("filters") {
            Some(entry) => filters(&entry, is_cloud, ledger),
            None => Filters::default(),
        };
        let cadence = block.take("schedule").and_then(|entry| schedule(&entry, ledger));
        block.pass("catalogPath", NO_FILES, ledger);
        block.pass("validateLocationsExist", NO_FILES, ledger);
        if is_cloud {
            block.pass(
                "level",
                "catalog-sync lists a workspace page by page, however many repositories it has",
                ledger,
            );
        }
        block.finish(ledger);
        let otherwise = match &workspace {
            Workspace::Named(name) => name_of(name, "bitbucket"),
            _ => self.draft.connectors[connector].name.clone(),
        };
        let name = if id == "default" { otherwise } else { name_of(id, &otherwise) };
        let Filters { selection, archived } = filters;
        let integration = Integration { archived, selection, cadence, ..bare(name, connector, workspace) };
        self.draft.add(integration, entry, ledger);
    }

    /// Without a provider, each host that is reached gets an integration; else those that none uses are connectors
    /// alone.
    fn without_providers(&mut self, ledger: &mut Ledger, root: &Entry<'_>) {
        for at in 0..self.draft.connectors.len() {
            let used = self.draft.integrations.iter().any(|integration| integration.connector == at);
            if used {
                continue;
            }
            self.without_login(at, root, ledger);
            if self.providers > 0 {
                continue;
            }
            let name = self.draft.connectors[at].name.clone();
            let workspace = if self.draft.connectors[at].site.is_cloud() {
                let entry = place_of(root, "integrations");
                ledger.note(Fate::FillIn, &entry, "no provider names a workspace");
                Workspace::Unknown
            } else {
                Workspace::Whole
            };
            let integration = bare(name, at, workspace);
            self.draft.add(integration, root, ledger);
        }
    }
}

fn place_of<'n>(root: &Entry<'n>, key: &str) -> Entry<'n> {
    root.entries().into_iter().find(|(name, _)| *name == key).map_or_else(|| root.clone(), |(_, entry)| entry)
}

/// With what a config that says nothing has.
fn bare(name: String, connector: usize, workspace: Workspace) -> Integration {
    Integration {
        name,
        description: None,
        tags: Vec::new(),
        connector,
        workspace,
        selection: Selection::default(),
        archived: None,
        kinds: SecondaryKind::ALL.into(),
        details: BTreeSet::new(),
        cadence: None,
    }
}

fn workspace_of(entry: Option<&Entry<'_>>, provider: &Entry<'_>, ledger: &mut Ledger) -> Workspace {
    let Some(entry) = entry else {
        ledger.note(Fate::FillIn, provider, "this provider names no workspace");
        return Workspace::Unknown;
    };
    match entry.text(ledger) {
        Some(Text::Plain(text)) => match checked_workspace(&text) {
            Some(workspace) => Workspace::Named(workspace),
            None => {
                ledger.refuse(entry, "this is no workspace", "write the name behind bitbucket.org/ in the browser");
                Workspace::Unknown
            }
        },
        Some(Text::Elsewhere(name)) => {
            let what = match name {
                Some(name) => format!("the workspace is what the variable {name} holds"),
                None => "the workspace is not in this file".to_owned(),
            };
            ledger.note(Fate::FillIn, entry, what);
            Workspace::Unknown
        }
        None => Workspace::Unknown,
    }
}

fn checked_workspace(text: &str) -> Option<String> {
    if text.contains('/') {
        return None;
    }
    let url = ConnectorUrl::parse(&format!("https://bitbucket.org/{text}")).ok()?;
    url.workspace.filter(|_| url.repository.is_none())
}

/// Whether a file is one: by `integrations` or `catalog` that are mappings, or by what every one begins with.
pub(super) fn is_one(root: &Entry<'_>) -> bool {
    let is_map = |key: &str| root.node.get(key).is_some_and(|node| matches!(node.value, Value::Map(_)));
    is_map("integrations") || is_map("catalog") || (is_map("app") && is_map("backend"))
}
