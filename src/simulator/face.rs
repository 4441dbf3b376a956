//! Which Bitbucket is played. Both faces show the same [`World`]; what they differ in is asked here.

use std::sync::{Mutex, MutexGuard};

use axum::http::Method;
use chrono::{DateTime, Utc};

use super::access::{Access, Allowance, Caller, Credential, missing_scopes};
use super::answer::{Answer, Refusal};
use super::fault::{Endpoint, Fault};
use super::kept::Listings;
use super::limits::{rate_headers, say_when};
use super::webhooks::Happened;
use super::{DataCenterOptions, SimulatorOptions, World, cloud, data_center};

/// A request as it came.
pub(super) struct Asked<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) form: &'a str,
    pub(super) authorization: Option<&'a str>,
}

/// The Bitbucket that is played.
#[derive(Clone, Debug)]
pub(super) enum Face {
    Cloud,
    DataCenter(DataCenterOptions),
}

/// What a path means.
pub(super) enum Route {
    Cloud(cloud::Route),
    DataCenter(data_center::Route),
}

impl Route {
    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Cloud(route) => route.endpoint,
            Self::DataCenter(route) => route.endpoint(),
        }
    }

    /// As in the path: `acme/web`, or `PAY/web`.
    pub(super) fn full_name(&self) -> Option<String> {
        match self {
            Self::Cloud(route) => route.full_name(),
            Self::DataCenter(route) => route.full_name(),
        }
    }

    /// Which hourly limit it counts toward.
    pub(super) fn pool(&self) -> &'static str {
        match self {
            Self::Cloud(route) => route.pool(),
            Self::DataCenter(_) => "api",
        }
    }
}

/// Everything there is to draw an answer from.
pub(super) struct Drawing<'a> {
    pub(super) world: &'a World,
    /// `http://host:port/2.0`, or the base URL of the instance.
    pub(super) base: &'a str,
    pub(super) caller: Caller,
    pub(super) credential: Option<&'a Credential>,
    pub(super) fail_sorted_states_over: Option<usize>,
    pub(super) listings: &'a dyn Listings,
}

impl Face {
    pub(super) fn of(options: &SimulatorOptions) -> Self {
        options.data_center.clone().map_or(Self::Cloud, Self::DataCenter)
    }

    /// The path that everything lies below.
    pub(super) fn context(&self) -> &str {
        match self {
            Self::Cloud => "",
            Self::DataCenter(options) => options.context.trim_end_matches('/'),
        }
    }

    /// Reads a path.
    pub(super) fn route(&self, path: &str) -> Route {
        match self {
            Self::Cloud => Route::Cloud(cloud::Route::of(path)),
            Self::DataCenter(_) => Route::DataCenter(data_center::Route::of(path, self.context())),
        }
    }

    /// Who asks, and whether they may ask that now. `caller` is set as soon as it is known.
    pub(super) fn admit(
        &self,
        asked: &Asked<'_>,
        route: &Route,
        access: &Mutex<Access>,
        options: &SimulatorOptions,
        now: DateTime<Utc>,
        caller: &mut Caller,
    ) -> Result<Option<Allowance>, Answer> {
        if matches!(route.endpoint(), Endpoint::Token | Endpoint::Authorize) {
            return Ok(None);
        }
        let mut access = super::kept::lock(access);
        *caller = match self {
            Self::Cloud => access
                .who(asked.authorization, now)
                .map(|at| at.map_or(Caller::Anybody, Caller::Known))
                .map_err(|()| self.refused(&Refusal::unauthorized()))?,
            Self::DataCenter(_) if asked.authorization.is_none() && !access.credentials.is_empty() => Caller::Anonymous,
            Self::DataCenter(_) => access
                .who(asked.authorization, now)
                .map(|at| at.map_or(Caller::Anybody, Caller::Known))
                .map_err(|()| self.refused(&data_center::wrong_credentials()))?,
        };
        let allowance = self.spend(&mut access, *caller, route, options, now)?;
        match (self, route) {
            (Self::DataCenter(options), Route::DataCenter(route)) => {
                let credential = caller.position().and_then(|at| access.credentials.get(at));
                route.admit(*caller, credential, options).map_err(|refusal| self.refused(&refusal))?;
            }
            (_, Route::Cloud(route)) => admit_by_scopes(&access, *caller, route).map_err(|it| self.refused(&it))?,
            (Self::Cloud, Route::DataCenter(_)) => {}
        }
        Ok(allowance)
    }

    fn spend(
        &self,
        access: &mut MutexGuard<'_, Access>,
        caller: Caller,
        route: &Route,
        options: &SimulatorOptions,
        now: DateTime<Utc>,
    ) -> Result<Option<Allowance>, Answer> {
        if let Some(bucket) = options.data_center.as_ref().and_then(|data_center| data_center.bucket) {
            access
                .take(caller.position(), bucket, now)
                .map_err(|free_in| self.limited(options.retry_after, free_in, now))?;
        }
        access.spend(caller.position(), route.pool(), options.requests_per_hour, now).map_err(|allowance| {
            let mut answer = self.limited(options.retry_after, allowance.free_in, now);
            answer.headers.extend(rate_headers(options.rate_headers, allowance, route.pool()));
            answer
        })
    }

    /// Draws the right answer.
    pub(super) fn draw(&self, asked: &Asked<'_>, route: &Route, from: &Drawing<'_>) -> Result<String, Refusal> {
        match (self, route) {
            (Self::DataCenter(options), Route::DataCenter(route)) => {
                data_center::Request::of(options, route, asked, from).answer()
            }
            (_, Route::Cloud(route)) => cloud::Request {
                world: from.world,
                api: from.base,
                route,
                method: asked.method,
                path: asked.path,
                query: asked.query,
                form: asked.form,
                credential: from.credential,
                fail_sorted_states_over: from.fail_sorted_states_over,
                listings: from.listings,
            }
            .answer(),
            (Self::Cloud, Route::DataCenter(_)) => Err(self.refusal(404, route)),
        }
    }

    /// Lists, makes, changes or removes webhooks: status and body.
    pub(super) fn webhooks(
        &self,
        route: &Route,
        asked: &Asked<'_>,
        world: &mut World,
    ) -> Result<(u16, String), Refusal> {
        match route {
            Route::Cloud(route) => cloud::webhooks(route, asked.method.as_str(), asked.form, world),
            Route::DataCenter(route) => data_center::webhooks(route, asked.method.as_str(), asked.form, world),
        }
    }

    /// What is told of something that happened: event key and body.
    pub(super) fn event(
        &self,
        world: &World,
        base: &str,
        api: &str,
        happened: &Happened,
    ) -> Option<(&'static str, String)> {
        match self {
            Self::Cloud => cloud::event(world, api, happened),
            Self::DataCenter(options) => data_center::event(world, options, base, happened),
        }
    }

    /// A refusal as an answer.
    pub(super) fn refused(&self, refusal: &Refusal) -> Answer {
        let mut answer = Answer::refused(refusal);
        match self {
            Self::Cloud if refusal.status == 401 => {
                answer.headers.push(("www-authenticate", "Basic realm=\"Bitbucket.org HTTP\"".to_owned()));
            }
            Self::DataCenter(options) if options.bare_errors => answer.body = data_center::bare(&refusal.body).into(),
            Self::Cloud | Self::DataCenter(_) => {}
        }
        answer
    }

    /// What a status that was ordered comes with.
    pub(super) fn refusal(&self, status: u16, route: &Route) -> Refusal {
        match (self, route, status) {
            (Self::DataCenter(_), _, _) | (_, Route::DataCenter(_), _) => data_center::ordered(status),
            (Self::Cloud, _, 401) => Refusal::unauthorized(),
            (Self::Cloud, Route::Cloud(route), 403) => Refusal::scopes(route.scopes(), &[]),
            (Self::Cloud, _, 404) => Refusal::new(404, "Resource not found"),
            (Self::Cloud, _, _) => Refusal::new(status, "Something went wrong"),
        }
    }

    /// 429.
    pub(super) fn limited(
        &self,
        retry_after: super::RetryAfter,
        free_in: chrono::Duration,
        now: DateTime<Utc>,
    ) -> Answer {
        let mut answer = match self {
            Self::Cloud => Answer::new(429, "text/plain", "Rate limit for this resource has been exceeded"),
            Self::DataCenter(_) => self.refused(&data_center::ordered(429)),
        };
        say_when(&mut answer, retry_after, free_in, now);
        answer
    }

    /// Spoils the body of a page; `None`: the fault is none of the body.
    pub(super) fn spoil(&self, body: &str, fault: &Fault, own_url: &str) -> Option<String> {
        match self {
            Self::Cloud => cloud::spoil(body, fault, own_url),
            Self::DataCenter(_) => data_center::spoil(body, fault),
        }
    }
}

fn admit_by_scopes(access: &Access, caller: Caller, route: &cloud::Route) -> Result<(), Refusal> {
    let Some(credential) = caller.position().and_then(|at| access.credentials.get(at)) else { return Ok(()) };
    let missing = missing_scopes(credential, route.scopes());
    if missing.is_empty() {
        return Ok(());
    }
    Err(Refusal::scopes(&missing, credential.scopes.as_deref().unwrap_or_default()))
}
