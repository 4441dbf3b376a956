//! What a sweep of a large workspace costs. Prints figures, and holds the promise about memory; runs where
//! `CATALOG_SYNC_MEASURE` tells how many repositories (100000 is what is promised).

use std::time::Instant;

use super::*;
use crate::model::SecondaryKind;
use crate::store::contract::world::*;

/// Of the process, in MiB; the most so far, or now.
fn resident_mib(of: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(of));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_sweep_stays_small() {
    let Some(count) = std::env::var("CATALOG_SYNC_MEASURE").ok().and_then(|count| count.parse::<usize>().ok()) else {
        return println!("skipped: CATALOG_SYNC_MEASURE is not set");
    };
    let scratch = TempDir::new().expect("a temporary folder");
    let store = open(scratch.path()).await;
    let key = integration("acme");
    let lease = known_crawl(&store, &key).await;
    let tell = |what: &str, since: Instant| {
        let (now, most) = (resident_mib("VmRSS"), resident_mib("VmHWM"));
        println!("{what}: {:.1} s, {now} MiB resident, {most} MiB at most", since.elapsed().as_secs_f64());
    };
    let began = Instant::now();
    for (number, first) in (0..count).step_by(100).enumerate() {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let repos = (first..(first + 100).min(count)).map(repo);
        store.record_page(&lease, page("01S", number + 1, repos)).await.expect("records");
    }
    tell("first sweep", began);
    println!("{} batches, {} flushes", store.commit.counts().0, store.commit.counts().1);

    let began = Instant::now();
    let size = |report: StoreReport| report.size_bytes / 1024 / 1024;
    let batches = store.commit.counts();
    for first in (0..count).step_by(100) {
        let repos = (first..(first + 100).min(count)).map(repo);
        let mut page = page("01S", 1, repos);
        page.seen.clear();
        page.discovery = store.integration(&key).await.expect("reads").expect("known").discovery;
        store.record_page(&lease, page).await.expect("records");
    }
    tell("unchanged sweep", began);
    // sled tidies its file by itself, so its size says nothing; what counts is that nothing was handed to it.
    assert_eq!(store.commit.counts(), batches, "unchanged repositories are not written");

    let began = Instant::now();
    for number in (0..count).step_by(10) {
        let pulls = (0..5).map(|id| pull_request(id, 1, "A change")).collect();
        store
            .record_items(&lease, vec![batch(&repo(number), SecondaryKind::PullRequests, pulls, 1)])
            .await
            .expect("records");
    }
    tell("batches of 5 items, one flush each", began);

    let began = Instant::now();
    let mut after = None;
    let mut walked = 0;
    loop {
        let page = store.records(&key, after.as_ref(), 500).await.expect("reads");
        let Some((last, _)) = page.last() else { break };
        after = Some(last.repository.key.clone());
        walked += page.len();
    }
    assert_eq!(walked, count);
    tell("walk over all records", began);
    let began = Instant::now();
    store.export(&mut std::io::sink(), crate::store::ExportOf::WithCredentials).await.expect("exports");
    tell("export", began);
    let began = Instant::now();
    let report = store.check().await.expect("checks");
    assert_eq!(report.faults, Vec::<String>::new());
    println!("{} MiB on disk", size(report));
    tell("check", began);
    assert!(resident_mib("VmHWM") < 250, "{} MiB", resident_mib("VmHWM"));
}
