//! `webhook create|list|delete`: the webhooks on Bitbucket that point to us. Ours are known by where they send to, so
//! that creating them twice changes nothing.

use std::collections::BTreeSet;

use secrecy::SecretString;
use url::Url;

use super::answer::WebhookRow;
use super::request::{Answer, WebhookDeed};
use super::{App, Failure};
use crate::assemble::Assembler;
use crate::config::{Config, Connector, ConnectorType, Integration, WHOLE_INSTANCE};
use crate::error::Report;
use crate::model::IntegrationKey;
use crate::server::webhooks;
use crate::source::hooks::{Hook, HookPlace, NewHook};
use crate::source::{Source, SourceError};

/// Looks for, makes or removes our webhooks of these integrations, or of all.
///
/// # Errors
/// Usage: an unknown integration, or settings that are missing. What fails at Bitbucket is a row.
pub(super) async fn webhook(app: &App, deed: WebhookDeed, names: &[String]) -> Result<Answer, Failure> {
    for name in names {
        app.integration(name)?;
    }
    // Nothing on Bitbucket can point to where nobody says that we are.
    if deed == WebhookDeed::List && app.config.server.public_url.is_none() {
        return Ok(Answer::Webhooks(Vec::new()));
    }
    let chosen = app.visible().filter(|one| names.is_empty() || names.contains(&one.name));
    let mut rows = Vec::new();
    let mut done: BTreeSet<(String, String)> = BTreeSet::new();
    for integration in chosen {
        let Some(connector) = app.config.connector_of(integration) else { continue };
        // Several integrations of one workspace share its webhook.
        if !done.insert((connector.name.clone(), integration.workspace.to_lowercase())) {
            continue;
        }
        if connector.webhook_secrets.is_empty() && names.is_empty() && app.visible().count() > 1 {
            continue;
        }
        let ours = target(&app.config, connector)?;
        let secret = if deed == WebhookDeed::Create { Some(newest_secret(&app.assembler, connector)?) } else { None };
        let hook = secret.map(|secret| NewHook { url: ours.clone(), secret });
        let source = app.assembler.source(integration, Some(&app.store)).await?;
        let doing = Doing { integration, connector, source: source.as_ref(), ours: &ours, hook: hook.as_ref() };
        for place in places(app, integration, connector).await? {
            rows.extend(doing.at(app, deed, &place).await?);
        }
        app.store.save_budget(&integration.connector, &source.budget_snapshot()).await?;
    }
    Ok(Answer::Webhooks(rows))
}

/// Where webhooks of a connector are to be sent.
///
/// # Errors
/// Usage: `server.public_url` is missing.
fn target(config: &Config, connector: &Connector) -> Result<Url, Failure> {
    let Some(public_url) = &config.server.public_url else {
        return Err(Failure::usage(
            "Bitbucket has to know where to send webhooks to, and the config does not say",
            "set `server.public_url` to the address under which Bitbucket reaches this sidecar",
        ));
    };
    let text = format!("{}{}", public_url.as_str().trim_end_matches('/'), webhooks::path(connector.kind));
    Url::parse(&text).map_err(|error| {
        Failure::usage(
            format!("`server.public_url` makes no address: {error}"),
            "write it like `https://sync.acme.dev/`",
        )
    })
}

fn newest_secret(assembler: &Assembler, connector: &Connector) -> Result<SecretString, Failure> {
    let Some(secret) = connector.webhook_secrets.first() else {
        return Err(Failure::usage(
            format!("the connector {} has no webhook secret", connector.name),
            format!(
                "add `webhook_secrets: [ {{ env: HOOK_SECRET }} ]` to it (line {} of the config), the newest first",
                connector.place.line
            ),
        ));
    };
    secret.resolve(assembler.secrets()).map_err(|error| {
        Failure::usage(format!("the webhook secret of {} cannot be read: {error}", connector.name), error.mend())
    })
}

/// Where the webhooks of an integration belong: the widest place there is.
async fn places(app: &App, integration: &Integration, connector: &Connector) -> Result<Vec<HookPlace>, Failure> {
    match connector.kind {
        ConnectorType::BitbucketCloud => Ok(vec![HookPlace::Workspace]),
        ConnectorType::BitbucketDataCenter if integration.workspace != WHOLE_INSTANCE => {
            Ok(vec![HookPlace::Project(integration.workspace.clone())])
        }
        ConnectorType::BitbucketDataCenter => {
            let projects = projects(app, &integration.key()).await?;
            if projects.is_empty() {
                return Err(Failure::refused(
                    format!("no project of {} is known yet", integration.name),
                    "sync first: `catalog-sync sync now`",
                ));
            }
            Ok(projects.into_iter().map(HookPlace::Project).collect())
        }
    }
}

/// Keys of the projects with a repository that is served.
async fn projects(app: &App, key: &IntegrationKey) -> Result<BTreeSet<String>, Failure> {
    let known = app.repositories(key).await?;
    let served = known.into_iter().filter(|known| known.presence.is_served());
    Ok(served.map(|known| known.repository.workspace).collect())
}

struct Doing<'a> {
    integration: &'a Integration,
    connector: &'a Connector,
    source: &'a dyn Source,
    ours: &'a Url,
    hook: Option<&'a NewHook>,
}

impl Doing<'_> {
    async fn at(&self, app: &App, deed: WebhookDeed, place: &HookPlace) -> Result<Vec<WebhookRow>, Failure> {
        match self.done(deed, place).await {
            Ok(rows) => Ok(rows),
            // An instance without webhooks of projects: each repository has its own.
            Err(SourceError::NotFound { .. } | SourceError::BadRequest { status: 405, .. })
                if matches!(place, HookPlace::Project(_)) =>
            {
                let HookPlace::Project(project) = place else { return Ok(Vec::new()) };
                let mut rows = Vec::new();
                for known in app.repositories(&self.integration.key()).await? {
                    let repository = known.repository;
                    if known.presence.is_served() && repository.workspace == *project {
                        let place = HookPlace::Repository(repository.workspace, repository.slug);
                        match self.done(deed, &place).await {
                            Ok(done) => rows.extend(done),
                            Err(error) => rows.push(self.failed(&place, &error)),
                        }
                    }
                }
                Ok(rows)
            }
            Err(error) => Ok(vec![self.failed(place, &error)]),
        }
    }

    async fn done(&self, deed: WebhookDeed, place: &HookPlace) -> Result<Vec<WebhookRow>, SourceError> {
        let mut ours: Vec<Hook> = self.source.hooks(place).await?;
        ours.retain(|hook| is_same(&hook.url, self.ours));
        let mut rows = Vec::new();
        match (deed, self.hook) {
            (WebhookDeed::Create, Some(new)) => {
                let mut ours = ours.into_iter();
                let first = ours.next();
                let hook = self.source.set_hook(place, first.as_ref().map(|hook| hook.id.as_str()), new).await?;
                rows.push(self.row(place, &hook, if first.is_some() { "updated" } else { "created" }));
                // Two would send everything twice.
                for double in ours {
                    self.source.remove_hook(place, &double.id).await?;
                    rows.push(self.row(place, &double, "deleted"));
                }
            }
            (WebhookDeed::Delete, _) => {
                for hook in ours {
                    self.source.remove_hook(place, &hook.id).await?;
                    rows.push(self.row(place, &hook, "deleted"));
                }
            }
            (WebhookDeed::List | WebhookDeed::Create, _) => {
                let state = |hook: &Hook| if hook.is_active { "active" } else { "inactive" };
                rows.extend(ours.iter().map(|hook| self.row(place, hook, state(hook))));
            }
        }
        Ok(rows)
    }

    fn row(&self, place: &HookPlace, hook: &Hook, result: &str) -> WebhookRow {
        WebhookRow {
            integration: self.integration.name.clone(),
            place: place.to_string(),
            id: Some(hook.id.clone()),
            url: hook.url.clone(),
            events: hook.events.clone(),
            result: result.to_owned(),
            reason: None,
        }
    }

    fn failed(&self, place: &HookPlace, error: &SourceError) -> WebhookRow {
        WebhookRow {
            integration: self.integration.name.clone(),
            place: place.to_string(),
            id: None,
            url: self.ours.to_string(),
            events: Vec::new(),
            result: "failed".to_owned(),
            reason: Some(reason(self.connector.kind, error)),
        }
    }
}

/// What went wrong, and the right that is missing.
pub(super) fn reason(kind: ConnectorType, error: &SourceError) -> String {
    let mend = match error {
        SourceError::Forbidden { .. } => Some(missing_right(kind).to_owned()),
        error => error.mend(),
    };
    Report::new("the webhook could not be looked at or changed", error, mend).one_line()
}

/// What a credential needs for webhooks.
pub(super) fn missing_right(kind: ConnectorType) -> &'static str {
    match kind {
        ConnectorType::BitbucketCloud => {
            "give the credential the scope `webhook` (API token: read:webhook:bitbucket, write:webhook:bitbucket, delete:webhook:bitbucket) and make its owner an administrator of the workspace, or set the webhook up by hand"
        }
        ConnectorType::BitbucketDataCenter => {
            "give the credential administration of the project, or let a project administrator set the webhook up by hand"
        }
    }
}

fn is_same(url: &str, ours: &Url) -> bool {
    Url::parse(url).is_ok_and(|url| url.as_str().trim_end_matches('/') == ours.as_str().trim_end_matches('/'))
}

/// Whether webhooks are wanted of a connector, and so where they are to be sent.
pub(super) fn wanted(config: &Config, connector: &Connector) -> Option<Url> {
    let is_wanted = config.server.public_url.is_some() && !connector.webhook_secrets.is_empty();
    if is_wanted { target(config, connector).ok() } else { None }
}

/// Looks whether webhooks can be managed, and whether one points to us: for `check`, which changes nothing.
pub(super) async fn look(source: &dyn Source, integration: &Integration, kind: ConnectorType, ours: &Url) -> Look {
    let place = match kind {
        ConnectorType::BitbucketCloud => HookPlace::Workspace,
        ConnectorType::BitbucketDataCenter if integration.workspace == WHOLE_INSTANCE => return Look::Untold,
        ConnectorType::BitbucketDataCenter => HookPlace::Project(integration.workspace.clone()),
    };
    match source.hooks(&place).await {
        Ok(hooks) => match hooks.iter().find(|hook| is_same(&hook.url, ours)) {
            Some(hook) if hook.is_active => Look::Set,
            Some(_) => Look::Inactive,
            None => Look::Missing,
        },
        // Webhooks of repositories: `webhook list` tells.
        Err(SourceError::NotFound { .. }) => Look::Untold,
        Err(error) => Look::Failed(error),
    }
}

/// How it stands with the webhooks of an integration.
pub(super) enum Look {
    /// One points to us.
    Set,
    /// One points to us, and is switched off.
    Inactive,
    /// None does.
    Missing,
    /// They lie where one look does not tell.
    Untold,
    /// They may not be looked at.
    Failed(SourceError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, ours: bool) {
        let target = Url::parse("https://sync.acme.dev/hooks/webhooks/bitbucket_cloud").unwrap();
        assert_eq!(is_same(url, &target), ours, "{url}");
    }

    // P6.12: our webhook is known by where it sends to.
    #[test]
    fn ours_is_known_by_its_url_p6_12() {
        check("https://sync.acme.dev/hooks/webhooks/bitbucket_cloud", true);
        check("https://SYNC.acme.dev:443/hooks/webhooks/bitbucket_cloud/", true);
        check("https://sync.acme.dev/webhooks/bitbucket_cloud", false);
        check("http://sync.acme.dev/hooks/webhooks/bitbucket_cloud", false);
        check("nonsense", false);
    }
}
