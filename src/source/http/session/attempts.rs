//! One call, sent until it is answered: which credential, what an answer means, what is tried again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use url::Url;

use super::{Call, Choice, Pool, Reply, Session, Who};
use crate::source::SourceError;
use crate::source::http::answer;
use crate::source::http::auth::Authorizer;
use crate::source::http::budget::Observed;
use crate::source::http::client::{Answer, Fault, Request, Verb};
use crate::source::http::links::shown;
use crate::source::http::retry::{Backoff, reset_s, server_date, throttled_until};

/// Hops of one call.
const MOST_REDIRECTS: u32 = 5;
/// Answers that are not JSON are asked for this many times at most.
const MOST_UNREADABLE: u32 = 3;
/// From this on, JSON is read on a thread of its own: a millisecond and more.
const PARSED_ASIDE_BYTES: usize = 16 * 1024;

/// The attempts of one call.
pub(super) struct Attempts<'a> {
    session: &'a Session,
    call: &'a Call,
    url: Url,
    backoff: Backoff<'a>,
    /// Credentials that may not do this, and what the first of them was told.
    passed_over: Vec<usize>,
    denied: Option<SourceError>,
    waited: Duration,
    redirects: u32,
    unreadable: u32,
    renewed: bool,
}

/// What an answer means for the call.
enum Verdict {
    Done(Reply),
    Again,
    Failed(SourceError),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(session: &'a Session, call: &'a Call) -> Self {
        let attempts = call.attempts.unwrap_or(session.http.attempts).max(1);
        Self {
            session,
            call,
            url: call.url.clone(),
            backoff: Backoff::new(&session.jitter, session.http.retry_base, attempts),
            passed_over: Vec::new(),
            denied: None,
            waited: Duration::ZERO,
            redirects: 0,
            unreadable: 0,
            renewed: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<Reply, SourceError> {
        loop {
            let index = self.credential().await?;
            match self.attempt(index).await {
                Verdict::Done(reply) => return Ok(reply),
                Verdict::Again => {}
                Verdict::Failed(error) => {
                    // Of every credential: what one was told may hold what another sent before.
                    let workers = self.session.workers.iter();
                    return Err(workers.fold(error, |error, worker| blotted(error, &worker.authorizer)));
                }
            }
        }
    }

    /// A credential with a request taken from its budget; waits for one when that is short.
    async fn credential(&mut self) -> Result<usize, SourceError> {
        loop {
            let resume_at = match self.session.choose(self.call, &self.passed_over) {
                Choice::Use(index) => return Ok(index),
                Choice::Wait(resume_at) => resume_at,
                Choice::Nobody => {
                    let denied = self.denied.take();
                    return Err(denied.unwrap_or_else(|| self.session.refusal(self.call, &self.url)));
                }
            };
            if let Some(denied) = self.denied.take() {
                // The other credential cannot be asked now; what the first one was told stands.
                return Err(denied);
            }
            let wait = (resume_at - self.session.clock.now()).to_std().unwrap_or_default();
            if self.waited + wait > self.session.http.max_wait {
                return Err(SourceError::BudgetExhausted { resume_at });
            }
            self.waited += wait;
            self.session.clock.sleep_until(resume_at).await;
        }
    }

    async fn attempt(&mut self, index: usize) -> Verdict {
        let worker = &self.session.workers[index];
        let session = self.session;
        let authorization = match worker
            .authorizer
            .authorization(&session.client, session.clock.now(), &|| session.count_request())
            .await
        {
            Ok(authorization) => authorization,
            Err(error) => return Verdict::Failed(error),
        };
        session.count_request();
        let request = Request {
            url: &self.url,
            verb: self.call.verb,
            posted: self.call.posted.as_ref(),
            authorization: Some(&authorization.header),
        };
        let answered = session.client.send(request).await;
        session.sent.note(self.call.pool, answered.as_ref().ok().map(|answer| answer.status));
        let answer = match answered {
            Ok(answer) => answer,
            Err(fault) => return self.faulted(fault).await,
        };
        if answer.status == 429 {
            let now = session.clock.now();
            let in_a_row = worker.budget(self.call.pool).throttled_in_a_row();
            let until = throttled_until(&answer.headers, now, session.throttle(), in_a_row, &session.jitter);
            // The whole credential rests, not the request: knocking on eats the window (facts 1.8).
            for pool in [Pool::Repositories, Pool::Other] {
                worker.budget(pool).throttled(until);
            }
            return Verdict::Again;
        }
        worker.budget(self.call.pool).observe(observed(&answer, session.clock.now()), session.clock.now());
        match answer.status {
            204 => {
                Verdict::Done(Reply { value: Value::Null, date: server_date(&answer.headers), url: self.url.clone() })
            }
            200..=299 => self.read(answer).await,
            300..=399 => self.redirected(&answer),
            401 => {
                if is_locked_out(&answer) {
                    worker.authorizer.refuse();
                    return Verdict::Failed(SourceError::LockedOut { url: shown(&self.url) });
                }
                // Once, and only with something new in hand: repeated refusals lock accounts (P6.11).
                if !self.renewed && worker.authorizer.renew(&authorization) {
                    self.renewed = true;
                    return Verdict::Again;
                }
                match session.is_known(index, self.call).await {
                    Ok(true) => {
                        let url = shown(&self.url);
                        self.denied(index, SourceError::Forbidden { url, required: Vec::new(), granted: Vec::new() })
                    }
                    Ok(false) => {
                        worker.authorizer.refuse();
                        Verdict::Failed(SourceError::Unauthorized { url: shown(&self.url) })
                    }
                    // Not told: neither is concluded.
                    Err(error) => Verdict::Failed(error),
                }
            }
            500 | 502 | 503 | 504 | 555 => {
                if self.backoff.pause().await {
                    return Verdict::Again;
                }
                let attempts = self.backoff.made();
                Verdict::Failed(SourceError::Server { url: shown(&self.url), status: answer.status, attempts })
            }
            _ if self.call.may_be_empty && answer::says_empty(&answer, &self.call.hashes) => {
                Verdict::Done(Reply { value: Value::Null, date: server_date(&answer.headers), url: self.url.clone() })
            }
            _ => self.denied(index, answer::error(&self.url, &answer, &self.call.hashes)),
        }
    }

    async fn faulted(&mut self, fault: Fault) -> Verdict {
        let url = shown(&self.url);
        match fault {
            Fault::Transport(message) => {
                if self.backoff.pause().await {
                    return Verdict::Again;
                }
                Verdict::Failed(SourceError::Unreachable { url, message })
            }
            Fault::Refused(message) => Verdict::Failed(SourceError::Unreachable { url, message }),
            Fault::TooLarge => {
                Verdict::Failed(SourceError::TooLarge { url, limit_bytes: self.session.client.body_bytes() })
            }
        }
    }

    async fn read(&mut self, answer: Answer) -> Verdict {
        let date = server_date(&answer.headers);
        let read = if answer.body.len() < PARSED_ASIDE_BYTES {
            answer::json(&answer)
        } else {
            // Whoever asks many pages at once goes on with the others meanwhile.
            let read = tokio::task::spawn_blocking(move || answer::json(&answer)).await;
            read.unwrap_or_else(|error| Err(format!("JSON that could not be read: {error}")))
        };
        match read {
            Ok(value) => Verdict::Done(Reply { value, date, url: self.url.clone() }),
            Err(message) => {
                self.unreadable += 1;
                if self.unreadable < MOST_UNREADABLE && self.backoff.pause().await {
                    return Verdict::Again;
                }
                Verdict::Failed(SourceError::NotBitbucket { url: shown(&self.url), message })
            }
        }
    }

    fn redirected(&mut self, answer: &Answer) -> Verdict {
        let location = answer.headers.get("location").and_then(|value| value.to_str().ok());
        let Some(location) = location.filter(|_| self.call.posted.is_none() && self.call.verb == Verb::Ask) else {
            let message = format!("a redirect to nowhere ({})", answer.status);
            return Verdict::Failed(SourceError::NotBitbucket { url: shown(&self.url), message });
        };
        self.redirects += 1;
        if self.redirects > MOST_REDIRECTS {
            return Verdict::Failed(SourceError::Circular { url: shown(&self.call.url) });
        }
        match self.session.base.redirect(&self.url, location) {
            Ok(url) => {
                self.url = url;
                Verdict::Again
            }
            Err(error) => Verdict::Failed(error),
        }
    }

    /// Forbidden, or not there for this credential (private repositories answer 404): another one is
    /// asked once, where that is allowed.
    fn denied(&mut self, index: usize, error: SourceError) -> Verdict {
        let may_be_mine = matches!(error, SourceError::Forbidden { .. } | SourceError::NotFound { .. });
        let has_another = self.call.who == Who::Any && self.session.workers.len() > 1 && self.passed_over.is_empty();
        if may_be_mine && has_another {
            self.passed_over.push(index);
            self.denied = Some(error);
            self.url = self.call.url.clone();
            return Verdict::Again;
        }
        Verdict::Failed(match (self.denied.take(), error) {
            // Of two refusals the one that says more: forbidden means that it is there.
            (Some(first @ SourceError::Forbidden { .. }), SourceError::NotFound { .. }) => first,
            (_, error) => error,
        })
    }
}

/// After failed logins, Data Center wants a CAPTCHA solved in a browser: every further attempt is in vain.
fn is_locked_out(answer: &Answer) -> bool {
    let reason = answer.headers.get("x-authentication-denied-reason").and_then(|value| value.to_str().ok());
    reason.is_some_and(|reason| reason.to_ascii_uppercase().contains("CAPTCHA"))
}

fn observed(answer: &Answer, now: DateTime<Utc>) -> Observed {
    let text = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name).and_then(|text| text.parse().ok());
    Observed {
        limit: number("x-ratelimit-limit"),
        remaining: number("x-ratelimit-remaining"),
        reset_s: reset_s(&answer.headers, now),
        near_limit: text("x-ratelimit-nearlimit").is_some_and(|text| text.eq_ignore_ascii_case("true")),
    }
}

/// A server or proxy may repeat what we sent: no secret leaves in an error.
fn blotted(mut error: SourceError, authorizer: &Authorizer) -> SourceError {
    match &mut error {
        SourceError::BadRequest { message, .. }
        | SourceError::Removed { message, .. }
        | SourceError::NotBitbucket { message, .. }
        | SourceError::Unreachable { message, .. } => *message = authorizer.blot(message),
        SourceError::UntrustedLink { target, .. } => *target = authorizer.blot(target),
        SourceError::Forbidden { required, granted, .. } => {
            for scope in required.iter_mut().chain(granted) {
                *scope = authorizer.blot(scope);
            }
        }
        _ => {}
    }
    error
}
