//! What a caller who sees some integrations is told of the others: that there is one, and not which. Reasons,
//! explanations and errors name rival repositories; whichever command told them, here is where such names go.
//!
//! What decides is whose repository a name is, as the store knows it ([`Names`]), not how it looks.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::caller::Sees;
use super::request::Answer;
use super::{App, BATCH, Failure};
use crate::config::WHOLE_INSTANCE;
use crate::error::Report;
use crate::model::{InstanceId, IntegrationKey, KnownRepository, RepoKey};
use crate::store::{ListedOf, StoreError};

/// What stands for a repository of an integration that is not theirs.
pub(super) const ANOTHER: &str = "another integration";
/// Fields that name entities and files of the catalog, which all its integrations share, or hold their text.
const OF_THE_CATALOG: [&str; 6] = ["entity", "entity_id", "entities", "path", "diff", "text"];

/// An answer as the caller may have it.
///
/// # Errors
/// The store's; a bug: an answer that cannot be read as what it was written as.
pub(super) async fn answer(app: &App, answer: Answer) -> Result<Answer, Failure> {
    // An integration's rules are its own, and a text with other words in it would be written back.
    if matches!(answer, Answer::RulesText(_)) {
        return Ok(answer);
    }
    let Some(mask) = Mask::of(app).await? else { return Ok(answer) };
    let unreadable = |error: serde_json::Error| {
        let mend = Some("please report this with the log".to_owned());
        Failure::failed(Report::new("the answer could not be made", &error, mend))
    };
    let mut value = serde_json::to_value(&answer).map_err(unreadable)?;
    mask.value(&mut value);
    serde_json::from_value(value).map_err(unreadable)
}

/// A failure as the caller may have it.
pub(super) async fn failure(app: &App, mut failure: Failure) -> Failure {
    match Mask::of(app).await {
        Ok(None) => {}
        Ok(Some(mask)) => {
            let report = &mut failure.report;
            for text in [&mut report.what].into_iter().chain(&mut report.because).chain(&mut report.mend) {
                mask.text(text);
            }
        }
        // Unknown what is theirs: nothing of it is told.
        Err(error) => failure.report = Failure::from(error).report,
    }
    failure
}

/// Data as the caller may have it, whichever way it is told: events. Where it is not known what is theirs, nothing.
pub async fn shown(app: &App, data: &impl Serialize) -> Value {
    match Mask::of(app).await {
        Ok(None) => serde_json::to_value(data).unwrap_or_default(),
        Ok(Some(mask)) => mask.shown(data),
        Err(_) => Value::Null,
    }
}

/// Which names are not theirs.
pub struct Mask {
    /// Of integrations that they see.
    own: Vec<Arc<Kept>>,
    /// Of all others.
    others: Vec<Arc<Kept>>,
}

impl Mask {
    /// `None`: they see all.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn of(app: &App) -> Result<Option<Self>, StoreError> {
        if matches!(app.caller.sees, Sees::Everything) {
            return Ok(None);
        }
        let mut mask = Self { own: Vec::new(), others: Vec::new() };
        let of_config = app.config.integrations.iter().map(|one| (one.key(), one.name.clone()));
        // Those that left the config are there still, with all that is known of them.
        let stored = app.store.integrations().await?.into_iter().map(|one| (one.key, one.name));
        let mut seen = HashSet::new();
        for (key, name) in of_config.chain(stored) {
            if seen.insert(key.clone()) {
                let kept = app.names.of(app, &key).await?;
                if app.caller.sees(&name) { &mut mask.own } else { &mut mask.others }.push(kept);
            }
        }
        Ok(Some(mask))
    }

    /// Data as they may have it.
    fn shown(&self, data: &impl Serialize) -> Value {
        let mut value = serde_json::to_value(data).unwrap_or_default();
        self.value(&mut value);
        value
    }

    /// The same as what it was; `None`: a bug, it cannot be read as what it was written as.
    pub(super) fn same<T: Serialize + DeserializeOwned>(&self, data: &T) -> Option<T> {
        serde_json::from_value(self.shown(data)).ok()
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => {
                let fields = fields.iter_mut().filter(|(name, _)| !OF_THE_CATALOG.contains(&name.as_str()));
                fields.for_each(|(_, value)| self.value(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Puts the words that name a foreign repository out of a text; the others stay, and so does what is between.
    fn text(&self, text: &mut String) {
        if !text.contains(['/', '%']) {
            return;
        }
        let is_of_name = |c: char| c.is_alphanumeric() || "/._~-:%@{}".contains(c);
        let mut masked = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let between = rest.find(is_of_name).unwrap_or(rest.len());
            masked.push_str(&rest[..between]);
            rest = &rest[between..];
            let end = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // A full stop or a colon behind a name is none of it.
            let name = word.trim_end_matches(['.', ':']);
            if self.is_foreign(name) {
                masked.push_str(ANOTHER);
                masked.push_str(&word[name.len()..]);
            } else {
                masked.push_str(word);
            }
            rest = after;
        }
        *text = masked;
    }

    /// Whether a word holds a repository that is not theirs: a full name, an address, a key; or, of one that nobody
    /// knows any more, a workspace that is not theirs.
    fn is_foreign(&self, word: &str) -> bool {
        if is_entity(word) {
            return false;
        }
        let decoded = word.replace("%2F", "/").replace("%2f", "/");
        let decoded = decoded.as_str();
        let parts: Vec<&str> = decoded.split(['/', ':']).filter(|part| !part.is_empty()).collect();
        let is_named = |name: &str| self.is_of_others(|names| names.has(name));
        let mut pairs = parts.windows(2).map(|pair| (pair[0], pair[1].strip_suffix(".git").unwrap_or(pair[1])));
        // `projects/PAY/repos/api`, `users/ann/repos/api`.
        let mut longer = parts.windows(4).filter(|of| of[2] == "repos").map(|of| match of[0] {
            "users" => format!("~{}/{}", of[1], of[3]),
            _ => format!("{}/{}", of[1], of[3]),
        });
        is_named(decoded)
            || parts.iter().any(|part| part.starts_with('{') && is_named(part))
            || pairs.clone().any(|(workspace, slug)| is_named(&format!("{workspace}/{slug}")))
            || longer.any(|name| is_named(&name))
            || pairs.any(|(workspace, _)| self.is_of_others(|names| names.serves(workspace)))
    }

    /// Whether something is so of others, and not of theirs.
    fn is_of_others(&self, is_so: impl Fn(&Known) -> bool) -> bool {
        let any = |all: &[Arc<Kept>]| {
            all.iter().any(|kept| is_so(&kept.known.read().unwrap_or_else(PoisonError::into_inner)))
        };
        any(&self.others) && !any(&self.own)
    }
}

/// `kind:namespace/name`: entities are of the catalog, whoever is linked to them, and a namespace is no workspace.
fn is_entity(word: &str) -> bool {
    let Some((kind, rest)) = word.split_once(':') else { return false };
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    kind != "url"
        && !kind.contains('.')
        && is_word(kind)
        && rest.split_once('/').is_some_and(|(scope, name)| is_word(scope) && is_word(name))
}

/// Names of the repositories of each integration, for whoever may not see all of them. Kept in memory, since they are
/// looked for in every answer.
#[derive(Debug, Default)]
pub struct Names(Mutex<HashMap<IntegrationKey, Arc<Kept>>>);

/// Those of one integration, and who reads what changed.
#[derive(Debug, Default)]
struct Kept {
    known: RwLock<Known>,
    /// Held while they are read: one at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Of the store's changes; `None`: nothing was read yet.
    revision: Option<u64>,
    /// Full names of today and of before, ids, keys; in lower case.
    names: HashSet<Box<str>>,
    /// Workspaces as they write themselves, projects of a Data Center.
    workspaces: HashSet<Box<str>>,
}

impl Known {
    fn add(&mut self, known: &KnownRepository) {
        let repository = &known.repository;
        let RepoKey { instance, id } = &repository.key;
        // A number alone names nothing.
        let id = (*instance == InstanceId::cloud()).then(|| id.clone());
        let names = [repository.full_name.clone(), repository.key.to_string()].into_iter().chain(id);
        self.names.extend(names.chain(known.former_names.iter().cloned()).map(|name| name.to_lowercase().into()));
        self.workspaces.insert(repository.workspace.as_str().into());
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name.to_lowercase().as_str())
    }

    /// Cloud ignores case, and writes its workspaces in small letters; projects of a Data Center are in capitals.
    fn serves(&self, workspace: &str) -> bool {
        self.workspaces.contains(workspace) || self.workspaces.contains(workspace.to_lowercase().as_str())
    }
}

impl Names {
    /// Those of one integration as the store knows them now.
    async fn of(&self, app: &App, key: &IntegrationKey) -> Result<Arc<Kept>, StoreError> {
        let kept = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(key.clone()).or_default().clone()
        };
        let turn = kept.turn.lock().await;
        let since = kept.known.read().unwrap_or_else(PoisonError::into_inner).revision;
        let changed = app.store.changed(key, since).await?;
        let known = || kept.known.write().unwrap_or_else(PoisonError::into_inner);
        match changed.repositories.filter(|_| since.is_some()) {
            Some(repositories) => {
                let repositories: Vec<RepoKey> = repositories.into_iter().collect();
                for some in repositories.chunks(BATCH) {
                    let listed = app.store.listed(key, ListedOf::These(some.to_vec())).await?;
                    listed.iter().for_each(|listed| known().add(&listed.known));
                }
            }
            None => {
                let mut after: Option<RepoKey> = None;
                loop {
                    let page = app.store.repositories(key, after.as_ref(), BATCH).await?;
                    let Some(last) = page.last() else { break };
                    after = Some(last.repository.key.clone());
                    page.iter().for_each(|one| known().add(one));
                }
                // Before its first sync nothing else tells.
                if key.workspace != WHOLE_INSTANCE && !key.workspace.starts_with('{') {
                    known().workspaces.insert(key.workspace.as_str().into());
                }
            }
        }
        known().revision = Some(changed.revision);
        drop(turn);
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data of two integrations: `zeta-secret` and a Data Center are others', `labs` is theirs.
    fn mask() -> Mask {
        let kept = |repositories: &[(&str, &str, &str)]| {
            let kept = Kept::default();
            for (instance, id, full_name) in repositories {
                let key = RepoKey { instance: InstanceId((*instance).to_owned()), id: (*id).to_owned() };
                let (workspace, slug) = full_name.split_once('/').unwrap();
                let mut known = crate::store::contract::world::known(key.clone());
                known.repository = crate::model::Repository::bare(key, slug);
                workspace.clone_into(&mut known.repository.workspace);
                (*full_name).clone_into(&mut known.repository.full_name);
                known.former_names = vec![format!("{full_name}-before")];
                kept.known.write().unwrap().add(&known);
            }
            Arc::new(kept)
        };
        let (cloud, ours, theirs) = ("bitbucket.org", "https://git.labs.dev", "https://git.zeta.dev");
        Mask {
            own: vec![kept(&[(cloud, "{aaaa}", "labs/clash"), (ours, "7", "LAB/tools")])],
            others: vec![
                kept(&[(cloud, "{bbbb}", "zeta-secret/clash"), (cloud, "{cccc}", "default/pay")]),
                kept(&[(theirs, "7", "SEC/plans"), (theirs, "8", "LAB/hidden"), (theirs, "9", "~ann/notes")]),
            ],
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut masked = text.to_owned();
        mask().text(&mut masked);
        assert_eq!(masked, expected, "{text}");
    }

    // security.md, API: repositories of others go, by whatever they are named.
    #[test]
    fn repositories_of_others_go_whatever_they_are_called_p7_4() {
        for name in [
            "zeta-secret/clash",
            "Zeta-Secret/clash",
            "zeta-secret/clash-before",
            "zeta-secret/gone-since",
            "https://bitbucket.org/zeta-secret/clash/src/main/",
            "url:https://bitbucket.org/zeta-secret/clash",
            "git@bitbucket.org:zeta-secret/clash.git",
            "bitbucket.org/{bbbb}",
            "zeta-secret%2Fclash",
            "SEC/plans",
            "LAB/hidden",
            "https://git.zeta.dev/projects/SEC/repos/plans/browse",
            "https://git.zeta.dev/projects/LAB/repos/hidden",
            "https://git.zeta.dev/users/ann/repos/notes",
            "https://git.zeta.dev/scm/LAB/hidden.git",
            "https://git.zeta.dev/7",
            "default/pay",
        ] {
            check(&format!("claimed by {name}: see"), &format!("claimed by {ANOTHER}: see"));
            check(name, ANOTHER);
        }
        check("x is linked to zeta-secret/clash.", &format!("x is linked to {ANOTHER}."));
    }

    // security.md, API: what is theirs, and what only looks alike, stays.
    #[test]
    fn what_is_theirs_and_what_looks_alike_stays_p7_4() {
        for text in [
            "labs/clash becomes component:default/clash",
            "component:default/pay is claimed as well by labs/clash",
            "CI/CD and TCP/IP",
            "rules/default.yaml",
            "https://git.labs.dev/projects/LAB/repos/tools",
            "LAB/tools-before, 1/2, and/or",
            "2026-11-22T04:00:00Z",
            "https://git.labs.dev/7",
        ] {
            check(text, text);
        }
        let data = serde_json::json!({
            "entity": "default/pay", "files": [{ "path": "zeta-secret/pay.yaml", "diff": "+ default/pay" }],
            "reason": "default/pay",
        });
        let expected = serde_json::json!({
            "entity": "default/pay", "files": [{ "path": "zeta-secret/pay.yaml", "diff": "+ default/pay" }],
            "reason": ANOTHER,
        });
        assert_eq!(mask().shown(&data), expected);
    }
}
