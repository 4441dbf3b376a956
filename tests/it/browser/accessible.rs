//! axe-core finds no serious violation on any page, light and dark.

use super::driver::{Browser, Window};
use super::{Desk, OPS};
use crate::harness::Bench;
use crate::layout::root;

/// What axe-core finds on the page that is open, of what keeps people from using it.
fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    browser.script(&format!("{axe}; window.axe = axe;"));
    let found = browser.script_later(
        "axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations.filter(one => ['serious', 'critical'].includes(one.impact)).map(one => `${one.id} (${one.impact}): ${one.help}: ${one.nodes.slice(0, 4).map(node => node.html + ' ' + (node.any[0]?.message || '')).join(' | ')}`)))",
    );
    found.as_array().expect("a list").iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}

// P7.3: labels, contrast, structure: what a screen reader and tired eyes need.
#[test]
fn no_page_has_a_serious_violation_p7_3() {
    let Ok(axe) = std::fs::read_to_string(root().join("target/axe/axe.min.js")) else {
        println!("skipped: axe-core is not there (bash scripts/test fetches it where npm is installed)");
        return;
    };
    let bench = Bench::of(&["ledger", "payments", "web"]);
    bench.component("ledger");
    bench.component("payments");
    bench.sync_exits(0);
    bench.run(&["discovered", "import", "ledger"]).ok();
    bench.run(&["discovered", "ignore", "web"]).ok();
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    let mut wrong = Vec::new();
    let mut look = |name: &str| {
        for (colours, window) in [("light", Window::DESK), ("dark", Window::NIGHT), ("narrow", Window::PHONE)] {
            browser.resize(window);
            wrong.extend(violations(browser, &axe).into_iter().map(|one| format!("{name}, {colours}: {one}")));
        }
        browser.resize(Window::DESK);
    };
    desk.go("/login");
    look("login");
    desk.sign_in(OPS);
    let sync = desk.bench.json(&["sync", "history"])[0]["id"].as_str().expect("an id").to_owned();
    let repository =
        desk.bench.json(&["discovered", "list"])[0]["repository"]["id"].as_str().expect("an id").to_owned();
    for (name, path) in [
        ("cards", "/".to_owned()),
        ("discovered", "/i/acme/discovered".to_owned()),
        ("ignored", "/i/acme/discovered?state=ignored".to_owned()),
        ("nothing found", "/i/acme/discovered?q=zzzz".to_owned()),
        ("imported", "/i/acme/imported".to_owned()),
        ("syncs", "/i/acme/syncs".to_owned()),
        ("sync", format!("/i/acme/syncs/{sync}")),
        ("rules", "/i/acme/rules".to_owned()),
        ("configuration", "/i/acme/configuration".to_owned()),
        ("delete", "/i/acme/delete".to_owned()),
        ("repository", format!("/r/{}", repository.replace('{', "%7B").replace('}', "%7D"))),
        ("entity", "/e/component:default/ledger".to_owned()),
        ("audit", "/audit".to_owned()),
        ("new", "/new".to_owned()),
        ("api", "/api".to_owned()),
        ("not found", "/i/nobody/discovered".to_owned()),
    ] {
        desk.go(&path);
        look(name);
    }
    desk.go("/i/acme/discovered");
    browser.press("je");
    browser.says("Rules tried");
    look("explained");
    browser.press("xi");
    browser.says("Nothing has been written");
    look("preview");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
