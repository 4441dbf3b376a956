//! What can be done, a file per noun. The CLI calls these directly, or through the running sidecar; the
//! API will call the same.

pub mod activity;
pub mod answer;
pub mod audit;
pub mod caller;
pub mod check;
pub mod credential;
pub mod decisions;
pub mod deliveries;
pub mod discovered;
pub mod draft;
pub mod entity;
pub mod exit;
pub mod import;
pub mod imported;
pub mod integration;
pub mod jobs;
pub mod listing;
pub mod masked;
pub mod reloads;
pub mod report;
pub mod request;
pub mod rules;
pub mod rules_file;
pub mod running;
pub mod store;
pub mod sync;
pub mod touched;
pub mod undo;
pub mod webhook;
pub mod weeks;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::assemble::Assembler;
use crate::catalog::CatalogError;
use crate::clock::Clock;
use crate::config::fields::nearest;
use crate::config::{Config, Integration, RepositoryRef};
use crate::engine::Progress;
use crate::error::{Report, escape_control};
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::model::{IntegrationKey, KnownRepository, Presence, RepoKey};
use crate::store::{ListedOf, Store, StoreError};
use answer::RepositoryName;
use caller::{Caller, Sees};
pub use exit::Exit;
use request::{Answer, Request};

/// How many repositories are read from the store at once.
const BATCH: usize = 1_000;
/// What to do where somebody's `integrations` match none.
const SEES_NONE: &str =
    "none that there is may be seen with this token: whoever keeps the config names some in `server.tokens`";

/// Everything a command works with, and who asks for it. Clones share it all.
#[derive(Clone)]
pub struct App {
    /// The settings in force.
    pub config: Arc<Config>,
    /// State.
    pub store: Arc<dyn Store>,
    /// Turns settings into sources, catalogs and rules.
    pub assembler: Arc<Assembler>,
    /// Time.
    pub clock: Clock,
    /// Ids.
    pub ids: Arc<Ids>,
    /// People's decisions, for git.
    pub decisions: Option<Arc<Mutex<decisions::DecisionsBook>>>,
    /// Who is asking.
    pub caller: Caller,
    /// What is counted.
    pub metrics: Metrics,
    /// Stops what runs at its next checkpoint.
    pub stop: CancellationToken,
    /// Lists kept in memory, for whoever looks at pages of them.
    pub views: Arc<listing::Views>,
    /// Syncs in flight, whatever triggered them.
    pub running: Arc<running::Running>,
    /// Whether the config in force is the file's.
    pub reloads: Arc<reloads::Reloads>,
    /// Imports that go on by themselves.
    pub jobs: Arc<jobs::Jobs>,
    /// The import this is done for, where it is one of those.
    pub job: Option<Arc<jobs::Job>>,
    /// What repositories are called, for whoever may not see all of them.
    pub names: Arc<masked::Names>,
}

/// Why a command was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In words.
    pub report: Report,
    /// The exit code it means.
    pub exit: Exit,
}

impl Failure {
    /// Exit 1.
    pub fn failed(report: Report) -> Self {
        Self { report, exit: Exit::Failed }
    }

    /// Exit 2.
    pub fn usage(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { report: Report::plain(what, Some(mend.into())), exit: Exit::Usage }
    }

    /// Exit 2: nothing is called so.
    pub fn unknown(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { report: Report::plain(what, Some(mend.into())), exit: Exit::Unknown }
    }

    /// Exit 4.
    pub fn refused(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { report: Report::plain(what, Some(mend.into())), exit: Exit::Refused }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let mend = error.mend();
        let exit = if matches!(error, StoreError::InUse { .. }) { Exit::Refused } else { Exit::Failed };
        Self { report: Report::new("the state could not be read or written", &error, mend), exit }
    }
}

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        let mend = error.mend();
        Self::failed(Report::new("the catalog could not be used", &error, mend))
    }
}

/// Carries out one request.
///
/// A future behind a pointer: a plain one would be compiled anew, with the whole engine within it, into each part of the
/// program that asks.
///
/// # Errors
/// [`Failure`] when nothing, or not the whole, could be done and there is no answer to show.
pub fn execute<'a>(
    app: &'a App,
    request: Request,
    progress: &'a (dyn Fn(Progress) + Sync + Send),
) -> BoxFuture<'a, Result<Answer, Failure>> {
    Box::pin(audited(app, request, progress))
}

/// What was asked goes into the audit log, and what the caller may not see leaves the answer.
async fn audited(app: &App, request: Request, progress: &(dyn Fn(Progress) + Sync + Send)) -> Result<Answer, Failure> {
    app.caller.may(&request)?;
    let entry = audit::begin(app, &request).await?;
    let result = carry_out(app, request, progress).await;
    if let Some(entry) = entry {
        audit::end(app, entry, &result).await;
    }
    match result {
        Ok(answer) => masked::answer(app, answer).await,
        Err(failure) => Err(masked::failure(app, failure).await),
    }
}

async fn carry_out(
    app: &App,
    request: Request,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Answer, Failure> {
    match request {
        Request::SyncNow { integrations, dry_run, full } => {
            sync::now(app, &integrations, sync::Options { dry_run, full }, progress).await
        }
        Request::SyncHistory { integration, limit } => sync::history(app, integration.as_deref(), limit).await,
        Request::SyncShow { id } => sync::show(app, &id).await,
        Request::SyncCancel { id } => sync::cancel(app, &id).await,
        Request::SyncApprove { id } => sync::approve(app, &id, progress).await,
        Request::DiscoveredList(filter) => Ok(Answer::Discovered(discovered::list(app, &filter).await?)),
        Request::DiscoveredPage { filter, paging } => {
            Ok(Answer::DiscoveredPage(Box::new(listing::discovered(app, &filter, &paging).await?)))
        }
        Request::ImportedPage { filter, paging } => {
            Ok(Answer::ImportedPage(Box::new(listing::imported(app, &filter, &paging).await?)))
        }
        Request::DiscoveredShow { repository, integration } => {
            discovered::show(app, &repository, integration.as_deref()).await
        }
        Request::DiscoveredImport { selection, options } => import::import(app, selection, options, progress).await,
        Request::DiscoveredIgnore { repositories, integration, reason } => {
            discovered::ignore(app, &repositories, integration.as_deref(), reason.as_deref()).await
        }
        Request::DiscoveredRestore { repositories, integration } => {
            discovered::restore(app, &repositories, integration.as_deref()).await
        }
        Request::ImportedList { integration, search } => {
            Ok(Answer::Links(imported::list(app, integration.as_deref(), search.as_deref()).await?))
        }
        Request::ImportedShow { repository, integration } => {
            imported::show(app, &repository, integration.as_deref()).await
        }
        Request::ImportedUnlink { repositories, integration } => {
            imported::unlink(app, &repositories, integration.as_deref()).await
        }
        Request::ImportedUndo { which, integration, dry_run } => {
            undo::undo(app, &which, integration.as_deref(), dry_run, progress).await
        }
        Request::RulesCheck { text, name, integration } => {
            rules::check(app, &text, &name, integration.as_deref()).await
        }
        Request::RulesPreview { text, name, integration, limit } => {
            let name = name.as_deref().unwrap_or("rules");
            rules::show(app, &text, name, integration.as_deref(), limit.unwrap_or(rules::ROWS)).await
        }
        Request::RulesShow { integration } => rules_file::show(app, &integration).await,
        Request::RulesWrite { integration, text, instead_of } => {
            rules_file::write(app, &integration, &text, &instead_of).await
        }
        Request::Report { integrations } => report::report(app, &integrations).await,
        Request::IntegrationList { name } => integration::list(app, name.as_deref()).await,
        Request::IntegrationSuspend { name, suspended } => integration::suspend(app, &name, suspended).await,
        Request::IntegrationAutoImport { name, on } => integration::auto_import(app, &name, on).await,
        Request::IntegrationDelete { name, dry_run } => integration::delete(app, &name, dry_run).await,
        Request::ActivityPullRequests { repository, integration, limit } => {
            activity::pull_requests(app, &repository, integration.as_deref(), limit).await
        }
        Request::ActivityDetails { kind, repository, integration, limit } => {
            activity::details(app, kind, &repository, integration.as_deref(), limit).await
        }
        Request::ActivityUsers { integration, limit } => activity::users(app, integration.as_deref(), limit).await,
        Request::ActivityCommits { repository, integration, limit } => {
            activity::commits(app, &repository, integration.as_deref(), limit).await
        }
        Request::ActivityWeeks { repository, integration } => {
            weeks::weeks(app, &repository, integration.as_deref()).await
        }
        Request::IntegrationDraft(draft) => draft::integration(app, &draft).await,
        Request::IntegrationCreate { draft, instead_of } => draft::create(app, &draft, &instead_of).await,
        Request::EntityShow { entity, integration } => entity::show(app, &entity, integration.as_deref()).await,
        Request::EntitySearch { integration, text } => entity::search(app, &integration, &text).await,
        Request::Webhook { deed, integrations } => webhook::webhook(app, deed, &integrations).await,
        Request::WebhookDeliveries(filter) => deliveries::list(app, &filter).await,
        Request::AuditList(filter) => audit::list(app, &filter).await,
        Request::StoreCheck => store::check(app).await,
        Request::StoreExport { of } => store::export(app, of).await,
        Request::CredentialList { name } => credential::list(app, name.as_deref()).await,
        Request::CredentialRecords => credential::records(app).await,
        Request::CredentialChange { changes, rekey } => credential::change(app, changes, rekey).await,
        Request::CredentialRenew { name, connector, refused } => {
            credential::renew(app, &name, &connector, refused).await
        }
        Request::CredentialDelete { name, dry_run } => credential::delete(app, &name, dry_run).await,
    }
}

impl App {
    /// The same for another caller.
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Tells the import this is done for what came of a row, as far as who began it may know.
    fn tell_row(&self, row: &answer::ImportRow, mask: Option<&masked::Mask>) {
        if let Some(job) = &self.job {
            let shown = match mask {
                None => Some(row.clone()),
                Some(mask) => mask.same(row),
            };
            shown.into_iter().for_each(|row| job.tell(row));
        }
    }

    /// The integrations of the config that the caller sees.
    pub fn visible(&self) -> impl Iterator<Item = &Integration> {
        self.caller.visible(&self.config.integrations)
    }

    /// An integration of the config that the caller sees.
    ///
    /// # Errors
    /// Usage, naming the nearest one.
    pub fn integration(&self, name: &str) -> Result<&Integration, Failure> {
        self.visible().find(|one| one.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.visible().map(|one| one.name.as_str()).collect();
            let mend = match (names.as_slice(), &self.caller.sees) {
                ([], Sees::Matching(_)) => SEES_NONE.to_owned(),
                ([], Sees::Everything) => "the config has none; `catalog-sync init` writes an example".to_owned(),
                (_, Sees::Matching(_)) => format!("you may see: {}", names.join(", ")),
                (_, Sees::Everything) => format!("the config has: {}", names.join(", ")),
            };
            Failure::unknown(format!("there is no integration `{name}`"), mend)
        })
    }

    /// The integrations a command is about: the one named, or all of the config.
    ///
    /// # Errors
    /// Usage, when the name is unknown.
    pub fn integrations(&self, name: Option<&str>) -> Result<Vec<&Integration>, Failure> {
        match name {
            Some(name) => Ok(vec![self.integration(name)?]),
            None => Ok(self.visible().collect()),
        }
    }

    /// Every known repository of an integration.
    ///
    /// # Errors
    /// The store's.
    pub async fn repositories(&self, key: &IntegrationKey) -> Result<Vec<KnownRepository>, StoreError> {
        let mut all = Vec::new();
        let mut after: Option<RepoKey> = None;
        loop {
            let page = self.store.repositories(key, after.as_ref(), BATCH).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.repository.key.clone());
            all.extend(page);
        }
    }

    /// Repositories of an integration that were transferred to where another integration on the same
    /// catalog looks after them: their links are shown there (P2.8).
    ///
    /// # Errors
    /// The store's.
    pub async fn handed_over(
        &self,
        key: &IntegrationKey,
        known: &[KnownRepository],
    ) -> Result<BTreeSet<RepoKey>, StoreError> {
        let mut over = BTreeSet::new();
        for known in known {
            if self.handed_over_to(key, known).await?.is_some() {
                over.insert(known.repository.key.clone());
            }
        }
        Ok(over)
    }

    /// The integration on the same catalog that looks after a repository since it was transferred, and what it knows of
    /// it; `None`: this one still does, or nobody. What was handed over is not this one's any more: whoever sees only
    /// this one does nothing to it.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn handed_over_to(
        &self,
        key: &IntegrationKey,
        known: &KnownRepository,
    ) -> Result<Option<(IntegrationKey, KnownRepository)>, StoreError> {
        if !matches!(known.presence, Presence::Moved { .. }) {
            return Ok(None);
        }
        let repo = &known.repository.key;
        for other in self.store.integrations_of(repo).await? {
            if other != *key
                && other.catalog == key.catalog
                && let Some((there, _)) = self.store.record(&other, repo).await?
                && there.presence.is_served()
            {
                return Ok(Some((other, there)));
            }
        }
        Ok(None)
    }

    /// Finds the repository a person means: an id, a full name, a unique slug, or a URL; in one integration,
    /// or in whichever knows it.
    ///
    /// # Errors
    /// Usage: none, or several, which are then named.
    pub async fn find(
        &self,
        text: &str,
        integration: Option<&str>,
    ) -> Result<(&Integration, KnownRepository), Failure> {
        let mut found = self.find_exactly(text, integration).await?;
        if let ([_], Some(one)) = (found.as_slice(), found.first())
            && one.1.presence.is_served()
        {
            return Ok(found.swap_remove(0));
        }
        found.clear();
        let mut transferred = None;
        for of in self.integrations(integration)? {
            let known = self.repositories(&of.key()).await?;
            for known in known.into_iter().filter(|known| is_meant(text, known)) {
                let Some((key, there)) = self.handed_over_to(&of.key(), &known).await? else {
                    found.push((of, known));
                    continue;
                };
                // Whoever does not see where it is now knows nothing of it any more.
                let Some(now) = self.visible().find(|other| other.key() == key) else { continue };
                match integration {
                    None => found.push((now, there)),
                    Some(name) => {
                        let what =
                            format!("{} was transferred: {name} looks after it no more", known.repository.full_name);
                        let mend = format!("{} looks after it now, as {}", now.name, there.repository.full_name);
                        transferred = Some(Failure::unknown(what, mend));
                    }
                }
            }
        }
        if let Some(failure) = transferred.filter(|_| found.is_empty()) {
            return Err(failure);
        }
        // The same by the name it has now and by the one it had elsewhere.
        let mut seen = BTreeSet::new();
        found.retain(|(of, known)| seen.insert((of.name.clone(), known.repository.key.clone())));
        // An exact name outranks a slug or a former name that happens to be the same.
        let exact = |known: &KnownRepository| {
            known.repository.key.id == text || known.repository.full_name.eq_ignore_ascii_case(text)
        };
        if found.iter().any(|(_, known)| exact(known)) {
            found.retain(|(_, known)| exact(known));
        }
        // What is called so now outranks what was called so once; of a transferred repository, where it is now.
        if found.iter().any(|(_, known)| is_called(text, known)) {
            found.retain(|(_, known)| is_called(text, known));
        }
        if found.iter().any(|(_, known)| known.presence.is_served()) {
            found.retain(|(_, known)| known.presence.is_served());
        }
        if let [(_, one), _, ..] = found.as_slice() {
            let is_one = found.iter().all(|(_, known)| known.repository.key == one.repository.key);
            let names: Vec<String> = found
                .iter()
                .map(|(integration, known)| match is_one {
                    true => integration.name.clone(),
                    false => known.repository.full_name.clone(),
                })
                .collect();
            let (what, mend) = if is_one {
                (format!("several integrations know `{text}`"), format!("add `-i` with one of {}", names.join(", ")))
            } else {
                (
                    format!("`{text}` means several repositories"),
                    format!("name one of them in full: {}", names.join(", ")),
                )
            };
            return Err(Failure::usage(what, mend));
        }
        match found.pop() {
            Some(found) => Ok(found),
            None => Err(self.unknown(text, integration).await?),
        }
    }

    /// Those whose id, or whose full name as kept lists have it, is this very text: found without a walk over all.
    async fn find_exactly(
        &self,
        text: &str,
        integration: Option<&str>,
    ) -> Result<Vec<(&Integration, KnownRepository)>, Failure> {
        let mut found = Vec::new();
        for integration in self.integrations(integration)? {
            let key = integration.key();
            let id = match text.contains('/') {
                true => listing::id_of(self, integration, text).await?,
                false => Some(text.to_owned()),
            };
            let repo = id.map(|id| RepoKey { instance: key.instance.clone(), id });
            let listed = self.store.listed(&key, ListedOf::These(repo.into_iter().collect())).await?;
            found.extend(listed.into_iter().map(|listed| (integration, listed.known)));
        }
        Ok(found)
    }

    /// No such repository, with the nearest that there is.
    async fn unknown(&self, text: &str, integration: Option<&str>) -> Result<Failure, Failure> {
        let mut names = Vec::new();
        for integration in self.integrations(integration)? {
            for known in self.repositories(&integration.key()).await? {
                names.push(known.repository.full_name);
            }
        }
        let slug = |name: &str| name.rsplit_once('/').map_or(name, |(_, slug)| slug).to_owned();
        let wanted = slug(text.trim_end_matches('/'));
        let slugs: Vec<String> = names.iter().map(|name| slug(name)).collect();
        let near = nearest(&wanted, slugs.iter().map(String::as_str));
        let near = near.and_then(|near| names.iter().find(|name| slug(name) == near));
        let forms = "use an id, workspace/slug, a unique slug or a URL; `discovered list --state all` and `imported list` show what is known";
        let mend = match near {
            Some(near) => format!("did you mean `{}`? {forms}", escape_control(near)),
            None => forms.to_owned(),
        };
        Ok(Failure::unknown(format!("no repository `{text}` is known"), mend))
    }
}

/// Whether `text` names this repository, now or formerly.
fn is_meant(text: &str, known: &KnownRepository) -> bool {
    let same = |name: &str| name.eq_ignore_ascii_case(text);
    let was_called = |name: &String| same(name) || name.rsplit_once('/').is_some_and(|(_, slug)| same(slug));
    is_called(text, known) || known.former_names.iter().any(was_called)
}

/// Whether `text` names this repository as it is now.
fn is_called(text: &str, known: &KnownRepository) -> bool {
    RepositoryRef::parse(text).is_ok_and(|reference| reference.names(&known.repository))
}

/// Names a repository that is not known any more by its key alone.
fn nameless(key: &RepoKey) -> RepositoryName {
    RepositoryName { id: key.id.clone(), full_name: key.to_string(), name: key.id.clone(), url: String::new() }
}
