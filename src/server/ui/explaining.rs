//! `/r/ID`: one repository, why it was recommended as it was, and what may be decided otherwise. The same explanation
//! opens in place in the Discovered list.

use askama::Template;
use axum::extract::Path;

use super::fields::{NO_VERSION, query};
use super::frame::{Asked, Frame, Page, page_of, sentence};
use super::integration::astray;
use super::words::{Moment, outside};
use crate::commands::answer::{DiscoveredRow, DiscoveredState};
use crate::commands::request::{Answer, Explained, Request};
use crate::config::Registration;
use crate::correlate::{Explanation, Tried};
use crate::model::Action;

/// Kinds that can be registered.
const KINDS: [&str; 4] = ["Component", "Resource", "System", "Domain"];

/// The explanation of one repository.
pub(super) struct Why {
    /// Path of the integration.
    at: String,
    id: String,
    /// The same as a list selects it: with the version that is shown, and the full name.
    picked: String,
    /// What to do, where the rules know.
    recommended: Option<AsRecommended>,
    /// Tells its fields from those of another explanation on the page.
    tag: String,
    back: String,
    word: &'static str,
    entity: Option<Named>,
    entity_text: String,
    reasons: Vec<String>,
    /// Repositories that claim the same entity.
    rivals: Vec<Named>,
    /// Entities between which nothing decides.
    between: Vec<Named>,
    candidates: Vec<Candidate>,
    runner_up: Option<String>,
    near: Vec<Near>,
    rules: Vec<Rule>,
    /// Whether it awaits a decision.
    is_open: bool,
    is_ignored: bool,
    can_register: bool,
    kinds: [&'static str; 4],
    kind: String,
    type_: String,
}

/// What is recommended, as a button.
struct AsRecommended {
    words: String,
    verb: &'static str,
}

pub(super) struct Named {
    text: String,
    href: String,
}

struct Candidate {
    entity: Named,
    rule: usize,
    compared: Vec<(String, String)>,
    leads: bool,
}

struct Near {
    entity: Named,
    why: String,
}

struct Rule {
    index: usize,
    says: String,
    compared: String,
    found: String,
    is_hit: bool,
}

#[derive(Template)]
#[template(path = "why_row.html")]
struct InRow {
    f: Frame,
    w: Why,
}

#[derive(Template)]
#[template(path = "repository.html")]
struct Repository {
    f: Frame,
    w: Why,
    name: String,
    /// Project, language and the like.
    lead: String,
    integration: String,
    out: Option<String>,
    facts: Vec<(&'static str, String)>,
    detected: Option<Moment>,
    links: Vec<LinkRow>,
}

struct LinkRow {
    entity: Named,
    status: String,
    at: Moment,
    by: String,
    import_id: String,
}

pub(super) async fn show(asked: Asked, Path(id): Path<String>) -> Page {
    let integration = asked.query.one("i").map(str::to_owned);
    let request = Request::DiscoveredShow { repository: id.clone(), integration: integration.clone() };
    let Answer::Explained(explained) = asked.ask(request).await? else { return Err(asked.trouble(astray())) };
    let row = explained.row.as_ref().map(|row| (&row.repository, &row.integration));
    let imported = explained.imported.as_ref().map(|row| (&row.repository, &row.integration));
    let (name, integration, out) = match row.or(imported) {
        Some((repository, name)) => (repository.full_name.clone(), name.clone(), outside(&repository.url)),
        None => (explained.explanation.repository.clone(), integration.unwrap_or_default(), None),
    };
    // However it was named in the address.
    let id = row.or(imported).map_or(id, |(repository, _)| repository.id.clone());
    let w = why(&asked, &id, &name, &integration, &explained);
    if asked.query.one("in") == Some("row") {
        return Ok(page_of(&InRow { f: asked.frame(name, "integrations"), w }));
    }
    let about = &explained.about;
    let mut facts = vec![("Integration", integration.clone())];
    facts.extend(about.description.clone().map(|text| ("Description", text)));
    facts.extend(about.project.clone().map(|key| ("Project", key)));
    facts.extend(about.language.clone().map(|language| ("Language", language)));
    facts.extend(about.default_branch.clone().map(|branch| ("Default branch", branch)));
    facts.push(("Visibility", if about.is_private { "private" } else { "public" }.to_owned()));
    if about.is_fork {
        facts.push(("Fork", "yes".to_owned()));
    }
    let told = |at| {
        let Moment { exact, ago, .. } = Moment::new(asked.now(), at);
        if ago.starts_with("20") { exact } else { format!("{ago} ({exact})") }
    };
    facts.extend(about.last_activity_at.map(|at| ("Last activity", told(at))));
    facts.extend(about.created_at.map(|at| ("Created", told(at))));
    if !about.former_names.is_empty() {
        facts.push(("Formerly", about.former_names.join(", ")));
    }
    if let Some(row) = &explained.row {
        let state = match row.state {
            DiscoveredState::Inaccessible => "cannot be read",
            state => state.as_str(),
        };
        facts.push(("State", state.to_owned()));
        facts.extend(row.owner.clone().map(|owner| ("Owner", owner)));
        facts.extend(row.tombstone.clone().map(|tombstone| ("Before", tombstone)));
        facts.extend(row.hidden_by.clone().map(|filter| ("Hidden by", filter)));
    }
    if explained.row.is_none() {
        facts.push(("State", about.state.clone()));
    }
    facts.push(("Id", id));
    let links = explained.imported.iter().map(|link| LinkRow {
        entity: named(&asked, &link.entity, &link.integration),
        status: link.status.clone(),
        at: Moment::new(asked.now(), link.imported_at),
        by: link.imported_by.clone(),
        import_id: link.import_id.clone(),
    });
    Ok(page_of(&Repository {
        f: asked.frame(name.clone(), "integrations"),
        lead: about.description.clone().unwrap_or_default(),
        detected: explained.row.as_ref().map(|row| Moment::new(asked.now(), row.detected_at)),
        links: links.collect(),
        w,
        name,
        integration,
        out,
        facts,
    }))
}

fn named(asked: &Asked, entity: &str, integration: &str) -> Named {
    Named { text: entity.to_owned(), href: asked.entity_path(entity, integration) }
}

fn why(asked: &Asked, id: &str, name: &str, integration: &str, explained: &Explained) -> Why {
    let explanation: &Explanation = &explained.explanation;
    let row = explained.row.as_ref();
    let entity_of = |entity: &crate::model::EntityRef| named(asked, entity.as_str(), integration);
    let action = explanation.action.unwrap_or(Action::None);
    let mut reasons: Vec<String> = explanation.reason.iter().cloned().map(sentence).collect();
    if action != Action::Conflict {
        reasons.extend(explanation.withheld.iter().map(|because| format!("Never unseen: {because}.")));
    }
    let version = row.map_or(NO_VERSION, |row| row.version.as_str());
    Why {
        picked: format!("{id} {version} {name}"),
        recommended: row.and_then(as_recommended),
        at: asked.integration_path(integration),
        id: id.to_owned(),
        tag: id.chars().filter(char::is_ascii_alphanumeric).collect(),
        back: query([("q", asked.query.one("q").unwrap_or_default())]),
        word: match row.map(|row| row.state) {
            Some(DiscoveredState::Ignored) => "ignored",
            Some(DiscoveredState::Hidden) => "hidden",
            Some(DiscoveredState::Inaccessible) => "inaccessible",
            _ => action.as_str(),
        },
        entity: explanation.entity.as_ref().filter(|_| action != Action::Register).map(entity_of),
        entity_text: explanation.entity.as_ref().map(ToString::to_string).unwrap_or_default(),
        reasons,
        rivals: explanation
            .rivals
            .iter()
            .filter(|rival| !is_entity(rival))
            .map(|rival| Named { text: rival.clone(), href: asked.repository_path(rival, integration) })
            .collect(),
        between: explanation
            .rivals
            .iter()
            .filter(|rival| is_entity(rival))
            .map(|entity| named(asked, entity, integration))
            .collect(),
        candidates: explanation
            .candidates
            .iter()
            .map(|one| Candidate {
                entity: entity_of(&one.entity),
                rule: one.rule,
                compared: one.compared.clone(),
                leads: one.leads,
            })
            .collect(),
        runner_up: explanation.runner_up.clone(),
        near: explanation
            .near_misses
            .iter()
            .map(|near| Near { entity: entity_of(&near.entity), why: near.why.clone() })
            .collect(),
        rules: explanation.rules.iter().map(rule).collect(),
        is_open: row.is_some_and(|row| matches!(row.state, DiscoveredState::Pending | DiscoveredState::Ignored)),
        is_ignored: row.is_some_and(|row| row.state == DiscoveredState::Ignored),
        can_register: asked.app.integration(integration).is_ok_and(|one| one.registration != Registration::Merge),
        kinds: KINDS,
        kind: row.map_or_else(|| "Component".to_owned(), |row| row.kind.clone()),
        type_: row.and_then(|row| row.r#type.clone()).unwrap_or_default(),
    }
}

/// Of one that waits and for which the rules found an answer.
fn as_recommended(row: &DiscoveredRow) -> Option<AsRecommended> {
    let name = &row.repository.full_name;
    let entity = row.recommendation.entity.as_deref();
    match (row.state, row.recommendation.action) {
        (DiscoveredState::Pending, Action::Merge) => Some(AsRecommended {
            words: format!("Links {name} to {}, and fills in what is missing there.", entity.unwrap_or("the entity")),
            verb: "Preview the merge",
        }),
        (DiscoveredState::Pending, Action::Register) => Some(AsRecommended {
            words: format!("Makes a new {} of {name}, in a file of its own.", row.kind),
            verb: "Preview the registration",
        }),
        _ => None,
    }
}

/// `component:default/x`; repositories are named `acme/x`.
fn is_entity(rival: &str) -> bool {
    rival.split_once('/').is_some_and(|(before, _)| before.contains(':'))
}

fn rule(tried: &Tried) -> Rule {
    let compared = tried.comparisons.iter().map(|comparing| {
        let values: Vec<String> = comparing.ingested.iter().map(|value| format!("“{value}”")).collect();
        let values = if values.is_empty() { "nothing".to_owned() } else { values.join(", ") };
        let entities = super::words::count(comparing.entities_with_a_value as u64, "entity", "entities");
        format!("{values} with {entities}")
    });
    let compared: Vec<String> = compared.collect();
    let found: Vec<&str> = tried.found.iter().map(|entity| entity.as_str()).collect();
    Rule {
        index: tried.rule,
        says: tried.says.clone(),
        compared: format!("compared {}:", compared.join(" and ")),
        found: if found.is_empty() { "found nothing".to_owned() } else { format!("found {}", found.join(", ")) },
        is_hit: !tried.found.is_empty(),
    }
}
