//! Rules files checked and previewed against what is stored, without a request (P3.9, P3.10).

use serde_json::{Value, json};

use crate::harness::{Bench, component, text};

/// Of the names and of a label; its last path is a slip.
const BETTER: &str = "\
entity: repository
correlation:
  - { ingested: $.slug, operator: equals, catalog: $.metadata.labels.repo }
  - { ingested: $.name, operator: equals, catalog: $.metadata.name }
fields:
  - { ingested: $.descripton, catalog: $.metadata.description }
";

fn bench() -> Bench {
    let bench = Bench::of(&["pay", "shop", "mail", "catalogue", "sandbox"]);
    for name in ["pay", "shop", "sandbox"] {
        bench.component(name);
    }
    for (name, repo) in [("mailer", "mail"), ("cat", "catalogue")] {
        let labelled = component(name).replace("spec:", &format!("  labels:\n    repo: {repo}\nspec:"));
        bench.file(&format!("catalog/{name}.yaml"), &labelled);
    }
    bench.file("better.yaml", BETTER);
    bench.sync();
    bench.run(&["discovered", "import", "pay"]).ok();
    bench.run(&["discovered", "import", "mail", "--into", "mailer"]).ok();
    bench.run(&["discovered", "ignore", "sandbox"]).ok();
    bench.sync();
    bench
}

#[track_caller]
fn findings(report: &Value) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|one| format!("{} {}: {}", text(one, "/level"), one["line"], text(one, "/what"))).collect()
}

// P3.9: counts, a list, precision and recall; nothing is asked, nothing is written.
#[test]
fn changed_rules_are_previewed_without_a_request_p3_9() {
    let bench = bench();
    let (files, state) = (bench.files("catalog"), bench.export());
    bench.simulator.reset_requests();
    let preview = bench.json(&["rules", "preview", "better.yaml"]);
    assert_eq!(bench.simulator.requests().total, 0);
    assert_eq!((bench.files("catalog"), bench.export()), (files, state), "looking writes nothing");
    let [preview] = preview.as_array().expect("one per integration").as_slice() else { panic!("{preview:#}") };
    assert_eq!((&preview["integration"], &preview["repositories"]), (&json!("acme"), &json!(5)));
    assert_eq!(preview["changed"], 1);
    assert_eq!(preview["changes"], json!([{"now": "register", "then": "merge", "count": 1}]));
    let row = &preview["rows"][0];
    assert_eq!(row["repository"]["full_name"], "acme/catalogue");
    assert_eq!((&row["now"]["action"], &row["then"]["entity"]), (&json!("register"), &json!("component:default/cat")));
    // Said by people: pay and mail belong where they are, sandbox nowhere; what we wrote ourselves proves nothing.
    assert_eq!(preview["judged_by_people"], 3);
    assert_eq!(
        preview["quality_now"],
        json!({"proposed": 2, "right": 1, "confirmed": 2, "found": 1, "precision": 50.0, "recall": 50.0})
    );
    assert_eq!(
        preview["quality_then"],
        json!({"proposed": 3, "right": 2, "confirmed": 2, "found": 2, "precision": 66.7, "recall": 100.0})
    );
    assert_eq!(findings(preview), ["warning 6: $.descripton is in no stored record"]);
    insta::assert_snapshot!(bench.run(&["rules", "preview", "better.yaml"]).ok().stdout, @r"
    acme: 1 of 5 repositories would be judged otherwise than by bitbucket-cloud (5 entities)
           1  register → merge
    by what people said of 3 repositories: precision 50.0 % → 66.7 %, recall 50.0 % → 100.0 %
      right of proposed 1/2 → 2/3, found of confirmed 1/2 → 2/2
    warning: line 6: $.descripton is in no stored record (acme)

    REPOSITORY      NOW       THEN                         WHY
    acme/catalogue  register  merge component:default/cat  rule 0: slug equals label repo
    ");
    // Rows are limited, counts are not.
    let short = bench.json(&["rules", "preview", "better.yaml", "-i", "acme", "--limit", "0"]);
    assert_eq!((&short[0]["changed"], &short[0]["rows"]), (&json!(1), &json!([])));
    // The rules in force change nothing.
    bench.file("same.yaml", include_str!("../../rules/bitbucket-cloud.yaml"));
    let same = bench.json(&["rules", "preview", "same.yaml"]);
    assert_eq!((&same[0]["changed"], &same[0]["quality_now"]), (&json!(0), &same[0]["quality_then"]));
}

// P3.9: what is previewed of fields is what the next sync writes, and nothing is told of what stays.
#[test]
fn changed_fields_are_previewed_as_they_are_written_p3_9() {
    let bench = bench();
    bench.file(
        "labels.yaml",
        "\
entity: repository
correlation:
  - { ingested: $.name, operator: equals, catalog: $.metadata.name }
fields:
  - { ingested: $.slug, catalog: $.metadata.labels.repo }
",
    );
    let files = bench.files("catalog");
    let preview = &bench.json(&["rules", "preview", "labels.yaml"])[0];
    assert_eq!(bench.files("catalog"), files, "looking writes nothing");
    // The label of mailer says so already.
    assert_eq!(preview["rewritten"], 1, "{preview:#}");
    assert_eq!(preview["rewritten_rows"][0]["repository"]["full_name"], "acme/pay");
    assert_eq!(
        preview["rewritten_rows"][0]["fields"],
        json!([{"path": "$.metadata.labels.repo", "now": null, "then": "pay"}])
    );
    insta::assert_snapshot!(bench.run(&["rules", "preview", "labels.yaml"]).ok().stdout, @r"
    acme: 0 of 5 repositories would be judged otherwise than by bitbucket-cloud (5 entities)
    by what people said of 3 repositories: precision 50.0 % → 50.0 %, recall 50.0 % → 50.0 %
      right of proposed 1/2 → 1/2, found of confirmed 1/2 → 1/2

    1 linked entity: the next sync would write other values into it
    ENTITY                 REPOSITORY  FIELD                   NOW  THEN
    component:default/pay  acme/pay    $.metadata.labels.repo  –    pay
    ");
    bench.integration("rules: ./labels.yaml");
    let record = bench.sync_exits(4);
    bench.run(&["sync", "approve", text(&record, "/id"), "--yes"]).ok();
    let now = bench.files("catalog");
    let changed: Vec<_> = now.iter().filter(|(path, text)| files.get(*path) != Some(*text)).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(bench.read("catalog/pay.yaml").contains("repo: pay"), "{}", bench.read("catalog/pay.yaml"));
    assert_eq!(bench.json(&["rules", "preview", "labels.yaml"])[0]["rewritten"], 0);
}

/// Rules by name that write these fields.
fn rules_with(fields: &str) -> String {
    format!(
        "\
entity: repository
correlation:
  - {{ ingested: $.name, operator: equals, catalog: $.metadata.name }}
fields:
{fields}"
    )
}

// P3.9: also of fields that no rule names any more, and of values that a sync leaves alone: every file that changes is
// named with what it says afterwards, and no other.
#[test]
fn a_preview_of_fields_is_what_the_sync_does_p3_9() {
    const SOURCE: &str = "$.metadata.annotations['backstage.io/source-location']";
    let bench = bench();
    let source = |url: &str| format!("  - {{ value: \"url:{url}\", catalog: \"{SOURCE}\", when: always }}\n");
    let tags = "  - { ingested: $.slug, catalog: $.metadata.tags, mode: add }\n";
    let (now, then) = (format!("{}{tags}", source("https://a.test/")), source("https://b.test/"));
    bench.file("now.yaml", &rules_with(&now));
    bench.file("then.yaml", &rules_with(&then));
    bench.integration("rules: ./now.yaml");
    let record = bench.sync_exits(4);
    bench.run(&["sync", "approve", text(&record, "/id"), "--yes"]).ok();
    bench.run(&["discovered", "import", "--all", "--yes"]).ok();
    bench.sync();
    // One of them is somebody else's by now.
    let pay = bench.read("catalog/pay.yaml");
    let href = pay.lines().find(|line| line.contains("source-location")).expect("it was written");
    bench.file("catalog/pay.yaml", &pay.replace(href, "    backstage.io/source-location: url:https://hand.test/mine"));
    bench.sync();

    let preview = &bench.json(&["rules", "preview", "then.yaml"])[0];
    let before = bench.files("catalog");
    bench.integration("rules: ./then.yaml");
    let record = bench.sync_exits(4);
    bench.run(&["sync", "approve", text(&record, "/id"), "--yes"]).ok();
    bench.sync();
    let after = bench.files("catalog");
    let changed: Vec<&String> = after.keys().filter(|path| before.get(*path) != after.get(*path)).collect();
    let documents: Vec<(&String, Value)> =
        after.iter().map(|(path, text)| (path, serde_yaml::from_slice(text).expect("YAML"))).collect();
    let mut named = Vec::new();
    for row in preview["rewritten_rows"].as_array().expect("rows") {
        let name = text(row, "/entity").rsplit('/').next().expect("a name");
        let of_it = |document: &&(&String, Value)| document.1.pointer("/metadata/name") == Some(&json!(name));
        let (path, document) = documents.iter().find(of_it).expect("its file");
        for field in row["fields"].as_array().expect("fields") {
            let key = text(field, "/path");
            let place = match key {
                "$.metadata.tags" => "/metadata/tags",
                _ => "/metadata/annotations/backstage.io~1source-location",
            };
            assert_eq!(document.pointer(place).unwrap_or(&Value::Null), &field["then"], "{key} of {path}: {preview:#}");
        }
        named.push(*path);
    }
    named.sort();
    assert_eq!(changed, named, "{preview:#}");
    assert!(named.len() >= 4, "{named:?}");
    assert!(bench.read("catalog/pay.yaml").contains("hand.test/mine"), "a sync leaves it alone");
}

// P3.9, security.md "API": a bad or too large text is refused, with its lines.
#[test]
fn what_cannot_be_previewed_is_refused_p3_9() {
    let bench = bench();
    bench.file("bad.yaml", "correlation:\n  - { ingested: $.name, operator: equls, catalog: $.metadata.name }\n");
    bench.run(&["rules", "preview", "bad.yaml"]).exits(2).says(&["bad.yaml:2:", "equals"]);
    bench.file("large.yaml", &format!("{BETTER}# {}\n", "x".repeat(70_000)));
    bench.run(&["rules", "preview", "large.yaml"]).exits(2).says(&["64 KiB"]);
    let many = "  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n".repeat(201);
    bench.file("many.yaml", &format!("correlation:\n{many}"));
    bench.run(&["rules", "preview", "many.yaml"]).exits(2).says(&["more than 200 rules"]);
    bench.run(&["rules", "preview", "none.yaml"]).exits(2).says(&["could not be read"]);
    bench.run(&["rules", "preview", "better.yaml", "-i", "nobody"]).exits(2).says(&["no integration `nobody`"]);
}

// P3.10: by itself, and with what is stored.
#[test]
fn a_rules_file_is_checked_p3_10() {
    let bench = bench();
    let checked = bench.json(&["rules", "check", "better.yaml"]);
    assert_eq!(findings(&checked), ["warning 6: $.descripton is in no stored record"]);
    assert_eq!(checked["compared"], json!([{"integration": "acme", "repositories": 5, "entities": 5}]));
    bench.file("nothing.yaml", "correlation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.nmae }\n");
    let nothing = bench.run(&["rules", "check", "nothing.yaml"]).exits(2);
    nothing.shows(&[
        "error: no catalog path of these rules exists in any entity (rules_match_nothing)",
        "$.metadata.nmae is in no entity (acme)",
    ]);
    bench.file(
        "twice.yaml",
        &BETTER
            .replace("$.metadata.labels.repo", "$.metadata.name")
            .replace("$.slug", "$.name")
            .replace("ripton", "ription"),
    );
    bench.run(&["rules", "check", "twice.yaml"]).ok().shows(&["warning: line 4: rule 1 compares the same as rule 0"]);
    bench.file("bad.yaml", "correlation:\n  - { ingested: $.name, operator: equls, catalog: $.metadata.name }\n");
    let bad = bench.run(&["rules", "check", "bad.yaml", "--output", "json"]).exits(2).json();
    assert_eq!(bad["faults"][0]["line"], 2);

    // Without a store, and without a config, it is read by itself.
    std::fs::remove_dir_all(bench.path("data")).expect("a store");
    let alone = bench.json(&["rules", "check", "better.yaml"]);
    assert_eq!((&alone["findings"], &alone["compared"]), (&json!([]), &json!([])));
    assert!(!bench.path("data").exists(), "looking makes no store");
}
