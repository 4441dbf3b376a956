//! Commits over the git protocol (issue 3, part 5), against a real git server on loopback: the same rows as over REST,
//! none of them through the API, and no way for a server to hold a sync.

mod data_center;
mod server;
mod ssh;
mod whole_syncs;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use catalog_sync::clock::Clock;
use catalog_sync::model::{Commit, HEAD, Item, Repository};
use catalog_sync::simulator::{
    Credential as Login, Endpoint, GenerateOptions, NewRepository, Simulator, SimulatorOptions, World,
};
use catalog_sync::source::bitbucket_cloud::{BitbucketCloud, CloudSettings};
use catalog_sync::source::git::{GitError, GitSettings, Limits, Place, Via, WithGit};
use catalog_sync::source::http::{Credential, CredentialSettings, FixedSecret};
use catalog_sync::source::{Ask, Cursor, Listing, Source, SourceError};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::Url;

pub use self::server::{GitServer, git};

const TOKEN: &str = "token-for-git-and-rest-1";

/// What Cloud wants to see of an access token.
pub fn cloud_login(token: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("x-token-auth:{token}")))
}

/// A world over REST and over git, and both sources.
struct Lab {
    runtime: Runtime,
    simulator: Simulator,
    server: GitServer,
    rest: Arc<BitbucketCloud>,
    folder: TempDir,
    settings: GitSettings,
}

impl Lab {
    fn new(mut world: World) -> Self {
        world.use_git_hashes();
        let server = GitServer::new(&[&cloud_login(TOKEN)]);
        server.serve(&world);
        let options = SimulatorOptions { credentials: vec![Login::token(TOKEN)], ..SimulatorOptions::default() };
        let simulator = Simulator::start_blocking(world, options).expect("a simulator");
        let credential = Credential::AccessToken(FixedSecret::shared(TOKEN));
        let mut cloud = CloudSettings::new("acme", credential);
        cloud.api_url = Url::parse(simulator.api_url()).expect("a URL");
        cloud.http.retry_base = Duration::ZERO;
        let rest = Arc::new(BitbucketCloud::new(cloud).expect("a source"));
        let folder = tempfile::tempdir().expect("a folder");
        let settings = GitSettings {
            program: "git".into(),
            place: Place::Cloud { base: Url::parse(server.url()).expect("a URL") },
            via: Via::Git,
            folder: folder.path().join("git"),
            credentials: rest.credentials(),
            allow_http: false,
            proxy: None,
            ca_bundle: None,
            environment: vec![("PATH".to_owned(), std::env::var("PATH").expect("a PATH"))],
            first_sync: None,
            limits: Limits::default(),
            clock: Clock::System,
        };
        let runtime = Runtime::new().expect("a runtime");
        Self { runtime, simulator, server, rest, folder, settings }
    }

    fn git(&self, change: impl FnOnce(&mut GitSettings)) -> WithGit {
        let mut settings = self.settings.clone();
        change(&mut settings);
        WithGit::new(self.rest.clone(), settings)
    }

    fn repositories(&self) -> Vec<Repository> {
        let page = self.runtime.block_on(self.rest.repositories(&Listing::Sweep, None)).expect("a page");
        assert!(page.next.is_none());
        page.records.into_iter().map(|record| record.repository).collect()
    }

    fn repository(&self, slug: &str) -> Repository {
        self.repositories().into_iter().find(|repository| repository.slug == slug).expect("a repository")
    }

    /// Every row of a walk, and over how many pages.
    fn walk(&self, source: &dyn Source, repo: &Repository, ask: &Ask) -> Result<(Vec<Commit>, usize), SourceError> {
        let (mut rows, mut pages, mut cursor): (_, _, Option<Cursor>) = (Vec::new(), 0, None);
        loop {
            let page = self.runtime.block_on(source.secondary(repo, ask, cursor.as_ref()))?;
            pages += 1;
            assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
            assert!(!page.items.is_empty() || page.next.is_none(), "an empty page leads on");
            rows.extend(page.items.into_iter().map(|item| match item {
                Item::Commit(commit) => commit,
                other => panic!("no commit: {other:?}"),
            }));
            cursor = page.next;
            if cursor.is_none() {
                return Ok((rows, pages));
            }
        }
    }

    /// Both ways give the same rows: as many, each field for field, children before their parents.
    #[track_caller]
    fn agree(&self, source: &dyn Source, repo: &Repository, ask: &Ask) -> usize {
        let (mut rest, _) = self.walk(self.rest.as_ref(), repo, ask).expect("over REST");
        let (mut git, _) = self.walk(source, repo, ask).expect("over git");
        let place = |hash: &str| git.iter().position(|commit| commit.hash == hash);
        for (at, commit) in git.iter().enumerate() {
            assert!(
                commit.parents.iter().filter_map(|parent| place(parent)).all(|parent| parent > at),
                "{}",
                repo.slug
            );
        }
        assert_eq!(git.first().map(|commit| &commit.hash), rest.first().map(|commit| &commit.hash), "{}", repo.slug);
        let dates: Vec<_> = git.iter().map(|commit| commit.committed_at).collect();
        assert!(dates.windows(2).all(|two| two[0] >= two[1]), "newest first");
        rest.sort_by(|a, b| a.hash.cmp(&b.hash));
        git.sort_by(|a, b| a.hash.cmp(&b.hash));
        assert_eq!(git, rest, "{}", repo.slug);
        git.len()
    }

    fn rest_commit_requests(&self) -> u64 {
        self.simulator.requests().by_endpoint.get(&Endpoint::Commits).copied().unwrap_or(0)
    }

    fn push(&self, change: impl FnOnce(&mut World)) {
        let mut world = self.simulator.world();
        change(&mut world);
        self.server.serve(&world);
    }
}

fn newest(repo: &Repository) -> Ask {
    Ask::Commits { include: vec![repo.default_branch.clone().expect("a branch")], exclude: vec![] }
}

fn generated(repositories: usize, commits: u32) -> World {
    let options = GenerateOptions {
        repositories,
        commits_per_repository: commits,
        pull_requests_per_repository: 0,
        ..GenerateOptions::default()
    };
    let mut world = World::generate(11, &options);
    world.set_clock(Clock::System);
    world
}

fn small(commits: usize) -> World {
    let mut world = crate::harness::world();
    let created = chrono::Utc::now() - chrono::TimeDelta::days(30);
    let new = NewRepository { created_on: Some(created), ..NewRepository::named("web").with_commits(commits) };
    world.add_repository("acme", new);
    world
}

/// Issue 3, shows 3: over git and over REST, the same commits; what git fetched is commits and nothing else.
#[test]
fn commits_over_git_equal_those_over_rest_p5_2() {
    let lab = Lab::new(generated(12, 130));
    let source = lab.git(|_| ());
    let (mut repositories, mut rows) = (0, 0);
    for repo in lab.repositories().iter().filter(|repo| repo.default_branch.is_some()) {
        rows += lab.agree(&source, repo, &newest(repo));
        repositories += 1;
        let head = Ask::Commits { include: vec![HEAD.to_owned()], exclude: vec![] };
        assert_eq!(
            lab.walk(&source, repo, &head).unwrap().0.len(),
            lab.walk(&source, repo, &newest(repo)).unwrap().0.len()
        );
    }
    println!("{repositories} repositories, {rows} commits: the same over git and over REST");
    assert!(repositories >= 10 && rows >= 1_300, "{repositories} {rows}");
    let asked = lab.rest_commit_requests();
    for repo in lab.repositories().iter().filter(|repo| repo.default_branch.is_some()) {
        lab.walk(&source, repo, &newest(repo)).unwrap();
    }
    assert_eq!((lab.rest_commit_requests(), source.git_usage().over_rest), (asked, 0), "no request to the API");
    for scratch in scratches(lab.folder.path()) {
        let listed = git(&scratch, &["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]);
        assert!(!listed.is_empty() && listed.lines().all(|kind| kind == "commit"), "{listed}");
    }
}

fn scratches(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder.join("git")).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "git")).collect()
}

/// A first fetch is as shallow as `first_sync`, and deeper only where a walk leads; what is new comes alone.
#[test]
fn a_walk_deepens_only_as_far_as_it_goes_p5_2() {
    let lab = Lab::new(small(400));
    let repo = lab.repository("web");
    let source = lab.git(|settings| settings.first_sync = Some(10));
    let page = lab.runtime.block_on(source.secondary(&repo, &newest(&repo), None)).unwrap();
    assert!((10..=12).contains(&page.items.len()), "{}", page.items.len());
    assert!(page.next.is_some());
    let counted = |scratch: &Path| {
        git(scratch, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]).lines().count()
    };
    let scratch = scratches(lab.folder.path()).remove(0);
    assert!(counted(&scratch) <= 12, "{}", counted(&scratch));
    assert_eq!(source.git_usage().fetches, 1);

    // All of it, from the shallow start on: every row, and none twice.
    assert_eq!(lab.agree(&source, &repo, &newest(&repo)), 400);
    // What is new since: the head's parents left out, so the head itself comes back.
    let (all, _) = lab.walk(&source, &repo, &newest(&repo)).unwrap();
    let since = |commit: &Commit| Ask::Commits { include: vec!["main".to_owned()], exclude: commit.parents.clone() };
    let before = source.git_usage();
    assert_eq!(lab.agree(&source, &repo, &since(&all[0])), 1);
    assert_eq!(source.git_usage().fetches, before.fetches, "nothing new is fetched");
    assert_eq!(source.git_usage().listings, before.listings + 1);
    lab.push(|world| {
        world.push_commits("acme/web", 3);
        world.push_to_branch("acme/web", "side", 2);
        world.merge_branch("acme/web", "side");
    });
    assert_eq!(lab.agree(&source, &repo, &since(&all[0])), 7);
    // A gap by its hash, far below.
    let gap = Ask::Commits { include: vec![all[100].hash.clone()], exclude: vec![all[350].hash.clone()] };
    assert_eq!(lab.agree(&source, &repo, &gap), 250);

    // The same with a scratch repository that was lost, and so shallow that the excluded lies beneath its floor.
    std::fs::remove_dir_all(&scratch).unwrap();
    let shallow = lab.git(|settings| settings.first_sync = Some(2));
    assert_eq!(lab.agree(&shallow, &repo, &since(&all[30])), 37);
    assert_eq!(lab.agree(&shallow, &repo, &gap), 250);
}

/// The head is told even when nothing is new, as the engine wants it.
#[test]
fn the_head_is_told_where_nothing_is_new_p5_2() {
    let lab = Lab::new(small(30));
    let repo = lab.repository("web");
    let source = lab.git(|_| ());
    let (all, _) = lab.walk(&source, &repo, &newest(&repo)).unwrap();
    for include in ["main", HEAD] {
        let ask = Ask::Commits { include: vec![include.to_owned()], exclude: vec![all[0].hash.clone()] };
        let page = lab.runtime.block_on(source.secondary(&repo, &ask, None)).unwrap();
        assert!(page.items.is_empty() && page.next.is_none());
        let head = page.head.expect("a head");
        assert_eq!((head.hash, head.parents), (all[0].hash.clone(), all[0].parents.clone()));
    }
    // Rows as they come name the head, too.
    let page = lab.runtime.block_on(source.secondary(&repo, &newest(&repo), None)).unwrap();
    assert_eq!(page.head.expect("a head").hash, all[0].hash);
}

/// Commits that the server forgot are named, as over REST; one that it only moved away from is not.
#[test]
fn unknown_commits_are_named_p2_12() {
    let lab = Lab::new(small(20));
    let repo = lab.repository("web");
    let old: Vec<String> =
        lab.simulator.world().history_of("acme/web").log("main").into_iter().map(str::to_owned).collect();
    lab.push(|world| {
        world.force_push("acme/web", 3, 2);
    });
    let source = lab.git(|settings| settings.first_sync = Some(4));
    let ask = Ask::Commits { include: vec!["main".to_owned()], exclude: vec![old[0].clone(), old[1].clone()] };
    assert_eq!(lab.agree(&source, &repo, &ask), 2, "rewritten away, and still known");
    lab.push(|world| {
        world.collect_garbage("acme/web");
    });
    let fresh = lab.git(|settings| settings.folder = lab.folder.path().join("another"));
    let error = lab.walk(&fresh, &repo, &ask).unwrap_err();
    let SourceError::UnknownCommits { mut hashes } = error else { panic!("{error}") };
    hashes.sort();
    let mut wanted = vec![old[0].clone(), old[1].clone()];
    wanted.sort();
    assert_eq!(hashes, wanted);
    let gone = Ask::Commits { include: vec!["no-such-branch".to_owned()], exclude: vec![] };
    assert!(matches!(lab.walk(&fresh, &repo, &gone), Err(SourceError::UnknownCommits { .. })));
}

/// A server that ignores filters sends files, too: it is noticed, and others of it come over REST.
#[test]
fn a_server_without_filters_is_noticed_p5_6() {
    let lab = Lab::new(generated(4, 10));
    lab.server.filters(false);
    let repos: Vec<_> = lab.repositories().into_iter().filter(|repo| repo.default_branch.is_some()).collect();
    let source = lab.git(|settings| settings.via = Via::Auto);
    lab.agree(&source, &repos[0], &newest(&repos[0]));
    assert_eq!(source.git_usage().over_rest, 0);
    lab.agree(&source, &repos[1], &newest(&repos[1]));
    assert_eq!(source.git_usage().over_rest, 1);
    // What was fetched once costs git no more than others; `git` asks git whatever it costs.
    lab.agree(&source, &repos[0], &newest(&repos[0]));
    assert_eq!(source.git_usage().over_rest, 1);
    let stubborn = lab.git(|_| ());
    lab.agree(&stubborn, &repos[2], &newest(&repos[2]));
    assert_eq!(stubborn.git_usage().over_rest, 0);
}

/// Whatever fails: `git` says it for that repository, `auto` asks REST; no secret shows.
#[track_caller]
fn fails(lab: &Lab, change: impl Fn(&mut GitSettings), wanted: impl Fn(&GitError) -> bool) -> String {
    let repo = lab.repository("web");
    let error = lab.walk(&lab.git(&change), &repo, &newest(&repo)).expect_err("git alone");
    let SourceError::Git(of_git) = &error else { panic!("{error}") };
    assert!(wanted(of_git), "{error:?}");
    assert!(!error.ends_sync());
    let shown = format!("{error} {error:?} {}", error.mend().unwrap_or_default());
    assert!(!shown.contains(TOKEN) && !shown.contains(cloud_login(TOKEN).trim_start_matches("Basic ")), "{shown}");
    let auto = lab.git(|settings| {
        change(settings);
        settings.via = Via::Auto;
    });
    let (rows, _) = lab.walk(&auto, &repo, &newest(&repo)).expect("over REST");
    assert_eq!(rows, lab.walk(lab.rest.as_ref(), &repo, &newest(&repo)).unwrap().0);
    assert!(auto.git_usage().over_rest > 0);
    error.to_string()
}

fn credential(token: &str) -> CredentialSettings {
    CredentialSettings {
        name: "credential".to_owned(),
        credential: Credential::AccessToken(FixedSecret::shared(token)),
        expires: None,
    }
}

#[test]
fn a_refused_credential_is_followed_by_the_next_p6_5() {
    let lab = Lab::new(small(5));
    fails(
        &lab,
        |settings| settings.credentials = vec![credential("wrong")],
        |error| matches!(error, GitError::Refused { .. }),
    );
    let repo = lab.repository("web");
    let second = lab.git(|settings| settings.credentials.insert(0, credential("wrong")));
    assert_eq!(lab.walk(&second, &repo, &newest(&repo)).unwrap().0.len(), 5);
    // Data Center's tokens are Bearer, and nothing else.
    let bearer = GitServer::new(&[&format!("Bearer {TOKEN}")]);
    lab.server.take_asked();
    bearer.serve(&lab.simulator.world());
    let data_center =
        lab.git(|settings| settings.place = Place::DataCenter { base: Url::parse(bearer.url()).unwrap() });
    assert_eq!(lab.walk(&data_center, &repo, &newest(&repo)).unwrap().0.len(), 5);
    assert!(bearer.take_asked().iter().all(|asked| asked.contains(" /scm/acme/web.git/")), "Data Center's address");
    assert_eq!(lab.server.take_asked(), Vec::<String>::new());
}

/// Bad input of issue 3: a git server that hangs.
#[test]
fn a_server_that_hangs_is_left_p2_11() {
    let lab = Lab::new(small(5));
    lab.server.hangs(true);
    let short = |settings: &mut GitSettings| {
        settings.limits.listing = Duration::from_millis(400);
        settings.limits.fetch = Duration::from_millis(400);
    };
    fails(&lab, short, |error| matches!(error, GitError::TimedOut { .. }));
}

/// Bad input of issue 3: a history without measure is ended by its size, and not tried again at once.
#[test]
fn a_history_too_large_is_left_p5_6() {
    let lab = Lab::new(small(300));
    let few = |settings: &mut GitSettings| settings.limits.bytes = 8_000;
    fails(&lab, few, |error| matches!(error, GitError::TooLarge { .. }));
    assert!(scratches(lab.folder.path()).is_empty(), "what was fetched of it is gone");
    lab.server.take_asked();
    let repo = lab.repository("web");
    let auto = lab.git(|settings| settings.via = Via::Auto);
    lab.walk(&auto, &repo, &newest(&repo)).unwrap();
    assert_eq!(lab.server.take_asked(), Vec::<String>::new(), "the failure is remembered");
    let tomorrow = Clock::manual(chrono::Utc::now() + chrono::TimeDelta::hours(25));
    let auto = lab.git(|settings| {
        settings.via = Via::Auto;
        settings.clock = tomorrow;
    });
    assert_eq!(lab.walk(&auto, &repo, &newest(&repo)).unwrap().0.len(), 300);
    assert_eq!(auto.git_usage().over_rest, 0);
}

#[test]
fn without_git_commits_come_over_rest_p5_2() {
    let lab = Lab::new(small(5));
    fails(
        &lab,
        |settings| settings.program = "no-such-git".into(),
        |error| matches!(error, GitError::NotInstalled { .. }),
    );
    fails(
        &lab,
        |settings| settings.place = Place::Cloud { base: Url::parse("http://127.0.0.1:1").unwrap() },
        |error| matches!(error, GitError::Unreachable { .. }),
    );
    // Credentials do not travel in the clear.
    fails(
        &lab,
        |settings| settings.place = Place::Cloud { base: Url::parse("http://bitbucket.test").unwrap() },
        |error| matches!(error, GitError::Unreachable { message, .. } if message.contains("plain http")),
    );
}

/// A branch's or repository's name is never an option.
#[test]
fn names_are_never_options_p2_11() {
    let lab = Lab::new(small(5));
    let source = lab.git(|_| ());
    for (slug, branch) in [("--upload-pack=touch x", "main"), ("web", "--upload-pack=touch x"), ("../web", "main")] {
        let repo = Repository { slug: slug.to_owned(), ..lab.repository("web") };
        let ask = Ask::Commits { include: vec![branch.to_owned()], exclude: vec![] };
        let error = lab.walk(&source, &repo, &ask).unwrap_err();
        assert!(matches!(error, SourceError::Git(GitError::BadName { .. })), "{error}");
    }
}

/// A scratch repository that is broken is made anew.
#[test]
fn a_broken_scratch_repository_is_fetched_anew_p2_12() {
    let lab = Lab::new(small(25));
    let repo = lab.repository("web");
    let source = lab.git(|_| ());
    lab.agree(&source, &repo, &newest(&repo));
    let scratch = scratches(lab.folder.path()).remove(0);
    for pack in std::fs::read_dir(scratch.join("objects/pack")).unwrap() {
        std::fs::remove_file(pack.unwrap().path()).unwrap();
    }
    assert_eq!(lab.agree(&source, &repo, &newest(&repo)), 25);
}
