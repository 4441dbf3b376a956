//! Pictures of every page, light, dark and narrow, in `target/screenshots/`: for people to look at.

use catalog_sync::simulator::World;

use super::driver::Window;
use super::{Desk, OPS};
use crate::harness::Bench;
use crate::layout::root;

/// The sample that `demo` shows, synced twice, with an import and something set aside.
fn sample() -> Bench {
    let bench = Bench::new(World::demo());
    for name in ["payments/catalog-info.yaml", "shop/web-shop.yaml", "shop/components.yaml", "platform/all.yaml"] {
        let text = std::fs::read_to_string(root().join("fixtures/demo/catalog").join(name)).expect("a sample");
        bench.file(&format!("catalog/{name}"), &text);
    }
    bench.integration(
        "rules: bitbucket-cloud-annotations\nrepositories: { exclude: [\"onboarding-*\"] }\nsecondary_kinds: { pull_requests: { first_sync: 50, per_sync: 150 }, commits: { first_sync: 50, per_sync: 350 } }",
    );
    bench.sync();
    bench.run(&["discovered", "import", "payments-api", "web-shop"]).ok();
    bench.run(&["discovered", "ignore", "legacy-billing", "--reason", "goes away this year"]).ok();
    bench.sync();
    bench
}

// P7.3: every page there is, as it is.
#[test]
fn every_page_is_pictured_p7_3() {
    let Some(desk) = Desk::open(sample(), Window::DESK) else { return };
    let browser = &desk.browser;
    let picture = |name: &str| {
        for (colours, window) in [("light", Window::DESK), ("dark", Window::NIGHT), ("narrow", Window::PHONE)] {
            browser.resize(window);
            browser.picture(&format!("{name}-{colours}"));
        }
        browser.resize(Window::DESK);
    };
    desk.go("/login");
    picture("login");
    desk.sign_in(OPS);
    let sync = desk.bench.json(&["sync", "history"])[0]["id"].as_str().expect("an id").to_owned();
    for (name, path) in [
        ("cards", "/".to_owned()),
        ("discovered", "/i/acme/discovered".to_owned()),
        ("conflicts", "/i/acme/discovered?action=conflict".to_owned()),
        ("ignored", "/i/acme/discovered?state=ignored".to_owned()),
        ("nothing-found", "/i/acme/discovered?q=zzzz".to_owned()),
        ("imported", "/i/acme/imported".to_owned()),
        ("syncs", "/i/acme/syncs".to_owned()),
        ("sync", format!("/i/acme/syncs/{sync}")),
        ("rules", "/i/acme/rules".to_owned()),
        ("configuration", "/i/acme/configuration".to_owned()),
        ("entity", "/e/component:default/payments-api".to_owned()),
        ("repository", "/r/acme%2Fmailer".to_owned()),
        ("audit", "/audit".to_owned()),
        ("new", "/new".to_owned()),
        ("api", "/api".to_owned()),
    ] {
        desk.go(&path);
        picture(name);
    }
    desk.go("/i/acme/discovered");
    browser.press("je");
    browser.says("Rules tried");
    picture("explained");
    browser.find("#all-here").click();
    browser.find("#preview").click();
    browser.says("Nothing has been written");
    picture("preview");
    desk.go("/i/acme/configuration");
    browser.named(".danger a", "Delete").click();
    browser.find("dialog[open]");
    browser.picture("dialog-light");
    desk.is_quiet();
    // The console tells of the status.
    desk.go("/i/nobody/discovered");
    picture("not-found");
}
