//! The pages in a real browser (P7.3): walks as people take them, without a report of the content security policy,
//! without a serious violation that axe-core finds; and pictures of every page in `target/screenshots/`.

mod accessible;
mod config;
mod deciding;
mod driver;
mod pages;
mod pictures;
mod scripts_off;
mod walks;

use std::time::Duration;

use serde_json::Value;

use self::driver::{Browser, Window};
use crate::harness::{Bench, Running};

/// A token that may change things.
pub const OPS: &str = "ops-token-0123456789-0123456789-0123456789";
/// A token that may look.
pub const LOOKER: &str = "looker-token-0123456789-0123456789-01234567";

/// A sidecar with its pages, and a browser in front of it.
pub struct Desk {
    pub browser: Browser,
    pub bench: Bench,
    /// Where the pages are.
    pub base: String,
    _running: Running,
}

impl Desk {
    /// Over a config that may be written.
    pub fn editing_config(bench: Bench, window: Window) -> Option<Self> {
        Self::of(bench, window, "  edit_config: true\n")
    }

    /// Begins a sidecar over a bench that was prepared; `None` where no browser is installed.
    pub fn open(bench: Bench, window: Window) -> Option<Self> {
        Self::of(bench, window, "")
    }

    fn of(mut bench: Bench, window: Window, more: &str) -> Option<Self> {
        let browser = Browser::open(window)?;
        let config = bench.read("catalog-sync.yaml");
        if !config.contains("server:") {
            let tokens = "server:\n  edit_rules: true\n  tokens:\n    - { name: ops, role: edit, integrations: [\"*\"], token: { env: OPS_TOKEN } }\n    - { name: looker, role: view, integrations: [\"*\"], token: { env: LOOKER_TOKEN } }\n";
            bench.file(
                "catalog-sync.yaml",
                &format!("{}{config}", tokens.replace("  tokens:", &format!("{more}  tokens:"))),
            );
        }
        bench.env.push(("OPS_TOKEN".to_owned(), OPS.to_owned()));
        bench.env.push(("LOOKER_TOKEN".to_owned(), LOOKER.to_owned()));
        let log = std::fs::File::create(bench.path("log")).expect("a log");
        let mut command = bench.command(&["run", "--listen", "127.0.0.1:0"]);
        let child = command.stderr(log).stdout(std::process::Stdio::null()).spawn().expect("the program");
        let running = Running(Some(child));
        let begun = std::time::Instant::now();
        while !bench.read("log").contains("running") {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not run: {}", bench.read("log"));
            std::thread::sleep(Duration::from_millis(10));
        }
        let run: Value = serde_json::from_str(&bench.read("data/run.json")).expect("JSON");
        let base = run["address"].as_str().expect("an address").to_owned();
        Some(Self { browser, bench, base, _running: running })
    }

    /// Goes to a page.
    #[track_caller]
    pub fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.base));
    }

    /// Signs in with a token, at the login page.
    #[track_caller]
    pub fn sign_in(&self, token: &str) {
        self.go("/");
        self.browser.is_at("/login");
        self.browser.find("#token").write(token);
        self.browser.named("button", "Sign in").click();
        self.browser.says("Integrations");
    }

    /// Nothing was blocked, and no script failed.
    #[track_caller]
    pub fn is_quiet(&self) {
        let complaints = self.browser.complaints();
        assert!(complaints.is_empty(), "the console says: {complaints:#?}");
    }
}
