//! The config as text: commented like the starter, with what became of the other file at its head.

use std::fmt::{self, Write};
use std::path::{Component, Path, PathBuf};

use super::Origin;
use super::draft::{Cadence, Connector, Credential, Draft, Integration, Site, Variable, Workspace};
use super::frequency;
use super::ledger::{Fate, Note};
use super::reference::{From, Reference};
use crate::model::SecondaryKind;

/// Comments behind values stand from this column on.
const COMMENT_COLUMN: usize = 55;
const PLACEHOLDER: &str = "my-workspace";

/// The whole file.
pub(super) fn config(draft: &Draft, origin: Origin, notes: &[Note], variables: &[Variable], folder: &Path) -> String {
    let mut page = Page::default();
    page.head(origin, notes, variables);
    page.line("# Where state is kept.");
    page.line("store: ./data");
    page.line("");
    page.line("# How to reach Bitbucket. Several integrations can share a connector.");
    page.line("connectors:");
    for (at, connector) in draft.connectors.iter().enumerate() {
        let served: Vec<&Integration> =
            draft.integrations.iter().filter(|integration| integration.connector == at).collect();
        page.connector(connector, &served, folder);
    }
    page.line("");
    page.catalogs(draft);
    page.line("");
    page.line("# One workspace (or instance of Data Center) and one catalog each.");
    page.line("integrations:");
    for integration in &draft.integrations {
        page.integration(integration, &draft.connectors[integration.connector]);
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: impl fmt::Display) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// A line with a comment behind it.
    fn commented(&mut self, line: impl fmt::Display, comment: &str) {
        let line = line.to_string();
        let gap = COMMENT_COLUMN.saturating_sub(line.chars().count()).max(1);
        self.line(format!("{line}{}# {comment}", " ".repeat(gap)));
    }

    fn head(&mut self, origin: Origin, notes: &[Note], variables: &[Variable]) {
        self.line("# yaml-language-server: $schema=./catalog-sync.schema.json");
        self.line("#");
        self.line(format!(
            "# The config of catalog-sync, made by `init --from` out of {origin}. The line above lets editors complete"
        ));
        self.line("# and explain every key:  catalog-sync config schema > catalog-sync.schema.json");
        self.line("#");
        if !variables.is_empty() {
            self.line("# Set these environment variables where catalog-sync is started:");
            for variable in variables {
                self.line(format!("#   {variable}"));
            }
        }
        self.line("# Look at what is marked with <--, then:  catalog-sync check  and  catalog-sync sync now");
        for fate in Fate::ALL {
            let of_fate: Vec<&Note> = notes.iter().filter(|note| note.fate == fate).collect();
            if of_fate.is_empty() {
                continue;
            }
            self.line("#");
            self.line(format!("# Of that file, {}:", fate.heading()));
            for note in of_fate {
                self.line(format!("#   {note}"));
            }
        }
        self.line("");
    }

    fn connector(&mut self, connector: &Connector, served: &[&Integration], folder: &Path) {
        self.line(format!("  {}:", quoted(&connector.name)));
        match &connector.site {
            Site::Cloud => {
                self.line("    type: bitbucket_cloud");
                match served {
                    [Integration { workspace: Workspace::Unknown, .. }] => {
                        self.commented(format!("    url: https://bitbucket.org/{PLACEHOLDER}"), "<-- your workspace");
                    }
                    [Integration { workspace: Workspace::Named(name), .. }] => {
                        self.line(format!("    url: {}", quoted(&format!("https://bitbucket.org/{name}"))));
                    }
                    _ => self.line("    url: https://bitbucket.org"),
                }
            }
            Site::DataCenter(base) => {
                self.line("    type: bitbucket_data_center");
                self.line(format!("    url: {}", quoted(base.as_str().trim_end_matches('/'))));
            }
            Site::Unknown(_) => {
                self.line("    type: bitbucket_data_center");
                self.commented(format!("    url: https://{}.example.com", connector.name), "<-- your instance");
            }
        }
        if let Some(url) = &connector.api_url {
            self.line(format!("    api_url: {}", quoted(url.as_str().trim_end_matches('/'))));
        }
        if connector.allow_http {
            self.commented("    allow_http: true", "credentials cross the network in the clear");
        }
        self.line("    auth:");
        for credential in &connector.credentials {
            self.line(format!("      - {}", auth(credential, folder)));
        }
        if let Some(repository) = &connector.test_repository {
            self.commented(format!("    test_repository: {}", quoted(repository)), "read by `check` alone");
        }
        match &connector.proxy {
            Some(proxy) => self.line(format!("    proxy: {}", quoted(proxy))),
            None => self.commented("    # proxy: http://proxy:3128", "left out: HTTPS_PROXY and NO_PROXY"),
        }
        self.commented("    # ca_bundle: ./corporate-ca.pem", "certificates added to the system's");
        if let Some(requests) = connector.requests_per_second {
            self.line(format!("    requests_per_second: {requests}"));
        }
        self.commented("    reserve: 10%", "of the requests, left to others on this credential");
    }

    fn catalogs(&mut self, draft: &Draft) {
        self.line("# Where entities live.");
        self.line("catalogs:");
        self.line("  main:");
        self.line("    directory:");
        self.commented("      path: ./catalog", "<-- the folder with your catalog's YAML files");
        self.commented("      new_entities: bitbucket", "new files go into this folder below it");
        match draft.format {
            Some(format) => self.line(format!("      format: {format}")),
            None => self.commented("      # format: harness", "or backstage; left out: that of most documents"),
        }
        let comment = "matched, and names there are taken; never written";
        if draft.also_read.is_empty() {
            self.commented("    # also_read: [{ directory: ../other-catalog }]", comment);
        } else {
            let folders: Vec<String> =
                draft.also_read.iter().map(|(folder, _)| format!("{{ directory: {} }}", quoted(folder))).collect();
            self.commented(format!("    # also_read: [{}]", folders.join(", ")), comment);
        }
    }

    fn integration(&mut self, integration: &Integration, connector: &Connector) {
        let is_cloud = connector.site.is_cloud();
        self.line(format!("  - name: {}", quoted(&integration.name)));
        if let Some(description) = &integration.description {
            self.line(format!("    description: {}", quoted(description)));
        }
        self.line(format!("    connector: {}", quoted(&connector.name)));
        self.line("    catalog: main");
        match &integration.workspace {
            Workspace::Named(name) => self.line(format!("    workspace: {}", quoted(name))),
            Workspace::Unknown => self.commented(format!("    workspace: {PLACEHOLDER}"), "<-- your workspace"),
            Workspace::Whole => {}
        }
        let filters = integration.selection.filters();
        self.line("    # Which repositories; the others are listed as hidden, with the filter that hides them. Globs ignore case.");
        self.line("    repositories:");
        let include = if filters.include.is_empty() { vec!["*".to_owned()] } else { filters.include };
        self.line(format!("      include: {}", list(&include)));
        self.line(format!("      exclude: {}", list(&filters.exclude)));
        self.line(format!("      projects: {}", list(&filters.projects)));
        if !is_cloud {
            self.line(format!("      archived: {}", integration.archived.unwrap_or(false)));
        }
        self.line(format!("      personal: {}", integration.names_personal()));
        self.line("      forks: true");
        self.commented("    registration: register_and_merge", "or register (never merges), merge (never creates)");
        self.line("    kind: Component");
        self.line("    type: service");
        let rules = if is_cloud { "bitbucket-cloud" } else { "bitbucket-data-center" };
        self.commented(format!("    rules: {rules}"), "or harness-idp, ./my-rules.yaml");
        self.kinds(integration);
        match &integration.cadence {
            Some(cadence) => self.line(format!("    {}", when(cadence))),
            None => self.commented("    update_every: 3h", "or cron: \"0 */3 * * *\" with timezone: Europe/Berlin"),
        }
        if let Some(Cadence::Cron(_)) = integration.cadence {
            self.commented("    timezone: UTC", "or Europe/Berlin");
        }
        self.commented("    # start_date: 2026-01-01", "older pull requests and commits are not fetched");
        self.commented(
            "    guard: { percent: 10, at_least: 3 }",
            "a sync that would lose more than both stops and asks",
        );
        if !integration.tags.is_empty() {
            self.line(format!("    tags: {}", list(&integration.tags)));
        }
        self.commented("    auto_import: false", "true: future discoveries are imported without asking");
    }

    fn kinds(&mut self, integration: &Integration) {
        if integration.kinds.is_empty() {
            self.commented("    secondary_kinds: {}", "which of the two is locked after the first sync");
            return;
        }
        self.commented("    secondary_kinds:", "which of the first two is locked after the first sync");
        for kind in SecondaryKind::ALL.iter().filter(|kind| integration.kinds.contains(kind)) {
            self.line(format!("      {}: {{ first_sync: 50, per_sync: 5000 }}", kind.as_str()));
        }
        for kind in &integration.details {
            self.line(format!("      {}: {{ per_sync: 500 }}", kind.as_str()));
        }
    }
}

fn when(cadence: &Cadence) -> String {
    match cadence {
        Cadence::Every(length) => format!("update_every: {}", frequency::shown(*length)),
        Cadence::Cron(expression) => format!("cron: \"{expression}\""),
    }
}

fn auth(credential: &Credential, folder: &Path) -> String {
    let secret = |reference: &Reference| secret(reference, folder);
    match credential {
        Credential::AccessToken(token) => format!("access_token: {}", secret(token)),
        Credential::ApiToken { email, token } => {
            format!("api_token: {{ email: {}, token: {} }}", secret(email), secret(token))
        }
        Credential::OAuth { key, secret: of } => format!("oauth: {{ key: {}, secret: {} }}", secret(key), secret(of)),
        Credential::Basic { username, password } => {
            format!("basic: {{ username: {}, password: {} }}", secret(username), secret(password))
        }
    }
}

fn secret(reference: &Reference, folder: &Path) -> String {
    match &reference.from {
        From::Variable(name) => format!("{{ env: {} }}", quoted(name)),
        From::File(path) => {
            let path = folder.join(path);
            let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
            format!("{{ file: {} }}", quoted(&path.to_string_lossy()))
        }
        // `Draft::settle` has named them all.
        From::New { name, .. } => format!("{{ env: {name} }}"),
    }
}

fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// Plain where every YAML reads the same text, else in double quotes.
fn quoted(text: &str) -> String {
    let is_word = text.trim_start_matches(['.', '/']).starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let is_url = text.starts_with("https://") || text.starts_with("http://");
    let is_plain_url =
        is_url && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:~".contains(c)) && !text.ends_with(':');
    let means_more = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", ".inf", ".nan"];
    if (is_word && !means_more.contains(&text.to_ascii_lowercase().as_str())) || is_plain_url {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)?;
        if self.line > 0 { write!(f, " (line {})", self.line) } else { Ok(()) }
    }
}
