//! From a request to an answer of Bitbucket Cloud: lists and their pages. Pure over the world; who is asking and how
//! often was settled before.

use std::cmp::Ordering;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::parameters::{Parameters, arrange};
use super::route::Route;
use super::rows::{BRANCH_FIELDS, BranchRow, PULL_REQUEST_FIELDS, PullRequestRow, REPOSITORY_FIELDS, RepositoryRow};
use super::wire::{Extras, Wire};
use crate::simulator::access::Credential;
use crate::simulator::answer::Refusal;
use crate::simulator::fault::Endpoint;
use crate::simulator::json::Json;
use crate::simulator::kept::Listings;
use crate::simulator::pull_requests::PullRequestState;
use crate::simulator::world::{Repository, World};

/// A request to be answered.
pub(in crate::simulator) struct Request<'a> {
    pub(in crate::simulator) world: &'a World,
    /// `http://host:port/2.0`
    pub(in crate::simulator) api: &'a str,
    pub(in crate::simulator) route: &'a Route,
    pub(in crate::simulator) method: &'a Method,
    /// Path as sent, from `/2.0` on.
    pub(in crate::simulator) path: &'a str,
    /// Query as sent.
    pub(in crate::simulator) query: &'a str,
    /// A form posted.
    pub(in crate::simulator) form: &'a str,
    pub(in crate::simulator) credential: Option<&'a Credential>,
    pub(in crate::simulator) fail_sorted_states_over: Option<usize>,
    pub(in crate::simulator) listings: &'a dyn Listings,
}

impl Request<'_> {
    /// The body of a 200, or a refusal.
    pub(in crate::simulator) fn answer(&self) -> Result<String, Refusal> {
        if self.route.removed {
            return Err(Refusal::removed());
        }
        if *self.method != Method::GET && (*self.method != Method::POST || self.route.endpoint != Endpoint::Commits) {
            return Err(Refusal::new(405, "Method not allowed"));
        }
        let parameters = Parameters::parse(self.query, self.form)?;
        match self.route.endpoint {
            Endpoint::Repositories => self.repositories(&parameters),
            Endpoint::Repository => {
                let repository = self.repository()?;
                Ok(self.object(&parameters, |json| self.wire().repository(json, repository)))
            }
            Endpoint::PullRequests => self.pull_requests(&parameters),
            Endpoint::PullRequest => self.pull_request(&parameters),
            Endpoint::Commits => self.commits(&parameters),
            Endpoint::Commit => self.commit(&parameters),
            Endpoint::Branches => self.branches(&parameters),
            Endpoint::Activities => self.activities(&parameters),
            Endpoint::Changes => self.diffstat(&parameters),
            Endpoint::Pipelines => self.pipelines(&parameters),
            Endpoint::Workspace => {
                let workspace = &self.world.workspaces[self.workspace()?];
                Ok(self.object(&parameters, |json| self.wire().workspace(json, workspace)))
            }
            Endpoint::Projects => self.projects(&parameters),
            Endpoint::Users => self.members(&parameters),
            Endpoint::User => {
                // The last of every world's people is an access token acting by itself.
                let person = self.world.people.first().ok_or_else(Refusal::no_such_endpoint)?;
                Ok(self.object(&parameters, |json| {
                    self.wire().account(json, person);
                    json.plain("username", person.nickname());
                    json.string("account_status", "active");
                    json.bare("is_staff", false);
                }))
            }
            Endpoint::UserWorkspaces => self.user_workspaces(&parameters),
            _ => Err(Refusal::no_such_endpoint()),
        }
    }

    pub(super) fn wire(&self) -> Wire<'_> {
        Wire { world: self.world, api: self.api }
    }

    fn object(&self, parameters: &Parameters, members: impl FnOnce(&mut Json)) -> String {
        parameters.fields().apply(Json::text(4096, members))
    }

    fn workspace(&self) -> Result<usize, Refusal> {
        let name = &self.route.workspace;
        let at = self
            .world
            .find_workspace(name)
            .ok_or_else(|| Refusal::new(404, format!("No workspace with identifier '{name}'.")))?;
        if self.world.workspaces[at].blocked {
            return Err(Refusal::new(410, format!("Workspace {name} has been marked as spam.")));
        }
        Ok(at)
    }

    fn sees(&self, repository: &Repository) -> bool {
        let named = || {
            let Some(visible) = self.credential.and_then(|credential| credential.repositories.as_ref()) else {
                return true;
            };
            let (full_name, uuid) = (self.world.full_name(repository), repository.uuid.to_string());
            visible.iter().any(|name| *name == full_name || *name == uuid)
        };
        !repository.hidden && !repository.deleted && named()
    }

    fn repository(&self) -> Result<&Repository, Refusal> {
        let Route { workspace, repository, .. } = self.route;
        let at = if workspace == "{}" {
            // Empty braces: the uuid alone says which, wherever it was moved to.
            self.world.find(repository).filter(|_| repository.starts_with('{'))
        } else {
            self.world.find_in(self.workspace()?, repository)
        };
        at.map(|at| &self.world.repositories[at])
            .filter(|repository| self.sees(repository))
            .ok_or_else(|| Refusal::new(404, format!("Repository {workspace}/{repository} not found")))
    }

    /// The repository, where what lies in it may be seen too.
    pub(super) fn open_repository(&self) -> Result<&Repository, Refusal> {
        let repository = self.repository()?;
        if repository.forbidden {
            return Err(Refusal::new(403, "Access denied. You must have read access to this repository."));
        }
        Ok(repository)
    }

    /// One page of a list; `draw` draws the row at a position of it.
    pub(super) fn page(
        &self,
        parameters: &Parameters,
        rows: &[u32],
        maximum: usize,
        mut draw: impl FnMut(&mut Json, u32),
    ) -> Result<String, Refusal> {
        let (pagelen, page, fields) = (parameters.pagelen(10, maximum)?, parameters.page()?, parameters.fields());
        let from = rows.len().min((page - 1).saturating_mul(pagelen));
        let to = rows.len().min(from + pagelen);
        let drawn = if fields.wants("values") { &rows[from..to] } else { &[] };
        let text = Json::text(512 + drawn.len() * 4096, |json| {
            json.array("values", |json| {
                for row in drawn {
                    json.item(|json| draw(json, *row));
                }
            });
            json.bare("pagelen", pagelen);
            json.bare("size", rows.len());
            json.bare("page", page);
            if to < rows.len() {
                json.string("next", &self.other_page(page + 1));
            }
            if page > 1 {
                json.string("previous", &self.other_page(page - 1));
            }
        });
        Ok(fields.apply(text))
    }

    /// This request's address with another page number; every other parameter as it was sent.
    fn other_page(&self, page: usize) -> String {
        let mut address = self.address(|key| key == "page");
        address.push_str(&format!("page={page}"));
        address
    }

    /// This request's address without some parameters, ready for one more.
    fn address(&self, without: impl Fn(&str) -> bool) -> String {
        let below = self.path.strip_prefix("/2.0").unwrap_or(self.path);
        let mut address = format!("{}{below}?", self.api);
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            if !without(pair.split('=').next().unwrap_or_default()) {
                address.push_str(pair);
                address.push('&');
            }
        }
        address
    }

    fn repositories(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let workspace = self.workspace()?;
        // Fewer than all are listed for a role: explicit permission is what nobody has in here but on request.
        let query = parameters.query(REPOSITORY_FIELDS)?;
        let sort = parameters.sort(REPOSITORY_FIELDS)?;
        let seen = self.credential.and_then(|credential| credential.repositories.as_ref());
        let key = format!("{workspace} {:?} {:?} {seen:?}", parameters.one("q"), parameters.one("sort"));
        let rows = self.listings.listing(key, &mut || {
            let mut rows: Vec<(u32, RepositoryRow<'_>)> = (0..)
                .zip(&self.world.repositories)
                .filter(|(_, repository)| self.world.workspace_of(repository) == workspace && self.sees(repository))
                .map(|(at, repository)| (at, RepositoryRow(self.world, repository)))
                .collect();
            // No order is promised where none is asked for; this one is the same every time, and not that of creation.
            rows.sort_by_key(|(_, row)| row.1.uuid);
            arrange(rows.into_iter(), query.as_ref(), sort.as_ref())
        });
        self.page(parameters, &rows, 100, |json, at| {
            self.wire().repository(json, &self.world.repositories[at as usize])
        })
    }

    fn pull_requests(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let query = parameters.query(PULL_REQUEST_FIELDS)?;
        let sort = parameters.sort(PULL_REQUEST_FIELDS)?;
        let mut states = Vec::new();
        for state in parameters.all("state") {
            states.push(
                PullRequestState::parse(state).ok_or_else(|| Refusal::new(400, format!("Invalid state: {state}")))?,
            );
        }
        let list = self.world.pull_requests(repository);
        if sort.is_some() && states.len() >= 4 && self.fail_sorted_states_over.is_some_and(|over| list.len() > over) {
            return Err(Refusal::new(500, "Something went wrong"));
        }
        if states.is_empty() && !query.as_ref().is_some_and(|query| query.mentions("state")) {
            states.push(PullRequestState::Open);
        }
        let newest_first = (0..).zip(list.iter()).filter(|(_, it)| states.is_empty() || states.contains(&it.state));
        let mut rows: Vec<_> = newest_first.map(|(at, it)| (at, PullRequestRow(self.world, it))).collect();
        rows.reverse();
        let rows = arrange(rows.into_iter(), query.as_ref(), sort.as_ref());
        let fields = parameters.fields();
        let extras = Extras {
            reviewers: fields.asks_for("values.reviewers"),
            participants: fields.asks_for("values.participants"),
        };
        self.page(parameters, &rows, 50, |json, at| {
            self.wire().pull_request(json, repository, &list[at as usize], extras);
        })
    }

    fn pull_request(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let list = self.world.pull_requests(repository);
        let id = self.route.item.as_deref().and_then(|id| id.parse::<u64>().ok());
        let found =
            list.iter().find(|it| Some(it.id) == id).ok_or_else(|| Refusal::new(404, "Pull request not found"))?;
        let extras = Extras { reviewers: true, participants: true };
        Ok(self.object(parameters, |json| self.wire().pull_request(json, repository, found, extras)))
    }

    fn commits(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        let pagelen = parameters.pagelen(30, 100)?;
        let include = self.route.item.as_deref().into_iter().chain(parameters.all("include"));
        let (walk, skip) = match parameters.one("ctx") {
            Some(_) if parameters.one("include").or(parameters.one("exclude")).is_some() => {
                return Err(Refusal::new(400, "ctx cannot be combined with include or exclude"));
            }
            Some(context) => read_context(context).ok_or_else(|| Refusal::new(400, "Invalid ctx"))?,
            None => {
                let include = include.map(str::to_owned).collect();
                ((include, parameters.all("exclude").map(str::to_owned).collect()), 0)
            }
        };
        let (include, exclude): (Vec<String>, Vec<String>) = walk;
        let mut unknown = Vec::new();
        let mut resolve = |revisions: &[String]| -> Vec<usize> {
            let found = revisions.iter().filter_map(|revision| {
                let found = history.resolve(revision);
                if found.is_none() {
                    unknown.push(revision.clone());
                }
                found
            });
            found.collect()
        };
        let (mut from, without) = (resolve(&include), resolve(&exclude));
        if !unknown.is_empty() || history.commits.is_empty() {
            return Err(Refusal::unknown_commits(&unknown));
        }
        if include.is_empty() {
            from = history.branches.values().copied().collect();
        }
        let found = history.walk(&from, &without);
        let page = &found[skip.min(found.len())..(skip + pagelen).min(found.len())];
        let fields = parameters.fields();
        let text = Json::text(256 + page.len() * 4096, |json| {
            json.array("values", |json| {
                for at in page {
                    json.item(|json| self.wire().commit(json, repository, &history, &history.commits[*at]));
                }
            });
            json.bare("pagelen", pagelen);
            if skip + page.len() < found.len() {
                // Heads are written down: a push between two pages does not shift the walk.
                let hashes =
                    |at: &[usize]| at.iter().map(|at| history.commits[*at].hash.as_str()).collect::<Vec<_>>().join(",");
                let context = format!("{};{};{}", skip + page.len(), hashes(&from), hashes(&without));
                let address = self.address(|key| matches!(key, "ctx" | "include" | "exclude"));
                json.plain("next", format_args!("{address}ctx={}", URL_SAFE_NO_PAD.encode(context)));
            }
        });
        Ok(fields.apply(text))
    }

    fn commit(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        let revision = self.route.item.clone().unwrap_or_default();
        let at = history.resolve(&revision).ok_or_else(|| Refusal::unknown_commits(&[revision]))?;
        Ok(self.object(parameters, |json| {
            self.wire().commit(json, repository, &history, &history.commits[at]);
            json.array("participants", |_| {});
        }))
    }

    fn branches(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        let draw =
            |json: &mut Json, name: &str, head: usize| self.wire().branch(json, repository, &history, name, head);
        if let Some(name) = &self.route.item {
            let head =
                history.branches.get(name).ok_or_else(|| Refusal::new(404, format!("Branch {name} not found")))?;
            return Ok(self.object(parameters, |json| draw(json, name, *head)));
        }
        let branches: Vec<(&str, usize)> = history.branches.iter().map(|(name, head)| (name.as_str(), *head)).collect();
        let rows = (0..).zip(&branches).map(|(at, (name, head))| (at, BranchRow(&history, name, *head)));
        let rows = arrange(rows, parameters.query(BRANCH_FIELDS)?.as_ref(), parameters.sort(BRANCH_FIELDS)?.as_ref());
        self.page(parameters, &rows, 100, |json, at| draw(json, branches[at as usize].0, branches[at as usize].1))
    }

    /// Everybody with an account: a world has no other memberships.
    fn members(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let workspace = &self.world.workspaces[self.workspace()?];
        let people = (0..).zip(&self.world.people).filter(|(_, person)| person.has_account);
        let rows: Vec<u32> = people.map(|(at, _)| at).collect();
        self.page(parameters, &rows, 100, |json, at| {
            json.string("type", "workspace_membership");
            json.object("user", |json| self.wire().account(json, &self.world.people[at as usize]));
            json.object("workspace", |json| self.wire().workspace(json, workspace));
        })
    }

    fn projects(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let workspace = self.workspace()?;
        let project = |at: u32| &self.world.projects[at as usize];
        let mut rows: Vec<u32> = (0..)
            .zip(&self.world.projects)
            .filter(|(_, project)| project.workspace == workspace)
            .map(|(at, _)| at)
            .collect();
        if let Some(key) = &self.route.item {
            let found = rows.into_iter().find(|at| project(*at).key == *key);
            let found = found.ok_or_else(|| Refusal::new(404, format!("Project {key} not found")))?;
            return Ok(self.object(parameters, |json| self.wire().project(json, project(found))));
        }
        rows.sort_by(|left, right| match project(*left).name.cmp(&project(*right).name) {
            Ordering::Equal => project(*left).key.cmp(&project(*right).key),
            other => other,
        });
        self.page(parameters, &rows, 100, |json, at| self.wire().project(json, project(at)))
    }

    fn user_workspaces(&self, parameters: &Parameters) -> Result<String, Refusal> {
        let listed = self.credential.and_then(|credential| credential.workspaces.as_ref());
        // The simulated caller administers every workspace it sees.
        let is_administrator = parameters.one("administrator") != Some("false");
        let mut rows: Vec<u32> = (0..)
            .zip(&self.world.workspaces)
            .filter(|(_, workspace)| is_administrator && listed.is_none_or(|listed| listed.contains(&workspace.slug)))
            .map(|(at, _)| at)
            .collect();
        rows.sort_by(|left, right| {
            let slug = |at: &u32| &self.world.workspaces[*at as usize].slug;
            slug(left).cmp(slug(right))
        });
        self.page(parameters, &rows, 100, |json, at| {
            self.wire().workspace_access(json, &self.world.workspaces[at as usize], true);
        })
    }
}

/// `((include, exclude), skip)` of an opaque `ctx`.
#[allow(clippy::type_complexity)]
fn read_context(context: &str) -> Option<((Vec<String>, Vec<String>), usize)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(context).ok()?).ok()?;
    let mut parts = text.split(';');
    let skip = parts.next()?.parse().ok()?;
    let mut hashes = || -> Option<Vec<String>> {
        Some(parts.next()?.split(',').filter(|hash| !hash.is_empty()).map(str::to_owned).collect())
    };
    let (include, exclude) = (hashes()?, hashes()?);
    Some(((include, exclude), skip))
}
