//! What somebody meets who has the README alone: slips, second thoughts, commands said twice. The answer names what is
//! wrong and the way on.

use serde_json::{Value, json};

use crate::harness::{Bench, TOKEN_NAME, number, output_of_input, text};

fn len(rows: &Value) -> usize {
    rows.as_array().map_or(0, Vec::len)
}

#[test]
fn an_orphan_of_the_same_name_can_be_named_and_deleted() {
    let bench = Bench::of(&["payments-api"]);
    let right = bench.read("catalog-sync.yaml");
    bench.config(&right.replace("bitbucket.org/acme", "bitbucket.org/my-workspace"));
    bench.sync_exits(1);
    bench.config(&right);
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let orphan = "bitbucket.org/my-workspace";
    let listed = bench.run(&["integration", "list"]).ok();
    listed.shows(&["orphaned: left the config", &format!("integration delete {orphan}")]);
    // The name alone means both: nothing is deleted.
    let refused = bench.run(&["integration", "delete", "acme", "--yes"]).exits(2);
    refused.says(&["several integrations", "`bitbucket.org/acme` (in the config)", &format!("`{orphan}` (orphaned)")]);
    bench.run(&["integration", "delete", orphan, "--yes"]).ok().shows(&["0 repositories, 0 links forgotten"]);
    let left = bench.json(&["integration", "list"]);
    assert_eq!((len(&left), &left[0]["state"]), (1, &json!("active")), "{left:#}");
    assert_eq!(left[0]["imported"], 1, "what is active keeps everything");
    bench.run(&["integration", "delete", "nobody", "--yes"]).exits(2).says(&["no integration `nobody`", "acme"]);
}

#[test]
fn deleting_says_what_is_lost_and_what_comes_back() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let refused = bench.run(&["integration", "delete", "acme"]).exits(4);
    refused.says(&["1 repository, 1 link would be forgotten", "makes the links again", "--yes"]);
    bench.run(&["integration", "delete", "acme", "--yes"]).ok().shows(&["makes the links again from the marks"]);
    bench.sync_exits(0);
    assert_eq!(len(&bench.json(&["imported", "list"])), 1, "as it said");
}

#[test]
fn one_integration_is_shown_in_detail() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    let shown = bench.run(&["integration", "show", "acme"]).ok();
    shown.shows(&[
        "state          active",
        "connector      acme",
        "rules          bitbucket-cloud",
        "kinds          pull_requests, commits",
        "schedule       every 3h",
        "next run       20",
        "repositories   1, 0 imported",
        "last sync:\nacme  ",
    ]);
}

#[test]
fn fields_are_shown_as_the_file_has_them_now() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    let written = bench.texts("catalog").into_iter().next().expect("a file");
    let (name, before) = (format!("catalog/{}", written.0), written.1);
    assert!(before.contains("owner: unknown") && before.contains("type: service"), "{before}");
    bench.file(&name, &before.replace("owner: unknown", "owner: team-b").replace("type: service", "type: website"));
    let field = |path: &str| {
        let shown = bench.json(&["imported", "show", "payments-api"]);
        let fields = shown["fields"].as_array().expect("fields").clone();
        let of_it = fields.into_iter().find(|field| field["field"] == path).unwrap_or_else(|| panic!("no {path}"));
        (of_it["value"].clone(), of_it["owner"].clone())
    };
    for _ in 0..2 {
        assert_eq!(field("$.spec.owner"), (json!("team-b"), json!("theirs")));
        assert_eq!(field("$.spec.type"), (json!("website"), json!("theirs")));
        assert_eq!(field("$.metadata.title").1, "ours");
        assert_eq!(field("$.metadata.annotations[\"catalog-sync.dev/action\"]"), (json!("REGISTER"), json!("ours")));
        bench.sync_exits(0);
    }
    std::fs::remove_file(bench.path(&name)).expect("a file");
    let shown = bench.json(&["imported", "show", "payments-api"]);
    assert_eq!(shown["unread"], "component:default/payments-api is not in the catalog");
}

#[test]
fn an_import_said_twice_says_that_it_was_done() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.component("web-shop");
    bench.sync_exits(0);
    let plan = bench.json(&["discovered", "import", "--all", "--dry-run"]);
    let plan = text(&plan, "/plan_id").to_owned();
    bench.run(&["discovered", "import", "--plan", &plan]).ok();
    let files = bench.files("catalog");
    let sync_in_between = || drop(bench.sync_exits(0));
    for before in [&(|| ()) as &dyn Fn(), &sync_in_between] {
        before();
        for args in [
            ["discovered", "import", "payments-api"].as_slice(),
            &["discovered", "import", "payments-api", "--dry-run"],
            &["discovered", "import", "web-shop", "--into", "component:default/web-shop"],
            &["discovered", "import", "--plan", &plan],
        ] {
            let rows = bench.json(args)["rows"].take();
            for row in rows.as_array().expect("rows") {
                assert_eq!(row["result"], "unchanged", "{args:?}: {row:#}");
                assert!(text(row, "/reason").starts_with("already imported as component:default/"), "{row:#}");
            }
        }
    }
    assert_eq!(bench.files("catalog"), files);
    // Linked again after an unlink: the file has everything, and the link is what is done.
    bench.run(&["imported", "unlink", "web-shop"]).ok();
    let again = bench.run(&["discovered", "import", "web-shop", "--into", "component:default/web-shop"]).ok();
    again.shows(&["linked", "its entity has everything already", "1 only linked"]);
    // Who has it is told by name.
    let taken = ["discovered", "import", "payments-api", "--into", "component:default/web-shop"];
    let refused = bench.run(&taken).exits(4);
    refused.shows(&["it is linked to acme/web-shop already"]);
}

#[test]
fn a_url_of_one_repository_serves_that_one_p6_1_p2_10() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("bitbucket.org/acme", "bitbucket.org/acme/nope"));
    let checked = bench.run(&["check"]).exits(4);
    checked.shows(&["not_found", "repository nope", "the connector's url"]);
    for _ in 0..2 {
        let record = bench.sync_exits(1);
        assert_eq!((number(&record, "/repositories/seen"), number(&record, "/repositories/new")), (0, 0));
        let why = text(&record, "/errors/0/message");
        assert!(why.contains("no_resources") && why.contains("nope") && why.contains("lists 2"), "{why}");
    }
    bench.config(&config.replace("bitbucket.org/acme", "bitbucket.org/acme/web-shop"));
    bench.run(&["check"]).ok().shows(&["pull requests of web-shop"]);
    let record = bench.sync_exits(0);
    assert_eq!((&record["repositories"]["seen"], &record["repositories"]["hidden"]), (&json!(1), &json!(1)));
    bench
        .run(&["sync", "show", text(&record, "/id")])
        .ok()
        .shows(&["1 seen (1 more hidden by filters)", "oldest check"]);
}

#[test]
fn looking_makes_no_store() {
    let bench = Bench::of(&["payments-api"]);
    for args in [
        ["discovered", "list"].as_slice(),
        &["imported", "list"],
        &["integration", "list"],
        &["sync", "history"],
        &["check"],
    ] {
        bench.run(args).ok();
        assert!(!bench.path("data").exists(), "{args:?}");
    }
    bench.run(&["discovered", "list"]).ok().says(&["no store at", "yet"]);
    for args in [["store", "check"].as_slice(), &["store", "export", "kept.jsonl"]] {
        bench.run(args).exits(2).says(&["no store at", "mend:"]);
        assert!(!bench.path("data").exists(), "{args:?}");
    }
    // A folder that is there already, as of a mounted volume, stays and stays empty.
    std::fs::create_dir(bench.path("data")).expect("a folder");
    output_of_input(&mut bench.command(&["store", "import", "-"]), "no export\n").exits(1);
    bench.run(&["check"]).ok();
    assert!(bench.files("data").is_empty(), "{:?}", bench.files("data").keys());
    bench.sync_exits(0);
    bench.run(&["store", "export", "kept.jsonl"]).ok();
    let kept = bench.read("kept.jsonl");
    bench.run(&["discovered", "ignore", "payments-api"]).ok();
    bench.run(&["store", "export", "kept.jsonl"]).exits(4).says(&["kept.jsonl is there already", "--yes"]);
    assert_eq!(bench.read("kept.jsonl"), kept);
    bench.run(&["store", "export", "kept.jsonl", "--yes"]).ok();
    assert_ne!(bench.read("kept.jsonl"), kept);
}

#[test]
fn a_missing_catalog_folder_is_named_with_its_cause() {
    let bench = Bench::of(&["payments-api"]);
    std::fs::remove_dir(bench.path("catalog")).expect("a folder");
    bench.run(&["check"]).exits(4).shows(&["No such file or directory", "an empty folder is enough: `mkdir -p "]);
}

#[test]
fn secrets_that_are_not_there_are_told_as_what_they_are() {
    let mut bench = Bench::of(&["payments-api"]);
    bench.env = vec![(TOKEN_NAME.to_owned(), String::new())];
    let checked = bench.run(&["check"]).exits(4);
    checked.clone().shows(&["BITBUCKET_TOKEN is empty", "not every secret is there"]);
    assert!(!checked.stdout.contains("did you mean") && !checked.stdout.contains("without a fault"), "{checked:?}");
    let config = bench.read("catalog-sync.yaml");
    for written in ["$BITBUCKET_TOKEN", "\"${BITBUCKET_TOKEN}\""] {
        bench.config(&config.replace("{ env: BITBUCKET_TOKEN }", written));
        let refused = bench.run(&["check"]).exits(2);
        refused.says(&["variables are not expanded", "write `{ env: BITBUCKET_TOKEN }`"]);
    }
}

#[test]
fn faults_of_a_config_are_told_once_each() {
    let bench = Bench::of(&["payments-api"]);
    let config = bench.read("catalog-sync.yaml");
    bench.config(&config.replace("    url:", "    ulr:").replace("    catalog: main", "    catalogue: main"));
    let refused = bench.run(&["check"]).exits(2);
    refused.clone().says(&["has 2 faults\n\nerror:", "did you mean `url`?", "not a key of an integration"]);
    assert!(!refused.stderr.contains("because \n") && !refused.stderr.contains("has no `url`"), "{}", refused.stderr);
}

#[test]
fn faults_of_a_rules_file_are_a_row_each() {
    let bench = Bench::of(&["payments-api"]);
    bench.file(
        "rules.yaml",
        "entity: repository\ncorrelation:\n  - { ingested: name, operator: is, catalog: $.a }\nmore: 1\n",
    );
    bench.integration_rules("./rules.yaml");
    let rows = bench.run(&["check", "--offline", "--output", "json"]).exits(4).json();
    let faults: Vec<&str> = rows
        .as_array()
        .expect("rows")
        .iter()
        .filter(|row| row["code"] == "invalid_rules")
        .map(|row| text(row, "/message"))
        .collect();
    assert!(faults.len() > 1, "{rows:#}");
    assert!(faults.iter().all(|fault| fault.matches("rules.yaml:").count() == 1), "{faults:#?}");
}

#[test]
fn the_curl_line_names_the_variable_of_the_config() {
    let mut bench = Bench::of(&["payments-api"]);
    bench.env = vec![("OURS".to_owned(), "another".to_owned())];
    bench.config(&bench.read("catalog-sync.yaml").replace("BITBUCKET_TOKEN", "OURS"));
    bench.run(&["check"]).exits(4).shows(&["Authorization: Bearer $OURS"]);
}

#[test]
fn a_hint_goes_with_the_decision_it_was_about() {
    let bench = Bench::of(&["payments-api"]);
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "payments-api"]).ok();
    bench.run(&["imported", "unlink", "payments-api"]).ok();
    bench.sync_exits(0);
    let hint = |bench: &Bench| bench.json(&["discovered", "list"])[0]["needs_review"].clone();
    assert!(hint(&bench).as_str().is_some_and(|hint| hint.contains("it was unlinked from")));
    bench.run(&["discovered", "restore", "payments-api"]).ok();
    assert_eq!(hint(&bench), Value::Null);
    // As its help says: it waits for a person, whatever mark its entity bears.
    bench.sync_exits(0);
    assert_eq!(len(&bench.json(&["imported", "list"])), 0);
    assert_eq!(len(&bench.json(&["discovered", "list"])), 1);
}

#[test]
fn a_mistyped_repository_is_told_the_nearest() {
    let bench = Bench::of(&["payments-api", "web-shop"]);
    bench.sync_exits(0);
    for typed in ["paymets-api", "acme/payment-api"] {
        bench.run(&["discovered", "show", typed]).exits(2).says(&["did you mean `acme/payments-api`?"]);
    }
    bench.run(&["discovered", "list", "--state", "hidden"]).ok().shows(&["no repository is hidden by a filter"]);
}

#[test]
fn a_sync_that_asked_for_nothing_does_not_say_what_it_asked_for() {
    let bench = Bench::of(&["payments-api"]);
    bench.config(&bench.read("catalog-sync.yaml").replace("bitbucket.org/acme", "bitbucket.org/amce"));
    let failed = bench.run(&["sync", "now"]).exits(1);
    assert!(!failed.stdout.contains("asked for"), "{}", failed.stdout);
}

#[test]
fn an_option_with_a_fault_is_named_and_not_the_file() {
    let bench = Bench::of(&["payments-api"]);
    let refused = bench.run(&["run", "--listen", "nope"]).exits(2);
    assert!(refused.stderr.contains("--listen: `nope` is not an address and a port"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("catalog-sync.yaml"), "{}", refused.stderr);
}

#[test]
fn webhooks_that_cannot_be_are_none() {
    let bench = Bench::of(&["payments-api"]);
    assert_eq!(bench.json(&["webhook", "list"]), json!([]), "nobody is told where we are");
}
