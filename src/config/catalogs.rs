//! The `catalogs` block.

use std::path::{Component, Path, PathBuf};

use super::Place;
use super::faults::Fault;
use super::fields::{self, Faults, Fields};
use super::load::Context;
use super::located::Node;
use super::model::{AlsoRead, CatalogConfig, DirectoryCatalog, GitMode};
use crate::model::EntityFormat;

const FORMATS: [(&str, EntityFormat); 2] = [("backstage", EntityFormat::Backstage), ("harness", EntityFormat::Harness)];
const GIT_MODES: [(&str, GitMode); 3] = [("off", GitMode::Off), ("commit", GitMode::Commit), ("push", GitMode::Push)];
const ONLY_DIRECTORIES: &str = "use `directory: { path: … }`";

pub(super) fn read(
    name: &str,
    place: Place,
    node: &Node,
    context: &Context,
    faults: &mut Faults,
) -> Option<CatalogConfig> {
    let mut map = Fields::of("catalog", node, faults)?;
    let other_kinds = ["git", "backstage", "harness"].iter().any(|kind| node.get(kind).is_some());
    let directory = match other_kinds {
        true => map.get("directory"),
        false => map.need("directory", "write `directory: { path: ./catalog }`", faults),
    };
    let directory = directory.and_then(|node| read_directory(node, context, faults));
    let also_read = map.read("also_read", Vec::new(), faults, |node, faults| {
        fields::list(node, faults, |node, faults| read_also(node, context, faults))
    });
    map.refuse("git", "catalogs in a git repository are not in this version", ONLY_DIRECTORIES, faults);
    map.refuse("backstage", "live Backstage catalogs are not in this version", ONLY_DIRECTORIES, faults);
    map.refuse("harness", "live Harness catalogs are not in this version", ONLY_DIRECTORIES, faults);
    map.finish(faults);
    Some(CatalogConfig { name: name.to_owned(), directory: directory?, also_read, place })
}

fn read_directory(node: &Node, context: &Context, faults: &mut Faults) -> Option<DirectoryCatalog> {
    let mut map = Fields::of("directory catalog", node, faults)?;
    let path = map.need("path", "name the directory: `path: ./catalog`", faults);
    let path = path.and_then(|node| context.path(node, faults));
    let new_entities = map.read("new_entities", PathBuf::from("bitbucket"), faults, folder_inside);
    let format = map.optional("format", faults, |node, faults| fields::one_of(node, &FORMATS, faults));
    let namespace = map.read("namespace", "default".to_owned(), faults, scope_name);
    let org = map.optional("org", faults, scope_name);
    let project = map.optional("project", faults, scope_name);
    let git = map.read("git", GitMode::Off, faults, |node, faults| fields::one_of(node, &GIT_MODES, faults));
    map.finish(faults);
    if let (GitMode::Commit | GitMode::Push, Some(node)) = (git, node.get("git")) {
        let fault = Fault::of(node, "committing the catalog is not in this version");
        faults.push(fault.mend("use `git: off`, and commit what changed yourself"));
    }
    if let (Some(node), None) = (node.get("project"), &org) {
        faults.push(Fault::of(node, "a Harness project lies in an org, and none is named").mend("add `org: …`"));
    }
    Some(DirectoryCatalog { path: path?, new_entities, format, namespace, org, project, git })
}

fn read_also(node: &Node, context: &Context, faults: &mut Faults) -> Option<AlsoRead> {
    let mut map = Fields::of("also_read entry", node, faults)?;
    let other_kinds = ["git", "backstage", "harness"].iter().any(|kind| node.get(kind).is_some());
    let directory = match other_kinds {
        true => map.get("directory"),
        false => map.need("directory", "write `directory: ./export`", faults),
    };
    let written = directory.and_then(|node| fields::text(node, faults));
    for kind in ["git", "backstage", "harness"] {
        map.refuse(kind, "only directories can be read in this version", "write `directory: ./export`", faults);
    }
    map.finish(faults);
    let written = written?;
    Some(AlsoRead { directory: context.resolve(&written), written: PathBuf::from(written) })
}

/// A folder below the catalog whose segments we may create.
fn folder_inside(node: &Node, faults: &mut Faults) -> Option<PathBuf> {
    let text = fields::text(node, faults)?;
    let is_segment = |part: Component<'_>| match part {
        Component::CurDir => true,
        Component::Normal(segment) => segment.to_str().is_some_and(|segment| {
            segment.len() <= 63
                && segment.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && segment.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        }),
        _ => false,
    };
    let path = Path::new(&text);
    if !path.components().all(is_segment) {
        faults.push(
            Fault::of(node, format!("`{}` is not a folder below the catalog", fields::cut(&text)))
                .because("its parts are a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit; no `..`")
                .mend("for example `new_entities: bitbucket`"),
        );
        return None;
    }
    Some(path.components().filter(|part| *part != Component::CurDir).collect())
}

/// A namespace, org or project: it becomes part of entity refs and files.
fn scope_name(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    let fits = text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !fits {
        let fault = Fault::of(node, format!("`{}` cannot be part of an entity's name", fields::cut(&text)));
        faults.push(fault.mend("use letters, digits, `-`, `_` and `.`, at most 63"));
        return None;
    }
    Some(text)
}
