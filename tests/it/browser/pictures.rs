//! Pictures of every page, light, dark and narrow: for people to look at.

use super::driver::{Browser, Window};
use crate::harness::Running;
use serde_json::json;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn every_page_is_pictured() {
    let Some(browser) = Browser::open(Window::DESK) else { return };
    let tmp = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_catalog-sync"));
    command.args(["-v", "demo", "--serve"]).env_clear().env("TMPDIR", tmp.path()).current_dir(tmp.path());
    let out = std::fs::File::create(tmp.path().join("out")).unwrap();
    let log = std::fs::File::create(tmp.path().join("log")).unwrap();
    let _demo = Running(Some(command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().unwrap()));
    let begun = Instant::now();
    while !std::fs::read_to_string(tmp.path().join("log")).unwrap().contains("sync ended") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
    let scratch = std::fs::read_dir(tmp.path()).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
    let run: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(scratch.join("data/run.json")).unwrap()).unwrap();
    let base = run["address"].as_str().unwrap().to_owned();
    browser.headers(json!({ "Authorization": format!("Bearer {}", run["token"].as_str().unwrap()) }));
    for (name, path) in [
        ("cards", "/"),
        ("discovered", "/i/acme/discovered"),
        ("imported", "/i/acme/imported"),
        ("syncs", "/i/acme/syncs"),
        ("configuration", "/i/acme/configuration"),
    ] {
        browser.resize(Window::DESK);
        browser.go(&format!("{base}{path}"));
        browser.picture(&format!("{name}-light"));
        browser.resize(Window::NIGHT);
        browser.picture(&format!("{name}-dark"));
        browser.resize(Window::PHONE);
        browser.picture(&format!("{name}-narrow"));
    }
    browser.resize(Window::DESK);
    browser.go(&format!("{base}/i/acme/discovered"));
    browser.press("je");
    browser.until("explained", || browser.has("tr.detail.filled .why"));
    browser.picture("explained-light");
    println!("{:?}", browser.complaints());
}
