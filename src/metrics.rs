//! What the sidecar counts, told the way Prometheus reads it (contract, section 4). Base units; labels name integrations
//! and connectors, never a repository.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::assemble::ConnectionUse;
use crate::model::{Outcome, SyncRecord, Trigger};

/// What a scrape is answered with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Ended {
    integration: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfIntegration {
    integration: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfKind {
    integration: String,
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfAction {
    integration: String,
    action: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfConnector {
    connector: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    connector: String,
    pool: &'static str,
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Received {
    product: &'static str,
    answer: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Worked {
    connector: String,
    outcome: &'static str,
}

/// Counted since the process started.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    received: Family<Received, Counter>,
    worked: Family<Worked, Counter>,
    syncs: Family<Ended, Counter>,
    durations: Durations,
    last_success: std::sync::Arc<Mutex<BTreeMap<String, DateTime<Utc>>>>,
}

/// Syncs last from a quarter of a second to hours.
#[derive(Clone, Debug)]
struct Durations(Family<OfIntegration, Histogram, fn() -> Histogram>);

impl Default for Durations {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.25, 2.0, 15))))
    }
}

/// Whether a sync found out all that it wanted to know.
fn is_success(record: &SyncRecord) -> bool {
    matches!(record.outcome, Outcome::Completed | Outcome::Partial) && record.trigger != Trigger::Webhook
}

impl Metrics {
    /// A sync ended.
    pub fn ended(&self, record: &SyncRecord) {
        let integration = record.integration.clone();
        self.syncs.get_or_create(&Ended { integration: integration.clone(), outcome: record.outcome.as_str() }).inc();
        // What a webhook brings takes a moment and would hide how long a sync takes.
        if record.trigger != Trigger::Webhook {
            let seconds = record.duration_ms as f64 / 1000.0;
            self.durations.0.get_or_create(&OfIntegration { integration: integration.clone() }).observe(seconds);
        }
        if is_success(record) {
            let at = record.started_at + chrono::Duration::milliseconds(record.duration_ms as i64);
            self.last_success.lock().unwrap_or_else(PoisonError::into_inner).insert(integration, at);
        }
    }

    /// A webhook of this product was answered.
    pub fn webhook_received(&self, product: &'static str, answer: &'static str) {
        self.received.get_or_create(&Received { product, answer }).inc();
    }

    /// Nothing is left to do for a webhook that these connectors' secrets signed.
    pub fn webhook_worked(&self, connectors: &[String], outcome: &'static str) {
        for connector in connectors {
            self.worked.get_or_create(&Worked { connector: connector.clone(), outcome }).inc();
        }
    }

    /// When a whole sync last succeeded, as far as this process knows.
    pub fn last_success(&self, integration: &str) -> Option<DateTime<Utc>> {
        self.last_success.lock().unwrap_or_else(PoisonError::into_inner).get(integration).copied()
    }

    /// What an earlier process left: of these records, newest first.
    pub fn succeeded_before(&self, integration: &str, records: &[SyncRecord]) {
        if let Some(record) = records.iter().find(|record| is_success(record)) {
            let at = record.started_at + chrono::Duration::milliseconds(record.duration_ms as i64);
            let mut last = self.last_success.lock().unwrap_or_else(PoisonError::into_inner);
            last.entry(integration.to_owned()).or_insert(at);
        }
    }

    /// All of it as text.
    ///
    /// # Errors
    /// Formatting's, which cannot be had when writing to text.
    pub fn render(&self, now: &Now) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("catalog_sync");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        registry.register("syncs", "Syncs that ended, by outcome", self.syncs.clone());
        registry.register_with_unit(
            "sync_duration",
            "How long syncs took, those of webhooks left out",
            Unit::Seconds,
            self.durations.0.clone(),
        );
        let is_taken_up = Gauge::<i64, AtomicI64>::default();
        is_taken_up.set(i64::from(!now.is_config_refused));
        let help = "1 while the config file is in force, 0 while a changed one is refused and the one before it stays";
        registry.register("config_last_reload_successful", help, is_taken_up);
        registry.register("webhooks_received", "Webhooks by how they were answered", self.received.clone());
        let help = "Webhooks for which nothing is left to do, by what came of them";
        registry.register("webhooks_worked", help, self.worked.clone());
        of_integrations(&mut registry, now);
        of_connectors(&mut registry, now);
        of_webhooks(&mut registry, now);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

type Gauges<Labels> = Family<Labels, Gauge<i64, AtomicI64>>;

fn of_integrations(registry: &mut Registry, now: &Now) {
    let last_success = Family::<OfIntegration, Gauge<f64, AtomicU64>>::default();
    let (suspended, held) = (Gauges::<OfIntegration>::default(), Gauges::<OfIntegration>::default());
    let backlog = Gauges::<OfKind>::default();
    let discovered = Gauges::<OfAction>::default();
    for (integration, one) in &now.integrations {
        let of = OfIntegration { integration: integration.clone() };
        if let Some(at) = one.last_success {
            last_success.get_or_create(&of).set(at.timestamp_millis() as f64 / 1000.0);
        }
        suspended.get_or_create(&of).set(i64::from(one.is_suspended));
        held.get_or_create(&of).set(gauge(one.held));
        for (kind, items) in &one.backlog {
            let of = OfKind { integration: integration.clone(), kind: kind.clone() };
            backlog.get_or_create(&of).set(gauge(*items));
        }
        for (action, repositories) in &one.discovered {
            discovered.get_or_create(&OfAction { integration: integration.clone(), action }).set(gauge(*repositories));
        }
    }
    let help = "When a whole sync last succeeded";
    registry.register_with_unit("last_success_timestamp", help, Unit::Seconds, last_success);
    registry.register("suspended", "1 while the integration rests", suspended);
    registry.register("held", "Steps of the last sync that wait for `sync approve`", held);
    let items = Unit::Other("items".to_owned());
    registry.register_with_unit("backlog", "Known items left for later syncs", items, backlog);
    let help = "Repositories that await a decision after the last sync, by recommended action";
    registry.register("discovered_repositories", help, discovered);
}

fn of_connectors(registry: &mut Registry, now: &Now) {
    let sent = Family::<Answered, Counter>::default();
    let (remaining, refused) = (Gauges::<OfConnector>::default(), Gauges::<OfConnector>::default());
    let expiry = Gauges::<OfConnector>::default();
    for (connector, one) in &now.connectors {
        let of = OfConnector { connector: connector.clone() };
        for answers in &one.used.sent {
            // No answer came: the network's doing.
            let status = answers.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            sent.get_or_create(&Answered { connector: connector.clone(), pool: answers.pool, status })
                .inc_by(answers.count);
        }
        if let Some(left) = one.used.remaining {
            remaining.get_or_create(&of).set(gauge(left));
        }
        refused.get_or_create(&of).set(gauge(one.used.refused));
        if let Some(date) = one.expires {
            expiry.get_or_create(&of).set(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp());
        }
    }
    registry.register(
        "source_requests",
        "Requests to Bitbucket, by the server's limit and the status of the answer",
        sent,
    );
    registry.register(
        "source_requests_remaining",
        "Requests left in the present hour, the reserve taken off",
        remaining,
    );
    registry.register(
        "credentials_refused",
        "Credentials that Bitbucket refused and that are left alone since",
        refused,
    );
    let help = "When the first credential of the connector ends, where that is known";
    registry.register_with_unit("credential_expiry_timestamp", help, Unit::Seconds, expiry);
}

fn of_webhooks(registry: &mut Registry, now: &Now) {
    let waiting = Gauges::<OfConnector>::default();
    let oldest = Family::<OfConnector, Gauge<f64, AtomicU64>>::default();
    for (connector, one) in &now.connectors {
        let Some(webhooks) = &one.webhooks else { continue };
        let of = OfConnector { connector: connector.clone() };
        waiting.get_or_create(&of).set(gauge(webhooks.waiting));
        oldest.get_or_create(&of).set(webhooks.oldest_s);
    }
    registry.register("webhooks_waiting", "Webhooks that wait to be worked", waiting);
    let help = "How long the oldest webhook has waited; 0: none waits";
    registry.register_with_unit("webhooks_oldest_waiting", help, Unit::Seconds, oldest);
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// How things stand at a scrape.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// The config file is not what is in force.
    pub is_config_refused: bool,
    /// By name.
    pub integrations: BTreeMap<String, IntegrationNow>,
    /// By name.
    pub connectors: BTreeMap<String, ConnectorNow>,
}

/// How an integration stands.
#[derive(Clone, Debug, Default)]
pub struct IntegrationNow {
    /// When a whole sync last succeeded.
    pub last_success: Option<DateTime<Utc>>,
    /// It rests.
    pub is_suspended: bool,
    /// What waits for an approval.
    pub held: u64,
    /// Items left for later, by kind.
    pub backlog: BTreeMap<String, u64>,
    /// Repositories that await a decision, by action.
    pub discovered: BTreeMap<&'static str, u64>,
}

/// How a connector stands.
#[derive(Clone, Debug, Default)]
pub struct ConnectorNow {
    /// What has been asked.
    pub used: ConnectionUse,
    /// The first day a credential of it ends.
    pub expires: Option<NaiveDate>,
    /// Of those it signs; `None`: it takes none.
    pub webhooks: Option<WebhooksNow>,
}

/// Webhooks that wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebhooksNow {
    /// How many.
    pub waiting: u64,
    /// For how long the oldest has, in seconds.
    pub oldest_s: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SyncId;
    use crate::source::http::SentCount;

    fn record(outcome: Outcome, trigger: Trigger, duration_ms: u64) -> SyncRecord {
        let at = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut record = SyncRecord::begun(SyncId("01".to_owned()), "acme", trigger, at);
        (record.outcome, record.duration_ms) = (outcome, duration_ms);
        record
    }

    // P7.2, contract section 4: the names that dashboards rely on.
    #[test]
    fn metrics_are_told_by_the_names_of_the_contract_p7_2() {
        let metrics = Metrics::default();
        metrics.ended(&record(Outcome::Completed, Trigger::Schedule, 1_500));
        metrics.ended(&record(Outcome::Completed, Trigger::Webhook, 20));
        metrics.ended(&record(Outcome::Failed, Trigger::Schedule, 700));
        let acme = IntegrationNow {
            last_success: metrics.last_success("acme"),
            is_suspended: false,
            held: 3,
            backlog: [("commits".to_owned(), 78)].into(),
            discovered: [("merge", 4)].into(),
        };
        let sent = vec![
            SentCount { pool: "repositories", status: Some(200), count: 24 },
            SentCount { pool: "other", status: None, count: 1 },
        ];
        let cloud = ConnectorNow {
            used: ConnectionUse { sent, refused: 1, remaining: Some(876) },
            expires: "2027-03-31".parse().ok(),
            webhooks: Some(WebhooksNow { waiting: 2, oldest_s: 1.5 }),
        };
        metrics.webhook_received("bitbucket_cloud", "queued");
        metrics.webhook_worked(&["cloud".to_owned()], "synced");
        let now = Now {
            is_config_refused: true,
            integrations: [("acme".to_owned(), acme)].into(),
            connectors: [("cloud".to_owned(), cloud)].into(),
        };
        let told = metrics.render(&now).unwrap();
        let mut lines: Vec<&str> = told.lines().filter(|line| !line.contains("_bucket")).collect();
        lines.retain(|line| !line.starts_with('#'));
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        catalog_sync_backlog_items{integration="acme",kind="commits"} 78
        catalog_sync_build_info{version="0.1.0"} 1
        catalog_sync_config_last_reload_successful 0
        catalog_sync_credential_expiry_timestamp_seconds{connector="cloud"} 1806451200
        catalog_sync_credentials_refused{connector="cloud"} 1
        catalog_sync_discovered_repositories{integration="acme",action="merge"} 4
        catalog_sync_held{integration="acme"} 3
        catalog_sync_last_success_timestamp_seconds{integration="acme"} 1795262401.5
        catalog_sync_source_requests_remaining{connector="cloud"} 876
        catalog_sync_source_requests_total{connector="cloud",pool="other",status="none"} 1
        catalog_sync_source_requests_total{connector="cloud",pool="repositories",status="200"} 24
        catalog_sync_suspended{integration="acme"} 0
        catalog_sync_sync_duration_seconds_count{integration="acme"} 2
        catalog_sync_sync_duration_seconds_sum{integration="acme"} 2.2
        catalog_sync_syncs_total{integration="acme",outcome="completed"} 2
        catalog_sync_syncs_total{integration="acme",outcome="failed"} 1
        catalog_sync_webhooks_oldest_waiting_seconds{connector="cloud"} 1.5
        catalog_sync_webhooks_received_total{product="bitbucket_cloud",answer="queued"} 1
        catalog_sync_webhooks_waiting{connector="cloud"} 2
        catalog_sync_webhooks_worked_total{connector="cloud",outcome="synced"} 1
        "#);
        assert!(told.contains("# TYPE catalog_sync_sync_duration_seconds histogram"), "{told}");
        assert!(told.contains(r#"catalog_sync_sync_duration_seconds_bucket{le="1.0",integration="acme"} 1"#), "{told}");
    }

    // What the last process left counts until this one has something to tell.
    #[test]
    fn a_success_before_the_start_is_told() {
        let metrics = Metrics::default();
        let failed = record(Outcome::Failed, Trigger::Schedule, 0);
        metrics.succeeded_before("acme", &[failed, record(Outcome::Partial, Trigger::Manual, 1_000)]);
        assert_eq!(metrics.last_success("acme"), "2026-11-21T12:00:01Z".parse().ok());
        assert_eq!(metrics.last_success("other"), None);
    }
}
