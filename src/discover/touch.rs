//! One repository alone, because an event says that something happened there: one look, by its id. What the walks
//! know (watermark, count, sweep under way) stays true.

use super::presence::presence_after;
use super::record::{first_seen, updated};
use super::{BATCH, DiscoverError, Discovery};
use crate::model::{IngestedRecord, InstanceId, KnownRepository, Presence, RepoKey, Repository, Touched};
use crate::store::{DiscoveryState, RecordedPage, StoreError};

/// What one look found.
#[derive(Clone, Debug, PartialEq)]
pub enum Looked {
    /// It is there: as known now.
    There {
        /// The repository.
        known: Box<KnownRepository>,
        /// Met for the first time.
        is_new: bool,
        /// Its record or its presence is not what it was.
        is_changed: bool,
    },
    /// The server does not know it any more. That alone makes nothing missing: the next sync sweeps, and two of those
    /// in a row judge (P2.9).
    NotFound {
        /// Its full name.
        full_name: String,
    },
    /// It is elsewhere now, as are so many others that the name of the whole workspace may have changed: that is for a
    /// walk to say. Nothing was recorded.
    Elsewhere {
        /// As it was called.
        full_name: String,
        /// As it is called now.
        now: String,
    },
    /// It is none of this integration's, or cannot be told which one it is.
    NotOurs,
}

/// Looks at one repository and records what it finds.
///
/// # Errors
/// The source's, the store's; nothing was concluded then.
pub async fn touch(run: &Discovery<'_>, touched: &Touched) -> Result<Looked, DiscoverError> {
    let integration = &run.lease.integration;
    let before = known_as(run, touched).await?;
    if before.is_none() && is_elsewhere(&integration.workspace, touched) {
        return Ok(Looked::NotOurs);
    }
    let Some(place) = place(&integration.instance, before.as_ref(), touched) else { return Ok(Looked::NotOurs) };
    let mut found = run.source.repository(&place).await?;
    if let (None, Some(before)) = (&found, &before)
        && before.repository.full_name != place.full_name
        && integration.instance != InstanceId::cloud()
    {
        // The event may be older than what is known: it is looked for there, too.
        found = run.source.repository(&before.repository).await?;
    }
    let state = run.store.integration(integration).await?;
    let mut discovery = state.map(|state| state.discovery).unwrap_or_default();
    match (found, before) {
        (None, None) => Ok(Looked::NotOurs),
        (None, Some(before)) => {
            if before.presence.is_served() && !discovery.sweep_next {
                discovery.sweep_next = true;
                record(run, Vec::new(), Vec::new(), discovery).await?;
            }
            Ok(Looked::NotFound { full_name: before.repository.full_name })
        }
        (Some(found), None) if !is_ours(&integration.workspace, &found) => Ok(Looked::NotOurs),
        (Some(IngestedRecord { repository, fingerprint, raw }), None) => {
            let known = first_seen(run, repository, fingerprint);
            // A row recorded as known and not counted would make every later count differ.
            discovery.expected_count = discovery.expected_count.map(|count| count + 1);
            record(run, vec![(known.clone(), raw)], Vec::new(), discovery).await?;
            Ok(Looked::There { known: Box::new(known), is_new: true, is_changed: true })
        }
        (Some(found), Some(before)) => again(run, found, before, discovery).await,
    }
}

/// What is known of a repository against what was found.
async fn again(
    run: &Discovery<'_>,
    found: IngestedRecord,
    before: KnownRepository,
    mut discovery: DiscoveryState,
) -> Result<Looked, DiscoverError> {
    let is_ours = is_ours(&run.lease.integration.workspace, &found);
    let IngestedRecord { repository, fingerprint, raw } = found;
    let moved_to = repository.full_name.clone();
    if !is_ours && before.presence.is_served() {
        // One workspace renamed looks like every repository moved: P2.9's caution, between two sweeps.
        let known = usize::try_from(discovery.expected_count.unwrap_or_default()).unwrap_or(usize::MAX);
        let moved = usize::try_from(discovery.moved_unswept).unwrap_or(usize::MAX).saturating_add(1);
        if run.behaviour.guard.is_passed(moved, known) {
            if !discovery.sweep_next {
                discovery.sweep_next = true;
                record(run, Vec::new(), Vec::new(), discovery).await?;
            }
            return Ok(Looked::Elsewhere { full_name: before.repository.full_name, now: moved_to });
        }
        discovery.moved_unswept += 1;
    }
    let has_other_record = before.fingerprint != fingerprint;
    let is_touched = before.repository.updated_on != repository.updated_on;
    let was = before.presence.clone();
    let mut known = updated(before, repository, fingerprint, has_other_record.then_some(run.now));
    let next = if is_ours {
        presence_after(&known, true, false, true, (run.behaviour.hides)(&known.repository))
    } else {
        Presence::Moved { to: moved_to }
    };
    // What the filters hide from now on is for a walk to say, which sees how many they are (P2.9).
    let is_newly_hidden = was.is_served() && matches!(next, Presence::Excluded { .. });
    known.presence = if is_newly_hidden { was.clone() } else { next };
    let is_changed = has_other_record || known.presence != was;
    if is_changed {
        record(run, vec![(known.clone(), raw)], Vec::new(), discovery).await?;
    } else if is_touched {
        record(run, Vec::new(), vec![known.clone()], discovery).await?;
    }
    Ok(Looked::There { known: Box::new(known), is_new: false, is_changed })
}

async fn record(
    run: &Discovery<'_>,
    changed: Vec<(KnownRepository, serde_json::Value)>,
    touched: Vec<KnownRepository>,
    discovery: DiscoveryState,
) -> Result<(), StoreError> {
    // Not as the end of a walk: what a sweep under way has seen stays.
    run.store.record_page(run.lease, RecordedPage { changed, touched, seen: Vec::new(), discovery }).await
}

/// The repository an event names: by its id, else by its place.
async fn known_as(run: &Discovery<'_>, touched: &Touched) -> Result<Option<KnownRepository>, StoreError> {
    let integration = &run.lease.integration;
    if let Some(id) = &touched.id {
        let key = RepoKey { instance: integration.instance.clone(), id: id.clone() };
        return Ok(run.store.record(integration, &key).await?.map(|(known, _)| known));
    }
    let named = touched.full_name();
    let mut after: Option<RepoKey> = None;
    loop {
        let page = run.store.repositories(integration, after.as_ref(), BATCH).await?;
        let Some(last) = page.last() else { return Ok(None) };
        after = Some(last.repository.key.clone());
        if let Some(known) = page.into_iter().find(|known| known.repository.full_name.eq_ignore_ascii_case(&named)) {
            return Ok(Some(known));
        }
    }
}

/// Where it is looked for: where the event says, under the name last known. `None`: an event without an id names one
/// that is not known.
fn place(instance: &InstanceId, known: Option<&KnownRepository>, touched: &Touched) -> Option<Repository> {
    let Touched { id, workspace, slug, .. } = touched;
    if let Some(KnownRepository { repository, .. }) = known {
        if workspace.is_empty() || slug.is_empty() {
            return Some(repository.clone());
        }
        let (workspace, slug) = (workspace.clone(), slug.clone());
        return Some(Repository { workspace, slug, full_name: touched.full_name(), ..repository.clone() });
    }
    Some(Repository {
        key: RepoKey { instance: instance.clone(), id: id.clone()? },
        workspace: workspace.clone(),
        slug: slug.clone(),
        full_name: touched.full_name(),
        name: slug.clone(),
        project_key: None,
        description: None,
        default_branch: None,
        language: None,
        is_private: true,
        is_fork: false,
        is_personal: false,
        is_archived: false,
        url: String::new(),
        created_on: None,
        updated_on: None,
    })
}

/// Whether an event is about another workspace than the one configured, as far as names tell: then an id that nobody
/// knows here is not asked for. One that came from there has an event, or a sweep, of its own.
fn is_elsewhere(workspace: &str, touched: &Touched) -> bool {
    let has_name = !matches!(workspace, "" | "*") && !workspace.starts_with('{');
    has_name && !touched.workspace.is_empty() && !touched.workspace.eq_ignore_ascii_case(workspace)
}

/// Whether a record lies in the workspace as configured: a slug, a uuid, or all there is.
fn is_ours(workspace: &str, found: &IngestedRecord) -> bool {
    if matches!(workspace, "" | "*") {
        return true;
    }
    let uuid = || found.raw.pointer("/workspace/uuid").and_then(serde_json::Value::as_str);
    found.repository.workspace.eq_ignore_ascii_case(workspace)
        || uuid().is_some_and(|uuid| uuid.eq_ignore_ascii_case(workspace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fingerprint;

    fn known(slug: &str) -> KnownRepository {
        KnownRepository {
            repository: Repository::bare(RepoKey::cloud("{1}"), slug),
            fingerprint: Fingerprint([0; 16]),
            presence: Presence::Present,
            first_seen: Default::default(),
            last_changed: Default::default(),
            first_seen_under_auto_import: false,
            former_names: Vec::new(),
        }
    }

    fn touched(id: Option<&str>, slug: &str) -> Touched {
        let (workspace, slug) = ("acme".to_owned(), slug.to_owned());
        Touched { id: id.map(str::to_owned), workspace, slug, kinds: Default::default(), again: false }
    }

    // P6.12: an event says where to look; what is known says what it was called there.
    #[test]
    fn it_is_looked_for_where_the_event_says_p6_12() {
        let cloud = InstanceId::cloud();
        let renamed = place(&cloud, Some(&known("web")), &touched(Some("{1}"), "web-shop")).unwrap();
        assert_eq!((renamed.full_name.as_str(), renamed.name.as_str()), ("acme/web-shop", "web"));
        let bare = place(&cloud, Some(&known("web")), &touched(Some("{1}"), "")).unwrap();
        assert_eq!(bare.full_name, "acme/web", "an event that names no place");
        let new = place(&cloud, None, &touched(Some("{2}"), "api")).unwrap();
        assert_eq!((new.key.id.as_str(), new.slug.as_str()), ("{2}", "api"));
        assert_eq!(place(&cloud, None, &touched(None, "api")), None, "nobody knows which one that is");
    }

    #[track_caller]
    fn check_elsewhere(workspace: &str, named: &str, elsewhere: bool) {
        let touched = Touched { workspace: named.to_owned(), ..touched(Some("{1}"), "web") };
        assert_eq!(is_elsewhere(workspace, &touched), elsewhere, "{workspace} {named}");
    }

    // P6.12: an event costs a request in the integrations it may be about.
    #[test]
    fn an_event_of_another_workspace_is_not_asked_about_p6_12() {
        check_elsewhere("acme", "labs", true);
        check_elsewhere("acme", "ACME", false);
        check_elsewhere("acme", "", false);
        check_elsewhere("{ab}", "labs", false);
        check_elsewhere("*", "PAY", false);
        check_elsewhere("", "PAY", false);
        check_elsewhere("PAY", "~ann", true);
    }

    #[track_caller]
    fn check_ours(workspace: &str, ours: bool) {
        let raw = serde_json::json!({"workspace": {"uuid": "{Ab}"}});
        let found = IngestedRecord { repository: known("web").repository, fingerprint: Fingerprint([0; 16]), raw };
        assert_eq!(is_ours(workspace, &found), ours, "{workspace}");
    }

    #[test]
    fn a_workspace_is_named_by_slug_or_uuid_or_is_all_there_is() {
        check_ours("acme", true);
        check_ours("ACME", true);
        check_ours("{ab}", true);
        check_ours("*", true);
        check_ours("labs", false);
        check_ours("{cd}", false);
    }
}
