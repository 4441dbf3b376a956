//! `rules check` and `rules preview`: a rules file against what is stored, without a request to the source. The text of the
//! file comes, never its place.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::answer::{Recommended, RepositoryName};
use super::request::Answer;
use super::{App, Failure};
use crate::config::Integration;
use crate::correlate::{Lint, Rules, Side};
use crate::engine::preview::fields::Rewritten;
use crate::engine::preview::{Changed, Deadline, Short, lint, preview};
use crate::error::escape_control;
use crate::model::Action;
use crate::recommend::measure::Measured;

/// Evaluating somebody's rules ends after so long.
const LONGEST: Duration = Duration::from_secs(60);
/// Rows shown where nobody says how many; the counts are of all.
pub const ROWS: usize = 500;
/// Each evaluation may take all of a core, and as much memory as a sync.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A sync would stop at it.
    Error,
    /// Probably a mistake.
    Warning,
    /// Good to know.
    Note,
}

impl Level {
    /// As in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What a lint found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// Line of the file, from 1.
    pub line: Option<usize>,
    /// Correlation rule it is about, from 0.
    pub rule: Option<usize>,
    /// On whose data it was found; `None`: by reading the file alone.
    pub integration: Option<String>,
    /// What.
    pub what: String,
}

/// What a rules file was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Compared {
    /// Name of the integration.
    pub integration: String,
    /// Stored records.
    pub repositories: u64,
    /// Entities of its catalog.
    pub entities: u64,
}

/// Something wrong in a rules file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FaultRow {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// `rules check`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RulesReport {
    /// What people call it.
    pub file: String,
    /// Every correlation rule in words.
    pub rules: Vec<String>,
    /// How many field rules there are.
    pub fields: usize,
    /// Why it cannot be used; empty: it can.
    pub faults: Vec<FaultRow>,
    /// What strikes whoever reads it, or compares it with what is stored.
    pub findings: Vec<Finding>,
    /// What it was compared with.
    pub compared: Vec<Compared>,
}

/// How many repositories go from one recommendation to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangeCount {
    /// By the rules in force; `None`: nothing is to be decided.
    pub now: Option<Action>,
    /// By the rules previewed.
    pub then: Option<Action>,
    /// How many; from merge to merge, those that go to another entity, or may be imported unseen or not any more.
    pub count: u64,
}

/// A repository that would be judged otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PreviewRow {
    /// Which.
    pub repository: RepositoryName,
    /// By the rules in force; `None`: nothing is to be decided.
    pub now: Option<Recommended>,
    /// By the rules previewed.
    pub then: Option<Recommended>,
    /// Why, in a sentence.
    pub why: String,
}

/// A linked entity into which the next sync would write other values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RewrittenRow {
    /// Linked to it.
    pub repository: RepositoryName,
    /// Its ref.
    pub entity: String,
    /// What would be written otherwise.
    pub fields: Vec<RewrittenField>,
}

/// A field of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RewrittenField {
    /// `$.metadata.description`.
    pub path: String,
    /// What a sync by the rules in force leaves there; `null`: nothing.
    pub now: Option<serde_json::Value>,
    /// What a sync by the rules previewed leaves there.
    pub then: Option<serde_json::Value>,
}

/// Precision and recall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quality {
    /// The counts.
    #[serde(flatten)]
    pub measured: Measured,
    /// Of the merges proposed, the part that is right, in percent; `None`: none is proposed.
    pub precision: Option<f64>,
    /// Of the merges people confirmed, the part that is found, in percent; `None`: none is confirmed.
    pub recall: Option<f64>,
}

impl From<Measured> for Quality {
    fn from(measured: Measured) -> Self {
        Self { measured, precision: measured.precision(), recall: measured.recall() }
    }
}

/// `rules preview`, of one integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RulesPreview {
    /// Name of the integration.
    pub integration: String,
    /// The rules in force.
    pub rules: String,
    /// Stored records.
    pub repositories: u64,
    /// Entities of its catalog.
    pub entities: u64,
    /// How many would be judged otherwise.
    pub changed: u64,
    /// The same, by what they go from and to.
    pub changes: Vec<ChangeCount>,
    /// Which, sorted by their ids; at most as many as were asked for.
    pub rows: Vec<PreviewRow>,
    /// Into how many linked entities the next sync would write other values.
    #[serde(default)]
    pub rewritten: u64,
    /// Which, sorted by repository; at most as many as were asked for.
    #[serde(default)]
    pub rewritten_rows: Vec<RewrittenRow>,
    /// Of how many repositories people said where they belong: imported by hand, chosen, set aside, unlinked, undone.
    pub judged_by_people: u64,
    /// How good the rules in force are by that.
    pub quality_now: Quality,
    /// How good these are.
    pub quality_then: Quality,
    /// What strikes in them.
    pub findings: Vec<Finding>,
}

/// A file against what is stored of integrations; one with faults is compared with nothing.
pub(super) async fn check(app: &App, text: &str, name: &str, integration: Option<&str>) -> Result<Answer, Failure> {
    let among = app.integrations(integration)?;
    let mut report = read(text, name);
    let Ok(rules) = Rules::parse(text, name) else { return Ok(Answer::RulesChecked(report)) };
    let _turn = turn().await?;
    let deadline = Deadline(Instant::now() + LONGEST);
    for integration in among {
        let parts = app.assembler.parts(integration).await?;
        let selected = lint(&parts, &rules, app.store.as_ref(), deadline).await;
        let selected = selected.map_err(|stop| Failure::failed(stop.into_report()))?;
        report.findings.extend(unmatched(&integration.name, &selected.lint(&rules)));
        report.compared.push(Compared {
            integration: integration.name.clone(),
            repositories: selected.records,
            entities: selected.entities,
        });
    }
    Ok(Answer::RulesChecked(report))
}

/// What the file alone tells.
pub fn read(text: &str, name: &str) -> RulesReport {
    let mut report = RulesReport { file: name.to_owned(), ..RulesReport::default() };
    match Rules::parse(text, name) {
        Ok(rules) => {
            report.rules = (0..rules.len()).map(|rule| rules.describe(rule)).collect();
            report.fields = rules.fields().len();
            report.findings = advice(&rules);
        }
        Err(faults) => {
            let row = |fault: crate::correlate::RuleFault| FaultRow {
                line: fault.line,
                column: fault.column,
                what: fault.what,
                mend: fault.mend,
            };
            report.faults = faults.into_iter().map(row).collect();
        }
    }
    report
}

fn advice(rules: &Rules) -> Vec<Finding> {
    let finding = |one: crate::correlate::Advice| Finding {
        level: if one.is_warning { Level::Warning } else { Level::Note },
        line: Some(one.line),
        rule: one.rule,
        integration: None,
        what: one.what,
    };
    rules.advice().into_iter().map(finding).collect()
}

fn unmatched(integration: &str, lint: &Lint) -> Vec<Finding> {
    let finding =
        |level, line, what| Finding { level, line, rule: None, integration: Some(integration.to_owned()), what };
    let mut findings = Vec::new();
    if lint.rules_match_nothing {
        let what = "no catalog path of these rules exists in any entity (rules_match_nothing): a sync would stop, since \
                    everything would be registered again";
        findings.push(finding(Level::Error, None, what.to_owned()));
    }
    findings.extend(lint.unmatched.iter().map(|one| {
        let place = match one.side {
            Side::Ingested => "stored record",
            Side::Catalog => "entity",
        };
        finding(Level::Warning, Some(one.line), format!("{} is in no {place}", escape_control(&one.path)))
    }));
    findings
}

/// What changed rules would change.
pub(super) async fn show(
    app: &App,
    text: &str,
    name: &str,
    integration: Option<&str>,
    limit: usize,
) -> Result<Answer, Failure> {
    let among = app.integrations(integration)?;
    let rules = Rules::parse(text, name).map_err(|faults| {
        let told: Vec<String> = faults.iter().map(|fault| fault.in_file(name)).collect();
        Failure::usage(told.join("\n"), "`catalog-sync rules check FILE` shows them, too")
    })?;
    let _turn = turn().await?;
    let mut previews = Vec::new();
    for integration in among {
        previews.push(of_one(app, integration, &rules, limit).await?);
    }
    Ok(Answer::RulesPreviewed(previews))
}

async fn turn() -> Result<tokio::sync::SemaphorePermit<'static>, Failure> {
    let waited = tokio::time::timeout(LONGEST, ONE_AT_A_TIME.acquire()).await;
    waited.ok().and_then(Result::ok).ok_or_else(|| {
        Failure::refused("other rules are being evaluated", "ask again in a minute: it is done one at a time")
    })
}

async fn of_one(app: &App, integration: &Integration, rules: &Rules, limit: usize) -> Result<RulesPreview, Failure> {
    let parts = app.assembler.parts(integration).await?;
    let deadline = Deadline(Instant::now() + LONGEST);
    let found = preview(&parts, rules, app.store.as_ref(), limit, deadline).await;
    let found = found.map_err(|stop| Failure::failed(stop.into_report()))?;
    let mut rows = Vec::with_capacity(found.changed.len());
    for Changed { repo, now, then } in found.changed {
        let known = app.store.record(&parts.key, &repo).await?;
        let repository = known.map_or_else(|| super::nameless(&repo), |(known, _)| (&known.repository).into());
        let why = why(now.as_ref(), then.as_ref());
        rows.push(PreviewRow { repository, now: now.map(recommended), then: then.map(recommended), why });
    }
    rows.sort_by(|a, b| a.repository.full_name.cmp(&b.repository.full_name));
    let mut rewritten_rows = Vec::with_capacity(found.rewriting.first.len());
    for Rewritten { repo, entity, fields } in found.rewriting.first {
        let known = app.store.record(&parts.key, &repo).await?;
        let repository = known.map_or_else(|| super::nameless(&repo), |(known, _)| (&known.repository).into());
        let field = |one: crate::engine::preview::fields::RewrittenField| RewrittenField {
            path: one.path.to_string(),
            now: one.now,
            then: one.then,
        };
        let fields = fields.into_iter().map(field).collect();
        rewritten_rows.push(RewrittenRow { repository, entity: entity.to_string(), fields });
    }
    rewritten_rows.sort_by(|a, b| (&a.repository.full_name, &a.entity).cmp(&(&b.repository.full_name, &b.entity)));
    let mut findings = unmatched(&integration.name, &found.lint);
    findings.extend(advice(rules));
    Ok(RulesPreview {
        integration: integration.name.clone(),
        rules: parts.rules.name().to_owned(),
        repositories: found.repositories,
        entities: found.entities,
        changed: found.counts.values().sum(),
        changes: found.counts.into_iter().map(|((now, then), count)| ChangeCount { now, then, count }).collect(),
        rows,
        rewritten: found.rewriting.entities,
        rewritten_rows,
        judged_by_people: found.judged_by_people,
        quality_now: found.now.into(),
        quality_then: found.then.into(),
        findings,
    })
}

fn recommended(one: Short) -> Recommended {
    Recommended {
        action: one.action,
        entity: one.entity.map(|entity| entity.to_string()),
        rule: one.rule,
        reason: one.reason,
    }
}

fn why(now: Option<&Short>, then: Option<&Short>) -> String {
    match (now, then) {
        (Some(now), Some(then)) if (now.action, &now.entity) == (then.action, &then.entity) => match &then.withheld {
            Some(because) => format!("auto-import would leave it to a person: {because}"),
            None => "auto-import may carry it out unseen".to_owned(),
        },
        (_, Some(then)) => then.reason.clone(),
        (_, None) => "nothing would be left to decide".to_owned(),
    }
}
