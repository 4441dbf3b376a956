//! `report`: how much is imported, and what does not fit any more between catalog and source (P3.11). Read-only.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::request::Answer;
use super::{App, Failure};
use crate::config::Integration;
use crate::correlate::{NamedSource, named_sources};
use crate::engine::{Stop, survey};
use crate::model::{
    DecisionKind, Entity, EntityRef, ImportCoverage, InstanceId, KnownRepository, Link, LinkState, Presence, RepoKey,
    SyncRecord,
};
use crate::plan::register::UNKNOWN_OWNER;

/// Syncs looked back at for the trend.
const TREND: usize = 50;
/// Entities read at once.
const BATCH: usize = 500;
/// Kinds that somebody should own.
const OWNED: &[&str] = &["component", "api", "resource", "system", "domain"];

/// Coverage of one project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ProjectRow {
    /// Its key; empty: none.
    pub project: String,
    /// The counts.
    #[serde(flatten)]
    pub coverage: ImportCoverage,
    /// Imported of those that are to be.
    pub percent: f64,
}

/// What became of the repository of an entity, or of one that an entity names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Nobody knows it.
    Unknown,
    /// Not listed in the last sweep.
    Missing,
    /// Not there any more.
    Gone,
    /// Transferred elsewhere.
    Moved,
    /// Read-only at the source.
    Archived,
    /// It has another name now.
    Renamed,
}

impl Fate {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Gone => "gone",
            Self::Moved => "moved",
            Self::Archived => "archived",
            Self::Renamed => "renamed",
        }
    }
}

/// An entity whose repository is not there as it should be, or that names one which is not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LostRow {
    /// The entity.
    pub entity: String,
    /// Which repository: a full name, or an id where it has none.
    pub repository: String,
    /// What became of it.
    pub state: Fate,
    /// Its name now, where it has another.
    pub now: Option<String>,
}

/// Several entities that belong to one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SharedRow {
    /// Full name.
    pub repository: String,
    /// The entities that are linked to it, bear its mark or name it; sorted.
    pub entities: Vec<String>,
}

/// An entity that nobody owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OwnerRow {
    /// The entity.
    pub entity: String,
    /// As written: nothing, or `unknown`.
    pub owner: Option<String>,
}

/// Coverage after a sync.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TrendRow {
    /// When the sync started.
    pub at: DateTime<Utc>,
    /// The counts.
    #[serde(flatten)]
    pub coverage: ImportCoverage,
    /// Imported of those that are to be.
    pub percent: f64,
}

/// `report`, of one integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IntegrationReport {
    /// Name of the integration.
    pub integration: String,
    /// The counts, over all projects.
    #[serde(flatten)]
    pub coverage: ImportCoverage,
    /// Imported of those that are to be.
    pub percent: f64,
    /// By project key.
    pub projects: Vec<ProjectRow>,
    /// Linked or marked entities whose repository is missing, gone, moved, archived or unknown.
    pub lost_repositories: Vec<LostRow>,
    /// Several entities on one repository.
    pub shared_repositories: Vec<SharedRow>,
    /// Entities whose slug annotation or source location names a repository of this workspace that is gone, renamed or
    /// not there.
    pub stale_annotations: Vec<LostRow>,
    /// Entities of this integration without an owner.
    pub missing_owners: Vec<OwnerRow>,
    /// After the last syncs, oldest first.
    pub trend: Vec<TrendRow>,
}

pub(super) async fn report(app: &App, names: &[String]) -> Result<Answer, Failure> {
    let mut reports = Vec::new();
    for name in names {
        app.integration(name)?;
    }
    let chosen: Vec<&Integration> = app.visible().filter(|one| names.is_empty() || names.contains(&one.name)).collect();
    for integration in chosen {
        reports.push(of_one(app, integration).await?);
    }
    Ok(Answer::Reported(reports))
}

async fn of_one(app: &App, integration: &Integration) -> Result<IntegrationReport, Failure> {
    let key = integration.key();
    let mut known = app.repositories(&key).await?;
    let handed_over = app.handed_over(&key, &known).await?;
    known.retain(|one| !handed_over.contains(&one.repository.key));
    let links = app.store.links(&integration.catalog).await?;
    let ignored = app.store.decisions(&integration.catalog).await?.into_iter();
    let ignored = ignored.filter(|decision| decision.kind == DecisionKind::Ignored).map(|decision| decision.repo);
    let parts = app.assembler.parts(integration).await?;
    let looked = survey::look(parts.catalog.as_ref(), app.store.as_ref()).await;
    looked.map_err(|error| Failure::failed(Stop::from(error).into_report()))?;
    let mut look = Look::new(&key.instance, &key.workspace, &known, &links, ignored.collect());
    let mut after: Option<EntityRef> = None;
    loop {
        let page = parts.catalog.entities(after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.entity_ref.clone());
        for entity in &page {
            look.at(entity);
        }
    }
    // Marks of repositories that another integration looks after are its business.
    let mut strangers = Vec::new();
    for (entity, repo) in std::mem::take(&mut look.strangers) {
        if app.store.integrations_of(&repo).await?.is_empty() {
            strangers.push((entity, repo));
        }
    }
    let syncs = app.store.syncs(Some(&key), TREND).await?;
    Ok(look.report(&integration.name, strangers, &syncs))
}

/// What is found entity by entity.
struct Look<'a> {
    instance: &'a InstanceId,
    workspace: &'a str,
    known: &'a [KnownRepository],
    by_key: HashMap<&'a RepoKey, usize>,
    /// Present names, with workspace and with project; in lower case.
    by_name: HashMap<String, usize>,
    by_former_name: HashMap<String, usize>,
    /// First parts of names that lie in this workspace, in lower case.
    owners: BTreeSet<String>,
    links: HashMap<&'a EntityRef, Vec<&'a Link>>,
    imported: BTreeSet<&'a RepoKey>,
    ignored: BTreeSet<RepoKey>,
    /// By position in `known`.
    belongs: BTreeMap<usize, BTreeSet<EntityRef>>,
    lost: Vec<LostRow>,
    stale: Vec<LostRow>,
    ownerless: Vec<OwnerRow>,
    /// Entities with the mark of a repository that this integration does not know.
    strangers: Vec<(EntityRef, RepoKey)>,
}

impl<'a> Look<'a> {
    fn new(
        instance: &'a InstanceId,
        workspace: &'a str,
        known: &'a [KnownRepository],
        links: &'a [Link],
        ignored: BTreeSet<RepoKey>,
    ) -> Self {
        let mut look = Self {
            instance,
            workspace,
            known,
            by_key: known.iter().enumerate().map(|(at, one)| (&one.repository.key, at)).collect(),
            by_name: HashMap::new(),
            by_former_name: HashMap::new(),
            owners: BTreeSet::from([workspace.to_lowercase()]),
            links: HashMap::new(),
            imported: links.iter().filter(|link| link.state == LinkState::Active).map(|link| &link.repo).collect(),
            ignored,
            belongs: BTreeMap::new(),
            lost: Vec::new(),
            stale: Vec::new(),
            ownerless: Vec::new(),
            strangers: Vec::new(),
        };
        for link in links {
            look.links.entry(&link.entity).or_default().push(link);
        }
        for (at, one) in known.iter().enumerate() {
            let repository = &one.repository;
            let in_project = repository.project_key.as_ref().map(|key| format!("{key}/{}", repository.slug));
            look.owners.extend(repository.project_key.as_ref().map(|key| key.to_lowercase()));
            for name in [Some(repository.full_name.clone()), in_project].into_iter().flatten() {
                let name = name.to_lowercase();
                // One that is there outranks one that was.
                let is_better = |before: &usize| !known[*before].presence.is_served() && one.presence.is_served();
                if look.by_name.get(&name).is_none_or(is_better) {
                    look.by_name.insert(name, at);
                }
            }
            for former in &one.former_names {
                look.by_former_name.insert(former.to_lowercase(), at);
            }
        }
        look
    }

    fn at(&mut self, entity: &Entity) {
        let mut repos: BTreeSet<usize> = BTreeSet::new();
        let linked = self.links.get(&entity.entity_ref).into_iter().flatten().map(|link| &link.repo);
        let marked = entity.mark.as_ref().map(|mark| &mark.repository);
        let mut is_ours = false;
        for repo in linked.chain(marked).collect::<BTreeSet<_>>() {
            match self.by_key.get(repo) {
                Some(at) => drop(repos.insert(*at)),
                None if repo.instance == *self.instance => {
                    self.strangers.push((entity.entity_ref.clone(), repo.clone()));
                }
                None => {}
            }
        }
        for at in &repos {
            is_ours = true;
            self.lost.extend(fate(&self.known[*at]).map(|(state, now)| LostRow {
                entity: entity.entity_ref.to_string(),
                repository: self.known[*at].repository.full_name.clone(),
                state,
                now,
            }));
        }
        for source in named_sources(&entity.document) {
            match self.named(&source) {
                Named::Elsewhere => continue,
                Named::There(at) => drop(repos.insert(at)),
                Named::Not { state, now } => self.stale.push(LostRow {
                    entity: entity.entity_ref.to_string(),
                    repository: source.path.clone(),
                    state,
                    now,
                }),
            }
            is_ours = true;
        }
        for at in repos {
            self.belongs.entry(at).or_default().insert(entity.entity_ref.clone());
        }
        let owner = entity.owner.as_deref().map(str::trim).filter(|owner| !owner.is_empty());
        let is_owned = owner.is_some_and(|owner| owner != UNKNOWN_OWNER);
        if is_ours && !is_owned && OWNED.iter().any(|kind| entity.kind.eq_ignore_ascii_case(kind)) {
            self.ownerless.push(OwnerRow { entity: entity.entity_ref.to_string(), owner: owner.map(str::to_owned) });
        }
    }

    /// What an annotation names, of this workspace.
    fn named(&self, source: &NamedSource) -> Named {
        let Some((owner, _)) = source.path.split_once('/').filter(|_| source.may_be_on(&self.instance.0)) else {
            return Named::Elsewhere;
        };
        if let Some(at) = self.by_name.get(&source.path) {
            return match fate(&self.known[*at]) {
                Some((state @ (Fate::Gone | Fate::Moved), now)) => Named::Not { state, now },
                _ => Named::There(*at),
            };
        }
        if let Some(at) = self.by_former_name.get(&source.path) {
            let now = Some(self.known[*at].repository.full_name.clone());
            return Named::Not { state: Fate::Renamed, now };
        }
        match self.workspace == "*" || self.owners.contains(owner) {
            true => Named::Not { state: Fate::Unknown, now: None },
            false => Named::Elsewhere,
        }
    }

    fn report(mut self, name: &str, strangers: Vec<(EntityRef, RepoKey)>, syncs: &[SyncRecord]) -> IntegrationReport {
        let mut all = ImportCoverage::default();
        let mut projects: BTreeMap<&str, ImportCoverage> = BTreeMap::new();
        for one in self.known.iter().filter(|one| one.presence.is_served()) {
            let project = projects.entry(one.repository.project_key.as_deref().unwrap_or_default()).or_default();
            for counts in [&mut all, project] {
                counts.repositories += 1;
                counts.imported += u64::from(self.imported.contains(&one.repository.key));
                counts.ignored += u64::from(self.ignored.contains(&one.repository.key));
            }
        }
        self.lost.extend(strangers.into_iter().map(|(entity, repo)| LostRow {
            entity: entity.to_string(),
            repository: repo.to_string(),
            state: Fate::Unknown,
            now: None,
        }));
        self.lost.sort();
        self.stale.sort();
        self.stale.dedup();
        let shared = self.belongs.into_iter().filter(|(_, entities)| entities.len() > 1);
        let mut shared: Vec<SharedRow> = shared
            .map(|(at, entities)| SharedRow {
                repository: self.known[at].repository.full_name.clone(),
                entities: entities.iter().map(ToString::to_string).collect(),
            })
            .collect();
        shared.sort_by(|a, b| a.repository.cmp(&b.repository));
        let row = |(project, coverage): (&str, ImportCoverage)| ProjectRow {
            project: project.to_owned(),
            percent: coverage.percent(),
            coverage,
        };
        let trend = syncs.iter().rev().filter_map(|sync| {
            let coverage = sync.imports?;
            Some(TrendRow { at: sync.started_at, percent: coverage.percent(), coverage })
        });
        IntegrationReport {
            integration: name.to_owned(),
            percent: all.percent(),
            coverage: all,
            projects: projects.into_iter().map(row).collect(),
            lost_repositories: self.lost,
            shared_repositories: shared,
            stale_annotations: self.stale,
            missing_owners: self.ownerless,
            trend: trend.collect(),
        }
    }
}

enum Named {
    /// Another workspace's, or no repository's.
    Elsewhere,
    There(usize),
    Not {
        state: Fate,
        now: Option<String>,
    },
}

/// What became of a repository that is not simply there, and its name now.
fn fate(known: &KnownRepository) -> Option<(Fate, Option<String>)> {
    match &known.presence {
        Presence::Gone => Some((Fate::Gone, None)),
        Presence::MissingOnce => Some((Fate::Missing, None)),
        Presence::Moved { to } => Some((Fate::Moved, Some(to.clone()))),
        Presence::Archived => Some((Fate::Archived, None)),
        Presence::Present | Presence::Excluded { .. } | Presence::Inaccessible { .. } => None,
    }
}
