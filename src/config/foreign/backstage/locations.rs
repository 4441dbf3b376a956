//! `catalog.locations`: entities that are read from a place, and the way that older versions discovered by.

use ::url::Url;

use super::super::draft::{Integration, Site, Workspace, name_of};
use super::super::ledger::{Block, Entry, Fate, Ledger, Text};
use super::super::selection::Selection;
use super::{CLOUD, OTHER_HOST, Reading, bare, checked_workspace};

impl Reading {
    /// An entry of `catalog.locations`: a way to discover Bitbucket's repositories, or entities.
    pub(super) fn location(&mut self, entry: &Entry<'_>, ledger: &mut Ledger) {
        let Some(mut block) = Block::of(entry, ledger) else { return };
        let kind = block.take("type").and_then(|entry| entry.plain(ledger)).unwrap_or_default();
        let target = block.take("target");
        block.pass("rules", "which kinds a file may bring is for Backstage to say", ledger);
        block.finish(ledger);
        let Some(target) = target else {
            ledger.not_applicable(entry, "it has no target");
            return;
        };
        match kind.as_str() {
            "bitbucket-discovery" => self.discovery(&target, ledger),
            "file" => self.folder(&target, ledger),
            _ => {
                let what = "catalog-sync reads catalogs from folders: clone the repository and name its folder under `catalogs`";
                let why = if is_of_bitbucket(&target) { what } else { OTHER_HOST };
                ledger.not_applicable(&target, why);
            }
        }
    }

    /// A file of entities: its folder may be worth reading.
    fn folder(&mut self, target: &Entry<'_>, ledger: &mut Ledger) {
        let Some(text) = target.plain(ledger) else { return };
        // Backstage looks from the folder of its backend, two below the one where the file is by custom.
        let path = text.strip_prefix("../../").unwrap_or(&text);
        let folder = match path.rsplit_once('/') {
            Some((folder, _)) if !folder.is_empty() => format!("./{}", folder.trim_start_matches("./")),
            _ => ".".to_owned(),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let is_plain = folder.len() <= 200 && folder.chars().all(fits) && !path.starts_with('/');
        if is_plain {
            let what =
                "Backstage reads entities there; if catalog-sync should, too, put the commented `also_read` into use";
            ledger.not_applicable(target, what);
            if self.draft.also_read.iter().all(|(other, _)| *other != folder) {
                self.draft.also_read.push((folder, target.line));
            }
        } else {
            ledger.not_applicable(
                target,
                "Backstage reads entities there; if catalog-sync should, too, name its folder under `catalogs`",
            );
        }
    }

    /// A location of the type that older versions discovered by: `…/projects/KEY/repos/SLUG/…`, with `*`.
    fn discovery(&mut self, target: &Entry<'_>, ledger: &mut Ledger) {
        let Some(text) = target.plain(ledger) else { return };
        let url = Url::parse(&text).ok().filter(|url| url.has_host());
        let Some(url) = url else {
            ledger.refuse(target, "this is not a URL", "write `https://HOST/projects/KEY/repos/SLUG`");
            return;
        };
        if url.query().is_some() {
            ledger.note(Fate::Differs, target, "what follows its `?` was left out");
        }
        let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let behind = |word: &str| segments.iter().position(|one| *one == word).and_then(|at| segments.get(at + 1));
        let glob = |word: &str| behind(word).map(|glob| (*glob).to_owned()).filter(|glob| glob != "*");
        let (projects, slugs) = (glob("projects"), glob("repos"));
        let fits = |glob: &String| glob.chars().all(|c| c.is_ascii_alphanumeric() || "_-.*~".contains(c));
        if ![&projects, &slugs].into_iter().flatten().all(fits) {
            ledger.refuse(target, "projects or repositories of it are no names", "write keys and slugs, with `*`");
            return;
        }
        let host = url.host_str().unwrap_or_default();
        let (connector, workspace) = if host.eq_ignore_ascii_case(CLOUD) {
            let workspace = behind("workspaces").and_then(|name| checked_workspace(name));
            let workspace = workspace.map_or_else(
                || {
                    ledger.note(Fate::FillIn, target, "it names no workspace");
                    Workspace::Unknown
                },
                Workspace::Named,
            );
            (self.connector(&Site::Cloud, target, ledger), workspace)
        } else {
            let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            let Some(connector) = self.server_of(&Text::Plain(host), target, ledger) else { return };
            (connector, Workspace::Whole)
        };
        self.providers += 1;
        self.without_login(connector, target, ledger);
        let list = |glob: Option<String>| glob.into_iter().collect::<Vec<_>>();
        let selection = Selection::of(&list(projects), &list(slugs));
        let name = match &workspace {
            Workspace::Named(name) => name_of(name, "bitbucket"),
            _ => self.draft.connectors[connector].name.clone(),
        };
        let integration = Integration { selection, ..bare(name, connector, workspace) };
        self.draft.add(integration, target, ledger);
    }
}

fn is_of_bitbucket(target: &Entry<'_>) -> bool {
    target.node.text().is_some_and(|text| text.contains("bitbucket"))
}
