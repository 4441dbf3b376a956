//! Without script, everything works but live progress.

use super::driver::Window;
use super::{Desk, OPS};
use crate::harness::Bench;

// P7.3: search, explain, preview, import, unlink: forms and links alone.
#[test]
fn everything_works_without_script_p7_3() {
    let bench = Bench::of(&["ledger", "web"]);
    bench.component("ledger");
    bench.sync_exits(0);
    let Some(desk) = Desk::open(bench, Window::DESK) else { return };
    let browser = &desk.browser;
    browser.scripts(false);
    desk.go("/login");
    browser.find("#token").write(OPS);
    browser.find("main button").click();
    // Every address has a slash: where the login ended is told by the page.
    browser.says("Integrations");
    desk.go("/i/acme/discovered");
    browser.find("#q").write("ledger\u{E007}");
    browser.is_at("q=ledger");
    browser.find("tr.row .lead a").click();
    browser.is_at("/r/");
    browser.find(".rules-tried");
    desk.go("/i/acme/discovered");
    browser.find("tr.row input[type=checkbox]").click();
    browser.find("#preview").click();
    browser.find("#import").click();
    browser.is_at("/imports/");
    browser.until("it is done", || {
        browser.go(&browser.url());
        desk.bench.read("catalog/ledger.yaml").contains("catalog-sync.dev/repository")
    });
    desk.go("/i/acme/suspend");
    browser.find("#confirm button").click();
    browser.is_at("done=suspended");
}
