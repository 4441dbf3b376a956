//! Commits and what they change.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::page::Page;
use super::refusal::{bad_parameter, no_default_branch, no_such_commit};
use super::request::Request;
use crate::simulator::answer::Refusal;
use crate::simulator::changes::{Change, changes};
use crate::simulator::history::History;
use crate::simulator::json::Json;
use crate::simulator::world::Repository;

impl Request<'_> {
    /// A revision as callers write it: a branch, with `refs/heads/` or without, a hash, or `HEAD`.
    fn resolve(&self, repository: &Repository, history: &History, revision: &str) -> Option<usize> {
        let revision = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        let revision = match (revision, repository.default_branch.as_deref()) {
            ("HEAD", Some(default)) => default,
            (other, _) => other,
        };
        history.resolve(revision)
    }

    pub(super) fn commits(&self) -> Result<String, Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        let ignores = self.parameters.is("ignoreMissing", "true");
        let mut missing = None;
        let mut find = |revision: &str| {
            let found = self.resolve(repository, &history, revision);
            if found.is_none() && missing.is_none() {
                missing = Some(revision.to_owned());
            }
            found
        };
        let until = match self.parameters.one("until") {
            Some(until) => find(until),
            None => {
                let head = repository.default_branch.as_deref().and_then(|name| history.branches.get(name)).copied();
                Some(head.ok_or_else(|| no_default_branch(&repository.slug))?)
            }
        };
        let since = self.parameters.one("since").and_then(&mut find);
        if let Some(missing) = missing.filter(|_| !ignores) {
            return Err(no_such_commit(&missing, &repository.slug));
        }
        let mut rows = match until {
            Some(until) => history.walk(&[until], since.as_slice()),
            None => Vec::new(),
        };
        match self.parameters.one("merges") {
            None | Some("include") => {}
            Some("exclude") => rows.retain(|at| history.commits[*at].parents.len() < 2),
            Some("only") => rows.retain(|at| history.commits[*at].parents.len() > 1),
            Some(other) => {
                return Err(bad_parameter("merges", &format!("\"{other}\" is not exclude, include or only.")));
            }
        }
        if let Some(path) = self.parameters.one("path") {
            rows.retain(|at| changes(&history.commits[*at].hash).iter().any(|change| change.path == path));
        }
        self.commit_page(&history, &rows)
    }

    /// A page of commits: never more than a hundred.
    pub(super) fn commit_page(&self, history: &History, rows: &[usize]) -> Result<String, Refusal> {
        let page = Page::cut(rows, self.parameters.window(self.options.page_limit.min(100))?, |_| true);
        Ok(page.text(
            self.options,
            |json, at| self.wire().commit(json, history, &history.commits[*at]),
            |json| {
                if self.parameters.is("withCounts", "true") {
                    let authors: BTreeSet<usize> = rows.iter().map(|at| history.commits[*at].author.0).collect();
                    json.bare("authorCount", authors.len());
                    json.bare("totalCount", rows.len());
                }
            },
        ))
    }

    /// The commit that the path names.
    fn named_commit(&self) -> Result<(Cow<'_, History>, usize), Refusal> {
        let repository = self.open_repository()?;
        let history = self.world.history(repository);
        let at = self.resolve(repository, &history, &self.route.item);
        let at = at.ok_or_else(|| no_such_commit(&self.route.item, &repository.slug))?;
        Ok((history, at))
    }

    pub(super) fn commit(&self) -> Result<String, Refusal> {
        let (history, at) = self.named_commit()?;
        Ok(Json::text(2048, |json| self.wire().commit(json, &history, &history.commits[at])))
    }

    pub(super) fn commit_changes(&self) -> Result<String, Refusal> {
        let (history, at) = self.named_commit()?;
        let commit = &history.commits[at];
        let parent = commit.parents.first().map(|at| history.commits[*at].hash.as_str());
        self.change_page(parent, &commit.hash, &changes(&commit.hash))
    }

    pub(super) fn commit_diff_stats(&self) -> Result<String, Refusal> {
        let (history, at) = self.named_commit()?;
        Ok(diff_stats(&changes(&history.commits[at].hash)))
    }

    /// The one page there is of changes: a start is passed over, and what is too much is cut off.
    pub(super) fn change_page(&self, from: Option<&str>, to: &str, all: &[Change]) -> Result<String, Refusal> {
        let (_, limit) = self.parameters.window(self.options.page_limit.min(1000))?;
        let rows = &all[..limit.min(all.len())];
        Ok(Json::text(256 + rows.len() * 512, |json| {
            match from {
                Some(from) => json.plain("fromHash", from),
                None => json.null("fromHash"),
            }
            json.plain("toHash", to);
            json.object("properties", |json| json.string("changeScope", "ALL"));
            json.array("values", |json| {
                for change in rows {
                    json.item(|json| self.wire().change(json, to, change));
                }
            });
            json.bare("size", rows.len());
            json.bare("isLastPage", rows.len() == all.len());
            json.bare("start", 0);
            json.bare("limit", limit);
            json.null("nextPageStart");
        }))
    }
}

/// How much changed, in one object. The vendor's document leaves its members out; these were seen on running instances.
pub(super) fn diff_stats(changes: &[Change]) -> String {
    Json::text(128, |json| {
        json.bare("filesChanged", changes.len());
        json.bare("totalInsertions", changes.iter().map(|change| change.added).sum::<u64>());
        json.bare("totalDeletions", changes.iter().map(|change| change.deleted).sum::<u64>());
    })
}
