//! The fields that lists of Bitbucket Cloud are filtered and sorted by.

use super::query::{Row, Value};
use crate::simulator::history::History;
use crate::simulator::pull_requests::PullRequest;
use crate::simulator::world::{Repository, World};

pub(super) const REPOSITORY_FIELDS: &[&str] = &[
    "created_on",
    "updated_on",
    "uuid",
    "name",
    "slug",
    "full_name",
    "project.key",
    "project.uuid",
    "project.name",
    "is_private",
    "description",
    "language",
    "size",
    "parent",
    "scm",
    "mainbranch.name",
    "workspace.slug",
];

pub(super) struct RepositoryRow<'a>(pub(super) &'a World, pub(super) &'a Repository);

impl Row for RepositoryRow<'_> {
    fn field(&self, name: &str) -> Option<Value> {
        let Self(world, it) = self;
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        match name {
            "created_on" => Some(Value::Time(it.created_on)),
            "updated_on" => Some(Value::Time(it.updated_on)),
            "uuid" => Some(Value::Text(it.uuid.to_string())),
            "name" => text(&it.name),
            "slug" => text(&it.slug),
            "full_name" => Some(Value::Text(world.full_name(it))),
            "project.key" => text(&world.project(it).key),
            "project.uuid" => Some(Value::Text(world.project(it).uuid.to_string())),
            "project.name" => text(&world.project(it).name),
            "is_private" => Some(Value::Bool(it.is_private)),
            "description" => text(&it.description),
            "language" => text(&it.language),
            "size" => Some(Value::Number(i64::try_from(it.size).unwrap_or(i64::MAX))),
            "parent" => Some(it.parent.map_or(Value::Null, |parent| Value::Text(parent.to_string()))),
            "scm" => text("git"),
            "mainbranch.name" => {
                Some(it.default_branch.as_deref().map_or(Value::Null, |name| Value::Text(name.to_owned())))
            }
            "workspace.slug" => text(&world.workspaces[world.workspace_of(it)].slug),
            _ => None,
        }
    }
}

pub(super) const PULL_REQUEST_FIELDS: &[&str] = &[
    "id",
    "state",
    "title",
    "created_on",
    "updated_on",
    "draft",
    "source.branch.name",
    "destination.branch.name",
    "author.uuid",
    "author.nickname",
    "comment_count",
];

pub(super) struct PullRequestRow<'a>(pub(super) &'a World, pub(super) &'a PullRequest);

impl Row for PullRequestRow<'_> {
    fn field(&self, name: &str) -> Option<Value> {
        let Self(world, it) = self;
        let author = || it.author.and_then(|author| world.people.get(author.0));
        match name {
            "id" => Some(Value::Number(i64::try_from(it.id).unwrap_or(i64::MAX))),
            "state" => Some(Value::Text(it.state.as_str().to_owned())),
            "title" => Some(Value::Text(it.title.clone())),
            "created_on" => Some(Value::Time(it.created_on)),
            "updated_on" => Some(Value::Time(it.updated_on)),
            "draft" => Some(Value::Bool(it.draft)),
            "source.branch.name" => Some(Value::Text(it.source_branch.clone())),
            "destination.branch.name" => Some(Value::Text(it.target_branch.clone())),
            "author.uuid" => Some(author().map_or(Value::Null, |author| Value::Text(author.uuid.to_string()))),
            "author.nickname" => Some(author().map_or(Value::Null, |author| Value::Text(author.nickname()))),
            "comment_count" => Some(Value::Number(i64::from(it.comments))),
            _ => None,
        }
    }
}

pub(super) const BRANCH_FIELDS: &[&str] = &["name", "target.date"];

pub(super) struct BranchRow<'a>(pub(super) &'a History, pub(super) &'a str, pub(super) usize);

impl Row for BranchRow<'_> {
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "name" => Some(Value::Text(self.1.to_owned())),
            "target.date" => Some(Value::Time(self.0.commits[self.2].date.to_utc())),
            _ => None,
        }
    }
}
