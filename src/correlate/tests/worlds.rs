//! Golden worlds: `fixtures/worlds/<case>/` holds records, entities, rules and, beside the defaults, a
//! setting; the snapshot beside them is the verdicts. Each case says in its rules file what it shows.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::world::{World, decision, entities, link, uuid};
use crate::config::Registration;
use crate::correlate::Rules;
use crate::model::{DecisionKind, EntityRef, LinkState, Presence, RepoKey};
use crate::recommend::Other;

/// `setting.yaml`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Setting {
    registration: Option<String>,
    kind: Option<String>,
    /// Full name → entity.
    links: Vec<(String, String)>,
    missing: Vec<(String, String)>,
    /// Full name → decision, entity.
    decisions: Vec<(String, String, Option<String>)>,
    others: Vec<OtherSetting>,
    gone: Vec<String>,
    taken: Vec<String>,
    explain: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherSetting {
    full_name: String,
    #[serde(default)]
    candidates: Vec<(String, usize)>,
    registers_as: Option<String>,
}

fn worlds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/worlds")
}

fn load(folder: &Path) -> (World, Vec<String>) {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let rules = text("rules.yaml").expect("rules.yaml");
    let rules = match rules.lines().find_map(|line| line.strip_prefix("# builtin: ")) {
        Some(name) => Rules::builtin(name.trim()).expect("a shipped rules file"),
        None => Rules::parse(&rules, "rules.yaml").expect("the rules parse"),
    };
    let records: Vec<Value> = serde_json::from_str(&text("records.json").expect("records.json")).expect("JSON");
    let mut documents = entities(&text("entities.yaml").expect("entities.yaml"), None);
    documents.extend(entities(&text("also_read.yaml").unwrap_or_default(), Some("export")));
    let setting: Setting =
        text("setting.yaml").map_or_else(Setting::default, |text| serde_yaml::from_str(&text).expect("setting.yaml"));
    let mut world = World::new(rules, &records, &documents);
    world.registration = match setting.registration.as_deref() {
        Some("register") => Registration::Register,
        Some("merge") => Registration::Merge,
        _ => Registration::RegisterAndMerge,
    };
    world.kind = setting.kind.unwrap_or(world.kind);
    let known: Vec<(String, RepoKey)> =
        world.repositories.iter().map(|(facts, _)| (facts.full_name().to_owned(), facts.repo())).collect();
    let repo = |full_name: &str| {
        let found = known.iter().find(|(name, _)| name == full_name);
        found.map_or_else(|| uuid(full_name), |(_, repo)| repo.clone())
    };
    let entity = |text: &str| EntityRef::from_canonical(text);
    world.links = setting
        .links
        .iter()
        .map(|(name, to)| link(repo(name), entity(to), LinkState::Active))
        .chain(setting.missing.iter().map(|(name, to)| link(repo(name), entity(to), LinkState::EntityMissing)))
        .collect();
    world.decisions = setting
        .decisions
        .iter()
        .map(|(name, what, to)| {
            let entity = || entity(to.as_deref().expect("an entity"));
            let kind = match what.as_str() {
                "ignored" => DecisionKind::Ignored,
                "unlinked" => DecisionKind::Unlinked { entity: entity(), also: vec![] },
                "undone" => DecisionKind::Undone { entity: entity(), also: vec![] },
                "target" => DecisionKind::Target { entity: entity() },
                other => panic!("no such decision: {other}"),
            };
            decision(repo(name), kind)
        })
        .collect();
    world.others = setting
        .others
        .into_iter()
        .map(|other| Other {
            repo: uuid(&other.full_name),
            candidates: other.candidates.iter().map(|(to, rule)| (entity(to), *rule)).collect(),
            registers_as: other.registers_as.as_deref().map(entity),
            full_name: other.full_name,
        })
        .collect();
    world.taken = setting.taken.iter().map(|text| entity(text)).collect();
    for (facts, standing) in &mut world.repositories {
        if setting.gone.iter().any(|name| name == facts.full_name()) {
            standing.presence = Presence::Gone;
        }
    }
    (world, setting.explain)
}

/// P3.1 to P3.8 and section 9 (conflicts, registering), each case by its folder.
#[test]
fn p3_golden_worlds() {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(worlds()).expect("fixtures/worlds").flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| folder.join("records.json").exists());
    folders.sort();
    assert!(folders.len() >= 8, "only {} golden worlds", folders.len());
    for folder in folders {
        let (world, to_explain) = load(&folder);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| {
            insta::assert_snapshot!("recommendations", world.rendered());
            for full_name in to_explain {
                let slug = full_name.replace('/', "-");
                insta::assert_snapshot!(format!("explain-{slug}"), world.explain(&full_name).to_string());
            }
        });
    }
}
