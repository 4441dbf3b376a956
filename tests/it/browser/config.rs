//! The files behind the pages: a config that is refused is told on every one, a new integration is put into it without a
//! change of anything else, and what a form takes back is what it showed.

use super::driver::Window;
use super::{Desk, LOOKER, OPS};
use crate::harness::Bench;

/// Two catalogs, so that a second integration has a place.
fn with_room() -> Bench {
    let bench = Bench::of(&["ledger"]);
    let config = bench.read("catalog-sync.yaml");
    let config =
        config.replace("  main:\n", "  second: # for the shop\n    directory: { path: './second' }\n  main:\n");
    std::fs::create_dir_all(bench.path("second")).expect("a folder");
    bench.file("catalog-sync.yaml", &format!("{config}    tags: [\"a\",   b] # ours\n\n# the end"));
    bench.sync_exits(0);
    bench
}

// P7.2: whoever looks sees that the file they changed is not what is in force, until it is mended.
#[test]
fn a_refused_config_is_told_on_every_page_p7_2() {
    let Some(desk) = Desk::open(with_room(), Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    let config = desk.bench.read("catalog-sync.yaml");
    desk.bench.file("catalog-sync.yaml", &config.replace("    tags:", "    tgas:"));
    browser.until("it is noticed", || {
        desk.go("/");
        browser.has("#config-refused")
    });
    for path in ["/i/acme/discovered", "/i/acme/configuration", "/audit", "/new"] {
        desk.go(path);
        browser.says("what was in force before stays in force");
        browser.says("tgas");
    }
    desk.bench.file("catalog-sync.yaml", &config);
    browser.until("it is mended", || {
        desk.go("/i/acme/configuration");
        !browser.has("#config-refused")
    });
    desk.is_quiet();
}

// P7.11: with `edit_config` the lines are written behind the last integration; every other byte stays.
#[test]
fn a_new_integration_is_written_into_the_config_p7_11() {
    let bench = with_room();
    let Some(desk) = Desk::editing_config(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    let before = desk.bench.read("catalog-sync.yaml");
    let check = || {
        desk.go("/new");
        browser.find("#name").write("shop");
        browser.script("document.querySelector('#catalog').value = 'second'");
        browser.find("#exclude").write("sandbox-*");
        browser.find("#description").write("The shop's <own> \"things\"");
        browser.named("button", "Check it").click();
        browser.says("This will work");
    };
    check();
    // Somebody else was faster: what was seen is not what is there.
    desk.bench.file("catalog-sync.yaml", &format!("# somebody else\n{before}"));
    browser.named("button", "Write them").click();
    browser.says("was changed meanwhile");
    browser.complaints();
    desk.bench.file("catalog-sync.yaml", &before);
    check();
    browser.named("button", "Write them").click();
    browser.says("The integration is in the config now");
    let after = desk.bench.read("catalog-sync.yaml");
    let put: String = after.lines().filter(|line| !before.lines().any(|kept| kept == *line)).collect();
    assert!(put.contains("- name: shop") && put.contains("The shop's <own>"), "{put}");
    let begins = after.find("  - name: shop").expect("it is there");
    let length = after.len() - before.len();
    assert_eq!(format!("{}{}", &after[..begins], &after[begins + length..]), before, "every other byte");
    browser.is_at("/i/shop/discovered");
    desk.bench.run(&["check", "--offline"]).ok();
    let audit = desk.bench.json(&["audit", "list"]);
    assert!(
        audit[0]["request"].as_str().is_some_and(|request| request.contains("integration create shop")),
        "{audit:#}"
    );
    desk.is_quiet();
}

// P7.4, P7.11: without the setting the file is never written, whoever asks; who may only look is refused.
#[test]
fn the_config_is_not_written_unless_it_allows_that_p7_11() {
    let Some(desk) = Desk::open(with_room(), Window::DESK) else { return };
    let browser = &desk.browser;
    let before = desk.bench.read("catalog-sync.yaml");
    for (token, status) in [(OPS, 409), (LOOKER, 403)] {
        desk.sign_in(token);
        let answer = browser.script_later(
            "fetch('/new/write', { method: 'POST', redirect: 'manual', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'name=shop&connector=acme&catalog=second' }).then(answer => done(answer.status))",
        );
        assert_eq!(answer, status, "{token}");
        browser.named("button", "Sign out").click();
    }
    assert_eq!(desk.bench.read("catalog-sync.yaml"), before);
    browser.complaints();
}

// P7.3: an invisible character in a rules file is the same after its page was used.
#[test]
fn what_a_form_takes_back_is_what_it_showed_p7_3() {
    let bench = Bench::of(&["ledger"]);
    let rules = "# \u{1f469}\u{200d}\u{1f680}\nentity: repository\ncorrelation:\n  - { ingested: $.name, operator: equals, catalog: $.metadata.name }\n";
    bench.file("rules.yaml", rules);
    bench.integration_rules("./rules.yaml");
    bench.component("ledger");
    bench.sync_exits(0);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    desk.sign_in(OPS);
    desk.go("/i/acme/rules");
    assert_eq!(browser.find("#text").property("value").as_deref(), Some(rules));
    browser.script("const box = document.querySelector('#text'); box.value = box.value.replace('.name }', '.title }')");
    browser.named("button", "Preview what changes").click();
    browser.named("button", "Write").click();
    browser.says("The rules file was written");
    assert_eq!(desk.bench.read("rules.yaml"), rules.replace(".name }", ".title }"));
    desk.go("/i/acme/discovered?q=%E2%80%8D");
    assert_eq!(browser.find("#q").property("value").as_deref(), Some("\u{200d}"));
    desk.is_quiet();
}
