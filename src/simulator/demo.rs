//! The workspace of the demo: small, made by hand, believable.
//!
//! | repository | project | what it shows |
//! |---|---|---|
//! | payments-api | PAY | named exactly as a catalog would name it; 64 pull requests, 130 commits: caps leave a backlog |
//! | payments-api-service | PAY | *contains* `payments-api`; a contains rule suggests it, a person decides |
//! | payments-worker | PAY | equal name, no description |
//! | fraud-detector | PAY | equal name; forbidden beneath the listing |
//! | Web Shop (`web-shop`) | SHOP | name for people, slug for machines |
//! | checkout-ui | SHOP | equal name; default branch `release/2026.2` |
//! | checkout-ui-fork | SHOP | fork of checkout-ui; its parent has pull requests from it |
//! | product-search | SHOP | equal name, another language |
//! | `Mailer` (`mailer`) and `mailer-2` | SHOP, PLAT | both are called "Mailer": two repositories claim one entity |
//! | platform-terraform | PLAT | nothing like it in a catalog: register |
//! | design-tokens-lib | PLAT | a library |
//! | onboarding-notes | PLAT | empty: no default branch |
//! | legacy-billing | PLAT | archived by its looks: last touched years ago, "ARCHIVED" in its description |
//!
//! A sample catalog has `payments-api`, `payments-worker`, `fraud-detector`, `web-shop`, `checkout-ui`,
//! `product-search`, `mailer` and `legacy-billing`; the rest is left to discover.

use chrono::{DateTime, Duration, DurationRound as _, Utc};

use super::Verdict;
use super::pull_requests::NewPullRequest;
use super::world::{NewRepository, World};
use crate::clock::Clock;

/// Slug of the demo's workspace.
const WORKSPACE: &str = "acme";

struct Sample {
    name: &'static str,
    project: &'static str,
    language: &'static str,
    description: &'static str,
    branch: &'static str,
    commits: usize,
    pull_requests: usize,
    age_days: i64,
    idle_days: i64,
}

const SAMPLES: &[Sample] = &[
    Sample {
        name: "payments-api",
        project: "PAY",
        language: "kotlin",
        description: "Takes payments and remembers them",
        branch: "main",
        commits: 130,
        pull_requests: 64,
        age_days: 1900,
        idle_days: 0,
    },
    Sample {
        name: "payments-api-service",
        project: "PAY",
        language: "kotlin",
        description: "Deployment of payments-api for partners",
        branch: "main",
        commits: 24,
        pull_requests: 6,
        age_days: 700,
        idle_days: 3,
    },
    Sample {
        name: "payments-worker",
        project: "PAY",
        language: "kotlin",
        description: "",
        branch: "main",
        commits: 58,
        pull_requests: 18,
        age_days: 1500,
        idle_days: 1,
    },
    Sample {
        name: "fraud-detector",
        project: "PAY",
        language: "python",
        description: "Scores payments while the customer waits",
        branch: "master",
        commits: 40,
        pull_requests: 12,
        age_days: 1100,
        idle_days: 9,
    },
    Sample {
        name: "Web Shop",
        project: "SHOP",
        language: "typescript",
        description: "What customers see",
        branch: "main",
        commits: 96,
        pull_requests: 52,
        age_days: 2000,
        idle_days: 0,
    },
    Sample {
        name: "checkout-ui",
        project: "SHOP",
        language: "typescript",
        description: "Basket and checkout",
        branch: "release/2026.2",
        commits: 45,
        pull_requests: 20,
        age_days: 900,
        idle_days: 2,
    },
    Sample {
        name: "product-search",
        project: "SHOP",
        language: "go",
        description: "Finds products, also misspelt ones",
        branch: "main",
        commits: 37,
        pull_requests: 14,
        age_days: 650,
        idle_days: 5,
    },
    Sample {
        name: "Mailer",
        project: "SHOP",
        language: "java",
        description: "Sends order confirmations",
        branch: "master",
        commits: 22,
        pull_requests: 4,
        age_days: 1700,
        idle_days: 40,
    },
    Sample {
        name: "Mailer",
        project: "PLAT",
        language: "go",
        description: "Sends any mail, soon",
        branch: "main",
        commits: 9,
        pull_requests: 3,
        age_days: 60,
        idle_days: 4,
    },
    Sample {
        name: "platform-terraform",
        project: "PLAT",
        language: "hcl",
        description: "Accounts, networks, clusters",
        branch: "main",
        commits: 70,
        pull_requests: 30,
        age_days: 1300,
        idle_days: 1,
    },
    Sample {
        name: "design-tokens-lib",
        project: "PLAT",
        language: "",
        description: "Colours and distances for all front ends",
        branch: "develop",
        commits: 15,
        pull_requests: 5,
        age_days: 400,
        idle_days: 20,
    },
    Sample {
        name: "onboarding-notes",
        project: "PLAT",
        language: "",
        description: "",
        branch: "",
        commits: 0,
        pull_requests: 0,
        age_days: 14,
        idle_days: 12,
    },
    Sample {
        name: "legacy-billing",
        project: "PLAT",
        language: "php",
        description: "ARCHIVED: replaced by payments-api",
        branch: "master",
        commits: 31,
        pull_requests: 8,
        age_days: 3100,
        idle_days: 1200,
    },
];

const TITLES: &[&str] = &[
    "Retry the provider once more",
    "Round taxes per line",
    "Show the delivery date earlier",
    "Remove the old basket",
    "Speed up the product page",
    "Log less, say more",
    "Update dependencies",
    "Accept umlauts in street names",
    "Handle empty answers of the warehouse",
    "Write down how to roll back",
    "Add a health check",
    "Cache exchange rates",
];

impl World {
    /// The demo's world as of now, on the machine's clock. Names, ids and hashes are the same every time; dates are
    /// counted back from the full hour.
    pub fn demo() -> Self {
        let now = Utc::now();
        let mut world = Self::demo_at(now.duration_trunc(Duration::hours(1)).unwrap_or(now));
        world.set_clock(Clock::System);
        world
    }

    /// The demo's world as of an instant; its clock stands there.
    pub fn demo_at(now: DateTime<Utc>) -> Self {
        let clock = Clock::manual(now);
        let mut world = Self::new(2026, clock.clone());
        world.add_workspace(WORKSPACE, "Acme");
        for (key, name) in [("PAY", "Payments"), ("SHOP", "Webshop"), ("PLAT", "Platform")] {
            world.add_project(WORKSPACE, key, name);
        }
        for sample in SAMPLES {
            // Each repository lives its life before the next one is made.
            let until = now - Duration::days(sample.idle_days) - Duration::minutes(17);
            world.set_now(until);
            let uuid = world.add_repository(
                WORKSPACE,
                NewRepository {
                    name: sample.name.to_owned(),
                    project: sample.project.to_owned(),
                    description: sample.description.to_owned(),
                    language: sample.language.to_owned(),
                    default_branch: sample.branch.to_owned(),
                    commits: sample.commits,
                    created_on: Some(now - Duration::days(sample.age_days)),
                    ..NewRepository::default()
                },
            );
            add_pull_requests(&mut world, &uuid.to_string(), sample, until);
        }
        world.set_clock(clock);
        add_fork(&mut world, now);
        world.forbid_repository("acme/fraud-detector", true);
        world
    }
}

/// Opens pull requests over the last third of a repository's life and closes nearly all of them.
fn add_pull_requests(world: &mut World, repository: &str, sample: &Sample, until: DateTime<Utc>) {
    let count = i32::try_from(sample.pull_requests).unwrap_or(0);
    let step = Duration::days(sample.age_days - sample.idle_days) / 3 / (count + 1).max(1);
    for n in 1..=count {
        world.set_now(until - step * (count + 1 - n));
        let at = usize::try_from(n).unwrap_or(0);
        let title = TITLES[(at * 5 + sample.commits) % TITLES.len()];
        let id = world.open_pull_request(
            repository,
            NewPullRequest {
                source_branch: format!("feature/{}-{n}", sample.project),
                ..NewPullRequest::titled(title)
            },
        );
        world.advance(step / 2);
        if n + 2 > count {
            world.comment_pull_request(repository, id);
        } else if n % 7 == 3 {
            world.decline_pull_request(repository, id, "Solved otherwise");
        } else if n % 19 == 5 {
            world.supersede_pull_request(repository, id);
        } else {
            world.review_pull_request(repository, id, Verdict::Approved);
            world.update_pull_request(repository, id, |it| {
                it.state = super::PullRequestState::Merged;
                it.merge_commit.clone_from(&it.target_commit);
                it.closed_by = it.author;
            });
        }
        world.delete_branch(repository, &format!("feature/{}-{n}", sample.project));
        if n == 4 {
            world.forget_author(repository, id);
        }
    }
    world.set_now(until);
    if sample.commits > 0 {
        world.collect_garbage(repository);
    }
    world.edit_repository(repository, |it| it.updated_on = until);
}

/// A fork with one pull request to its parent still open, and one whose fork was deleted.
fn add_fork(world: &mut World, now: DateTime<Utc>) {
    for (name, title, days) in
        [("checkout-ui-experiment", "Try a one-page checkout", 30), ("checkout-ui-fork", "Keyboard first", 6)]
    {
        let fork = NewRepository {
            name: name.to_owned(),
            project: "SHOP".to_owned(),
            language: "typescript".to_owned(),
            description: "Somebody's copy of checkout-ui".to_owned(),
            forked_from: Some("acme/checkout-ui".to_owned()),
            created_on: Some(now - Duration::days(days)),
            ..NewRepository::default()
        };
        let fork = world.add_repository(WORKSPACE, fork).to_string();
        world.open_pull_request(
            "acme/checkout-ui",
            NewPullRequest {
                from_fork: Some(fork),
                source_branch: format!("idea/{name}"),
                ..NewPullRequest::titled(title)
            },
        );
    }
    world.delete_repository("acme/checkout-ui-experiment");
}
