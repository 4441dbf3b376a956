//! Opening what is there: new, ours, damaged, foreign, too new.

use std::fs;

use super::*;
use crate::model::Outcome;
use crate::store::contract::world::*;

async fn refusal(path: &Path) -> StoreError {
    SledStore::open(path, &Clock::System).await.expect_err("it must not open")
}

/// security.md, "at rest".
#[cfg(unix)]
#[tokio::test]
async fn a_store_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    let scratch = TempDir::new().expect("a temporary folder");
    let folder = scratch.path().join("state").join("store");
    let loose = scratch.path().join("loose");
    fs::create_dir(&loose).expect("makes");
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o755)).expect("sets");
    for folder in [&folder, &loose] {
        let store = open(folder).await;
        fill(&store, &integration("acme")).await;
        drop(store);
        let store = open(folder).await;
        assert_eq!(mode(folder), 0o700);
        for entry in fs::read_dir(folder).expect("lists").flatten() {
            let wanted = if entry.path().is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&entry.path()), wanted, "{}", entry.path().display());
        }
        drop(store);
    }
    // A folder with other things in it is somebody's: its mode is left alone.
    let shared = scratch.path().join("shared");
    fs::create_dir(&shared).expect("makes");
    fs::write(shared.join("notes.txt"), "mine").expect("writes");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o755)).expect("sets");
    drop(open(&shared).await);
    assert_eq!(mode(&shared), 0o755);
}

#[tokio::test]
async fn a_store_that_is_open_is_in_use() {
    let scratch = TempDir::new().expect("a temporary folder");
    let store = open(scratch.path()).await;
    let error = refusal(scratch.path()).await;
    assert!(matches!(&error, StoreError::InUse { path } if path == scratch.path()), "{error:?}");
    drop(store);
    drop(open(scratch.path()).await);
}

#[tokio::test]
async fn a_newer_store_is_refused_p7_10() {
    let scratch = TempDir::new().expect("a temporary folder");
    let store = open(scratch.path()).await;
    let key = keys::Key::in_book(books::META).text("schema").bytes();
    store.write(move |draft| draft.put(key, &99_u32)).await.expect("writes");
    drop(store);
    let error = refusal(scratch.path()).await;
    assert!(matches!(&error, StoreError::TooNew { found: 99, known: open::SCHEMA, .. }), "{error:?}");
    let mend = error.mend().expect("a mend");
    assert!(mend.contains("use the newer catalog-sync") && mend.contains("schema-2.jsonl.gz"), "{mend}");
}

#[tokio::test]
async fn a_foreign_database_is_refused() {
    let scratch = TempDir::new().expect("a temporary folder");
    let foreign = bare_sled(scratch.path());
    foreign.insert(b"someone", b"else's").expect("writes");
    foreign.flush().expect("flushes");
    drop(foreign);
    let error = refusal(scratch.path()).await;
    assert!(matches!(&error, StoreError::Unopenable { .. }), "{error:?}");
    assert!(error.to_string().contains("catalog-sync did not write"), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_is_an_error_with_a_mend() {
    let scratch = TempDir::new().expect("a temporary folder");
    let file = scratch.path().join("file");
    fs::write(&file, "not a folder").expect("writes");
    for path in [file.clone(), file.join("store")] {
        let error = refusal(&path).await;
        assert!(matches!(&error, StoreError::Io { .. }), "{error:?}");
        assert_eq!(error.mend().as_deref(), Some("check free space and permissions of the store directory"));
        assert_eq!(fs::read(&file).expect("reads"), b"not a folder");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_folder_is_an_error_with_a_mend() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = TempDir::new().expect("a temporary folder");
    let folder = scratch.path().join("sealed");
    fs::create_dir(&folder).expect("makes");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).expect("sets");
    if fs::write(folder.join("probe"), "").is_ok() {
        return println!("skipped: this user writes wherever it wants");
    }
    let error = refusal(&folder.join("store")).await;
    assert!(matches!(&error, StoreError::Io { .. }), "{error:?}");
}

/// Whatever sled makes of damaged files, the program goes on, and people are told what to do.
#[tokio::test]
async fn a_damaged_store_is_told_and_never_a_crash() {
    let scratch = TempDir::new().expect("a temporary folder");
    let whole = scratch.path().join("whole");
    let store = open(&whole).await;
    fill(&store, &integration("acme")).await;
    drop(store);
    let database = fs::read(whole.join("db")).expect("reads");
    let garbage: Vec<u8> = (0..65_536_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut torn = database.clone();
    let middle = torn.len() / 2;
    torn[middle..].fill(0xa5);
    let mut beginning = database.clone();
    beginning[..4096].copy_from_slice(&garbage[..4096]);
    let cases: [(&str, &str, &[u8]); 6] = [
        ("garbage", "db", &garbage),
        ("cut", "db", &database[..middle]),
        ("torn", "db", &torn),
        ("beginning", "db", &beginning),
        ("settings", "conf", b"what is this"),
        ("no settings", "conf", b""),
    ];
    for (name, file, content) in cases {
        let folder = scratch.path().join(name);
        fs::create_dir(&folder).expect("makes");
        for entry in fs::read_dir(&whole).expect("lists").flatten().filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), folder.join(entry.file_name())).expect("copies");
        }
        fs::write(folder.join(file), content).expect("writes");
        match SledStore::open(&folder, &Clock::System).await {
            // sled drops a damaged tail and goes on from what is whole; then all of that can be read.
            Ok(store) => drop(store.check().await.map(|report| println!("{name}: {:?}", report.faults))),
            Err(error) => {
                println!("{name}: {error}");
                let mend = error.mend().unwrap_or_default();
                assert!(matches!(error, StoreError::Unopenable { .. } | StoreError::Io { .. }), "{name}: {error:?}");
                assert!(mend.contains("store import FILE") || mend.contains("permissions"), "{name}: {mend}");
            }
        }
    }
    let error = {
        let folder = scratch.path().join("settings");
        refusal(&folder).await
    };
    assert!(matches!(error, StoreError::Unopenable { .. }), "{error:?}");
}

/// P2.12: whoever opens a store is alone with it.
#[tokio::test]
async fn syncs_of_a_killed_process_are_interrupted() {
    let scratch = TempDir::new().expect("a temporary folder");
    let key = integration("acme");
    let store = open(scratch.path()).await;
    store.save_sync(&key, &sync("01A", 1, Outcome::Running)).await.expect("saves");
    store.save_sync(&key, &sync("01B", 2, Outcome::Completed)).await.expect("saves");
    drop(store);
    let store = SledStore::open(scratch.path(), &Clock::manual(at(60))).await.expect("opens");
    let syncs = store.syncs(Some(&key), 10).await.expect("reads");
    assert_eq!(syncs[0], sync("01B", 2, Outcome::Completed));
    assert_eq!(syncs[1].outcome, Outcome::Interrupted);
    assert_eq!(
        syncs[1].errors[0].message,
        "the process ended during this sync; noticed when the store was opened at 2026-09-21T15:13:20Z"
    );
    drop(store);
    let store = open(scratch.path()).await;
    assert_eq!(store.syncs(Some(&key), 10).await.expect("reads"), syncs, "once");
}

/// A deletion that was killed at any of its batches is carried to its end.
#[tokio::test]
async fn a_deletion_begun_is_ended_at_the_next_start() {
    let scratch = TempDir::new().expect("a temporary folder");
    let (key, other) = (integration("acme"), integration("beta"));
    let store = open(scratch.path()).await;
    let lease = known_crawl(&store, &other).await;
    store.record_page(&lease, page("01S", 1, [repo(7)])).await.expect("records");
    let without = exported(&store).await;
    fill(&store, &key).await;
    let half = key.clone();
    let begun = store.write(move |draft| {
        integrations::begin_deletion(draft, &half, "main")?;
        // As far as one batch got.
        draft.remove(keys::Key::in_book(books::RECORDS).integration(&half).repo(&repo(1)).bytes()).map(drop)
    });
    begun.await.expect("begins");
    assert_eq!(store.integration(&key).await.expect("reads"), None, "gone from the first write on");
    drop((lease, store));
    let store = open(scratch.path()).await;
    let left = exported(&store).await;
    let lines = |text: &str| text.lines().filter(|line| line.contains("acme") && line.contains("\"main\"")).count();
    let books = ["integrations", "repositories", "records", "links", "secondary", "syncs", "plans"];
    for book in books {
        let of_book = |text: &str| text.matches(&format!(r#"{{"book":"{book}","#)).count();
        assert_eq!(of_book(&left), of_book(&without), "{book} ({} lines)", lines(&left));
    }
    assert_whole(&store).await;
}

/// The same for an import.
#[tokio::test]
async fn an_import_that_was_killed_leaves_an_empty_store() {
    let scratch = TempDir::new().expect("a temporary folder");
    let store = open(scratch.path()).await;
    let empty = exported(&store).await;
    fill(&store, &integration("acme")).await;
    let mark = keys::Key::in_book(books::META).text("importing").bytes();
    store.write(move |draft| draft.put(mark, &true)).await.expect("writes");
    drop(store);
    let store = open(scratch.path()).await;
    assert_eq!(exported(&store).await, empty);
    assert_whole(&store).await;
    fill(&store, &integration("acme")).await;
    let kept = exported(&store).await;
    drop(store);
    assert_eq!(exported(&open(scratch.path()).await).await, kept, "only once");
}
