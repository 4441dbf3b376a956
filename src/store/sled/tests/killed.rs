//! Processes of their own: a second one on the same store, one that is killed, one whose disk is full. They
//! are this test binary, started again with a variable that tells what to do.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::model::{ImportId, SecondaryKind};
use crate::store::contract::world::*;

const FOLDER: &str = "CATALOG_SYNC_TEST_STORE";

/// What the child does instead of writing.
const MOVES: &str = "CATALOG_SYNC_TEST_MOVES";

/// The child opens the store and ends.
pub(super) const LOOKS: &str = "CATALOG_SYNC_TEST_LOOKS";

/// Repositories and journal entries per page: a torn batch would show.
const PER_PAGE: usize = 8;

/// The body of the child processes; does nothing when run as a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_its_own() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = match SledStore::open(Path::new(&folder), &Clock::System).await {
        Ok(store) => store,
        Err(error) => return println!("\nrefused {error} / {}", error.mend().unwrap_or_default()),
    };
    println!("\nopened");
    if std::env::var_os(LOOKS).is_some() {
        return;
    }
    if std::env::var_os(MOVES).is_some() {
        return move_about(&store).await.expect("moves until it is killed");
    }
    if let Err(error) = write_on(&store).await {
        println!("\nrefused {error} / {}", error.mend().unwrap_or_default());
    }
}

/// Writes pages, items and links for ever, one writer each, and says what was acknowledged.
async fn write_on(store: &SledStore) -> Result<(), StoreError> {
    let key = integration("acme");
    let lease = store.crawl_lease(&key, Duration::ZERO).await?.ok_or(StoreError::NotEmpty)?;
    if store.integration(&key).await?.is_none() {
        store.save_integration(&lease, &state(&key)).await?;
    }
    let pages_done = pages_done(store).await?;
    let pages = async {
        for done in pages_done.. {
            let repos = (0..PER_PAGE).map(|number| repo(done as usize * PER_PAGE + number));
            store.record_page(&lease, page("01S", done + 1, repos)).await?;
            println!("\npage {}", done + 1);
        }
        Ok(())
    };
    let items_done = count(store, &key, &repo(0), SecondaryKind::PullRequests).await;
    let items = async {
        for done in (items_done..).step_by(4) {
            let new = (done..done + 4).map(|id| pull_request(id, 1, "x")).collect();
            let minute = i64::try_from(done + 4).unwrap_or_default();
            let mut new = batch(&repo(0), SecondaryKind::PullRequests, new, minute);
            new.coverage.stored = done + 4;
            store.record_items(&lease, vec![new]).await?;
            println!("\nitems {}", done + 4);
        }
        Ok(())
    };
    let links_done = store.links("main").await?.len();
    let links = async {
        let lease = store.catalog_lease("main").await?;
        for done in links_done.. {
            let new = LinkChange::Put(Box::new(link(&repo(done), "a")));
            store.change_links(&lease, vec![new], vec![journal("01I", &repo(done), 1)]).await?;
            println!("\nlinks {}", done + 1);
        }
        Ok(())
    };
    futures::try_join!(pages, items, links).map(drop)
}

/// Carries everything over, there and back again, for ever.
async fn move_about(store: &SledStore) -> Result<(), StoreError> {
    for turn in 1.. {
        let known = store.integrations().await?;
        let from = known.first().expect("always one").key.clone();
        let other = if from.catalog == "main" { "golden" } else { "main" };
        let to = crate::model::IntegrationKey { catalog: other.to_owned(), ..from.clone() };
        let leases = (crawl(store, &from).await, crawl(store, &to).await);
        let catalogs = (store.catalog_lease(&from.catalog).await?, store.catalog_lease(&to.catalog).await?);
        store.carry_over(&leases.0, &leases.1, Some((&catalogs.0, &catalogs.1))).await?;
        println!("\npage {turn}");
    }
    Ok(())
}

/// P4.13, P2.12: wherever the kill falls, everything is in one place, and whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_nothing_between_two_names() {
    let scratch = TempDir::new().expect("a temporary folder");
    let folder = scratch.path().join("store");
    let key = integration("acme");
    let sorted = |exported: &str| {
        let mut lines: Vec<String> = exported.lines().map(|line| line.replace("golden", "main")).collect();
        lines.sort();
        lines
    };
    let before = {
        let store = open(&folder).await;
        fill(&store, &key).await;
        // More than one batch.
        let lease = crawl(&store, &key).await;
        for number in 1..=6 {
            let repos = (0..100).map(|one| repo(number * 100 + one));
            store
                .record_page(&lease, page("01SWEEP", u32::try_from(number).unwrap_or(0), repos))
                .await
                .expect("records");
        }
        sorted(&exported(&store).await)
    };
    let (mut between, mut round) = (0, 0);
    // Eight kills, and more where none of them fell in the middle.
    while round < 8 || (between == 0 && round < 200) {
        let mut random = StdRng::seed_from_u64(round);
        let child = start(this_program().env(MOVES, "1"), &folder);
        let writes = random.random_range(0..2);
        kill(child, writes, random.random_range(0..1_000_000));
        between += u32::from(is_between(&folder));
        let store = open(&folder).await;
        let known = store.integrations().await.expect("reads");
        assert_eq!(known.len(), 1, "round {round}");
        assert_eq!(sorted(&exported(&store).await), before, "round {round}");
        assert_eq!(store.check().await.expect("checks").faults, Vec::<String>::new(), "round {round}");
        round += 1;
    }
    println!("{round} kills, {between} of them in the middle");
    assert!(between > 0, "no kill fell in the middle: the test shows nothing");
}

/// Kills a process once it has told of so many writes, and after some turns more; what it told.
fn kill(mut child: Child, mut writes: u32, turns: u32) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    let mut output = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut opened = false;
    while writes > 0 || !opened {
        let line = output.next().expect("the child goes on until it is killed");
        opened |= line == "opened";
        if acknowledged.note(&line) {
            writes -= 1;
        }
    }
    for _ in 0..turns {
        std::hint::spin_loop();
    }
    child.kill().expect("kills");
    child.wait().expect("ended");
    for line in output {
        acknowledged.note(&line);
    }
    acknowledged
}

/// Whether a store was left in the middle of carrying over.
fn is_between(folder: &Path) -> bool {
    let db = bare_sled(folder);
    db.scan_prefix([books::MOVES]).next().is_some()
}

async fn pages_done(store: &SledStore) -> Result<u32, StoreError> {
    let state = store.integration(&integration("acme")).await?;
    Ok(state.and_then(|state| state.discovery.sweep).map_or(0, |sweep| sweep.pages))
}

pub(super) fn start(program: &mut Command, folder: &Path) -> Child {
    let test = concat!(module_path!(), "::a_process_of_its_own");
    let test = test.split_once("::").expect("behind the crate's name").1;
    program.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(FOLDER, folder);
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts")
}

pub(super) fn this_program() -> Command {
    Command::new(std::env::current_exe().expect("its own path"))
}

/// What was acknowledged, by what a child printed.
#[derive(Debug, Default)]
struct Acknowledged {
    pages: u32,
    items: u64,
    links: usize,
}

impl Acknowledged {
    fn note(&mut self, line: &str) -> bool {
        let Some((what, number)) = line.trim().split_once(' ') else { return false };
        match (what, number.parse::<u32>()) {
            ("page", Ok(number)) => self.pages = number,
            ("items", Ok(number)) => self.items = number.into(),
            ("links", Ok(number)) => self.links = number as usize,
            _ => return false,
        }
        true
    }
}

async fn assert_kept(store: &SledStore, acknowledged: &Acknowledged, round: u64) {
    let key = integration("acme");
    let pages = pages_done(store).await.expect("reads");
    let said = format!("round {round}: {acknowledged:?}");
    assert!(pages >= acknowledged.pages, "{said}: {pages} pages");
    let repositories = store.records(&key, None, usize::MAX).await.expect("reads").len();
    assert_eq!(repositories, pages as usize * PER_PAGE, "{said}: pages and cursor are one write");
    let seen = store.sweep_seen(&key, &SyncId("01S".to_owned())).await.expect("reads").len();
    assert_eq!(seen, repositories, "{said}: seen");

    let items = count(store, &key, &repo(0), SecondaryKind::PullRequests).await;
    assert!(items >= acknowledged.items, "{said}: {items} items");
    assert_eq!(items % 4, 0, "{said}: half a batch of items");
    let kept = store.coverage_of(&key, &repo(0), SecondaryKind::PullRequests).await.expect("reads");
    let minute = i64::try_from(items).unwrap_or_default();
    let expected = (items > 0)
        .then(|| crate::model::Coverage { stored: items, ..coverage(&repo(0), SecondaryKind::PullRequests, minute) });
    assert_eq!(kept, expected, "{said}: items and coverage are one write");

    let links = store.links("main").await.expect("reads").len();
    assert!(links >= acknowledged.links, "{said}: {links} links");
    let entries = store.journal(&ImportId("01I".to_owned())).await.expect("reads").len();
    assert_eq!(links, entries, "{said}: links and journal are one write");
    assert_eq!(store.check().await.expect("checks").faults, Vec::<String>::new(), "{said}");
}

/// P2.12: what was acknowledged is there, and nothing by halves, wherever the kill falls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let scratch = TempDir::new().expect("a temporary folder");
    let folder = scratch.path().join("store");
    for round in 0..12 {
        let mut random = StdRng::seed_from_u64(round);
        let child = start(&mut this_program(), &folder);
        let writes = random.random_range(0..20);
        let acknowledged = kill(child, writes, random.random_range(0..200_000));
        let store = open(&folder).await;
        assert_kept(&store, &acknowledged, round).await;
    }
}

/// P7.5: a second process gets a clear message.
#[tokio::test]
async fn a_second_process_is_told_who_has_the_store() {
    let scratch = TempDir::new().expect("a temporary folder");
    let store = open(scratch.path()).await;
    let child = start(&mut this_program(), scratch.path()).wait_with_output().expect("ended");
    let output = String::from_utf8_lossy(&child.stdout);
    let said = output.lines().find(|line| line.starts_with("refused ")).expect("it was refused");
    let expected = format!(
        "refused the store {} is in use by another catalog-sync process / stop the other process",
        scratch.path().display()
    );
    assert!(said.starts_with(&expected), "{said}");
    drop(store);
}

/// A full disk, played by a limit on the size of files, is an error with a mend; what was acknowledged
/// before is there when there is space again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing() {
    let scratch = TempDir::new().expect("a temporary folder");
    let folder = scratch.path().join("store");
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap '' XFSZ; ulimit -f 6000; exec "$0" "$@""#]);
    limited.arg(std::env::current_exe().expect("its own path"));
    let child = start(&mut limited, &folder).wait_with_output().expect("ended");
    let output = String::from_utf8_lossy(&child.stdout);
    let mut acknowledged = Acknowledged::default();
    let count = output.lines().filter(|line| acknowledged.note(line)).count();
    assert!(count > 0, "it wrote for a while: {output}");
    let said = output.lines().find(|line| line.starts_with("refused ")).unwrap_or_else(|| panic!("{output}"));
    assert!(said.contains(" / check free space and permissions of the store directory"), "{said}");
    assert!(child.status.success(), "an error, not a crash: {:?}", child.status);
    let store = open(&folder).await;
    assert_kept(&store, &acknowledged, 0).await;
}
