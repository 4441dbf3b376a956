//! The simulator by itself, as the command `simulate` runs it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    Credential, DataCenterOptions, GenerateOptions, NewPullRequest, RateHeaders, Simulator, SimulatorOptions, Tls,
    Verdict, World,
};
use crate::clock::Clock;

/// What is simulated, and how.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen; port 0: any free one.
    pub listen: SocketAddr,
    /// The demo workspace instead of a generated one; the numbers below then mean nothing.
    pub demo: bool,
    /// Slug of the generated workspace.
    pub workspace: String,
    /// How many repositories.
    pub repositories: usize,
    /// Pull requests of each.
    pub pull_requests: u32,
    /// Commits of each.
    pub commits: u32,
    /// What it is made from.
    pub seed: u64,
    /// Added to every answer.
    pub latency: Duration,
    /// Requests per rolling hour and credential; `None`: no limit.
    pub requests_per_hour: Option<u32>,
    /// The access token that is asked for; `None`: everybody may ask.
    pub token: Option<String>,
    /// Threads that answer.
    pub threads: usize,
    /// A Data Center instead of Cloud: its projects are those of the workspace, and some repositories are archived.
    pub data_center: Option<DataCenterOptions>,
    /// Serves HTTPS with this certificate.
    pub tls: Option<Tls>,
    /// Where webhooks go, and the secret that signs them; something then happens now and then.
    pub webhook: Option<(String, String)>,
    /// How often something happens.
    pub happens_every: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            demo: false,
            workspace: "acme".to_owned(),
            repositories: 100,
            pull_requests: 60,
            commits: 80,
            seed: 1,
            latency: Duration::ZERO,
            requests_per_hour: None,
            token: None,
            threads: 2,
            data_center: None,
            tls: None,
            webhook: None,
            happens_every: Duration::from_secs(10),
        }
    }
}

/// Serves until stopped. `ready` learns what a connector needs once connections are taken: Cloud's `api_url`, or the
/// `url` of a Data Center.
///
/// # Errors
/// The certificate or its key cannot be used, the address cannot be listened on, or no thread can be made.
pub async fn serve(options: &ServeOptions, ready: impl FnOnce(&str), stop: CancellationToken) -> io::Result<()> {
    let mut world = if options.demo {
        World::demo()
    } else {
        let now = Clock::System.now();
        World::generate(
            options.seed,
            &GenerateOptions {
                workspace: options.workspace.clone(),
                repositories: options.repositories,
                pull_requests_per_repository: options.pull_requests,
                commits_per_repository: options.commits,
                archived_percent: if options.data_center.is_some() { 4 } else { 0 },
                builds_percent: if options.data_center.is_some() { 60 } else { 0 },
                // Whole days, so that the world is the same all day long.
                now: now.date_naive().and_hms_opt(0, 0, 0).map_or(now, |midnight| midnight.and_utc()),
                ..GenerateOptions::default()
            },
        )
    };
    world.set_clock(Clock::System);
    let simulator = Simulator::start(
        world,
        SimulatorOptions {
            listen: options.listen,
            credentials: options.token.as_deref().map(Credential::token).into_iter().collect(),
            latency: options.latency,
            requests_per_hour: options.requests_per_hour,
            // A Data Center has none.
            rate_headers: if options.data_center.is_some() { RateHeaders::None } else { RateHeaders::Scaled },
            threads: options.threads,
            // It may run for days.
            record_requests: false,
            data_center: options.data_center.clone(),
            tls: options.tls.clone(),
            ..SimulatorOptions::default()
        },
    )
    .await?;
    ready(if options.data_center.is_some() { simulator.base_url() } else { simulator.api_url() });
    let Some((url, secret)) = &options.webhook else {
        stop.cancelled().await;
        return Ok(());
    };
    simulator.world().add_webhook(url, secret);
    for number in 0.. {
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(options.happens_every) => happen(&mut simulator.world(), number),
        }
    }
    Ok(())
}

/// Something happens in one repository after the other: a push, a pull request, its approval, its end, a new description.
fn happen(world: &mut World, number: usize) {
    let count = world.repositories().count().max(1);
    let Some(name) = world.repositories().nth(number / 5 % count).map(|one| one.uuid.to_string()) else { return };
    let newest = world.pull_requests_of(&name).last().map(|it| it.id);
    match (number % 5, newest) {
        (0, _) => {
            world.push_commits(&name, 1);
        }
        (1, _) => {
            world.open_pull_request(&name, NewPullRequest::titled(&format!("Change number {number}")));
        }
        (2, Some(id)) => world.review_pull_request(&name, id, Verdict::Approved),
        (3, Some(id)) => {
            world.merge_pull_request(&name, id);
        }
        _ => world.edit_repository(&name, |one| one.description = format!("Described for the {number}th time")),
    }
}
