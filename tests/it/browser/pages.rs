//! Every page there is, one after the other, as somebody meets it.

use catalog_sync::simulator::World;

use super::{Desk, OPS};
use crate::harness::{Bench, text};
use crate::layout::root;

/// The shipped rules, and a field more.
fn rules() -> String {
    let shipped =
        std::fs::read_to_string(root().join("rules/bitbucket-cloud-annotations.yaml")).expect("shipped rules");
    format!("{shipped}  - {{ ingested: $.language, catalog: $.metadata.labels.language }}\n")
}

/// The sample that `demo` shows, synced, with an import, something set aside, and changed rules that wait for approval.
pub fn sample() -> Bench {
    let bench = Bench::new(World::demo());
    for name in ["payments/catalog-info.yaml", "shop/web-shop.yaml", "shop/components.yaml", "platform/all.yaml"] {
        let text = std::fs::read_to_string(root().join("fixtures/demo/catalog").join(name)).expect("a sample");
        bench.file(&format!("catalog/{name}"), &text);
    }
    let with_rules = |rules: &str| {
        bench.integration(&format!(
            "rules: {rules}\nrepositories: {{ exclude: [\"onboarding-*\"] }}\nsecondary_kinds: {{ pull_requests: {{ first_sync: 50, per_sync: 150 }}, commits: {{ first_sync: 50, per_sync: 350 }} }}",
        ));
    };
    with_rules("bitbucket-cloud-annotations");
    bench.sync();
    bench.run(&["discovered", "import", "payments-api", "web-shop"]).ok();
    bench.run(&["discovered", "ignore", "legacy-billing", "--reason", "goes away this year"]).ok();
    bench.sync();
    bench.file("rules.yaml", &rules());
    with_rules("./rules.yaml");
    bench.sync_exits(4);
    let with_room = bench
        .read("catalog-sync.yaml")
        .replace("catalogs:\n  main:\n", "catalogs:\n  second:\n    directory: { path: ./second }\n  main:\n");
    std::fs::create_dir_all(bench.path("second")).expect("a folder");
    bench.file("catalog-sync.yaml", &with_room);
    bench
}

/// Goes to every page over the [`sample`], and says when it is there, by a name for it.
pub fn each(desk: &Desk, mut look: impl FnMut(&str)) {
    let browser = &desk.browser;
    desk.go("/login");
    look("login");
    desk.sign_in(OPS);
    let syncs = desk.bench.json(&["sync", "history"]);
    let (held, ended) = (text(&syncs, "/0/id"), text(&syncs, "/1/id"));
    for (name, path) in [
        ("cards", "/"),
        ("discovered", "/i/acme/discovered"),
        ("conflicts", "/i/acme/discovered?action=conflict"),
        ("ignored", "/i/acme/discovered?state=ignored"),
        ("nothing-found", "/i/acme/discovered?q=zzzz"),
        ("imported", "/i/acme/imported"),
        ("syncs", "/i/acme/syncs"),
        ("sync", &format!("/i/acme/syncs/{ended}")),
        ("held", &format!("/i/acme/syncs/{held}")),
        ("approve", &format!("/i/acme/syncs/{held}/approve")),
        ("rules", "/i/acme/rules"),
        ("configuration", "/i/acme/configuration"),
        ("suspend", "/i/acme/suspend"),
        ("delete", "/i/acme/delete"),
        ("entity", "/e/component:default/payments-api"),
        ("repository", "/r/acme%2Fmailer"),
        ("audit", "/audit"),
        ("new", "/new"),
        ("api", "/api"),
    ] {
        desk.go(path);
        look(name);
    }
    browser.go(&format!("{}/new", desk.base));
    browser.find("#name").write("shop");
    browser.named("button", "Check it").click();
    browser.says("Not yet");
    look("new-refused");
    browser.script("document.querySelector('#catalog').value = 'second'");
    browser.named("button", "Check it").click();
    browser.says("This will work");
    look("new-checked");

    desk.go("/i/acme/rules");
    browser.script(
        "document.querySelector('#text').value += '  - { ingested: $.slug, catalog: $.metadata.labels.repo }\\n'",
    );
    browser.named("button", "Preview what changes").click();
    browser.find("#rewritten");
    look("rules-previewed");

    desk.go("/i/acme/discovered?action=conflict");
    browser.find("[data-why]").click();
    browser.named("button", "Compare side by side").click();
    browser.until("both are there", || browser.count("#rivals .box, .compared-here .box") == 2);
    look("rivals");

    desk.go("/i/acme/discovered");
    browser.press("je");
    browser.says("Rules tried");
    look("explained");
    browser.find("#all-here").click();
    browser.find("#preview").click();
    browser.says("Nothing has been written");
    look("preview");
    browser.find("#import").click();
    browser.is_at("/imports/");
    browser.named("button", "Undo");
    look("import");

    desk.go("/i/acme/imported?q=payments-api");
    browser.find("tr.row input[type=checkbox]").click();
    browser.named("button", "Undo the import").click();
    browser.find("#undo");
    look("undo");
    desk.is_quiet();
    // The console tells of the status.
    desk.go("/i/nobody/discovered");
    look("not-found");
    browser.complaints();
}
