mod backstage;
mod refused;
mod satellite;
mod secrets;

use std::path::Path;

use chrono::{TimeZone, Utc};

use super::{Fate, Translation, translate};
use crate::config::{Config, Environment, FaultReport, LoadOptions};

fn read(text: &str) -> Result<Translation, FaultReport> {
    translate(text.as_bytes(), Path::new("theirs.yaml"), Path::new(""))
}

/// What our own loader makes of a text; it must find no fault.
#[track_caller]
fn loaded(text: &str) -> Config {
    let environment = Environment::default();
    let options = LoadOptions {
        config: None,
        store: None,
        listen: None,
        environment: &environment,
        working_directory: Path::new("/there"),
        now: Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap(),
    };
    let (config, report) = Config::read(text.as_bytes(), Path::new("/there/catalog-sync.yaml"), &options);
    assert!(report.is_empty(), "{report}\n{text}");
    config.unwrap_or_else(|| panic!("no config:\n{text}"))
}

/// A file that is taken over, and the config that comes of it.
#[track_caller]
fn taken(text: &str) -> (Translation, Config) {
    let translation = read(text).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    let config = loaded(&translation.text);
    (translation, config)
}

/// The config without its head, and without what every one has.
fn body(translation: &Translation) -> String {
    let from = translation.text.find("connectors:").expect("connectors");
    let lines = translation.text[from..].lines().filter(|line| !line.trim_start().starts_with('#'));
    let told = lines.map(|line| line.split("  # ").next().unwrap_or_default().trim_end());
    let usual = [
        "reserve: 10%",
        "kind: Component",
        "type: service",
        "catalog: main",
        "registration: register_and_merge",
        "guard: { percent: 10, at_least: 3 }",
        "auto_import: false",
        "personal: false",
        "forks: true",
        "path: ./catalog",
        "new_entities: bitbucket",
    ];
    let told: Vec<&str> = told.filter(|line| !line.is_empty() && !usual.contains(&line.trim())).collect();
    told.join("\n")
}

/// All that is told: notes by their fate, then the variables.
fn told(translation: &Translation) -> String {
    let mut lines = Vec::new();
    for fate in Fate::ALL {
        let of_fate: Vec<String> =
            translation.notes.iter().filter(|note| note.fate == fate).map(|note| format!("  {note}")).collect();
        if !of_fate.is_empty() {
            lines.push(format!("{}:", fate.heading()));
            lines.extend(of_fate);
        }
    }
    lines.push("set:".to_owned());
    lines.extend(translation.variables.iter().map(|variable| format!("  {variable}")));
    lines.join("\n")
}
