//! Walks of people who decide, from login to undo.

use std::time::Duration;

use super::driver::Window;
use super::{Desk, LOOKER, OPS};
use crate::harness::Bench;

/// Enter, as WebDriver writes it.
const ENTER: &str = "\u{E007}";
const DOWN: &str = "\u{E015}";

/// A bench that has been synced once: what is pictured does not change under the walk.
fn synced(names: &[&str], components: &[&str]) -> Bench {
    let bench = Bench::of(names);
    components.iter().for_each(|name| bench.component(name));
    bench.sync_exits(0);
    bench
}

// P7.3, P3.4, P3.6, P4.5, P4.6, P4.11: a day of deciding: why, into another entity, and all of it back again.
#[test]
fn a_repository_is_explained_merged_elsewhere_imported_unlinked_and_undone_p7_3() {
    let bench = synced(&["ledger", "payments", "web"], &["ledger", "storefront"]);
    let before = bench.texts("catalog");
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    browser.named("h2 a", "acme").click();
    browser.is_at("/i/acme/discovered");
    assert_eq!(browser.count("tr.row"), 3);

    // The search is in the address, and shared with it.
    browser.find("#q").write("web");
    browser.until("only one is left", || browser.count("tr.row") == 1);
    browser.is_at("q=web");
    desk.go("/i/acme/discovered?q=web");
    assert_eq!(browser.count("tr.row"), 1);

    // Explained in place; into another entity, by a part of its name.
    browser.find("[data-why]").click();
    browser.says("Rules tried");
    let into = browser.find("[role=combobox]");
    into.write("storef");
    browser.until("it is offered", || browser.has("[role=option][data-value]"));
    into.write(DOWN);
    into.write(ENTER);
    assert_eq!(into.property("value").as_deref(), Some("component:default/storefront"));
    browser.named("button", "Preview this merge").click();
    browser.says("Nothing has been written");
    browser.says("catalog-sync.dev/repository");
    assert_eq!(desk.bench.texts("catalog"), before, "a preview writes nothing");
    browser.find("#import").click();
    browser.is_at("/imports/");
    browser.says("Merged 1");
    assert!(desk.bench.read("catalog/storefront.yaml").contains("catalog-sync.dev/repository"));

    // On the entity's page, what we wrote is marked.
    browser.named("a", "component:default/storefront").click();
    browser.is_at("/e/component:default/storefront");
    assert!(browser.count(".code .ours") >= 3, "{}", browser.text());

    // Imported, with its six columns; unlinked, after a question.
    desk.go("/i/acme/imported");
    let row = browser.find("tr.row").text();
    for part in ["acme/web", "merge", "component:default/storefront", "Component", "service", "default"] {
        assert!(row.contains(part), "`{part}`: {row}");
    }
    browser.find("tr.row input[type=checkbox]").click();
    browser.named("button", "Unlink").click();
    browser.says("Unlink 1 repository?");
    assert!(browser.find("#confirm").text().contains("acme/web"), "whom it is about");
    browser.named("#confirm button", "Unlink").click();
    browser.says("1 repository unlinked");
    assert!(desk.bench.read("catalog/storefront.yaml").contains("catalog-sync.dev/repository"), "the data stays");

    // Another one is imported as recommended, and taken back: the file is what it was.
    desk.go("/i/acme/discovered?q=ledger");
    browser.find("tr.row input[type=checkbox]").click();
    browser.says("Merge 1.");
    browser.find("#preview").click();
    browser.find("#import").click();
    browser.says("Merged 1");
    browser.named("button", "Undo").click();
    browser.says("Nothing has been written");
    browser.find("#undo").click();
    browser.says("taken back");
    assert_eq!(desk.bench.read("catalog/ledger.yaml"), before["ledger.yaml"]);
    desk.is_quiet();
}

// P4.3: everything that a filter matches, beyond one page, with what will happen in words first.
#[test]
fn all_that_a_filter_matches_is_imported_in_one_go_p4_3() {
    let names: Vec<String> = (0..130).map(|at| format!("service-{at:03}")).chain(["ledger".to_owned()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = synced(&names, &["ledger"]);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/discovered");
    assert_eq!(browser.count("tr.row"), 100);
    browser.named(".segments a", "register").click();
    browser.is_at("action=register");
    browser.find("#all-here").click();
    browser.says("Register 100.");
    browser.find("#all-match").click();
    browser.says("All 130 that match: Register 130.");
    browser.find("#preview").click();
    browser.says("Register 130.");
    assert!(desk.bench.files("catalog").len() == 1, "nothing is written before Import");
    browser.find("#import").click();
    browser.is_at("/imports/");
    browser.says("Registered 130.");
    assert_eq!(desk.bench.files("catalog").len(), 131);
    desk.go("/i/acme/discovered");
    assert_eq!(browser.count("tr.row"), 1, "the one to merge is left");
    desk.is_quiet();
}

// P2.7, P7.3: Danger Zone: a question in a dialog, and back again.
#[test]
fn an_integration_is_suspended_and_resumed_p2_7() {
    let bench = synced(&["ledger"], &[]);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/configuration");
    browser.named(".danger a", "Suspend").click();
    browser.find("dialog[open]");
    browser.says("Suspend acme?");
    browser.named("dialog a", "Cancel").click();
    browser.until("the dialog is closed", || !browser.has("dialog[open]"));
    browser.named(".danger a", "Suspend").click();
    browser.named("dialog button", "Suspend").click();
    browser.says("Suspended: nothing is synced");
    assert!(!browser.text().contains("Sync now"));
    assert_eq!(desk.bench.json(&["integration", "list"])[0]["state"], "suspended");
    browser.named(".page-head button", "Resume").click();
    browser.says("Resumed");
    browser.named("button", "Sync now");
    desk.is_quiet();
}

// P7.3: a sync that runs tells how far it is without a reload; it is stopped, and its record stays.
#[test]
fn a_running_sync_tells_how_far_it_is_and_can_be_stopped_p7_3() {
    let names: Vec<String> = (0..40).map(|at| format!("service-{at:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let bench = synced(&names, &[]);
    for name in &names {
        bench.simulator.world().push_commits(&format!("acme/{name}"), 2);
    }
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.bench.simulator.set_latency(Duration::from_millis(150));
    desk.go("/i/acme/syncs");
    browser.named("button", "Sync now").click();
    browser.is_at("/i/acme/syncs/0");
    browser.script("window.isTheSamePage = true");
    browser.until("it tells numbers", || {
        let told = browser.script("return document.querySelector('#told')?.textContent || ''");
        told.as_str().is_some_and(|told| told.chars().any(|c| c.is_ascii_digit()))
    });
    assert_eq!(browser.script("return window.isTheSamePage === true"), true, "without a reload");
    browser.find("#progress");
    browser.named("button", "Cancel").click();
    browser.says("cancelled");
    desk.bench.simulator.set_latency(Duration::ZERO);
    browser.named("button", "Sync now").click();
    browser.says("completed");
    desk.go("/i/acme/syncs");
    assert!(browser.count("tr.row") >= 3);
    desk.is_quiet();
}

// P7.3: from search to preview without a mouse, and what is focused is seen.
#[test]
fn a_decision_is_made_by_keyboard_alone_p7_3() {
    let bench = synced(&["ledger", "payments", "web"], &["ledger"]);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/discovered");
    browser.press("?");
    browser.find("#keys[open]");
    browser.press("\u{E00C}");
    browser.until("it is closed", || !browser.has("#keys[open]"));
    browser.press("/");
    browser.press("ledger");
    browser.until("one is left", || browser.count("tr.row") == 1);
    browser.press("\u{E00C}");
    browser.press("j");
    browser.until("the row is marked", || browser.has("tr.row.current"));
    let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "focus is seen");
    browser.press("e");
    browser.says("Rules tried");
    browser.press("e");
    browser.until("it is closed again", || !browser.has("tr.detail.filled"));
    browser.press("x");
    browser.says("Merge 1.");
    browser.press("i");
    browser.says("Nothing has been written");
    desk.is_quiet();
}

// P7.4: who may look sees everything, no button that changes anything, and is refused anyway.
#[test]
fn who_may_only_look_is_shown_no_button_and_is_refused_p7_4() {
    let bench = synced(&["ledger", "web"], &["ledger"]);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(LOOKER);
    for path in
        ["/", "/i/acme/discovered", "/i/acme/imported", "/i/acme/syncs", "/i/acme/rules", "/i/acme/configuration"]
    {
        desk.go(path);
        browser.says("looker");
        let changing = browser.script(
            "return [...document.querySelectorAll('form[method=post]')].map(form => form.getAttribute('action')).filter(action => !action.endsWith('/logout'))",
        );
        assert_eq!(changing.as_array().map(Vec::len), Some(0), "{path}: {changing}");
        assert_eq!(browser.count("main input[type=checkbox]"), 0, "{path}");
    }
    for path in
        ["/i/acme/sync", "/i/acme/suspend", "/i/acme/delete", "/i/acme/discovered/preview", "/i/acme/imported/unlink"]
    {
        let status = browser.script_later(&format!(
            "fetch('{path}', {{ method: 'POST', redirect: 'manual', headers: {{ 'content-type': 'application/x-www-form-urlencoded' }}, body: 'repository=x&sure=yes' }}).then(answer => done(answer.status))"
        ));
        assert_eq!(status, 403, "{path}");
    }
    browser.complaints();
}

// P7.3: on a phone nothing scrolls sideways, and what one decides with is there.
#[test]
fn nothing_scrolls_sideways_on_a_phone_p7_3() {
    let bench = synced(&["a-repository-with-a-name-that-is-quite-a-bit-longer-than-most", "ledger"], &["ledger"]);
    bench.run(&["discovered", "import", "ledger"]).ok();
    let Some(desk) = Desk::open(bench, Window::PHONE) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    for path in [
        "/",
        "/i/acme/discovered",
        "/i/acme/imported",
        "/i/acme/syncs",
        "/i/acme/rules",
        "/i/acme/configuration",
        "/e/component:default/ledger",
        "/audit",
        "/new",
        "/api",
    ] {
        desk.go(path);
        let widths = browser.script("const r = document.documentElement; return [r.scrollWidth, r.clientWidth]");
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{path}: {widths}");
    }
    desk.go("/i/acme/discovered");
    browser.find("[data-why]").click();
    browser.says("Rules tried");
    let widths = browser.script("const r = document.documentElement; return [r.scrollWidth, r.clientWidth]");
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "explained: {widths}");
    browser.find("tr.row input[type=checkbox]").click();
    browser.says("Register 1.");
    desk.is_quiet();
}

// P4.1: ignored with a reason, which is told where it was ignored; and back.
#[test]
fn a_repository_is_ignored_with_a_reason_p4_1() {
    let bench = synced(&["ledger", "web"], &[]);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/discovered?q=web");
    browser.find("[data-why]").click();
    browser.find("input[name=reason]").write("only an experiment");
    browser.named("button", "Ignore").click();
    browser.says("1 repository set aside");
    desk.go("/i/acme/discovered?state=ignored");
    browser.says("only an experiment");
    browser.find("tr.row input[type=checkbox]").click();
    browser.named("button", "Take back").click();
    browser.says("taken back into the list");
    desk.is_quiet();
}

// P3.7: rivals side by side, with what each would write.
#[test]
fn rivals_are_compared_side_by_side_p3_7() {
    let bench = Bench::of(&["billing-api", "billing-worker"]);
    bench.component("billing");
    bench.integration_rules("bitbucket-cloud-annotations");
    bench.sync_exits(0);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/discovered?action=conflict");
    browser.find("[data-why]").click();
    browser.named("button", "Compare side by side").click();
    browser.until("both are there", || browser.count("#rivals .box, .compared-here .box") == 2);
    browser.named("button", "Give it the entity").click();
    browser.says("Nothing has been written");
    browser.find("#import").click();
    browser.says("Merged 1");
    desk.is_quiet();
}

// P3.9, P7.3: changed rules are tried on what is stored, and written only over what was seen.
#[test]
fn rules_are_previewed_and_written_over_what_was_seen_p7_3() {
    let bench = Bench::of(&["ledger", "web"]);
    bench.component("ledger");
    let rules = "entity: repository\ncorrelation:\n  # by name\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n";
    bench.file("rules.yaml", rules);
    bench.integration_rules("./rules.yaml");
    bench.sync_exits(0);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/rules");
    assert_eq!(browser.find("#text").property("value").as_deref(), Some(rules));
    let change = |from: &str, to: &str| {
        browser.script(&format!(
            "const box = document.querySelector('#text'); box.value = box.value.replace('{from}', '{to}')"
        ));
        browser.named("button", "Preview what changes").click();
    };
    change("operator: equals", "operator: equalss");
    browser.says("Line 4");
    assert!(!browser.has("#preview-of-rules"), "with a fault nothing is compared");
    change("operator: equalss, catalog: $.metadata.name", "operator: equals, catalog: $.metadata.title");
    browser.says("1 of 2 repositories would be judged otherwise");
    browser.says("acme/ledger");
    assert_eq!(desk.bench.read("rules.yaml"), rules, "a preview writes nothing");
    desk.bench.file("rules.yaml", &format!("# somebody else\n{rules}"));
    browser.named("button", "Write").click();
    browser.says("was changed meanwhile");
    browser.complaints();
    desk.go("/i/acme/rules");
    change("$.metadata.name", "$.metadata.title");
    browser.named("button", "Write").click();
    browser.says("The rules file was written");
    assert_eq!(
        desk.bench.read("rules.yaml"),
        format!("# somebody else\n{rules}").replace("$.metadata.name", "$.metadata.title")
    );
    desk.is_quiet();
}

// P7.11: a new integration by a form: live check, then the lines for the file.
#[test]
fn a_new_integration_is_drafted_checked_and_shown_as_lines_p7_11() {
    let bench = synced(&["ledger"], &[]);
    let config =
        bench.read("catalog-sync.yaml").replace("  main:\n", "  second:\n    directory: { path: ./second }\n  main:\n");
    std::fs::create_dir_all(bench.path("second")).expect("a folder");
    bench.file("catalog-sync.yaml", &config);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    browser.named("a", "New integration").click();
    browser.find("#name").write("shop");
    browser.script("document.querySelector('#catalog').value = 'main'");
    browser.named("button", "Check it").click();
    browser.says("Not yet");
    browser.script("document.querySelector('#catalog').value = 'second'");
    browser.find("#exclude").write("sandbox-*");
    browser.named("button", "Check it").click();
    browser.says("This will work");
    let lines = browser
        .script("return [...document.querySelectorAll('#lines span')].map(line => line.textContent).join('\\n')");
    let lines = lines.as_str().expect("lines").to_owned();
    assert!(lines.starts_with("  - name: shop\n    connector: acme\n    catalog: second\n"), "{lines}");
    assert!(!desk.bench.read("catalog-sync.yaml").contains("shop"), "nothing is written");
    desk.bench.file("catalog-sync.yaml", &format!("{}\n{lines}\n", desk.bench.read("catalog-sync.yaml").trim_end()));
    desk.bench.run(&["check", "--offline"]).ok();
    desk.is_quiet();
}
