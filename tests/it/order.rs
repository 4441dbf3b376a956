//! Order of arrival decides nothing (issue 2, test (d); invariant 1, P3.7): permuted repositories, entities and
//! integrations give the same recommendations and the same plan, byte for byte.

use catalog_sync::simulator::{NewRepository, World};
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use crate::harness::Bench;

/// Names that meet each other: equal names, contained names, a fork, two of one name in two projects.
const NAMES: &[(&str, &str)] = &[
    ("billing", "PAY"),
    ("billing-api", "PAY"),
    ("payments", "PAY"),
    ("Payments API", "PAY"),
    ("payments-api", "PAY"),
    ("shop-web", "SHOP"),
    ("web", "SHOP"),
    ("orders", "SHOP"),
    ("orders-worker", "PAY"),
    ("nobody-knows-me", "SHOP"),
    ("ledger", "PAY"),
    ("ledger-export", "PAY"),
];
const ENTITIES: &[&str] =
    &["billing", "payments-api", "web", "orders", "ledger", "ledger-exports", "shop", "unrelated", "shop-web"];

fn beginning() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

/// The same repositories with the same ids; `order` says in which order they were created, and so are listed.
fn permuted(order: impl Fn(usize) -> usize) -> World {
    let mut world = World::new(1, catalog_sync::clock::Clock::System);
    for workspace in ["acme", "beta"] {
        world.add_workspace(workspace, workspace);
        world.add_project(workspace, "PAY", "Payments");
        world.add_project(workspace, "SHOP", "Shop");
        for (n, (name, project)) in NAMES.iter().enumerate() {
            // The second workspace has some names of the first, so that repositories of both claim one entity.
            if workspace == "beta" && n % 3 != 0 {
                continue;
            }
            let created_on = beginning() + Duration::hours(i64::try_from(order(n)).unwrap_or(0));
            let new = NewRepository { created_on: Some(created_on), ..NewRepository::named(name) };
            world.add_repository(workspace, new.in_project(project).with_commits(0));
        }
        let fork = NewRepository { forked_from: Some(format!("{workspace}/web")), ..NewRepository::named("web-fork") };
        let created_on = Some(beginning() + Duration::hours(i64::try_from(order(NAMES.len())).unwrap_or(0)));
        world.add_repository(workspace, NewRepository { created_on, ..fork });
    }
    world
}

fn document(name: &str) -> String {
    format!(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: service\n  lifecycle: production\n  owner: team-a\n"
    )
}

const CONFIG: &str = "\
store: ./data
connectors:
  cloud:
    type: bitbucket_cloud
    url: https://bitbucket.org
    api_url: {api_url}
    auth: { access_token: { env: BITBUCKET_TOKEN } }
catalogs:
  main:
    directory: { path: ./catalog, new_entities: bitbucket, format: backstage }
integrations:
";

fn config(integrations: &[&str], lines: &str) -> String {
    let blocks = integrations.iter().map(|name| {
        format!(
            "  - name: {name}\n    connector: cloud\n    catalog: main\n    workspace: {name}\n    rules: ./rules.yaml\n    secondary_kinds: {{}}\n{lines}"
        )
    });
    format!("{CONFIG}{}", blocks.collect::<String>())
}

const RULES: &str = "\
entity: repository
correlation:
  - { ingested: $.name, operator: equals, catalog: $.metadata.name }
  - { ingested: $.slug, operator: contains, catalog: $.metadata.name }
fields:
  - { ingested: $.description, catalog: $.metadata.description }
";

/// JSON without what differs from run to run, and rows sorted where the order of integrations shows.
fn settled(value: &mut Value) {
    match value {
        Value::Array(rows) => {
            rows.iter_mut().for_each(settled);
            rows.sort_by_key(Value::to_string);
        }
        Value::Object(fields) => {
            for name in ["id", "import_id", "plan_id", "detected_at", "started_at", "duration_ms", "requests_remaining"]
            {
                // Ids of repositories say something; those of syncs are times.
                if fields.get(name).is_some_and(|value| value.as_str().is_none_or(|text| !text.starts_with('{'))) {
                    fields.remove(name);
                }
            }
            fields.values_mut().for_each(settled);
        }
        _ => {}
    }
}

/// The changed lines of a plan's files, without the names of files and the places in them.
fn without_places(value: &mut Value) {
    match value {
        Value::Array(rows) => rows.iter_mut().for_each(without_places),
        Value::Object(fields) => {
            if let (Some(Value::String(diff)), Some(_)) = (fields.get("diff"), fields.get("path")) {
                let is_change = |line: &&str| {
                    (line.starts_with('+') || line.starts_with('-'))
                        && !line.starts_with("+++")
                        && !line.starts_with("---")
                };
                let changed = Value::from(diff.lines().filter(is_change).collect::<Vec<_>>());
                *fields = serde_json::Map::from_iter([("changed".to_owned(), changed)]);
            }
            fields.values_mut().for_each(without_places);
        }
        _ => {}
    }
}

/// What the program says once it has seen everything: the list, the plan by hand, and the plan of auto-import.
struct Said {
    discovered: String,
    by_hand: String,
    unattended: String,
}

fn said(world: World, write: impl Fn(&Bench), integrations: &[&str], places: bool) -> Said {
    let bench = Bench::new(world);
    bench.file("rules.yaml", RULES);
    // Seen under auto-import while there was nothing to import into and nothing to be made.
    bench.config(&config(integrations, "    registration: merge\n    auto_import: true\n"));
    bench.run(&["sync", "now"]).ok();
    write(&bench);
    bench.config(&config(integrations, "    auto_import: false\n"));
    // Twice: what the first integration of the config is told knows nothing yet of the second.
    for _ in 0..2 {
        bench.run(&["sync", "now"]).ok();
    }
    let ask = |args: &[&str]| {
        let run = bench.run(&[args, &["--output", "json"]].concat());
        assert!(matches!(run.status, Some(0 | 4)), "{}", run.stderr);
        let mut value = run.json();
        settled(&mut value);
        if !places {
            without_places(&mut value);
            settled(&mut value);
        }
        serde_json::to_string_pretty(&value).expect("JSON")
    };
    let discovered = ask(&["discovered", "list", "--state", "all"]);
    let by_hand = ask(&["discovered", "import", "--all", "--dry-run"]);
    bench.config(&config(integrations, "    auto_import: true\n"));
    let unattended = ask(&["sync", "now", "--dry-run"]);
    Said { discovered, by_hand, unattended }
}

#[track_caller]
fn same(one: &Said, other: &Said, what: &str) {
    for (one, other, which) in [
        (&one.discovered, &other.discovered, "recommendations"),
        (&one.by_hand, &other.by_hand, "plan by hand"),
        (&one.unattended, &other.unattended, "plan of auto-import"),
    ] {
        assert!(one == other, "{what}, {which}:\n{}", similar::TextDiff::from_lines(one, other).unified_diff());
    }
}

fn one_file_each(bench: &Bench) {
    for name in ENTITIES {
        bench.file(&format!("catalog/{name}.yaml"), &document(name));
    }
}

#[test]
fn permuted_repositories_give_the_same_plan_invariant_1() {
    let both = ["acme", "beta"];
    let plain = said(permuted(|n| n), one_file_each, &both, true);
    println!("{}", plain.discovered);
    for action in ["register", "merge", "conflict"] {
        assert!(
            plain.discovered.contains(&format!("\"action\": \"{action}\"")),
            "the world is worth permuting: {action}"
        );
    }
    assert!(plain.unattended.contains("\"plan\": [\n"), "auto-import has something to do: {}", plain.unattended);
    same(&plain, &said(permuted(|n| 100 - n), one_file_each, &both, true), "created in reverse");
    same(&plain, &said(permuted(|n| n * 7 % 13), one_file_each, &both, true), "created in another order");
    same(&plain, &said(permuted(|_| 0), one_file_each, &both, true), "created at one instant");
}

#[test]
fn permuted_entities_give_the_same_plan_invariant_1() {
    let both = ["acme", "beta"];
    let plain = said(permuted(|n| n), one_file_each, &both, false);
    let renamed = |bench: &Bench| {
        for (n, name) in ENTITIES.iter().enumerate() {
            bench.file(&format!("catalog/{}/{}.yml", n % 3, 99 - n), &document(name));
        }
    };
    same(&plain, &said(permuted(|n| n), renamed, &both, false), "other file names");
    let together = |names: Vec<&'static str>| {
        move |bench: &Bench| {
            let documents: Vec<String> = names.iter().map(|name| document(name)).collect();
            bench.file("catalog/all.yaml", &documents.join("---\n"));
        }
    };
    same(&plain, &said(permuted(|n| n), together(ENTITIES.to_vec()), &both, false), "one file");
    let reversed = ENTITIES.iter().rev().copied().collect();
    same(&plain, &said(permuted(|n| n), together(reversed), &both, false), "one file, in reverse");
}

#[test]
fn permuted_integrations_give_the_same_plan_p3_7() {
    let forth = said(permuted(|n| n), one_file_each, &["acme", "beta"], true);
    let back = said(permuted(|n| n), one_file_each, &["beta", "acme"], true);
    same(&forth, &back, "integrations in the other order");
}
