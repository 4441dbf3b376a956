//! The truth about real catalogs (issue, shows 5): how well each shipped rules file does on them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::world::{World, entity, record, uuid};
use crate::correlate::{BUILTIN, Rules};
use crate::model::{Action, Entity, EntityRef, Unseen};
use crate::recorded::folder;

#[derive(Deserialize)]
struct Row {
    repository: String,
    kind: String,
    file: String,
    document: usize,
    basis: String,
}

/// One workspace: its repositories, each with the entities that truly are its own, and all entities.
#[derive(Default)]
struct Workspace {
    repositories: BTreeMap<String, BTreeSet<EntityRef>>,
    entities: Vec<Entity>,
}

/// Verdicts on the repositories that have a Component.
#[derive(Debug, Default, PartialEq)]
struct Score {
    repositories: usize,
    right: usize,
    wrong: usize,
    conflicts: usize,
    unmatched: usize,
    unseen_right: usize,
    unseen_wrong: usize,
}

fn read(shared: &Path) -> BTreeMap<String, Workspace> {
    let truth = std::fs::read_to_string(shared.join("catalogs/truth.jsonl")).expect("truth.jsonl");
    let mut workspaces: BTreeMap<String, Workspace> = BTreeMap::new();
    for line in truth.lines() {
        let row: Row = serde_json::from_str(line).expect("a row");
        if row.basis != "location" {
            continue;
        }
        let owner = row.repository.split('/').next().unwrap_or_default().to_lowercase();
        let file = std::fs::read_to_string(shared.join("catalogs/backstage").join(&row.file)).expect("a descriptor");
        // The corpus is of GitHub; read as Bitbucket it is the same catalog.
        let file = file.replace("github.com", "bitbucket.org");
        let document = serde_yaml::Deserializer::from_str(&file).nth(row.document).expect("a document");
        let document: serde_yaml::Value = serde_yaml::Value::deserialize(document).expect("YAML");
        let entity = entity(serde_json::to_value(document).expect("JSON"), row.document, None).expect("an entity");
        let workspace = workspaces.entry(owner).or_default();
        let own = workspace.repositories.entry(row.repository).or_default();
        if row.kind == "Component" {
            own.insert(entity.entity_ref.clone());
        }
        workspace.entities.push(entity);
    }
    workspaces
}

fn score(rules: &Rules, workspaces: &BTreeMap<String, Workspace>, notes: &mut String) -> Score {
    let mut score = Score::default();
    for workspace in workspaces.values() {
        let records: Vec<Value> = workspace.repositories.keys().map(|name| record(name)).collect();
        let world = World::new(rules.clone(), &records, &workspace.entities);
        let verdicts = world.recommendations();
        for (name, own) in workspace.repositories.iter().filter(|(_, own)| !own.is_empty()) {
            let repo = uuid(name);
            let verdict = verdicts.iter().find(|one| one.repo == repo).expect("a verdict for every repository");
            let unseen = verdict.unseen == Unseen::Allowed;
            score.repositories += 1;
            match (verdict.action, &verdict.entity) {
                (Action::Merge, Some(entity)) if own.contains(entity) => {
                    score.right += 1;
                    score.unseen_right += usize::from(unseen);
                    continue;
                }
                (Action::Merge, _) => {
                    score.wrong += 1;
                    score.unseen_wrong += usize::from(unseen);
                }
                (Action::Conflict, _) => score.conflicts += 1,
                (Action::Register | Action::None, _) => score.unmatched += 1,
            }
            notes.push_str(&format!(
                "    {name}: {} {:?}: {}\n",
                verdict.action.as_str(),
                verdict.entity,
                verdict.reason
            ));
        }
    }
    score
}

/// Shows 5, P3.5, P3.8: the annotations rules find at least 73 of 78 by a unique correct merge, and nothing
/// wrong would be imported unseen under any shipped file.
#[test]
fn p3_8_shipped_rules_on_the_truth() {
    let Some(shared) = folder() else { return };
    let workspaces = read(&shared);
    let baseline =
        "correlation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name, ignore_case: true }\n";
    let mut files = vec![("name equals name".to_owned(), Rules::parse(baseline, "baseline").expect("parses"))];
    files.extend(BUILTIN.iter().map(|(name, _)| ((*name).to_owned(), Rules::builtin(name).expect("shipped"))));
    for (name, rules) in files {
        let mut notes = String::new();
        let score = score(&rules, &workspaces, &mut notes);
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        println!(
            "{name}: {} repositories with a Component; merges {} right, {} wrong; {} conflicts, {} without a match; \
             precision {:.1} %, recall {:.1} %; unseen: {} right, {} wrong",
            score.repositories,
            score.right,
            score.wrong,
            score.conflicts,
            score.unmatched,
            percent(score.right, score.right + score.wrong),
            percent(score.right, score.repositories),
            score.unseen_right,
            score.unseen_wrong,
        );
        print!("{notes}");
        assert_eq!(score.repositories, 78);
        assert_eq!(score.unseen_wrong, 0, "{name}\n{notes}");
        if name == "bitbucket-cloud-annotations" {
            assert!(score.right >= 73, "{} of 78\n{notes}", score.right);
            assert_eq!(score.wrong, 0, "{name}\n{notes}");
        }
    }
}
