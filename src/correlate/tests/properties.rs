//! Who came first never decides (invariant 1, P3.7).

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::world::{World, component, decision, link, record, uuid};
use crate::correlate::Rules;
use crate::model::{DecisionKind, Entity, EntityRef, LinkState};
use crate::recommend::Other;

/// Few names, so that they meet.
const NAMES: &[&str] =
    &["billing", "billing-api", "Billing", "api", "payments", "payments_api", "pay", "acme-pay", "web"];

fn names() -> impl Strategy<Value = String> {
    select(NAMES).prop_map(str::to_owned)
}

fn records() -> impl Strategy<Value = Vec<Value>> {
    let one = (names(), select(&["PAY", "WEB"][..]), any::<bool>());
    prop::collection::vec(one, 0..9).prop_map(|rows| {
        let rows = rows.into_iter().enumerate().map(|(at, (name, project, fork))| {
            let mut raw = record(&format!("acme/{name}-{at}"));
            raw["name"] = Value::from(name);
            raw["project"]["key"] = Value::from(project);
            if fork && at % 3 == 0 {
                raw["parent"] = serde_json::json!({"full_name": "other/x"});
            }
            raw
        });
        rows.collect()
    })
}

fn entities() -> impl Strategy<Value = Vec<Entity>> {
    let annotation = prop_oneof![
        4 => Just(None),
        1 => (0..9usize, names()).prop_map(|(at, name)| Some(("bitbucket.org/project-slug", format!("acme/{name}-{at}")))),
        1 => (0..9usize, names()).prop_map(|(at, name)|
            Some(("catalog-sync.dev/repository", uuid(&format!("acme/{name}-{at}")).to_string()))),
        1 => Just(Some(("github.com/project-slug", "acme/x".to_owned()))),
    ];
    let kind = select(&["Component", "Component", "System", "API"][..]);
    prop::collection::vec((names(), kind, annotation, select(&["default", "team"][..])), 0..9).prop_map(|rows| {
        let rows = rows.into_iter().map(|(name, kind, annotation, namespace)| {
            let annotation = annotation.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>();
            let mut document = component(&name, &annotation).document;
            document["kind"] = Value::from(kind);
            document["metadata"]["namespace"] = Value::from(namespace);
            super::world::entity(document, 0, None).expect("an entity")
        });
        rows.collect()
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let mine = "correlation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n  \
                - { ingested: $.name, operator: contains, catalog: $.metadata.name, many: true }\n  \
                - { ingested: $.project.key, operator: contains, direction: reverse, ignore_case: true, catalog: $.metadata.name }\n";
    let mine = Rules::parse(mine, "mine").expect("parses");
    let mut all: Vec<Rules> = vec![mine];
    all.extend(["bitbucket-cloud", "bitbucket-cloud-annotations"].iter().filter_map(|name| Rules::builtin(name)));
    select(all)
}

fn world() -> impl Strategy<Value = World> {
    let picks = prop::collection::vec((any::<Index>(), any::<Index>(), 0..8u8), 0..5);
    let others = prop::collection::vec((names(), any::<Index>(), 0..3usize), 0..4);
    (rules(), records(), entities(), picks, others).prop_map(|(rules, records, entities, picks, others)| {
        let mut world = World::new(rules, &records, &entities);
        let refs: Vec<EntityRef> = entities.iter().map(|entity| entity.entity_ref.clone()).collect();
        if refs.is_empty() {
            return world;
        }
        world.others = others
            .into_iter()
            .enumerate()
            .map(|(at, (name, entity, rule))| Other {
                repo: uuid(&format!("other/{name}-{at}")),
                full_name: format!("other/{name}-{at}"),
                candidates: vec![(entity.get(&refs).clone(), rule)],
                registers_as: Some(EntityRef::backstage("Component", "default", &format!("{name}-{at}"))),
            })
            .collect();
        for (repository, entity, what) in picks {
            if records.is_empty() {
                break;
            }
            let repo = world.repositories[repository.index(records.len())].0.repo();
            let entity = entity.get(&refs).clone();
            let free = world.links.iter().all(|link| link.entity != entity);
            match what {
                0 | 1 if free => world.links.push(link(repo, entity, LinkState::Active)),
                2 if free => world.links.push(link(repo, entity, LinkState::EntityMissing)),
                3 => world.decisions.push(decision(repo, DecisionKind::Ignored)),
                4 => world.decisions.push(decision(repo, DecisionKind::Unlinked { entity, also: vec![] })),
                5 | 6 => world.decisions.push(decision(repo, DecisionKind::Target { entity })),
                _ => {}
            }
        }
        world
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// P3.7, invariant 1: permuted repositories, entities, integrations, links and decisions give the same
    /// recommendations byte for byte, and the same candidates.
    #[test]
    fn p3_7_order_of_arrival_never_decides(world in world(), seed in any::<u64>()) {
        let mut permuted = world.clone();
        let mut state = seed | 1;
        let mut roll = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound.max(1)
        };
        shuffle(&mut permuted.repositories, &mut roll);
        shuffle(&mut permuted.entities, &mut roll);
        shuffle(&mut permuted.others, &mut roll);
        shuffle(&mut permuted.links, &mut roll);
        shuffle(&mut permuted.decisions, &mut roll);
        let text = |world: &World| serde_json::to_string_pretty(&world.recommendations()).expect("JSON");
        prop_assert_eq!(text(&world), text(&permuted));
        let stored = |world: &World| {
            let all = world.candidates();
            let mut rows: Vec<_> = all.iter().map(|one| {
                let facts = &world.repositories[one.repository].0;
                (facts.full_name().to_owned(), one.to_stored(&world.entities))
            }).collect();
            rows.sort();
            rows
        };
        prop_assert_eq!(stored(&world), stored(&permuted));
    }

    /// P3.7, invariant 4's ground: no entity is given to two repositories, none that another holds, no new
    /// name twice.
    #[test]
    fn p3_7_no_entity_goes_to_two(world in world()) {
        let ignored = |repo: &_| world.decisions.iter().any(|one| one.repo == *repo && one.kind == DecisionKind::Ignored);
        let mut given = std::collections::BTreeMap::new();
        for one in world.recommendations().iter().filter(|one| one.action == crate::model::Action::Merge) {
            // What is set aside shows what it would get, and gets nothing.
            if ignored(&one.repo) {
                continue;
            }
            for entity in one.entity.iter().chain(&one.also) {
                prop_assert_eq!(given.insert(entity.clone(), one.repo.clone()), None, "{} twice", entity);
                let holder = world.links.iter().find(|link| link.entity == *entity);
                prop_assert!(holder.is_none_or(|link| link.repo == one.repo), "{} is held", entity);
            }
        }
    }
}

fn shuffle<T>(items: &mut [T], roll: &mut impl FnMut(usize) -> usize) {
    for last in (1..items.len()).rev() {
        items.swap(last, roll(last + 1));
    }
}
