//! Somebody edits, truncates, renames and deletes the file while steps are applied (test (a), P4.10): it
//! ends as their latest version plus our exact patch, or as their latest version, and then it is patched
//! by the next try.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::edit::edit;
use super::{CatalogError, DirectoryCatalog, DirectorySettings, Scratch, edit_step, lock, reference, set};
use crate::plan::{FieldChange, Step};

/// What a person writes: whole versions, told apart by number and length; also the first half of one is
/// a document of the same name, which makes half-written files dangerous.
fn version(number: usize, rng: &mut StdRng) -> String {
    let mut text = format!(
        "# version {number}\napiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: pay # ours\n  title: 'v{number}'\n"
    );
    text.push_str("spec:\n  type: service\n");
    for line in 0..rng.random_range(0..12) {
        text.push_str(&format!("  field{line}: \"{number}\" # {line}\n"));
    }
    text
}

fn pause(rng: &mut StdRng) {
    for _ in 0..rng.random_range(0..200) {
        std::thread::yield_now();
    }
}

fn save(path: &Path, text: &str, rng: &mut StdRng) {
    let bytes = text.as_bytes();
    let cut = rng.random_range(0..=bytes.len());
    match rng.random_range(0..5) {
        // As most editors and git do.
        0 => {
            let aside = path.with_extension("swp");
            fs::write(&aside, text).unwrap();
            pause(rng);
            fs::rename(&aside, path).unwrap();
        }
        // As shells do.
        1 => {
            let mut file = fs::File::create(path).unwrap();
            pause(rng);
            file.write_all(&bytes[..cut]).unwrap();
            pause(rng);
            file.write_all(&bytes[cut..]).unwrap();
        }
        // Over the old text, then cut.
        2 => {
            let mut file = fs::File::options().write(true).create(true).truncate(false).open(path).unwrap();
            pause(rng);
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&bytes[..cut]).unwrap();
            pause(rng);
            file.write_all(&bytes[cut..]).unwrap();
            file.set_len(bytes.len() as u64).unwrap();
        }
        3 => fs::write(path, text).unwrap(),
        // As `git checkout` does.
        _ => {
            let _ = fs::remove_file(path);
            pause(rng);
            let mut file = fs::File::create(path).unwrap();
            file.write_all(bytes).unwrap();
        }
    }
}

fn patch() -> Vec<FieldChange> {
    vec![set(&["metadata", "annotations", "catalog-sync.dev/repository"], None, json!("bitbucket.org/{u}"))]
}

fn patched(text: &str) -> String {
    edit(text, &reference("pay"), &patch()).unwrap().text
}

/// Each costs some hundred flushes; 150 passed once.
const SEEDS: u64 = 24;

/// Returns how often a step was carried out while the other one wrote.
fn one(seed: u64, quiet: Duration) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let first = version(0, &mut rng);
    let scratch = Scratch::new(&[("pay.yaml", &first)]);
    let settings = DirectorySettings::new("main", scratch.dir.path());
    let catalog = DirectoryCatalog::open_with(settings, quiet, 0);
    catalog.inner.read().unwrap();
    let step: Step = edit_step("pay", "pay.yaml", patch());
    let path = scratch.dir.path().join("pay.yaml");
    let stopped = AtomicBool::new(false);
    let mut done = 0;
    let latest = std::thread::scope(|scope| {
        let person = scope.spawn(|| {
            let mut latest = first.clone();
            for number in 1..=rng.random_range(3..25) {
                latest = version(number, &mut rng);
                save(&path, &latest, &mut rng);
                pause(&mut rng);
            }
            stopped.store(true, Ordering::SeqCst);
            latest
        });
        while !stopped.load(Ordering::SeqCst) {
            match catalog.inner.apply(&step) {
                Ok(applied) => done += applied.files.len(),
                Err(CatalogError::Io { file, source }) => panic!("seed {seed}: {file}: {source}"),
                Err(_) => {}
            }
        }
        person.join().unwrap()
    });

    // What was written into a file while we replaced it is taken up by the next look.
    catalog.inner.settle_late();
    let text = scratch.text("pay.yaml");
    assert!(text == latest || text == patched(&latest), "seed {seed}: got\n{text}\nlatest\n{latest}");
    let untouched = text == latest;
    let last = catalog.inner.apply(&step).unwrap();
    assert_eq!(untouched, !last.files.is_empty(), "seed {seed}: reported as it is");
    assert_eq!(scratch.text("pay.yaml"), patched(&latest), "seed {seed}");
    assert_eq!(scratch.strays(), Vec::<String>::new(), "seed {seed}");
    drop(lock(&catalog.inner.writer));
    done
}

// Without the quiet time, so that even half-written texts are patched and have to be made good.
#[test]
fn a_file_ends_as_the_latest_version_plus_the_patch() {
    let done: usize = (0..SEEDS).map(|seed| one(seed, Duration::ZERO)).sum();
    println!("{SEEDS} seeds, {done} steps carried out in between");
    assert!(done > 0);
}

#[test]
fn so_it_does_with_the_quiet_time_of_real_life() {
    for seed in 1000..1004 {
        one(seed, super::steps::QUIET);
    }
}
