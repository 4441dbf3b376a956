//! axe-core finds no serious violation on any page, light and dark.

use super::Desk;
use super::driver::{Browser, Window};
use super::pages::{each, sample};
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
    let Some(desk) = Desk::open(sample(), Window::DESK) else { return };
    let browser = &desk.browser;
    let mut wrong = Vec::new();
    each(&desk, |name| {
        for (colours, window) in [("light", Window::DESK), ("dark", Window::NIGHT), ("narrow", Window::PHONE)] {
            browser.resize(window);
            wrong.extend(violations(browser, &axe).into_iter().map(|one| format!("{name}, {colours}: {one}")));
        }
        browser.resize(Window::DESK);
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
