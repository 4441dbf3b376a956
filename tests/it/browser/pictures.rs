//! Pictures of every page, light, dark and narrow, in `target/screenshots/`: for people to look at.

use super::Desk;
use super::driver::Window;
use super::pages::{each, sample};

// P7.3: every page there is, as it is.
#[test]
fn every_page_is_pictured_p7_3() {
    let Some(desk) = Desk::open(sample(), Window::DESK) else { return };
    let browser = &desk.browser;
    each(&desk, |name| {
        for (colours, window) in [("light", Window::DESK), ("dark", Window::NIGHT), ("narrow", Window::PHONE)] {
            browser.resize(window);
            browser.picture(&format!("{name}-{colours}"));
        }
        // Still narrow, and with everything unfolded.
        let widths = browser.script(
            "const folded = [...document.querySelectorAll('details:not([open])')];
            folded.forEach(one => one.open = true);
            const r = document.documentElement, widths = [r.scrollWidth, r.clientWidth];
            folded.forEach(one => one.open = false);
            return widths",
        );
        assert!(widths[0].as_u64() <= widths[1].as_u64(), "{name} scrolls sideways on a phone: {widths}");
        browser.resize(Window::DESK);
    });
    desk.go("/i/acme/configuration");
    browser.named(".danger a", "Delete").click();
    browser.find("dialog[open]");
    browser.picture("dialog-light");
    desk.is_quiet();
}
