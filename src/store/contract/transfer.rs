//! Exports and imports (P7.5): the backup, and the way between stores and versions.

use serde_json::Value;

use super::Home;
use super::world::*;
use crate::store::{Store, StoreError};

async fn filled(home: &dyn Home) -> (Box<dyn Store>, String) {
    let store = home.open().await;
    fill(&*store, &integration("acme")).await;
    fill(&*store, &integration("beta")).await;
    let text = exported(&*store).await;
    (store, text)
}

async fn emptied(home: &dyn Home, store: Box<dyn Store>) -> Box<dyn Store> {
    drop(store);
    home.fresh().await;
    home.open().await
}

pub(crate) async fn an_export_comes_back_byte_for_byte(home: &dyn Home) {
    let (store, text) = filled(home).await;
    let store = emptied(home, store).await;
    let records = store.import(&mut text.as_bytes()).await.expect("imports");
    assert_eq!(records, text.lines().count() as u64 - 2);
    assert_eq!(exported(&*store).await, text);
    assert_whole(&*store).await;
    // Indexes and counts came with the records.
    assert_eq!(store.links_to("main", &entity("a")).await.expect("reads").len(), 1);
    let pulls = crate::model::SecondaryKind::PullRequests;
    assert_eq!(count(&*store, &integration("acme"), &repo(1), pulls).await, 5);
    assert_eq!(store.syncs(None, 10).await.expect("reads").len(), 2);
    // What a file held that does not parse now cannot be read anew (P2.13).
    assert!(store.catalog_snapshot("main").await.expect("reads").is_some());
    drop(store);
    assert_eq!(exported(&*home.open().await).await, text);
}

pub(crate) async fn an_export_holds_no_request_counters(home: &dyn Home) {
    let (store, text) = filled(home).await;
    assert!(!text.contains("998"), "request counters are this machine's");
    assert!(text.starts_with("{\"catalog_sync_export\":1,\"schema\":2}\n"));
    assert!(text.contains(r#"{"book":"integrations","key":["bitbucket.org","acme","main"],"value":{"key":{"#));
    assert_eq!(exported(&*store).await, text, "stable");
}

pub(crate) async fn only_an_empty_store_imports(home: &dyn Home) {
    let (store, text) = filled(home).await;
    let refused = store.import(&mut text.as_bytes()).await;
    assert!(matches!(refused, Err(StoreError::NotEmpty)), "{refused:?}");
    assert_eq!(exported(&*store).await, text);
}

/// Nothing of it is taken, and a whole export is taken afterwards.
pub(crate) async fn a_malformed_line_imports_nothing(home: &dyn Home) {
    let (store, text) = filled(home).await;
    let mut store = emptied(home, store).await;
    let empty = exported(&*store).await;
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len();
    let with = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number - 1] = line;
        lines.join("\n")
    };
    // Each line right by itself, or nearly: what an export that somebody edited may hold.
    let edited = |book: &str, edit: &dyn Fn(&mut Value)| {
        let head = format!(r#"{{"book":"{book}","#);
        let number = lines.iter().position(|line| line.starts_with(&head)).expect("one in each book") + 1;
        let mut line: Value = serde_json::from_str(lines[number - 1]).expect("JSON lines");
        edit(&mut line["value"]);
        (number, with(number, &line.to_string()))
    };
    let (twice, item_twice) = edited("secondary", &|block| {
        let items = block.as_array_mut().expect("a block");
        items.push(items[items.len() - 1].clone());
    });
    let (_, miscounted) = edited("coverage", &|coverage| coverage["stored"] = 99.into());
    let doubled = with(9, &format!("{}\n{}", lines[8], lines[8]));
    let cases = [
        (String::new(), "line 1", "the file is empty"),
        (with(1, "[]"), "line 1", "not an export"),
        (with(1, r#"{"catalog_sync_export":1,"schema":99}"#), "line 1", "newer"),
        (lines[1..].join("\n"), "line 1", "not an export"),
        (with(5, "{"), "line 5", "EOF"),
        (with(5, r#"{"book":"secrets","key":[],"value":1}"#), "line 5", "there is no book secrets"),
        (with(5, r#"{"book":"budgets","key":["acme"],"value":1}"#), "line 5", "there is no book budgets"),
        (with(5, r#"{"book":"links","key":["main"],"value":1}"#), "line 5", "is no key of links"),
        (with(5, r#"{"book":"switches","key":["a","b","c"],"value":{"suspended":"so"}}"#), "line 5", "boolean"),
        (with(5, r#"{"book":"plans","key":["a"],"value":{},"more":1}"#), "line 5", "unknown field"),
        (with(last, "{"), &format!("line {last}"), "EOF"),
        (lines[..last - 1].join("\n"), &format!("line {}", last - 1), "breaks off"),
        (with(last - 1, "").replace("\n\n", "\n"), &format!("line {}", last - 1), "were announced"),
        (doubled, "line 10", "was there before"),
        (item_twice, &format!("line {twice}"), "out of order, or twice there"),
        (miscounted, &format!("line {last}"), "it says that 99 items are stored, and there are"),
        (format!("{text}{text}"), &format!("line {}", last + 1), "more behind"),
    ];
    for (export, line, because) in cases {
        let refused = store.import(&mut export.as_bytes()).await.expect_err(because);
        let StoreError::Malformed { place, message } = &refused else { panic!("{because}: {refused:?}") };
        assert_eq!(place, line, "{because}: {message}");
        assert!(message.contains(because), "{message:?} instead of {because:?}");
        assert_eq!(exported(&*store).await, empty, "after {because}");
    }
    drop(store);
    store = home.open().await;
    assert_eq!(exported(&*store).await, empty);
    store.import(&mut text.as_bytes()).await.expect("imports");
    assert_eq!(exported(&*store).await, text);
    assert_whole(&*store).await;
}
