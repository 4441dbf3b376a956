//! The state of a simulated Bitbucket: plain data, and what people do to it while the server runs.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Duration, Utc};

use super::builds::BuildStatus;
use super::history::History;
use super::pull_requests::PullRequest;
use super::uuid::Uuid;
use super::webhooks::{Happened, Webhook, What};
use super::{generate, history};
use crate::clock::Clock;

/// A workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Stable identity.
    pub uuid: Uuid,
    /// In URLs.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// When it was created.
    pub created_on: DateTime<Utc>,
    /// Blocked as spam: everything in it answers 410.
    pub blocked: bool,
}

/// A project of a workspace.
#[derive(Clone, Debug)]
pub struct Project {
    /// Stable identity.
    pub uuid: Uuid,
    /// Position of its workspace in [`World::workspaces`].
    pub(super) workspace: usize,
    /// Upper-case key.
    pub key: String,
    /// Display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was created.
    pub created_on: DateTime<Utc>,
    /// Whose personal project it is (Data Center: its key begins with `~`).
    pub owner: Option<PersonId>,
}

/// Whom Bitbucket shows as author.
#[derive(Clone, Debug)]
pub struct Person {
    /// Stable identity.
    pub uuid: Uuid,
    /// Display name.
    pub name: String,
    /// What commits are signed with.
    pub email: String,
    /// Whether the e-mail belongs to an account; commits of others have no `author.user`.
    pub has_account: bool,
    /// An access token acting by itself (`type: app_user`).
    pub is_app: bool,
    /// Minutes east of UTC in which commits are dated.
    pub offset_minutes: i32,
}

impl Person {
    pub(super) fn nickname(&self) -> String {
        slugify(&self.name).replace('-', "_")
    }

    /// The name a Data Center's user logs in with; one in four logs in with the e-mail.
    pub fn user_name(&self) -> String {
        if self.uuid.bits().is_multiple_of(4) { self.email.clone() } else { self.nickname() }
    }

    /// The user's name in a Data Center's URLs: characters that do not belong there become underscores.
    pub fn user_slug(&self) -> String {
        self.user_name().replace('@', "_")
    }
}

/// A repository with everything that is in it.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Stable identity.
    pub uuid: Uuid,
    /// Position of its project in the world; the project knows the workspace.
    pub(super) project: usize,
    /// Short name in URLs.
    pub slug: String,
    /// Display name: any Unicode.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// May be empty.
    pub language: Cow<'static, str>,
    /// `None` is sent as null.
    pub website: Option<String>,
    /// Not readable without a credential.
    pub is_private: bool,
    /// Bytes.
    pub size: u64,
    /// When it was created.
    pub created_on: DateTime<Utc>,
    /// When something in it changed last.
    pub updated_on: DateTime<Utc>,
    /// The default branch; what it points to is in the commit graph. `None`: empty.
    pub default_branch: Option<Cow<'static, str>>,
    /// Forked from.
    pub parent: Option<Uuid>,
    /// Listed, but 403 on everything beneath.
    pub forbidden: bool,
    /// Read-only (Data Center has a flag for it, Cloud does not).
    pub archived: bool,
    /// Not visible to anybody: as if the credential had lost its right to see it.
    pub hidden: bool,
    pub(super) deleted: bool,
    pub(super) activity: Activity,
}

/// Pull requests and commits, either made from a seed whenever somebody looks, or written down since somebody
/// changed them. A world of a hundred thousand repositories stays small so.
#[derive(Clone, Debug)]
pub(super) enum Activity {
    Seeded { seed: u64, pull_requests: u32, commits: u32 },
    Written(Box<Written>),
}

/// What [`Activity::Written`] holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) pull_requests: Vec<PullRequest>,
    pub(super) history: History,
}

/// What a new repository starts with. `NewRepository::named("web")` and struct update for the rest.
#[derive(Clone, Debug, Default)]
pub struct NewRepository {
    /// Display name; the slug is made from it.
    pub name: String,
    /// Key of an existing project; empty: the workspace's first.
    pub project: String,
    /// May be empty.
    pub description: String,
    /// May be empty.
    pub language: String,
    /// Public instead of private.
    pub is_public: bool,
    /// Default branch, `main` when empty.
    pub default_branch: String,
    /// How many commits to push at once; 0 leaves it empty (`mainbranch` null).
    pub commits: usize,
    /// Full name or uuid of the repository it is forked from. A fork starts with its parent's commits.
    pub forked_from: Option<String>,
    /// `None`: the world's present time.
    pub created_on: Option<DateTime<Utc>>,
}

impl NewRepository {
    /// A private repository with one commit, in the workspace's first project.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), commits: 1, ..Self::default() }
    }

    /// In the project with this key.
    #[must_use]
    pub fn in_project(mut self, key: &str) -> Self {
        key.clone_into(&mut self.project);
        self
    }

    /// With so many commits on the default branch.
    #[must_use]
    pub fn with_commits(mut self, commits: usize) -> Self {
        self.commits = commits;
        self
    }
}

/// A simulated Bitbucket.
///
/// Repositories are named by full name (`acme/web`, as Data Center names them `PAY/web`), uuid (`{…}`) or number (`17`)
/// everywhere. Data Center knows no workspaces; a project of its own there is a workspace with that one project, see
/// [`World::add_data_center_project`], so that two projects can have repositories of one slug. Methods panic when what they name is
/// not there: the caller made the world and knows what is in it.
#[derive(Clone, Debug)]
pub struct World {
    pub(super) clock: Clock,
    pub(super) seed: u64,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) projects: Vec<Project>,
    pub(super) people: Vec<Person>,
    /// Deleted ones keep their place, so that positions stay true.
    pub(super) repositories: Vec<Repository>,
    pub(super) by_uuid: HashMap<Uuid, usize>,
    /// Workspace position and lower-case slug.
    pub(super) by_slug: HashMap<(usize, String), usize>,
    /// Builds told of, by commit.
    pub(super) builds: HashMap<String, Vec<BuildStatus>>,
    /// Of how many in a hundred commits builds are made from the hash.
    pub(super) derived_builds_percent: u64,
    /// Webhooks that were set up.
    pub(super) webhooks: Vec<Webhook>,
    /// What they have not been told yet.
    pub(super) happened: Vec<Happened>,
    /// How many things were made so far: the next one's identity comes from it.
    made: u64,
    /// Commits are named by git's own hashes.
    pub(super) has_git_hashes: bool,
}

impl World {
    /// An empty world; its time is the clock's.
    pub fn new(seed: u64, clock: Clock) -> Self {
        Self {
            clock,
            seed,
            workspaces: Vec::new(),
            projects: Vec::new(),
            people: generate::people(seed),
            repositories: Vec::new(),
            by_uuid: HashMap::new(),
            by_slug: HashMap::new(),
            builds: HashMap::new(),
            derived_builds_percent: 0,
            webhooks: Vec::new(),
            happened: Vec::new(),
            made: 0,
            has_git_hashes: false,
        }
    }

    /// The world's present time.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Gives the world another clock, as the one a test shares with the program.
    pub fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// Stops the world's time at an instant.
    pub fn set_now(&mut self, now: DateTime<Utc>) {
        self.clock = Clock::manual(now);
    }

    /// Lets time pass; a world on the machine's clock cannot be hurried.
    pub fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
    }

    pub(super) fn fresh_uuid(&mut self) -> Uuid {
        self.made += 1;
        Uuid::from_seed(self.seed, self.made, 77)
    }

    /// Adds a workspace with one project `MAIN` unless more are added before its first repository.
    pub fn add_workspace(&mut self, slug: &str, name: &str) -> Uuid {
        let uuid = self.fresh_uuid();
        let created_on = self.now() - Duration::days(2000);
        self.workspaces.push(Workspace {
            uuid,
            slug: slug.to_owned(),
            name: name.to_owned(),
            created_on,
            blocked: false,
        });
        uuid
    }

    /// Adds a project to a workspace.
    #[track_caller]
    pub fn add_project(&mut self, workspace: &str, key: &str, name: &str) -> Uuid {
        let workspace = self.workspace_at(workspace);
        let uuid = self.fresh_uuid();
        let created_on = self.workspaces[workspace].created_on;
        let (key, name) = (key.to_owned(), name.to_owned());
        self.projects.push(Project { uuid, workspace, key, name, description: String::new(), created_on, owner: None });
        uuid
    }

    /// Adds somebody who writes commits and pull requests.
    pub fn add_person(&mut self, name: &str, email: &str, has_account: bool) -> PersonId {
        let uuid = self.fresh_uuid();
        let (name, email) = (name.to_owned(), email.to_owned());
        self.people.push(Person { uuid, name, email, has_account, is_app: false, offset_minutes: 0 });
        PersonId(self.people.len() - 1)
    }

    /// Closes an account: what its owner wrote stays.
    pub fn close_account(&mut self, person: PersonId) {
        self.people[person.0].has_account = false;
    }

    /// Gives somebody another display name.
    pub fn rename_person(&mut self, person: PersonId, name: &str) {
        name.clone_into(&mut self.people[person.0].name);
    }

    /// Everybody, in order of [`PersonId`].
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// All workspaces.
    pub fn workspaces(&self) -> &[Workspace] {
        &self.workspaces
    }

    /// Blocks a workspace as spam (everything in it answers 410), or unblocks it.
    #[track_caller]
    pub fn block_workspace(&mut self, workspace: &str, blocked: bool) {
        let at = self.workspace_at(workspace);
        self.workspaces[at].blocked = blocked;
    }

    /// Adds a repository and says its uuid.
    #[track_caller]
    pub fn add_repository(&mut self, workspace: &str, new: NewRepository) -> Uuid {
        let workspace = self.workspace_at(workspace);
        let project = self.project_at(workspace, &new.project);
        let parent = new.forked_from.as_deref().map(|parent| self.at(parent));
        let uuid = self.fresh_uuid();
        let now = self.now();
        let created_on = new.created_on.unwrap_or(now);
        let slug = self.free_slug(workspace, &new.name);
        let branch = if new.default_branch.is_empty() { "main".to_owned() } else { new.default_branch };
        let (history, default_branch) = match parent {
            Some(parent) => {
                let parent = &self.repositories[parent];
                (self.history(parent).into_owned(), parent.default_branch.clone())
            }
            None => (History::default(), (new.commits > 0).then(|| Cow::Owned(branch.clone()))),
        };
        let parent = parent.map(|at| self.repositories[at].uuid);
        self.repositories.push(Repository {
            uuid,
            project,
            slug: slug.clone(),
            name: new.name,
            description: new.description,
            language: Cow::Owned(new.language),
            website: None,
            is_private: !new.is_public,
            size: 60_000 + 9_000 * new.commits as u64,
            created_on,
            updated_on: created_on,
            default_branch,
            parent,
            forbidden: false,
            archived: false,
            hidden: false,
            deleted: false,
            activity: Activity::Written(Box::new(Written { pull_requests: Vec::new(), history })),
        });
        let at = self.repositories.len() - 1;
        self.by_uuid.insert(uuid, at);
        self.by_slug.insert((workspace, slug), at);
        if new.commits > 0 && parent.is_none() {
            history::write_past(self, at, &branch, new.commits);
        }
        self.tell(at, What::Created);
        uuid
    }

    /// Gives a repository another name, and with it another slug. Says the new full name.
    #[track_caller]
    pub fn rename_repository(&mut self, repository: &str, name: &str) -> String {
        let at = self.at(repository);
        let workspace = self.workspace_of(&self.repositories[at]);
        let old = (workspace, self.repositories[at].slug.clone());
        self.by_slug.remove(&old);
        let slug = self.free_slug(workspace, name);
        self.by_slug.insert((workspace, slug.clone()), at);
        let repository = &mut self.repositories[at];
        repository.slug = slug;
        name.clone_into(&mut repository.name);
        let project = repository.project;
        self.touch_at(at);
        self.tell(at, What::Renamed { project, slug: old.1 });
        self.full_name(&self.repositories[at])
    }

    /// Moves a repository to another project of its workspace; where that has none with this key, to the one of another
    /// workspace, as between projects of a Data Center.
    #[track_caller]
    pub fn move_repository(&mut self, repository: &str, project: &str) {
        let at = self.at(repository);
        let workspace = self.workspace_of(&self.repositories[at]);
        let here = self.projects.iter().position(|known| known.workspace == workspace && known.key == project);
        let to = here.or_else(|| self.find_project(project));
        let Some(to) = to else { panic!("no project {project} in this world") };
        self.relocate(at, to);
    }

    /// Transfers a repository to another workspace's first project. Says the new full name.
    #[track_caller]
    pub fn transfer_repository(&mut self, repository: &str, workspace: &str) -> String {
        let at = self.at(repository);
        let to = self.workspace_at(workspace);
        let project = self.project_at(to, "");
        self.relocate(at, project);
        self.full_name(&self.repositories[at])
    }

    /// Puts a repository into another project; in another workspace it gets a slug that is free there.
    fn relocate(&mut self, at: usize, project: usize) {
        let (before, slug) = (self.repositories[at].project, self.repositories[at].slug.clone());
        let from = self.workspace_of(&self.repositories[at]);
        let to = self.projects[project].workspace;
        if from != to {
            let old = (from, self.repositories[at].slug.clone());
            self.by_slug.remove(&old);
            let name = self.repositories[at].name.clone();
            let slug = self.free_slug(to, &name);
            self.by_slug.insert((to, slug.clone()), at);
            self.repositories[at].slug = slug;
        }
        self.repositories[at].project = project;
        self.touch_at(at);
        let what = match from == to {
            true => What::Renamed { project: before, slug },
            false => What::Transferred { project: before, slug },
        };
        self.tell(at, what);
    }

    /// Deletes a repository. Pull requests that came from it lose their `source.repository`.
    #[track_caller]
    pub fn delete_repository(&mut self, repository: &str) {
        let at = self.at(repository);
        self.tell(at, What::Deleted);
        let workspace = self.workspace_of(&self.repositories[at]);
        let gone = &mut self.repositories[at];
        gone.deleted = true;
        // What it held is let go of.
        gone.activity = Activity::Seeded { seed: 0, pull_requests: 0, commits: 0 };
        let (uuid, slug) = (gone.uuid, gone.slug.clone());
        self.by_uuid.remove(&uuid);
        self.by_slug.remove(&(workspace, slug));
    }

    /// Lists a repository but forbids everything beneath it (403), or allows it again.
    #[track_caller]
    pub fn forbid_repository(&mut self, repository: &str, forbidden: bool) {
        let at = self.at(repository);
        self.repositories[at].forbidden = forbidden;
    }

    /// Hides a repository from every credential, or shows it again. A hidden one is found by name all the same here.
    #[track_caller]
    pub fn hide_repository(&mut self, repository: &str, hidden: bool) {
        let at = self.at(repository);
        self.repositories[at].hidden = hidden;
    }

    /// Changes whatever a repository's settings page offers, and its update time.
    #[track_caller]
    pub fn edit_repository(&mut self, repository: &str, edit: impl FnOnce(&mut Repository)) {
        let at = self.at(repository);
        edit(&mut self.repositories[at]);
        self.touch_at(at);
        self.tell(at, What::Updated);
    }

    /// Moves a repository's update time to now, as any change does.
    #[track_caller]
    pub fn touch_repository(&mut self, repository: &str) {
        let at = self.at(repository);
        self.touch_at(at);
    }

    pub(super) fn touch_at(&mut self, at: usize) {
        let now = self.now();
        let repository = &mut self.repositories[at];
        // Two changes within one instant of a standing clock are still one after the other.
        repository.updated_on = now.max(repository.updated_on + Duration::microseconds(1));
    }

    /// A repository by full name or uuid, hidden ones included.
    pub fn repository(&self, repository: &str) -> Option<&Repository> {
        self.find(repository).map(|at| &self.repositories[at])
    }

    /// All repositories there are, hidden ones included, in the order they were made.
    pub fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.iter().filter(|repository| !repository.deleted)
    }

    /// `workspace/slug`
    pub fn full_name(&self, repository: &Repository) -> String {
        format!("{}/{}", self.workspaces[self.workspace_of(repository)].slug, repository.slug)
    }

    /// The project a repository lies in.
    pub fn project(&self, repository: &Repository) -> &Project {
        &self.projects[repository.project]
    }

    pub(super) fn workspace_of(&self, repository: &Repository) -> usize {
        self.projects[repository.project].workspace
    }

    /// By full name or uuid.
    pub(super) fn find(&self, repository: &str) -> Option<usize> {
        if let Some(uuid) = Uuid::parse(repository) {
            return self.by_uuid.get(&uuid).copied();
        }
        if let Ok(number) = repository.parse::<usize>() {
            let at = number.checked_sub(1)?;
            return self.repositories.get(at).filter(|it| !it.deleted).map(|_| at);
        }
        let (owner, slug) = repository.split_once('/')?;
        let in_workspace = self.find_workspace(owner).and_then(|workspace| self.find_in(workspace, slug));
        in_workspace.or_else(|| self.find_in_project(self.find_project(owner)?, slug))
    }

    /// By slug or uuid within a workspace.
    pub(super) fn find_in(&self, workspace: usize, repository: &str) -> Option<usize> {
        match Uuid::parse(repository) {
            Some(uuid) => {
                let at = *self.by_uuid.get(&uuid)?;
                (self.workspace_of(&self.repositories[at]) == workspace).then_some(at)
            }
            None => self.by_slug.get(&(workspace, repository.to_lowercase())).copied(),
        }
    }

    /// By slug or uuid.
    pub(super) fn find_workspace(&self, workspace: &str) -> Option<usize> {
        let uuid = Uuid::parse(workspace);
        self.workspaces.iter().position(|known| Some(known.uuid) == uuid || known.slug.eq_ignore_ascii_case(workspace))
    }

    #[track_caller]
    pub(super) fn at(&self, repository: &str) -> usize {
        match self.find(repository) {
            Some(at) => at,
            None => panic!("no repository {repository} in this world"),
        }
    }

    #[track_caller]
    fn workspace_at(&self, workspace: &str) -> usize {
        match self.find_workspace(workspace) {
            Some(at) => at,
            None => panic!("no workspace {workspace} in this world"),
        }
    }

    #[track_caller]
    fn project_at(&mut self, workspace: usize, key: &str) -> usize {
        let in_workspace = |project: &Project| project.workspace == workspace;
        if key.is_empty() {
            if let Some(first) = self.projects.iter().position(in_workspace) {
                return first;
            }
            let slug = self.workspaces[workspace].slug.clone();
            self.add_project(&slug, "MAIN", "Main");
            return self.projects.len() - 1;
        }
        match self.projects.iter().position(|project| in_workspace(project) && project.key == key) {
            Some(at) => at,
            None => panic!("no project {key} in workspace {}", self.workspaces[workspace].slug),
        }
    }

    pub(super) fn free_slug(&self, workspace: usize, name: &str) -> String {
        let slug = slugify(name);
        let taken = |slug: &String| self.by_slug.contains_key(&(workspace, slug.clone()));
        if !taken(&slug) {
            return slug;
        }
        (2..).map(|n| format!("{slug}-{n}")).find(|slug| !taken(slug)).unwrap_or(slug)
    }
}

/// Somebody of [`World::people`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonId(pub(super) usize);

/// Lower-case ASCII, as Bitbucket makes slugs from names.
pub(super) fn slugify(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' => slug.push(c),
            'A'..='Z' => slug.push(c.to_ascii_lowercase()),
            'ä' | 'à' | 'á' => slug.push('a'),
            'ö' | 'ø' | 'ó' => slug.push('o'),
            'ü' | 'ú' => slug.push('u'),
            'é' | 'è' => slug.push('e'),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let trimmed = slug.trim_end_matches('-');
    if trimmed.is_empty() { "repository".to_owned() } else { trimmed.to_owned() }
}
