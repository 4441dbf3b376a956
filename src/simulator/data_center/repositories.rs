//! Projects, repositories and their branches.

use std::cmp::Reverse;

use super::page::Page;
use super::refusal::{bad_parameter, no_such_branch};
use super::request::Request;
use crate::simulator::access::Caller;
use crate::simulator::answer::Refusal;
use crate::simulator::json::Json;
use crate::simulator::world::Repository;

/// Which repositories a list is of, by the flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Active,
    Archived,
    All,
}

impl Request<'_> {
    fn archived(&self) -> Result<Listed, Refusal> {
        // Before it, nothing could be archived, and the parameter meant nothing.
        if !self.options.is_at_least(8, 0) {
            return Ok(Listed::All);
        }
        match self.parameters.one("archived").map(str::to_ascii_uppercase).as_deref() {
            None | Some("ACTIVE") => Ok(Listed::Active),
            Some("ARCHIVED") => Ok(Listed::Archived),
            Some("ALL") => Ok(Listed::All),
            Some(other) => Err(bad_parameter("archived", &format!("\"{other}\" is not ACTIVE, ARCHIVED or ALL."))),
        }
    }

    /// All repositories that a test holds for, by project and name, without a look at who asks.
    fn listed(&self, key: &str, is_listed: impl Fn(&Repository) -> bool) -> std::sync::Arc<Vec<u32>> {
        self.listings.listing(key.to_owned(), &mut || {
            let world = self.world;
            let listed = (0_u32..).zip(&world.repositories).filter(|(_, it)| !it.deleted && is_listed(it));
            let mut rows: Vec<(String, String, u32)> =
                listed.map(|(at, it)| (world.project(it).name.to_lowercase(), it.name.to_lowercase(), at)).collect();
            rows.sort();
            rows.into_iter().map(|(_, _, at)| at).collect()
        })
    }

    /// A page of repositories, those left out that the caller does not see.
    fn repository_page(&self, rows: &[u32], sees: impl Fn(&Repository) -> bool) -> Result<String, Refusal> {
        let repository = |at: &u32| &self.world.repositories[*at as usize];
        let window = self.parameters.window(self.options.page_limit.min(1000))?;
        let page = Page::cut(rows, window, |at| sees(repository(at)));
        Ok(page.text(self.options, |json, at| self.wire().repository(json, repository(at)), |_| {}))
    }

    pub(super) fn repositories(&self) -> Result<String, Refusal> {
        let archived = self.archived()?;
        let visibility = self.parameters.one("visibility");
        if visibility.is_some_and(|it| !["public", "private"].iter().any(|known| it.eq_ignore_ascii_case(known))) {
            return Err(bad_parameter("visibility", "The visibility must be public or private."));
        }
        let is_public = visibility.map(|it| it.eq_ignore_ascii_case("public"));
        let lower = |key: &str| self.parameters.one(key).map(str::to_lowercase);
        let project_key = lower("projectkey").filter(|_| self.options.is_at_least(8, 0));
        let (name, project_name, state) = (lower("name"), lower("projectname"), lower("state"));
        // Who did not say who they are was given nothing by name.
        let asks_for_more = self.caller == Caller::Anonymous && self.parameters.one("permission").is_some();
        let key = format!("repos {archived:?} {is_public:?} {project_key:?} {name:?} {project_name:?} {state:?}");
        let rows = self.listed(&key, |it| {
            let project = self.world.project(it);
            (archived == Listed::All || it.archived == (archived == Listed::Archived))
                && is_public.is_none_or(|public| public != it.is_private)
                && project_key.as_ref().is_none_or(|key| project.key.to_lowercase() == *key)
                && name.as_ref().is_none_or(|name| it.name.to_lowercase().contains(name.as_str()))
                && project_name.as_ref().is_none_or(|name| project.name.to_lowercase().contains(name.as_str()))
                && state.as_ref().is_none_or(|state| state == "available")
        });
        self.repository_page(&rows, |it| !asks_for_more && self.sees(it))
    }

    pub(super) fn project_repositories(&self) -> Result<String, Refusal> {
        let project = self.project()?;
        let rows = self.listed(&format!("project {project}"), |it| it.project == project);
        self.repository_page(&rows, |it| self.sees(it))
    }

    /// The simulated caller looked at nothing yet but the repositories there are.
    pub(super) fn recent_repositories(&self) -> Result<String, Refusal> {
        let rows = self.listed("recent", |it| !it.archived);
        self.repository_page(&rows, |it| self.sees(it))
    }

    pub(super) fn repository_alone(&self) -> Result<String, Refusal> {
        let repository = self.repository()?;
        Ok(Json::text(2048, |json| self.wire().repository(json, repository)))
    }

    pub(super) fn projects(&self) -> Result<String, Refusal> {
        let world = self.world;
        let mut sees = vec![self.sees_all(); world.projects.len()];
        for it in world.repositories.iter().filter(|it| self.sees(it)) {
            sees[it.project] = true;
        }
        let name = self.parameters.one("name").map(str::to_lowercase);
        let mut rows: Vec<usize> = (0..world.projects.len())
            .filter(|at| {
                let project = &world.projects[*at];
                // People's own are in no list.
                project.owner.is_none()
                    && name.as_ref().is_none_or(|name| project.name.to_lowercase().contains(name.as_str()))
            })
            .collect();
        rows.sort_by_key(|at| world.projects[*at].name.to_lowercase());
        let page = Page::cut(&rows, self.parameters.window(self.options.page_limit.min(1000))?, |at| sees[*at]);
        Ok(page.text(self.options, |json, at| self.wire().project(json, *at), |_| {}))
    }

    pub(super) fn project_alone(&self) -> Result<String, Refusal> {
        let project = self.project()?;
        Ok(Json::text(1024, |json| self.wire().project(json, project)))
    }

    /// What the settings say, whether or not anybody pushed it yet.
    pub(super) fn default_branch(&self) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let name = repository.default_branch.as_deref().unwrap_or("main");
        Ok(Json::text(128, |json| self.wire().minimal_ref(json, name)))
    }

    pub(super) fn old_default_branch(&self) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        if history.branches.is_empty() {
            return Ok(String::new());
        }
        let name = repository.default_branch.as_deref().unwrap_or("main");
        let head = history.head(name).ok_or_else(|| no_such_branch(&format!("refs/heads/{name}")))?;
        Ok(Json::text(512, |json| self.wire().branch(json, name, head, true)))
    }

    pub(super) fn branches(&self) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        let text = self.parameters.one("filterText").map(str::to_lowercase);
        let mut rows: Vec<(&str, usize)> = history
            .branches
            .iter()
            .map(|(name, head)| (name.as_str(), *head))
            .filter(|(name, _)| text.as_ref().is_none_or(|text| name.to_lowercase().contains(text.as_str())))
            .collect();
        if !self.parameters.is("orderBy", "ALPHABETICAL") {
            rows.sort_by_key(|(_, head)| Reverse(history.commits[*head].date));
        }
        self.page(&rows, 1000, |json, (name, head)| {
            let is_default = repository.default_branch.as_deref() == Some(*name);
            self.wire().branch(json, name, &history.commits[*head].hash, is_default);
        })
    }
}
