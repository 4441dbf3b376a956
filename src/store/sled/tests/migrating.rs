//! Stores of an older program (P7.10): exported, then migrated, wherever that is cut off.

use std::fs;
use std::io::BufReader;
use std::time::Instant;

use flate2::bufread::MultiGzDecoder;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::killed::{LOOKS, start, this_program};
use super::*;
use crate::store::contract::deliveries::delivery;
use crate::store::contract::world::*;

fn meta(name: &str) -> Vec<u8> {
    keys::Key::in_book(books::META).text(name).bytes()
}

/// Fills a store and makes it what a program of schema 1 would have written; what an export of it says.
async fn older(path: &Path, repositories: usize) -> String {
    let store = open(path).await;
    fill(&store, &integration("acme")).await;
    let lease = known_crawl(&store, &integration("acme")).await;
    store
        .record_page(&lease, page("01SWEEP", 1, (0..repositories).map(|one| repo(1_000 + one))))
        .await
        .expect("records");
    let deliveries: Vec<_> =
        (0..repositories).map(|one| delivery("acme", &one.to_string(), &format!("body {one}"), 1)).collect();
    store.keep_deliveries(deliveries.clone()).await.expect("keeps");
    let exported = exported_with_credentials(&store).await;
    let downgrade = store.write(move |draft| {
        for entry in draft.tree.scan(&[books::DELIVERIES_WAITING], None) {
            draft.remove_bare(entry?.0.to_vec());
        }
        for one in &deliveries {
            let waiting = keys::Key::in_book(books::DELIVERIES_WAITING).time(one.received_at);
            draft.put_bare(waiting.text("acme").text(&one.id).bytes(), Vec::new());
        }
        draft.put(meta("schema"), &1_u32)
    });
    downgrade.await.expect("writes");
    exported
}

/// The numbers a store says of itself: schema, and the step of a migration under way.
fn numbers(store: &SledStore) -> (Option<u32>, Option<Value>) {
    (store.tree.get(&meta("schema")).expect("reads"), store.tree.get(&meta("migration")).expect("reads"))
}

async fn assert_migrated(store: &SledStore, exported: &str, deliveries: u64) {
    assert_eq!(numbers(store), (Some(open::SCHEMA), None));
    assert_eq!(store.check().await.expect("checks").faults, Vec::<String>::new());
    assert!(exported_with_credentials(store).await == exported, "the same records as before");
    let waiting = store.waiting_deliveries().await.expect("reads");
    assert_eq!(waiting.iter().map(|one| one.count).collect::<Vec<_>>(), [deliveries]);
}

fn backup(path: &Path) -> PathBuf {
    path.join("schema-1.jsonl.gz")
}

#[tokio::test]
async fn an_older_store_is_exported_then_migrated_p7_10() {
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("store");
    let exported = older(&path, 30).await;
    let store = open(&path).await;
    assert_migrated(&store, &exported, 30).await;
    drop(store);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(backup(&path)).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "what it held is for its owner alone");
    }
    // Its schema is the older one, so that the older program takes it back.
    let packed = fs::read(backup(&path)).expect("reads");
    let text = std::io::read_to_string(MultiGzDecoder::new(packed.as_slice())).expect("unpacks");
    assert_eq!(text, exported.replace(r#""schema":2"#, r#""schema":1"#));
    // Packed as it is it can be imported.
    let other = SledStore::temporary().await.expect("opens");
    other.import(&mut BufReader::new(packed.as_slice())).await.expect("imports");
    assert_eq!(exported_with_credentials(&other).await, exported);
    // What is of this program is exported no more.
    fs::remove_file(backup(&path)).expect("removes");
    drop(open(&path).await);
    assert!(!backup(&path).exists());
}

#[tokio::test]
async fn a_packed_export_that_breaks_off_is_refused_p7_5() {
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("store");
    older(&path, 30).await;
    drop(open(&path).await);
    let packed = fs::read(backup(&path)).expect("reads");
    let other = SledStore::temporary().await.expect("opens");
    let empty = exported(&other).await;
    let refused = other.import(&mut &packed[..packed.len() / 2]).await.expect_err("half of it");
    assert!(refused.to_string().contains("line"), "{refused}");
    assert!(refused.mend().expect("a mend").contains("an export that is whole"), "{:?}", refused.mend());
    assert_eq!(exported(&other).await, empty);
    // Bytes that come one at a time are the same file.
    let mut slowly = BufReader::with_capacity(1, packed.as_slice());
    other.import(&mut slowly).await.expect("imports");
}

/// Whoever goes back and comes again has both exports.
#[tokio::test]
async fn an_export_of_before_stays_p7_10() {
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("store");
    older(&path, 3).await;
    drop(open(&path).await);
    let first = fs::read(backup(&path)).expect("reads");
    for entry in fs::read_dir(&path).expect("lists").flatten() {
        let one = entry.path();
        match one == backup(&path) {
            true => {}
            false if one.is_dir() => fs::remove_dir_all(&one).expect("removes"),
            false => fs::remove_file(&one).expect("removes"),
        }
    }
    // An import that broke off, by the older program.
    {
        let db = bare_sled(&path);
        db.insert(meta("schema"), codec::encode(&1_u32).expect("encodes")).expect("writes");
        db.insert(meta("importing"), codec::encode(&true).expect("encodes")).expect("writes");
        db.flush().expect("flushes");
    }
    drop(open(&path).await);
    assert!(fs::read(backup(&path)).expect("reads") == first, "the first one is as it was");
    assert!(path.join("schema-1-2.jsonl.gz").exists());
}

#[tokio::test]
async fn a_store_that_cannot_be_exported_is_not_touched_p7_10() {
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("store");
    let exported = older(&path, 3).await;
    let in_the_way = path.join("schema-1.jsonl.part");
    fs::create_dir(&in_the_way).expect("makes");
    let refused = SledStore::open(&path, &Clock::System).await.expect_err("no export, no migration");
    assert!(matches!(&refused, StoreError::Io { .. }), "{refused:?}");
    {
        let db = bare_sled(&path);
        let schema = db.get(meta("schema")).expect("reads").expect("is there");
        assert_eq!(codec::decode::<u32>(&schema), Ok(1));
    }
    fs::remove_dir(&in_the_way).expect("removes");
    assert_migrated(&open(&path).await, &exported, 3).await;
}

/// A record that no program can read must not keep a store from being used.
#[tokio::test]
async fn a_damaged_record_stays_as_it_is_p7_10() {
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("store");
    older(&path, 3).await;
    {
        let db = bare_sled(&path);
        db.insert(keys::Key::in_book(books::PLANS).text("01PLAN-acme").bytes(), &[7]).expect("writes");
        db.flush().expect("flushes");
    }
    let store = open(&path).await;
    let error = store.plan("01PLAN-acme").await.expect_err("it is damaged");
    assert_eq!(error.to_string(), r#"plans ["01PLAN-acme"] cannot be read: unknown value version 7"#);
    assert_eq!(store.waiting_deliveries().await.expect("reads")[0].count, 3);
}

#[tokio::test]
async fn a_migration_goes_on_where_it_was_cut_off_p7_10() {
    let scratch = TempDir::new().expect("a temporary folder");
    let path = scratch.path().join("store");
    let exported = older(&path, 30).await;
    // Claimed and exported, and half of the step taken: what a program that writes the next schema would find too.
    {
        let db = bare_sled(&path);
        db.insert(meta("schema"), codec::encode(&open::SCHEMA).expect("encodes")).expect("writes");
        db.insert(meta("migration"), codec::encode(&serde_json::json!({ "at": 1 })).expect("encodes")).expect("writes");
        for entry in db.scan_prefix([books::DELIVERIES_WAITING]).take(11).collect::<Vec<_>>() {
            db.remove(entry.expect("reads").0).expect("removes");
        }
        db.flush().expect("flushes");
    }
    let store = open(&path).await;
    assert_migrated(&store, &exported, 30).await;
    assert!(!backup(&path).exists(), "half migrated, it would be no export of what was there before");
}

/// Wherever the kill falls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_migration_is_finished_p7_10() {
    const REPOSITORIES: usize = 400;
    let scratch = TempDir::new().expect("a temporary folder");
    let whole = scratch.path().join("whole");
    let exported = older(&whole, REPOSITORIES).await;
    let copied = |name: &str| {
        let folder = scratch.path().join(name);
        fs::create_dir(&folder).expect("makes");
        for entry in fs::read_dir(&whole).expect("lists").flatten().filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("copies");
        }
        folder
    };
    let begun = Instant::now();
    drop(open(&copied("not killed")).await);
    let takes = u64::try_from(begun.elapsed().as_micros()).expect("not for ever");
    let (mut before, mut between, mut round) = (0, 0, 0);
    // Twelve kills, and more where none of them fell in the middle.
    while round < 12 || (between == 0 && round < 200) {
        let mut random = StdRng::seed_from_u64(round);
        let folder = copied(&round.to_string());
        let mut child = start(this_program().env(LOOKS, "1"), &folder);
        tokio::time::sleep(Duration::from_micros(random.random_range(0..takes * 3 / 2))).await;
        child.kill().expect("kills");
        child.wait().expect("ended");
        {
            let db = bare_sled(&folder);
            between += u32::from(db.contains_key(meta("migration")).expect("reads"));
            let schema = db.get(meta("schema")).expect("reads").expect("is there");
            before += u32::from(codec::decode::<u32>(&schema) == Ok(1));
        }
        let store = open(&folder).await;
        assert_migrated(&store, &exported, REPOSITORIES as u64).await;
        drop(store);
        let packed = fs::read(backup(&folder)).expect("an export, whole");
        let text = std::io::read_to_string(MultiGzDecoder::new(packed.as_slice())).expect("unpacks");
        assert!(text == exported.replace(r#""schema":2"#, r#""schema":1"#), "round {round}");
        fs::remove_dir_all(&folder).expect("removes");
        round += 1;
    }
    println!("{round} kills, {before} of them before, {between} in the middle of the migration");
    assert!(between > 0, "no kill fell in the middle: the test shows nothing");
}
