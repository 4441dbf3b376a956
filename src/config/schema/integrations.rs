//! `integrations`.

use schemars::JsonSchema;

use super::shapes::{Name, OneOrMany, Share, Span, blocks, words};
use crate::config::model::Registration;

blocks! {
    /// One workspace and one catalog, with rules and schedule.
    Integration {
        /// Its name, unique. Changing it loses nothing; say `renamed_from`.
        name: Name,
        /// For people.
        description: Option<String>,
        /// One of `connectors`.
        connector: Name,
        /// One of `catalogs`.
        catalog: Name,
        /// The workspace, where the connector's url names none.
        workspace: Option<String>,
        /// Which repositories. Hidden ones are recorded and listed with the filter that hides them.
        repositories: Option<Filters>,
        /// What may become of a repository.
        #[schemars(extend("default" = "register_and_merge"))]
        registration: Option<Registration>,
        /// Kind of registered entities.
        #[schemars(extend("default" = "Component"))]
        kind: Option<Kind>,
        /// Type of registered entities. Not with `registration: merge`.
        #[schemars(extend("default" = "service"), rename = "type")]
        entity_type: Option<String>,
        /// Rules that ship with catalog-sync (bitbucket-cloud, bitbucket-cloud-annotations, bitbucket-data-center, harness-idp), or the path of a rules file.
        #[schemars(extend("default" = "bitbucket-cloud"))]
        rules: Option<String>,
        /// What is fetched of each repository. Left out: pull requests and commits; `{}`: nothing. Which kinds is locked after the first sync, the numbers are not.
        secondary_kinds: Option<SecondaryKinds>,
        /// How often it syncs, at least a minute apart.
        #[schemars(extend("default" = "3h"))]
        update_every: Option<Span>,
        /// When it syncs, as a cron expression of five fields (six with seconds), instead of `update_every`.
        cron: Option<String>,
        /// Time zone of `cron`: `Europe/Berlin`.
        #[schemars(extend("default" = "UTC"))]
        timezone: Option<String>,
        /// Older pull requests and commits are not fetched. It hides no repository; it may move earlier, never later.
        #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
        start_date: Option<String>,
        /// A complete walk over the repository list at least this often.
        #[schemars(extend("default" = "24h"))]
        complete_sweep_every: Option<Span>,
        /// How much may vanish before a sync stops and waits for approval.
        guard: Option<Guard>,
        /// Kept on every imported entity.
        tags: Option<OneOrMany<String>>,
        /// Whether repositories first seen from now on are imported without asking.
        #[schemars(extend("default" = false))]
        auto_import: Option<bool>,
        /// Whether it rests. Outranks `integration resume`.
        #[schemars(extend("default" = false))]
        suspended: Option<bool>,
        /// A former name whose state is carried over.
        renamed_from: Option<Name>,
    }

    /// Which repositories.
    Filters {
        /// Globs on the slug, or on `PROJECT/slug` when they hold a slash; case ignored. Left out: all.
        include: Option<OneOrMany<String>>,
        /// Globs; they win over `include`.
        exclude: Option<OneOrMany<String>>,
        /// Keys of projects. Left out: all.
        projects: Option<OneOrMany<String>>,
        /// Archived ones, too (Data Center).
        #[schemars(extend("default" = false))]
        archived: Option<bool>,
        /// Personal ones, too.
        #[schemars(extend("default" = false))]
        personal: Option<bool>,
        /// Forks, too.
        #[schemars(extend("default" = true))]
        forks: Option<bool>,
    }

    /// What is fetched of each repository.
    SecondaryKinds {
        /// Pull requests in every state.
        pull_requests: Option<PullRequests>,
        /// Commits of the default branch.
        commits: Option<Commits>,
        /// Approvals, requested changes and comments of pull requests. Off unless named; a request each.
        reviews: Option<Detail>,
        /// The files that commits change. Off unless named; a request each, two on Data Center from 9.1 on.
        commit_files: Option<Detail>,
        /// The files that pull requests change. Off unless named; a request each, two on Data Center from 9.1 on.
        pull_request_files: Option<Detail>,
        /// Pipelines (Cloud). Off unless named.
        pipelines: Option<Detail>,
        /// Build statuses of commits (Data Center). Off unless named.
        builds: Option<Detail>,
        /// People with an account: name, nickname, kind, never an e-mail address. Off unless named.
        users: Option<Users>,
    }

    /// Pull requests in every state.
    PullRequests {
        /// The newest of each repository at its first sync, or `all` (to the start date).
        #[schemars(extend("default" = 50))]
        first_sync: Option<FirstSync>,
        /// Most that are stored in one sync, over all repositories; the rest follows in later syncs.
        #[schemars(extend("default" = 5000), range(min = 1))]
        per_sync: Option<u32>,
    }

    /// Commits of the default branch.
    Commits {
        /// The newest of each repository at its first sync, or `all` (to the start date).
        #[schemars(extend("default" = 50))]
        first_sync: Option<FirstSync>,
        /// Most that are stored in one sync, over all repositories; the rest follows in later syncs.
        #[schemars(extend("default" = 5000), range(min = 1))]
        per_sync: Option<u32>,
        /// How they are read. `git` is not in this version.
        #[schemars(extend("default" = "auto"))]
        via: Option<Via>,
    }

    /// An optional secondary kind. May be selected and deselected at any time.
    Detail {
        /// Most that are stored in one sync, over all repositories; the rest follows in later syncs.
        #[schemars(extend("default" = 500), range(min = 1))]
        per_sync: Option<u32>,
    }

    /// People with an account. May be selected and deselected at any time.
    Users {
        /// Most that are stored in one sync; the rest follows in later syncs.
        #[schemars(extend("default" = 5000), range(min = 1))]
        per_sync: Option<u32>,
    }

    /// How much may vanish before a sync stops and waits for approval: more than both.
    Guard {
        /// Of the repositories or entities that are known.
        #[schemars(extend("default" = 10))]
        percent: Option<Share>,
        /// In numbers.
        #[schemars(extend("default" = 3))]
        at_least: Option<u32>,
    }
}

words! {
    /// How commits are read.
    Via {
        /// Whatever fits.
        Auto,
        /// The REST API.
        Rest,
        /// The git protocol. Not in this version.
        Git,
    }
}

/// Kind of registered entities.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) enum Kind {
    Component,
    Resource,
    System,
    Domain,
}

/// A number, or `all`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
pub(super) enum FirstSync {
    /// This many, the newest.
    Newest(#[schemars(range(min = 1))] u32),
    /// All, to the start date.
    All(#[schemars(regex(pattern = "^all$"))] String),
}
