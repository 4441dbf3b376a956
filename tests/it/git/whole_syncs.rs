//! Whole syncs of the built program with commits over git.

use catalog_sync::simulator::{Endpoint, NewRepository, World};

use super::{GitServer, cloud_login};
use crate::harness::{Bench, CONFIG, TOKEN, number};

const NAMES: [&str; 6] = ["api", "web", "docs", "pay", "cart", "mail"];

struct Site {
    bench: Bench,
    server: GitServer,
}

impl Site {
    fn new(via: &str) -> Self {
        let mut world = crate::harness::world();
        world.use_git_hashes();
        for name in NAMES {
            world.add_repository("acme", NewRepository::named(name).with_commits(7));
        }
        world.add_repository("acme", NewRepository { commits: 0, ..NewRepository::named("empty") });
        let server = GitServer::new(&[&cloud_login(TOKEN)]);
        server.serve(&world);
        let bench = Bench { env: Vec::new(), ..Bench::new(world) };
        let path = std::env::var("PATH").expect("a PATH");
        let bench = Bench {
            env: vec![(crate::harness::TOKEN_NAME.to_owned(), TOKEN.to_owned()), ("PATH".to_owned(), path)],
            ..bench
        };
        let site = Self { bench, server };
        site.config(via, true);
        site
    }

    fn config(&self, via: &str, has_git_url: bool) {
        let kinds = format!("    secondary_kinds: {{ commits: {{ via: {via} }} }}\n");
        let config = CONFIG.replace("{integration}", &kinds);
        let git_url = format!("api_url: {{api_url}}\n    git_url: {}", self.server.url());
        let config = if has_git_url { config.replace("api_url: {api_url}", &git_url) } else { config };
        self.bench.config(&config);
    }

    /// A sync, and how often commits were asked for over REST and git was asked at all.
    fn sync(&self) -> (serde_json::Value, u64, usize) {
        self.bench.simulator.reset_requests();
        self.server.take_asked();
        let record = self.bench.sync_exits(0);
        let rest = self.bench.simulator.requests().by_endpoint.get(&Endpoint::Commits).copied().unwrap_or(0);
        (record, rest, self.server.take_asked().len())
    }

    fn push(&self, change: impl FnOnce(&mut World)) {
        let mut world = self.bench.simulator.world();
        change(&mut world);
        self.server.serve(&world);
    }

    fn stored(record: &serde_json::Value) -> u64 {
        number(record, "/secondary/commits/stored")
    }

    fn scratches(&self) -> Vec<String> {
        let files = self.bench.files("data/git").into_keys();
        let mut names: Vec<String> =
            files.filter_map(|name| Some(name.split('/').nth(1)?.strip_suffix(".git")?.to_owned())).collect();
        names.dedup();
        names
    }
}

/// Issue 3, part 5: an unchanged sync costs 0 REST requests for commits, and so does a changed one; what is gone leaves
/// no scratch repository behind, and a deleted integration none at all.
#[test]
fn syncs_over_git_ask_the_api_for_no_commit_p5_2_p5_6() {
    let site = Site::new("git");
    let (first, rest, asked) = site.sync();
    assert_eq!((Site::stored(&first), rest), (7 * 6, 0));
    assert!(asked > 0);
    let (unchanged, rest, asked) = site.sync();
    assert_eq!((Site::stored(&unchanged), rest, asked), (0, 0, 0), "Cloud tells that nothing changed");
    println!("unchanged sync of {} repositories: 0 REST requests for commits, {asked} of git", NAMES.len());

    site.push(|world| {
        world.push_commits("acme/api", 4);
        world.touch_repository("acme/web");
    });
    let (changed, rest, asked) = site.sync();
    assert_eq!((Site::stored(&changed), rest), (4, 0));
    // Two that are due, each listed; one of them fetched.
    assert!((4..=8).contains(&asked), "{asked}");

    assert_eq!(site.scratches().len(), 6);
    site.push(|world| world.delete_repository("acme/docs"));
    for _ in 0..2 {
        site.bench.run(&["sync", "now", "--full"]).ok();
    }
    assert_eq!(site.scratches().len(), 5);
    site.bench.run(&["--yes", "integration", "delete", "acme"]).ok();
    assert!(site.bench.files("data/git").is_empty());
}

/// Without an address of git, `auto` is REST and `git` is refused with the way out: tokens go nowhere else.
#[test]
fn an_api_elsewhere_needs_the_address_of_git_p5_2_p6_7() {
    let site = Site::new("auto");
    let (auto, rest, asked) = site.sync();
    assert_eq!((Site::stored(&auto), rest), (42, 0));
    assert!(asked > 0, "auto asks git where it is known");
    site.bench.run(&["--yes", "integration", "delete", "acme"]).ok();
    site.config("auto", false);
    let (auto, rest, asked) = site.sync();
    assert_eq!((Site::stored(&auto), rest, asked), (42, 6, 0));
    site.config("git", false);
    site.bench.run(&["sync", "now"]).exits(2).says(&["git_url"]);
    site.config("rest", true);
    site.bench.run(&["--yes", "integration", "delete", "acme"]).ok();
    let (alone, rest, asked) = site.sync();
    assert_eq!((Site::stored(&alone), rest, asked), (42, 6, 0));
}

/// `auto` goes on without git; the sync is whole, and a warning says why.
#[test]
fn a_sync_goes_on_without_git_p2_11() {
    let site = Site::new("auto");
    let bench = Bench {
        env: vec![
            (crate::harness::TOKEN_NAME.to_owned(), TOKEN.to_owned()),
            ("PATH".to_owned(), "/nowhere".to_owned()),
        ],
        ..site.bench
    };
    let output = bench.run(&["sync", "now", "--output", "json"]).ok().says(&["`git` is not installed", "over REST"]);
    assert_eq!(Site::stored(&output.json()[0]), 42);
}
