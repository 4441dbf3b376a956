//! Webhooks: who is told, what there is to tell, and the telling itself, signed, in order, three times where nobody
//! takes it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::history::History;
use super::pull_requests::Verdict;
use super::uuid::Uuid;
use super::world::{Activity, Repository, World};
use crate::server::webhooks::signature::{HEADER, sign};

/// A webhook that somebody set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Cloud's identity.
    pub uuid: Uuid,
    /// Data Center's.
    pub id: u64,
    /// What it tells of.
    pub(super) place: WebhookPlace,
    /// What people call it.
    pub name: String,
    /// Where it sends to.
    pub url: String,
    /// What it signs with; empty: it does not.
    pub secret: String,
    /// What it sends; empty: everything.
    pub events: Vec<String>,
    /// Whether it sends.
    pub active: bool,
    /// When it was made.
    pub created_on: DateTime<Utc>,
}

/// What a webhook tells of, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WebhookPlace {
    Everything,
    Workspace(usize),
    Project(usize),
    Repository(usize),
}

/// Something happened in a repository.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub(super) at: usize,
    pub(super) what: What,
    /// The repository as it was just then: it may be called otherwise when it is told.
    pub(super) repository: Box<Repository>,
    /// Data Center's number of it.
    pub(super) number: u64,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Created,
    Updated,
    /// It was called so before: project position and slug.
    Renamed {
        project: usize,
        slug: String,
    },
    /// It came from another workspace.
    Transferred {
        project: usize,
        slug: String,
    },
    Deleted,
    Pushed {
        branch: String,
        from: Option<String>,
        to: Option<String>,
    },
    Opened(u64),
    Changed(u64),
    Reviewed(u64, Verdict),
    Commented(u64),
    Merged(u64),
    Declined(u64),
}

impl World {
    /// Sends everything that happens from now on to a URL, signed with a secret.
    pub fn add_webhook(&mut self, url: &str, secret: &str) {
        self.subscribe(WebhookPlace::Everything, "by hand", url, secret, Vec::new());
    }

    /// Every webhook that was set up.
    pub fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }

    pub(super) fn subscribe(
        &mut self,
        place: WebhookPlace,
        name: &str,
        url: &str,
        secret: &str,
        events: Vec<String>,
    ) -> &Webhook {
        let uuid = self.fresh_uuid();
        let id = self.webhooks.last().map_or(0, |last| last.id) + 1;
        let (name, url, secret) = (name.to_owned(), url.to_owned(), secret.to_owned());
        let created_on = self.now();
        self.webhooks.push(Webhook { uuid, id, place, name, url, secret, events, active: true, created_on });
        &self.webhooks[self.webhooks.len() - 1]
    }

    /// Notes what happened, where somebody wants to know.
    pub(super) fn tell(&mut self, at: usize, what: What) {
        if self.webhooks.iter().any(|webhook| webhook.active) {
            let repository = Box::new(Repository {
                activity: Activity::Seeded { seed: 0, pull_requests: 0, commits: 0 },
                ..self.repositories[at].clone()
            });
            let number = self.number(&self.repositories[at]);
            self.happened.push(Happened { at, what, repository, number });
        }
    }

    pub(super) fn tell_push(&mut self, at: usize, branch: &str, from: Option<String>) {
        let to = self.written(at).history.head(branch).map(str::to_owned);
        if to != from {
            self.tell(at, What::Pushed { branch: branch.to_owned(), from, to });
        }
    }

    pub(super) fn head_of(&mut self, at: usize, branch: &str) -> Option<String> {
        let history: &History = &self.written(at).history;
        history.head(branch).map(str::to_owned)
    }

    /// Who wants to know of it.
    pub(super) fn listeners<'a>(&'a self, happened: &'a Happened, key: &'a str) -> impl Iterator<Item = &'a Webhook> {
        let Repository { project, .. } = *happened.repository;
        let workspace = self.projects[project].workspace;
        self.webhooks.iter().filter(move |webhook| {
            let is_near = match webhook.place {
                WebhookPlace::Everything => true,
                WebhookPlace::Workspace(at) => at == workspace,
                WebhookPlace::Project(at) => at == project,
                WebhookPlace::Repository(at) => at == happened.at,
            };
            is_near && webhook.active && (webhook.events.is_empty() || webhook.events.iter().any(|event| event == key))
        })
    }
}

/// A body on its way.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) url: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Outgoing {
    /// To a webhook; `number` is the header that names the delivery.
    pub(super) fn to(webhook: &Webhook, key: &str, number: (&'static str, String), body: &str) -> Self {
        let mut headers =
            vec![("x-event-key", key.to_owned()), number, ("content-type", "application/json".to_owned())];
        if !webhook.secret.is_empty() {
            headers.push((HEADER, sign(&webhook.secret, body.as_bytes())));
        }
        Self { url: webhook.url.clone(), headers, body: body.to_owned() }
    }
}

/// How often something is sent, where the other side fails.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Sends what comes, one after the other.
pub(super) async fn send(mut waiting: mpsc::UnboundedReceiver<Outgoing>) {
    // A second call fails harmlessly: somebody installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Ok(client) = reqwest::Client::builder().timeout(Duration::from_secs(10)).build() else { return };
    while let Some(Outgoing { url, headers, body }) = waiting.recv().await {
        for attempt in 1..=ATTEMPTS {
            let mut request = client.post(&url).body(body.clone()).header("x-attempt-number", attempt);
            for (name, value) in &headers {
                request = request.header(*name, value);
            }
            // As Cloud does: what is refused (4xx) is not sent again.
            if request.send().await.is_ok_and(|answer| answer.status().as_u16() < 500) {
                break;
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
    }
}
