//! `/i/NAME/rules`: the rules as they stand, what strikes in them, what changed ones would change; and, where the config
//! allows it, writing them.

use askama::Template;
use askama::filters::Safe;
use axum::body::Bytes;
use axum::extract::Path;

use super::escape::exact;
use super::fields::Fields;
use super::frame::{Asked, Frame, Page, Trouble, page_of, sentence};
use super::importing::{Line, diff};
use super::integration::{Head, astray, open};
use super::words::{Chip, thousands};
use crate::commands::answer::Recommended;
use crate::commands::request::{Answer, Request};
use crate::commands::rules::{Finding, Level, Quality, RulesPreview, RulesReport};
use crate::commands::rules_file::RulesText;
use crate::model::Action;

/// Repositories that a preview lists.
const LISTED: usize = 200;

#[derive(Template)]
#[template(path = "rules.html")]
struct RulesPage {
    f: Frame,
    h: Head,
    now: RulesText,
    /// In the box: as it stands, or as somebody changed it.
    text: String,
    /// The same, to be sent back.
    exact: Safe<String>,
    rows: usize,
    /// Every rule in words.
    rules: Vec<String>,
    fields: String,
    faults: Vec<Fault>,
    findings: Vec<Found>,
    preview: Option<Shown>,
}

struct Fault {
    line: usize,
    what: String,
    mend: String,
}

struct Found {
    chip: Chip,
    place: String,
    what: String,
}

/// What changed rules would change.
struct Shown {
    lead: String,
    diff: Vec<Line>,
    changes: Vec<Change>,
    rows: Vec<Row>,
    more: Option<String>,
    /// How many linked entities the next sync would write otherwise; `None`: none.
    rewritten: Option<String>,
    written: Vec<Written>,
    more_written: Option<String>,
    judged: String,
    precision: (String, String),
    recall: (String, String),
}

struct Change {
    now: &'static str,
    then: &'static str,
    count: String,
}

struct Row {
    full_name: String,
    href: String,
    now: Side,
    then: Side,
    why: String,
}

/// A field of a linked entity that the next sync would write otherwise.
struct Written {
    entity: String,
    href: String,
    path: String,
    now: String,
    then: String,
}

struct Side {
    word: &'static str,
    entity: String,
}

pub(super) async fn show(asked: Asked, Path(name): Path<String>) -> Page {
    let (f, h) = open(&asked, &name, "rules").await?;
    let now = text_of(&asked, &h.name).await?;
    let report = check(&asked, &h.name, &now, &now.text).await?;
    let text = now.text.clone();
    Ok(page(f, h, now, text, report, None))
}

pub(super) async fn preview(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    asked.wants_edit()?;
    let (f, h) = open(&asked, &name, "rules").await?;
    // Browsers send line ends of their own.
    let text = Fields::parse(&body).one("text").unwrap_or_default().replace("\r\n", "\n");
    let now = text_of(&asked, &h.name).await?;
    let report = check(&asked, &h.name, &now, &text).await?;
    let mut shown = None;
    if report.faults.is_empty() {
        let request = Request::RulesPreview {
            text: text.clone(),
            name: Some(now.name.clone()),
            integration: Some(h.name.clone()),
            limit: Some(LISTED),
        };
        let Answer::RulesPreviewed(previews) = asked.carry_out(request).await? else {
            return Err(asked.trouble(astray()));
        };
        shown = previews.first().map(|preview| told(&asked, &h, preview, &now.text, &text));
    }
    Ok(page(f, h, now, text, report, shown))
}

/// Writes the file, if it still says what was shown.
pub(super) async fn write(asked: Asked, Path(name): Path<String>, body: Bytes) -> Page {
    let fields = Fields::parse(&body);
    let request = Request::RulesWrite {
        integration: name.clone(),
        text: fields.one("text").unwrap_or_default().to_owned(),
        instead_of: fields.one("version").unwrap_or_default().to_owned(),
    };
    asked.carry_out(request).await?;
    Ok(asked.to(&format!("{}/rules", asked.integration_path(&name)), "done=rules"))
}

async fn text_of(asked: &Asked, integration: &str) -> Result<RulesText, Trouble> {
    match asked.ask(Request::RulesShow { integration: integration.to_owned() }).await? {
        Answer::RulesText(text) => Ok(*text),
        _ => Err(asked.trouble(astray())),
    }
}

async fn check(asked: &Asked, integration: &str, now: &RulesText, text: &str) -> Result<RulesReport, Trouble> {
    let request = Request::RulesCheck {
        text: text.to_owned(),
        name: now.name.clone(),
        integration: Some(integration.to_owned()),
    };
    match asked.ask(request).await? {
        Answer::RulesChecked(report) => Ok(report),
        _ => Err(asked.trouble(astray())),
    }
}

fn page(
    f: Frame,
    h: Head,
    now: RulesText,
    text: String,
    report: RulesReport,
    preview: Option<Shown>,
) -> axum::response::Response {
    let fault = |fault: &crate::commands::rules::FaultRow| Fault {
        line: fault.line,
        what: sentence(fault.what.clone()),
        mend: sentence(fault.mend.clone()),
    };
    page_of(&RulesPage {
        f,
        h,
        rows: text.lines().count().clamp(12, 32),
        exact: exact(&text),
        text,
        rules: report.rules.clone(),
        fields: super::words::count(report.fields as u64, "rule about fields", "rules about fields"),
        faults: report.faults.iter().map(fault).collect(),
        findings: report.findings.iter().map(found).collect(),
        now,
        preview,
    })
}

fn found(finding: &Finding) -> Found {
    let place = match (finding.line, finding.rule) {
        (Some(line), Some(rule)) => format!("line {line}, rule {rule}"),
        (Some(line), None) => format!("line {line}"),
        (None, Some(rule)) => format!("rule {rule}"),
        (None, None) => String::new(),
    };
    Found {
        chip: match finding.level {
            Level::Error => Chip::new("error", "bad", "bad"),
            Level::Warning => Chip::new("warning", "look", "look"),
            Level::Note => Chip::new("note", "", "info"),
        },
        place,
        what: sentence(finding.what.clone()),
    }
}

fn told(asked: &Asked, h: &Head, preview: &RulesPreview, before: &str, after: &str) -> Shown {
    let word = |action: Option<Action>| action.map_or("nothing to decide", Action::as_str);
    let side = |one: &Option<Recommended>| Side {
        word: one.as_ref().map_or("none", |one| one.action.as_str()),
        entity: one
            .as_ref()
            .filter(|one| one.action != Action::Register)
            .and_then(|one| one.entity.clone())
            .unwrap_or_default(),
    };
    let percent = |part: Option<f64>| part.map_or_else(|| "–".to_owned(), |part| format!("{part:.0} %"));
    let both =
        |of: fn(&Quality) -> Option<f64>| (percent(of(&preview.quality_now)), percent(of(&preview.quality_then)));
    let unified = similar::TextDiff::from_lines(before, after).unified_diff().to_string();
    Shown {
        lead: match preview.changed {
            0 if preview.rewritten > 0 => format!(
                "No recommendation would change for {}.",
                super::words::count(preview.repositories, "repository", "repositories")
            ),
            0 => format!(
                "Nothing would change for {}.",
                super::words::count(preview.repositories, "repository", "repositories")
            ),
            changed => format!(
                "{} of {} would be judged otherwise. Nothing has been written, and nothing was asked of Bitbucket.",
                thousands(changed),
                super::words::count(preview.repositories, "repository", "repositories")
            ),
        },
        diff: diff(&unified),
        changes: preview
            .changes
            .iter()
            .map(|change| Change { now: word(change.now), then: word(change.then), count: thousands(change.count) })
            .collect(),
        rows: preview
            .rows
            .iter()
            .map(|row| Row {
                full_name: row.repository.full_name.clone(),
                href: asked.repository_path(&row.repository.id, &h.name),
                now: side(&row.now),
                then: side(&row.then),
                why: sentence(row.why.clone()),
            })
            .collect(),
        more: match preview.changed.saturating_sub(preview.rows.len() as u64) {
            0 => None,
            more => Some(format!("and {} more", thousands(more))),
        },
        rewritten: (preview.rewritten > 0).then(|| {
            let entities = super::words::count(preview.rewritten, "linked entity", "linked entities");
            format!("Fields: the next sync would write other values into {entities}")
        }),
        written: preview
            .rewritten_rows
            .iter()
            .flat_map(|row| row.fields.iter().map(move |field| (row, field)))
            .map(|(row, field)| Written {
                entity: row.entity.clone(),
                href: asked.entity_path(&row.entity, &h.name),
                path: field.path.clone(),
                now: value(field.now.as_ref()),
                then: value(field.then.as_ref()),
            })
            .collect(),
        more_written: match preview.rewritten.saturating_sub(preview.rewritten_rows.len() as u64) {
            0 => None,
            more => Some(format!("and {} more", thousands(more))),
        },
        judged: format!("{} that people decided about", thousands(preview.judged_by_people)),
        precision: both(|quality| quality.precision),
        recall: both(|quality| quality.recall),
    }
}

fn value(value: Option<&serde_json::Value>) -> String {
    match value {
        None => "–".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
