//! Looks before a sync does (P6.9): reaches, authenticates, and proves each right a sync will need.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{BitbucketDataCenter, Call, IDENTITY, Who, path_of, wire};
use crate::error::escape_control;
use crate::model::Repository;
use crate::source::http::links::{segment, shown};
use crate::source::http::{Credential, CredentialSettings, Reply};
use crate::source::look::{self, finding};
use crate::source::{Finding, FindingCode, SourceError};

/// Enough to tell one repository from several.
const FEW: u32 = 2;
/// Enough to compare what several credentials see.
const MANY: u32 = 1000;

/// The server, then every credential by itself, then what they see together.
pub(super) async fn look(dc: &BitbucketDataCenter) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(error) = dc.session.reload_secrets() {
        findings.push(finding(FindingCode::InvalidCredentials, "credentials", error.to_string(), error.mend(), None));
        return findings;
    }
    dc.session.forgive();
    let several = dc.session.credentials().count() > 1;
    let mut sees = Vec::new();
    for (index, settings) in dc.session.credentials().enumerate() {
        let mut look = Look { dc, index, settings, several, findings: Vec::new() };
        let is_reached = index > 0 || look.server().await;
        let seen = if is_reached { look.all().await } else { None };
        findings.extend(look.findings);
        sees.extend(seen.map(|seen| (settings.name.clone(), seen)));
        if !is_reached {
            return findings;
        }
    }
    findings.extend(look::difference(&sees, |seen| seen.len() as u64));
    findings
}

/// One credential.
struct Look<'a> {
    dc: &'a BitbucketDataCenter,
    index: usize,
    settings: &'a CredentialSettings,
    /// What they see is compared.
    several: bool,
    findings: Vec<Finding>,
}

/// What a 404 would be about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Server,
    Project,
    Repository,
}

/// What a listing showed.
struct Listed {
    repositories: Vec<Repository>,
    /// There are no others.
    is_all: bool,
}

impl Look<'_> {
    /// Whether a Bitbucket answers there. Anybody is told, but for those whose credential is wrong.
    async fn server(&mut self) -> bool {
        let asked = self.asked("/application-properties").await;
        let (result, curl) = match asked {
            Ok(asked) => asked,
            Err(error) => {
                self.failed(&error, "server", Subject::Server, None);
                return false;
            }
        };
        let version = match result {
            Ok(reply) => wire::version(&reply.value),
            // Of that, the credential is told.
            Err(SourceError::Unauthorized { .. }) => return true,
            Err(error) => {
                self.failed(&error, "server", Subject::Server, Some(curl));
                return false;
            }
        };
        let instance = &self.dc.instance;
        let (code, message, mend) = match version {
            Some(version) if version.major >= 7 => {
                (FindingCode::Ok, format!("Bitbucket {} answers at {instance}", version.text), None)
            }
            Some(version) => (
                FindingCode::Warning,
                format!("Bitbucket {} answers at {instance}; it is older than what is known to work", version.text),
                Some("versions from 7.0 on are known to work"),
            ),
            None => (
                FindingCode::Warning,
                format!("something answers at {instance} that does not tell its version"),
                Some("check `url`: it is the address under which people open Bitbucket, with its context path"),
            ),
        };
        self.findings.push(finding(code, "server", message, mend.map(str::to_owned), Some(curl)));
        true
    }

    /// Everything a credential has to do; which repositories it sees.
    async fn all(&mut self) -> Option<BTreeSet<String>> {
        self.findings.extend(look::expiry(self.settings, self.dc.session.now().date_naive()));
        if !self.identity().await {
            return None;
        }
        let listed = self.list().await?;
        self.projects(&listed).await;
        let test = match self.dc.test_repository.as_deref() {
            Some(name) => self.test_repository(name).await,
            None => listed.repositories.first().and_then(|repo| path_of(&repo.workspace, &repo.slug)),
        };
        if let Some(path) = test {
            self.pull_requests(&path).await;
        }
        if self.dc.reads_users {
            self.users().await;
        }
        Some(listed.repositories.into_iter().map(|repo| repo.key.id).collect())
    }

    /// What is public is answered to everybody: only this proves that the credential is known.
    async fn identity(&mut self) -> bool {
        let subject = self.settings.name.clone();
        let Some((_, curl)) = self.ask(IDENTITY, &subject, Subject::Server).await else { return false };
        let message = format!("authenticated ({})", self.settings.credential.kind());
        self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
        true
    }

    async fn list(&mut self) -> Option<Listed> {
        let subject = format!("repositories ({})", self.settings.name);
        let limit = if self.several { MANY } else { FEW };
        let relative = match self.dc.project.as_deref().and_then(segment) {
            Some(key) => format!("/projects/{key}/repos?limit={limit}"),
            None => format!("/repos?archived=ALL&limit={limit}"),
        };
        let (result, curl) = match self.asked(&relative).await {
            Ok(asked) => asked,
            Err(error) => {
                self.failed(&error, &subject, Subject::Project, None);
                return None;
            }
        };
        let listed = match result.and_then(|reply| self.listed(reply)) {
            Ok(listed) => listed,
            Err(error) => {
                if matches!(error, SourceError::Forbidden { .. }) && self.sees_one().await {
                    self.repository_level(&subject, curl);
                } else {
                    self.failed(&error, &subject, Subject::Project, Some(curl));
                }
                return None;
            }
        };
        let place = self.place();
        if listed.repositories.is_empty() {
            let message = format!("authenticated, but it sees no repository in {place}");
            let mend = "give the account (or the token) read access to the repositories, and check the project's key";
            self.findings.push(finding(FindingCode::NoResources, &subject, message, Some(mend.to_owned()), Some(curl)));
            return None;
        }
        let how_many = match (listed.repositories.len(), listed.is_all) {
            (1, true) => "1 repository".to_owned(),
            (count, true) => format!("{count} repositories"),
            (_, false) => "repositories".to_owned(),
        };
        let message = format!("it sees {how_many} in {place}");
        self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
        Some(listed)
    }

    fn place(&self) -> String {
        match &self.dc.project {
            Some(key) => format!("the project {}", escape_control(key)),
            None => "the instance".to_owned(),
        }
    }

    fn listed(&self, reply: Reply) -> Result<Listed, SourceError> {
        let url = shown(&reply.url);
        let page = wire::envelope(reply.value).map_err(|message| SourceError::NotBitbucket { url, message })?;
        let rows = page.values.into_iter().filter_map(|row| wire::repository(row, &self.dc.instance).ok());
        Ok(Listed { repositories: rows.map(|record| record.repository).collect(), is_all: page.next.is_none() })
    }

    /// Whether the credential sees a single repository in all of the instance.
    async fn sees_one(&self) -> bool {
        match self.asked(&format!("/repos?archived=ALL&limit={FEW}")).await {
            Ok((Ok(reply), _)) => self.listed(reply).is_ok_and(|it| it.is_all && it.repositories.len() == 1),
            _ => false,
        }
    }

    async fn projects(&mut self, listed: &Listed) {
        let subject = format!("projects ({})", self.settings.name);
        // The project of the only repository: what a token for a repository may not see.
        let only = listed.repositories.first().filter(|_| listed.is_all && listed.repositories.len() == 1);
        let key = self.dc.project.as_deref().or(only.map(|repo| repo.workspace.as_str())).and_then(segment);
        let relative = key.map_or_else(|| "/projects?limit=1".to_owned(), |key| format!("/projects/{key}"));
        let Ok((result, curl)) = self.asked(&relative).await else { return };
        match result {
            Ok(_) => {
                let message = "projects can be read".to_owned();
                self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
            }
            // P6.4.
            Err(SourceError::Forbidden { .. }) if only.is_some() => self.repository_level(&subject, curl),
            Err(error) => self.failed(&error, &subject, Subject::Project, Some(curl)),
        }
    }

    fn repository_level(&mut self, subject: &str, curl: String) {
        let message = "this is a repository-level token: it lists one repository and may not read its project";
        let mend = "make the HTTP access token for the project (or for an account), not for one repository";
        self.findings.push(finding(
            FindingCode::InvalidPermissions,
            subject,
            message.to_owned(),
            Some(mend.to_owned()),
            Some(curl),
        ));
    }

    /// Its path, where it can be read.
    async fn test_repository(&mut self, name: &str) -> Option<String> {
        let name = name.trim_end_matches(".git");
        let subject = format!("test repository {} ({})", escape_control(name), self.settings.name);
        let path = match (name.split_once('/'), &self.dc.project) {
            (Some((project, slug)), _) => path_of(project, slug),
            (None, Some(project)) => path_of(project, name),
            (None, None) => None,
        };
        let Some(path) = path else {
            let message = "its name is no project and slug".to_owned();
            let mend = "write `test_repository` as PROJECT/SLUG.git".to_owned();
            self.findings.push(finding(FindingCode::NotFound, &subject, message, Some(mend), None));
            return None;
        };
        let (_, curl) = self.ask(&path, &subject, Subject::Repository).await?;
        self.findings.push(finding(FindingCode::Ok, &subject, "it can be read".to_owned(), None, Some(curl)));
        Some(path)
    }

    async fn pull_requests(&mut self, path: &str) {
        let name = path.trim_start_matches("/projects/").replace("/repos/", "/");
        let name = percent_encoding::percent_decode_str(&name).decode_utf8_lossy().into_owned();
        let subject = format!("pull requests of {} ({})", escape_control(&name), self.settings.name);
        let relative = format!("{path}/pull-requests?state=ALL&limit=1");
        if let Some((_, curl)) = self.ask(&relative, &subject, Subject::Repository).await {
            self.findings.push(finding(FindingCode::Ok, &subject, "they can be read".to_owned(), None, Some(curl)));
        }
    }

    async fn users(&mut self) {
        let subject = format!("users ({})", self.settings.name);
        let place = super::users::place(self.dc.project.as_deref());
        let with = if place.contains('?') { '&' } else { '?' };
        let Ok((result, curl)) = self.asked(&format!("{place}{with}limit=1")).await else { return };
        match result {
            Ok(_) => {
                let message = "they can be read".to_owned();
                self.findings.push(finding(FindingCode::Ok, &subject, message, None, Some(curl)));
            }
            Err(error @ SourceError::Forbidden { .. }) => {
                let mend = "use the token of an account with a licence (a project's or repository's has none), or leave the users out";
                let mend = Some(mend.to_owned());
                self.findings.push(finding(look::code(&error), &subject, error.to_string(), mend, Some(curl)));
            }
            Err(error) => self.failed(&error, &subject, Subject::Server, Some(curl)),
        }
    }

    /// Asks with this credential; a failure is a finding.
    async fn ask(&mut self, relative: &str, subject: &str, about: Subject) -> Option<(Value, String)> {
        match self.asked(relative).await {
            Ok((Ok(reply), curl)) => Some((reply.value, curl)),
            Ok((Err(error), curl)) => {
                self.failed(&error, subject, about, Some(curl));
                None
            }
            Err(error) => {
                self.failed(&error, subject, about, None);
                None
            }
        }
    }

    /// The answer, and an equivalent command.
    async fn asked(&self, relative: &str) -> Result<(Result<Reply, SourceError>, String), SourceError> {
        let url = self.dc.session.base().url(relative)?;
        let curl = self.dc.reach.curl(&self.settings.credential, &url);
        Ok((self.dc.session.json(&Call::get(url, Who::Only(self.index))).await, curl))
    }

    fn failed(&mut self, error: &SourceError, subject: &str, about: Subject, curl: Option<String>) {
        let mend = match (error, about) {
            (SourceError::Unauthorized { .. }, _) => Some(self.unauthorized_mend()),
            (SourceError::Forbidden { .. }, _) => Some(
                "give the account or the token read access (REPO_READ, and PROJECT_READ for a project), or exclude it"
                    .to_owned(),
            ),
            (SourceError::NotFound { .. }, Subject::Repository) => {
                Some("check the test repository's name: PROJECT/SLUG, as in its address".to_owned())
            }
            (SourceError::NotFound { .. }, Subject::Project) => {
                Some("check the project's key, as in its address: /projects/KEY".to_owned())
            }
            (SourceError::NotFound { .. } | SourceError::BadRequest { .. }, Subject::Server) => Some(
                "check `url`: it is the address under which people open Bitbucket, with its context path (such as /bitbucket)"
                    .to_owned(),
            ),
            _ => error.mend().or_else(|| Some("check `url`".to_owned())),
        };
        self.findings.push(finding(look::code(error), subject, error.to_string(), mend, curl));
    }

    fn unauthorized_mend(&self) -> String {
        match &self.settings.credential {
            // Tokens of projects and repositories are no password (facts 2.3).
            Credential::Basic { .. } if self.dc.session.password_is_token(self.index) => {
                "the password is an HTTP access token: those of projects and repositories work as `access_token` alone, \
                 without a username"
            }
            Credential::Basic { .. } => {
                "check username and password (an HTTP access token goes under `access_token`); after several failures \
                 log in once in a browser, which may ask for a CAPTCHA"
            }
            Credential::ApiToken { .. } => {
                "API tokens with an e-mail are for Bitbucket Cloud: make an HTTP access token and use `access_token`"
            }
            Credential::AccessToken(_) | Credential::OAuth { .. } | Credential::OAuthLogin(_) => {
                "check that the HTTP access token is current, and was made in this instance"
            }
        }
        .to_owned()
    }
}
