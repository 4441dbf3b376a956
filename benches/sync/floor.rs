//! The floor: a client that fetches pages and drops them.

use std::fs;

use futures::StreamExt;
use serde_json::Value;

use crate::{Result, TOKEN, wrong};

/// Fetches pages and drops them: the list one after the other, since each page tells where the next is, the
/// others as many at once as a sync does.
pub fn floor() -> Result<()> {
    let variable = |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}"));
    let targets = fs::read_to_string(variable("BENCH_TARGETS")?).map_err(wrong("read the list of pages"))?;
    let origin = variable("BENCH_ORIGIN")?;
    let reads = std::env::var("BENCH_READS").is_ok();
    let at_once: usize = variable("BENCH_AT_ONCE")?.parse().map_err(|_| "BENCH_AT_ONCE is no number".to_owned())?;
    // As the program itself; fails only when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let of_list = |line: &&str| line.starts_with(LISTED);
    let (listed, others): (Vec<&str>, Vec<&str>) = targets.lines().partition(of_list);
    let client = reqwest::Client::builder().no_proxy().gzip(true).build().map_err(|error| error.to_string())?;
    let fetch = |line: &str| {
        let target = line.strip_prefix(LISTED).unwrap_or(line);
        let request = client.get(format!("{origin}{target}")).bearer_auth(TOKEN);
        async move {
            let mut response = request.send().await.and_then(reqwest::Response::error_for_status)?;
            if reads {
                response.json::<Value>().await?;
            } else {
                while response.chunk().await?.is_some() {}
            }
            Ok::<(), reqwest::Error>(())
        }
    };
    let runtime = tokio::runtime::Runtime::new().map_err(wrong("start threads"))?;
    let fetched: std::result::Result<(), reqwest::Error> = runtime.block_on(async {
        for line in listed {
            fetch(line).await?;
        }
        let mut pages = futures::stream::iter(others).map(fetch).buffer_unordered(at_once);
        while let Some(page) = pages.next().await {
            page?;
        }
        Ok(())
    });
    fetched.map_err(|error| error.to_string())
}

/// Begins the line of a page of the repository list.
pub const LISTED: &str = "list ";
