//! Looks before a sync does (P6.9): reaches, authenticates, and proves each right a sync will need.

use serde_json::Value;

use super::{BitbucketCloud, Call, Who};
use crate::error::escape_control;
use crate::source::http::links::{segment, shown};
use crate::source::http::{Credential, CredentialSettings, Pool, Reply};
use crate::source::look::{self, finding};
use crate::source::{Finding, FindingCode, SourceError};

/// Every credential by itself, then what they see together.
pub(super) async fn look(cloud: &BitbucketCloud) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = cloud.session.reload_secrets() {
        findings.push(finding(FindingCode::InvalidCredentials, "credentials", error.to_string(), error.mend(), None));
        return findings;
    }
    cloud.session.forgive();
    let mut sees = Vec::new();
    for (index, settings) in cloud.session.credentials().enumerate() {
        let look = Look { cloud, index, settings, findings: Vec::new() };
        let (found, count) = look.all().await;
        findings.extend(found);
        sees.extend(count.map(|count| (settings.name.clone(), count)));
    }
    findings.extend(look::difference(&sees, |count| *count));
    findings
}

/// One credential.
struct Look<'a> {
    cloud: &'a BitbucketCloud,
    index: usize,
    settings: &'a CredentialSettings,
    findings: Vec<Finding>,
}

impl Look<'_> {
    /// What was found, and how many repositories the credential sees.
    async fn all(mut self) -> (Vec<Finding>, Option<u64>) {
        self.findings.extend(look::expiry(self.settings, self.cloud.session.now().date_naive()));
        let Some(listed) = self.list().await else { return (self.findings, None) };
        self.projects(listed.count).await;
        let test = self.cloud.test_repository.as_deref().map(|name| name.trim_end_matches(".git").to_owned());
        let slug = match test {
            Some(slug) => self.test_repository(&slug).await.then_some(slug),
            None => listed.first,
        };
        if let Some(slug) = slug {
            self.pull_requests(&slug).await;
        }
        if self.cloud.reads_users {
            self.members().await;
        }
        (self.findings, listed.count)
    }

    /// Reach, authenticate, list.
    async fn list(&mut self) -> Option<Listed> {
        let relative = format!("/repositories/{}?sort=created_on&pagelen=1", self.cloud.workspace_segment);
        let subject = self.settings.name.clone();
        let (reply, curl) = self.ask(&relative, Pool::Repositories, &subject, Subject::Workspace).await?;
        let Some(rows) = reply.value.get("values").and_then(Value::as_array) else {
            let error = SourceError::NotBitbucket {
                url: shown(&reply.url),
                message: "JSON without a list of `values`".to_owned(),
            };
            self.failed(&error, &subject, Subject::Workspace, Some(curl));
            return None;
        };
        let count = reply.value.get("size").and_then(Value::as_u64);
        let workspace = escape_control(&self.cloud.workspace);
        if rows.is_empty() {
            let message = format!("authenticated, but it sees no repository in the workspace {workspace}");
            let mend = "give the credential access to the workspace's repositories, and check the workspace's name";
            self.findings.push(finding(FindingCode::NoResources, &subject, message, Some(mend.to_owned()), Some(curl)));
            return None;
        }
        let kind = self.settings.credential.kind();
        let how_many = match count {
            Some(1) => "1 repository".to_owned(),
            Some(count) => format!("{count} repositories"),
            None => "repositories".to_owned(),
        };
        let message = format!("authenticated ({kind}); it sees {how_many} in the workspace {workspace}");
        self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
        let full_name = rows[0].get("full_name").and_then(Value::as_str).unwrap_or_default();
        let first = full_name.split_once('/').map(|(_, slug)| slug.to_owned());
        Some(Listed { count, first })
    }

    async fn projects(&mut self, count: Option<u64>) {
        let relative = format!("/workspaces/{}/projects?pagelen=1", self.cloud.workspace_segment);
        let subject = format!("projects ({})", self.settings.name);
        let call = self.call(&relative, Pool::Other);
        let Ok((call, curl)) = call else { return };
        match self.cloud.session.json(&call).await {
            Ok(_) => {
                let message = "projects can be read".to_owned();
                self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
            }
            // P6.4: it lists its one repository, and the workspace is closed to it.
            Err(SourceError::Forbidden { .. }) if count == Some(1) => {
                let message = "this is a repository-level token: it lists one repository and may not read the \
                               workspace's projects (403)";
                let mend = "make the access token for the workspace (or a project), not for one repository";
                self.findings.push(finding(
                    FindingCode::InvalidPermissions,
                    &subject,
                    message.to_owned(),
                    Some(mend.to_owned()),
                    Some(curl),
                ));
            }
            Err(error) => self.failed(&error, &subject, Subject::Workspace, Some(curl)),
        }
    }

    async fn test_repository(&mut self, slug: &str) -> bool {
        let subject = format!("test repository {} ({})", escape_control(slug), self.settings.name);
        let Some(segment) = segment(slug) else {
            let message = "its name cannot be part of an address".to_owned();
            let mend = "write `test_repository` as SLUG.git".to_owned();
            self.findings.push(finding(FindingCode::NotFound, &subject, message, Some(mend), None));
            return false;
        };
        let relative = format!("/repositories/{}/{segment}?fields=uuid,full_name", self.cloud.workspace_segment);
        let Some((_, curl)) = self.ask(&relative, Pool::Repositories, &subject, Subject::Repository).await else {
            return false;
        };
        self.findings.push(finding(FindingCode::Ok, &subject, "it can be read".to_owned(), None, Some(curl)));
        true
    }

    async fn pull_requests(&mut self, slug: &str) {
        let Some(segment) = segment(slug) else { return };
        let relative =
            format!("/repositories/{}/{segment}/pullrequests?pagelen=1&fields=size", self.cloud.workspace_segment);
        let subject = format!("pull requests of {} ({})", escape_control(slug), self.settings.name);
        if let Some((_, curl)) = self.ask(&relative, Pool::Repositories, &subject, Subject::Repository).await {
            self.findings.push(finding(FindingCode::Ok, &subject, "they can be read".to_owned(), None, Some(curl)));
        }
    }

    async fn members(&mut self) {
        let relative = format!("/workspaces/{}/members?pagelen=1&fields=size", self.cloud.workspace_segment);
        let subject = format!("users ({})", self.settings.name);
        let Ok((call, curl)) = self.call(&relative, Pool::Other) else { return };
        match self.cloud.session.json(&call).await {
            Ok(_) => {
                let message = "the workspace's members can be read".to_owned();
                self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
            }
            Err(error @ SourceError::Forbidden { .. }) => {
                let mend = "give the credential the scope account (read:workspace:bitbucket), or leave `users` out";
                let mend = Some(mend.to_owned());
                self.findings.push(finding(look::code(&error), &subject, error.to_string(), mend, Some(curl)));
            }
            Err(error) => self.failed(&error, &subject, Subject::Workspace, Some(curl)),
        }
    }

    /// Asks with this credential; a failure is a finding.
    async fn ask(&mut self, relative: &str, pool: Pool, subject: &str, about: Subject) -> Option<(Reply, String)> {
        let (call, curl) = match self.call(relative, pool) {
            Ok(call) => call,
            Err(error) => {
                self.failed(&error, subject, about, None);
                return None;
            }
        };
        match self.cloud.session.json(&call).await {
            Ok(reply) => Some((reply, curl)),
            Err(error) => {
                self.failed(&error, subject, about, Some(curl));
                None
            }
        }
    }

    fn call(&self, relative: &str, pool: Pool) -> Result<(Call, String), SourceError> {
        let url = self.cloud.session.base().url(relative)?;
        let curl = self.cloud.reach.curl(&self.settings.credential, &url);
        Ok((Call { pool, ..Call::get(url, Who::Only(self.index)) }, curl))
    }

    fn failed(&mut self, error: &SourceError, subject: &str, about: Subject, curl: Option<String>) {
        let (code, mend) = judge(error, about, &self.settings.credential);
        self.findings.push(finding(code, subject, error.to_string(), mend, curl));
    }
}

struct Listed {
    /// How many the credential sees, where the server tells.
    count: Option<u64>,
    /// Slug of the first.
    first: Option<String>,
}

/// What a 404 would be about.
#[derive(Clone, Copy)]
enum Subject {
    Workspace,
    Repository,
}

fn judge(error: &SourceError, about: Subject, credential: &Credential) -> (FindingCode, Option<String>) {
    let mend = match (error, about) {
        (SourceError::Unauthorized { .. }, _) => Some(unauthorized_mend(credential)),
        (SourceError::NotFound { .. }, Subject::Repository) => Some(
            "check the name of the repository (`test_repository`, or the connector's url); a private one the \
             credential may not see answers the same"
                .to_owned(),
        ),
        (SourceError::Removed { .. } | SourceError::BadRequest { .. }, _) => {
            error.mend().or_else(|| Some("check `api_url` and the workspace".to_owned()))
        }
        _ => error.mend(),
    };
    (look::code(error), mend)
}

/// Mixing the kinds is the most common 401 (facts 1.9).
fn unauthorized_mend(credential: &Credential) -> String {
    match credential {
        Credential::AccessToken(_) => {
            "check that the access token is current; an API token of a user goes under `api_token` with its e-mail"
        }
        Credential::ApiToken { .. } => {
            "check e-mail and API token; an access token of a workspace, project or repository goes under `access_token`"
        }
        Credential::OAuth { .. } => {
            "check key and secret of the OAuth consumer, and that it is marked private (client credentials need that)"
        }
        Credential::OAuthLogin(_) => {
            "look whether the consumer is still there, with the same key and secret, then log in again: `catalog-sync credential login NAME`"
        }
        Credential::Basic { .. } => {
            "Bitbucket Cloud takes no passwords; app passwords ended on 2026-07-28: use `api_token` or `access_token`"
        }
    }
    .to_owned()
}
