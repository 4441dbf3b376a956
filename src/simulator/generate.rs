//! Worlds made from a seed: the same seed and options give the same world, byte for byte. Repositories are written down
//! at once (some 300 bytes each); their pull requests and commits are made again from the seed whenever somebody looks.

use std::borrow::Cow;

use chrono::{DateTime, Duration, TimeZone as _, Utc};

use super::history::{Commit, History, in_offset};
use super::pull_requests::{Participant, PullRequest, PullRequestState, Verdict};
use super::seed::{Sequence, hash, mix};
use super::uuid::Uuid;
use super::vocabulary::{BRANCHES, DOMAINS, LANGUAGES, OBJECTS, PEOPLE, PROJECTS, QUALIFIERS, SUFFIXES, VERBS};
use super::world::{Activity, Person, PersonId, Project, Repository, World, slugify};
use crate::clock::Clock;

/// What a generated world is made of.
#[derive(Clone, Debug)]
pub struct GenerateOptions {
    /// Slug of its workspace.
    pub workspace: String,
    /// How many repositories.
    pub repositories: usize,
    /// How many projects they lie in.
    pub projects: usize,
    /// Pull requests of each repository.
    pub pull_requests_per_repository: u32,
    /// Commits on the default branch of each repository; 0 makes all of them empty.
    pub commits_per_repository: u32,
    /// So many of a hundred repositories are forks of an earlier one.
    pub forks_percent: u64,
    /// So many of a hundred repositories are empty.
    pub empty_percent: u64,
    /// So many of a hundred repositories are archived.
    pub archived_percent: u64,
    /// So many of a hundred commits have builds.
    pub builds_percent: u64,
    /// Present time of the world; its clock stands there.
    pub now: DateTime<Utc>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            workspace: "acme".to_owned(),
            repositories: 100,
            projects: 12,
            pull_requests_per_repository: 10,
            commits_per_repository: 20,
            forks_percent: 3,
            empty_percent: 0,
            archived_percent: 0,
            builds_percent: 0,
            now: Utc.with_ymd_and_hms(2026, 11, 1, 12, 0, 0).single().unwrap_or_default(),
        }
    }
}

impl GenerateOptions {
    /// So many repositories with the usual content.
    pub fn repositories(repositories: usize) -> Self {
        Self { repositories, ..Self::default() }
    }
}

/// The people of every world: most have an account, some only an e-mail, one is an access token.
pub(super) fn people(seed: u64) -> Vec<Person> {
    let mut people: Vec<Person> = (0_u64..)
        .zip(PEOPLE)
        .map(|(n, (name, offset_minutes))| Person {
            uuid: Uuid::from_seed(seed, n, 101),
            name: (*name).to_owned(),
            email: format!("{}@acme.example", slugify(name).replace('-', ".")),
            has_account: n % 6 != 5,
            is_app: false,
            offset_minutes: *offset_minutes,
        })
        .collect();
    people.push(Person {
        uuid: Uuid::from_seed(seed, 999, 101),
        name: "release-bot".to_owned(),
        email: "release-bot@bots.bitbucket.org".to_owned(),
        has_account: true,
        is_app: true,
        offset_minutes: 0,
    });
    people
}

impl World {
    /// A world of one workspace, made from a seed.
    pub fn generate(seed: u64, options: &GenerateOptions) -> Self {
        let mut world = Self::new(seed, Clock::manual(options.now));
        let mut name: Vec<char> = options.workspace.chars().collect();
        if let Some(first) = name.first_mut() {
            first.make_ascii_uppercase();
        }
        world.add_workspace(&options.workspace, &name.into_iter().collect::<String>());
        for n in 0..options.projects.max(1) {
            let (key, name) = PROJECTS[n % PROJECTS.len()];
            let (key, name) = match n / PROJECTS.len() {
                0 => (key.to_owned(), name.to_owned()),
                round => (format!("{key}{round}"), format!("{name} {round}")),
            };
            let uuid = Uuid::from_seed(seed, n as u64, 102);
            let created_on = world.workspaces[0].created_on;
            let description =
                if n % 3 == 0 { format!("Everything about {}", name.to_lowercase()) } else { String::new() };
            world.projects.push(Project { uuid, workspace: 0, key, name, description, created_on, owner: None });
        }
        world.derived_builds_percent = options.builds_percent;
        world.repositories.reserve(options.repositories);
        world.by_uuid.reserve(options.repositories);
        world.by_slug.reserve(options.repositories);
        for ordinal in 0..options.repositories {
            let repository = world.generate_repository(ordinal as u64, options);
            let at = world.repositories.len();
            world.by_uuid.insert(repository.uuid, at);
            world.by_slug.insert((0, repository.slug.clone()), at);
            world.repositories.push(repository);
        }
        world
    }

    fn generate_repository(&self, ordinal: u64, options: &GenerateOptions) -> Repository {
        let mut numbers = Sequence::new(self.seed, ordinal + 1);
        let (domain, suffix) = (numbers.pick(DOMAINS), numbers.pick(SUFFIXES));
        let plain = match numbers.below(10) {
            0..5 => format!("{domain}-{}-{suffix}", numbers.pick(QUALIFIERS)),
            5..8 => format!("{domain}-{suffix}"),
            8 => format!("{}-{domain}-{suffix}", numbers.pick(QUALIFIERS)),
            _ => format!("{domain}s-{}-{suffix}", numbers.pick(QUALIFIERS)),
        };
        let slug = self.free_generated_slug(&plain, &mut numbers);
        // Nearly everywhere the name is the slug; here and there somebody wrote it for people.
        let name = match numbers.below(20) {
            0 => title_case(&slug, " "),
            1 => title_case(&slug, ""),
            2 => format!("{} ✓", title_case(&slug, " ")),
            _ => slug.clone(),
        };
        let description = match numbers.below(4) {
            0 => String::new(),
            1 => format!("{} {suffix} of the {domain} team.", title_case(domain, " ")),
            2 => format!("Owns {domain} data.\nSee the {suffix} handbook before you change it."),
            _ => format!("The {suffix} for {domain}"),
        };
        // Creation times differ by at least a second from one ordinal to the next, and are not in their order.
        let age = Duration::seconds(i64::try_from(numbers.below(9 * 365 * 86_400)).unwrap_or(0) + 86_400);
        let micros = Duration::microseconds(match numbers.below(5) {
            0 => i64::try_from(numbers.below(1000) * 1000).unwrap_or(0),
            1 => i64::try_from(numbers.below(100_000) * 10).unwrap_or(0),
            _ => i64::try_from(numbers.below(1_000_000)).unwrap_or(0),
        });
        let created_on = options.now - age + micros;
        // Half of the repositories changed within the last sixth of their life.
        let idle = numbers.below(100);
        let idle_share = i32::try_from(idle * idle / 100).unwrap_or(0);
        let updated_on = options.now - (age * idle_share) / 120 - Duration::seconds(1) + micros;
        let is_fork = ordinal > 3 && numbers.percent(options.forks_percent);
        let parent = is_fork.then(|| self.repositories[numbers.index(self.repositories.len())].uuid);
        let is_empty = options.commits_per_repository == 0 || numbers.percent(options.empty_percent);
        let default_branch = (!is_empty).then(|| Cow::Borrowed(numbers.pick(BRANCHES)));
        Repository {
            uuid: Uuid::from_seed(self.seed, ordinal, 103),
            project: numbers.index(self.projects.len()),
            slug,
            name,
            description,
            language: Cow::Borrowed(numbers.pick(LANGUAGES)),
            website: numbers.percent(10).then(|| format!("https://{domain}.acme.example/")),
            is_private: !numbers.percent(8),
            size: 20_000 + numbers.below(60_000_000),
            created_on,
            updated_on: updated_on.max(created_on + Duration::seconds(2)),
            default_branch,
            parent,
            forbidden: false,
            archived: numbers.percent(options.archived_percent),
            hidden: false,
            deleted: false,
            activity: Activity::Seeded {
                seed: mix(self.seed, ordinal, 104),
                pull_requests: if is_empty { 0 } else { options.pull_requests_per_repository },
                commits: if is_empty { 0 } else { options.commits_per_repository },
            },
        }
    }

    fn free_generated_slug(&self, plain: &str, numbers: &mut Sequence) -> String {
        let mut slug = plain.to_owned();
        while self.by_slug.contains_key(&(0, slug.clone())) {
            slug = match numbers.below(3) {
                0 => format!("{plain}-{}", numbers.pick(QUALIFIERS)),
                _ => format!("{plain}-{}", numbers.below(100_000)),
            };
        }
        slug
    }
}

fn title_case(slug: &str, between: &str) -> String {
    let words = slug.split('-').map(|word| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    });
    words.collect::<Vec<String>>().join(between)
}

/// A commit message.
pub(super) fn message(seed: u64, number: u64) -> String {
    let mut numbers = Sequence::new(seed, number + 1);
    let subject = format!("{} {}", numbers.pick(VERBS), numbers.pick(OBJECTS));
    match numbers.below(6) {
        0 => format!("{subject}\n\nIt failed for {} customers since the last release.\n", 2 + numbers.below(900)),
        1 => format!("ACME-{}: {subject}\n", 100 + numbers.below(9000)),
        _ => format!("{subject}\n"),
    }
}

/// The commits of a seeded repository: so many on the default branch, every sixth a merge of a side commit; in a third
/// of the repositories two more on a branch of their own.
pub(super) fn history(seed: u64, count: u32, repository: &Repository, people: &[Person]) -> History {
    let mut history = History::default();
    let (count, Some(default_branch)) = (count as usize, repository.default_branch.as_deref()) else {
        return history;
    };
    if count == 0 {
        return history;
    }
    let life = (repository.updated_on - repository.created_on).num_seconds();
    for number in 0..count + 2 {
        let author = PersonId(usize::try_from(mix(seed, number as u64, 21)).unwrap_or(0) % people.len().max(1));
        let (parents, message) = match number {
            0 => (vec![], "Initial commit\n".to_owned()),
            // The branch: off the default branch's head, so that it is newer than all of it.
            n if n == count => (vec![count - 1], message(seed, n as u64)),
            n if n > count => (vec![n - 1], message(seed, n as u64)),
            n if n % 6 == 5 => {
                (vec![n - 2, n - 1], format!("Merged in feature/ACME-{} (pull request #{})\n", n + 100, n / 6 + 1))
            }
            // The side commit that the next one merges.
            n if n % 6 == 4 && n + 1 < count => (vec![n - 2], message(seed, n as u64)),
            n => (vec![n - 1], message(seed, n as u64)),
        };
        let share = i64::try_from(number.min(count)).unwrap_or(0) * life / i64::try_from(count).unwrap_or(1);
        let date = repository.created_on + Duration::seconds(share);
        let date = in_offset(date, people.get(author.0).map_or(0, |person| person.offset_minutes));
        history.commits.push(Commit {
            hash: hash(seed, number as u64),
            parents,
            date,
            author,
            message,
            nonce: number as u64,
        });
        if number + 1 == count && !mix(seed, 0, 22).is_multiple_of(3) {
            break;
        }
    }
    history.branches.insert(default_branch.to_owned(), count - 1);
    if history.commits.len() > count {
        history.branches.insert(format!("feature/ACME-{}-next", mix(seed, 0, 23) % 900), history.commits.len() - 1);
    }
    history
}

/// The pull requests of a seeded repository, by id and creation time. Four in five are closed; the newest are open.
pub(super) fn pull_requests(
    seed: u64,
    count: u32,
    commits: u32,
    repository: &Repository,
    people: &[Person],
) -> Vec<PullRequest> {
    let life = (repository.updated_on - repository.created_on).num_microseconds().unwrap_or(i64::MAX / 2).max(2);
    let step = life / (i64::from(count) + 1);
    let commit = |at: u64| (commits > 0).then(|| hash(seed, at.min(u64::from(commits) - 1)));
    (1..=u64::from(count))
        .map(|id| {
            let mut numbers = Sequence::new(seed, id + 1000);
            let person = |numbers: &mut Sequence| PersonId(numbers.index(people.len()));
            let author = person(&mut numbers);
            let reviewer = person(&mut numbers);
            let bystander = person(&mut numbers);
            let is_recent = id + u64::from(count / 10) >= u64::from(count);
            let state = match numbers.below(20) {
                _ if is_recent => PullRequestState::Open,
                0 => PullRequestState::Open,
                1..4 => PullRequestState::Declined,
                4 => PullRequestState::Superseded,
                _ => PullRequestState::Merged,
            };
            let created_on = repository.created_on + Duration::microseconds(step * i64::try_from(id).unwrap_or(0));
            // Closed within twice the distance to the next one: the order by update is not the order by id.
            let open_for = i64::try_from(numbers.below(step.unsigned_abs() * 2 + 1)).unwrap_or(0);
            let updated_on = (created_on + Duration::microseconds(open_for)).min(repository.updated_on);
            let near = id * u64::from(commits) / (u64::from(count) + 1);
            let ticket = 100 + numbers.below(9000);
            let verb = numbers.pick(VERBS);
            let object = numbers.pick(OBJECTS);
            let is_merged = state == PullRequestState::Merged;
            let is_closed = state != PullRequestState::Open;
            let participants = vec![
                Participant {
                    person: reviewer,
                    is_reviewer: true,
                    verdict: is_merged.then_some(Verdict::Approved),
                    at: is_merged.then_some(updated_on),
                },
                Participant { person: bystander, is_reviewer: false, verdict: None, at: Some(created_on) },
            ];
            PullRequest {
                id,
                title: format!("{verb} {object}"),
                description: if numbers.percent(50) { format!("Closes ACME-{ticket}.") } else { String::new() },
                state,
                draft: !is_closed && numbers.percent(10),
                author: (!numbers.percent(3)).then_some(author),
                closed_by: (is_closed && !numbers.percent(20)).then_some(reviewer),
                reason: if state == PullRequestState::Declined {
                    "Not needed any more".to_owned()
                } else {
                    String::new()
                },
                source_branch: format!("feature/ACME-{ticket}-{}", slugify(object)),
                // A fork that is not there any more is a source nobody can look up.
                source_repository: if numbers.percent(3) { Uuid::from_seed(seed, id, 105) } else { repository.uuid },
                source_commit: if numbers.percent(2) { None } else { commit(near + 1) },
                target_branch: repository.default_branch.as_deref().unwrap_or("main").to_owned(),
                target_commit: commit(near),
                merge_commit: is_merged.then(|| commit(near + 2)).flatten(),
                created_on,
                updated_on,
                version: u32::from(is_closed) + u32::try_from(id % 3).unwrap_or(0),
                comments: u32::try_from(numbers.below(12)).unwrap_or(0),
                tasks: u32::try_from(numbers.below(3)).unwrap_or(0),
                participants,
            }
        })
        .collect()
}
