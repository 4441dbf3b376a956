//! A small world: what the golden cases, the properties and the truth test feed to the stages.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::Registration;
use crate::correlate::{Candidates, EntityFacts, Explanation, RepositoryFacts, Rules, correlate, explain};
use crate::model::{
    Decision, DecisionKind, Entity, EntityFormat, EntityRef, ImportAction, ImportId, Link, LinkState, Mark, Place,
    Presence, Recommendation, RepoKey, Repository, Unseen,
};
use crate::recommend::{Inputs, Other, Standing, recommend};

#[derive(Clone, Debug)]
pub(super) struct World {
    pub rules: Rules,
    pub registration: Registration,
    pub kind: String,
    pub repositories: Vec<(RepositoryFacts, Standing)>,
    pub entities: Vec<EntityFacts>,
    pub others: Vec<Other>,
    pub taken: BTreeSet<EntityRef>,
    pub links: Vec<Link>,
    pub decisions: Vec<Decision>,
}

impl World {
    pub fn new(rules: Rules, records: &[Value], entities: &[Entity]) -> Self {
        let repositories = records.iter().map(|raw| {
            let repository = repository(raw);
            let register_as = Ok(EntityRef::backstage("Component", "default", &repository.slug));
            (rules.repository_facts(&repository, raw), Standing { presence: Presence::Present, register_as })
        });
        Self {
            repositories: repositories.collect(),
            entities: entities.iter().map(|entity| rules.entity_facts(entity)).collect(),
            rules,
            registration: Registration::RegisterAndMerge,
            kind: "Component".to_owned(),
            others: Vec::new(),
            taken: BTreeSet::new(),
            links: Vec::new(),
            decisions: Vec::new(),
        }
    }

    pub fn facts(&self) -> Vec<RepositoryFacts> {
        self.repositories.iter().map(|(facts, _)| facts.clone()).collect()
    }

    pub fn candidates(&self) -> Vec<Candidates> {
        correlate(&self.rules, &self.facts(), &self.entities)
    }

    pub fn recommendations(&self) -> Vec<Recommendation> {
        recommend(&Inputs {
            registration: self.registration,
            kind: &self.kind,
            entity_type: "service",
            rules: &self.rules,
            repositories: &self.facts(),
            standings: &self.repositories.iter().map(|(_, standing)| standing.clone()).collect::<Vec<_>>(),
            candidates: &self.candidates(),
            others: &self.others,
            entities: &self.entities,
            taken: &self.taken,
            claimed: &[],
            links: &self.links,
            decisions: &self.decisions,
        })
    }

    pub fn full_name(&self, repo: &RepoKey) -> String {
        let known = self.repositories.iter().find(|(facts, _)| facts.repo() == *repo);
        known.map_or_else(|| repo.to_string(), |(facts, _)| facts.full_name().to_owned())
    }

    pub fn explain(&self, full_name: &str) -> Explanation {
        let at = self.repositories.iter().position(|(facts, _)| facts.full_name() == full_name).expect("known");
        let recommendations = self.recommendations();
        let repo = self.repositories[at].0.repo();
        let recommendation = recommendations.iter().find(|one| one.repo == repo);
        explain(&self.rules, &self.facts(), at, &self.entities, &self.candidates()[at], recommendation)
    }

    /// One verdict a paragraph, by full name: what the golden cases keep.
    pub fn rendered(&self) -> String {
        let mut rows: Vec<String> = self.recommendations().iter().map(|one| self.row(one)).collect();
        rows.sort();
        rows.concat()
    }

    fn row(&self, one: &Recommendation) -> String {
        let mut row = format!("{}: {}", self.full_name(&one.repo), one.action.as_str());
        for entity in one.entity.iter().chain(&one.also) {
            row.push_str(&format!(" {entity}"));
        }
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        row.push_str(&format!("\n  {} / {} / {}", one.kind, word(&one.entity_type), word(&one.owner)));
        row.push_str(&format!("\n  {}\n", one.reason));
        match &one.unseen {
            Unseen::Allowed => row.push_str("  may go unseen\n"),
            Unseen::Withheld { because } => row.push_str(&format!("  withheld: {because}\n")),
        }
        if !one.rivals.is_empty() {
            row.push_str(&format!("  rivals: {}\n", one.rivals.join(", ")));
        }
        row
    }
}

/// The identity the records of a world have: readable, and like a real one without a slash.
pub(super) fn uuid(full_name: &str) -> RepoKey {
    RepoKey::cloud(format!("{{{}}}", full_name.replace('/', ".")))
}

/// A record as Bitbucket Cloud sends it, as far as correlation cares.
pub(super) fn record(full_name: &str) -> Value {
    let slug = full_name.rsplit('/').next().unwrap_or(full_name);
    json!({
        "uuid": uuid(full_name).id,
        "full_name": full_name.to_lowercase(),
        "slug": slug.to_lowercase(),
        "name": slug,
        "description": "",
        "project": {"key": "PAY", "name": "Payments"},
        "workspace": {"slug": full_name.split('/').next()},
        "mainbranch": {"name": "main"},
        "links": {"html": {"href": format!("https://bitbucket.org/{}", full_name.to_lowercase())}},
    })
}

/// What the source reads out of such a record.
pub(super) fn repository(raw: &Value) -> Repository {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let full_name = text(&raw["full_name"]).expect("full_name");
    let (workspace, slug) = full_name.split_once('/').expect("workspace/slug");
    Repository {
        key: RepoKey::cloud(raw["uuid"].as_str().expect("uuid")),
        workspace: workspace.to_owned(),
        slug: slug.to_owned(),
        name: text(&raw["name"]).expect("name"),
        project_key: text(&raw["project"]["key"]),
        description: text(&raw["description"]),
        default_branch: text(&raw["mainbranch"]["name"]),
        language: text(&raw["language"]),
        is_private: raw["is_private"].as_bool().unwrap_or(true),
        is_fork: raw["parent"].is_object(),
        is_personal: raw["owner"]["type"] == "user",
        is_archived: false,
        url: format!("https://bitbucket.org/{full_name}"),
        created_on: None,
        updated_on: None,
        full_name,
    }
}

/// Documents of a YAML text; `under` says that they are only read, and where.
pub(super) fn entities(yaml: &str, under: Option<&str>) -> Vec<Entity> {
    serde_yaml::Deserializer::from_str(yaml)
        .enumerate()
        .filter_map(|(index, document)| {
            let document: Value =
                serde_yaml::Value::deserialize(document).ok().and_then(|yaml| serde_json::to_value(yaml).ok())?;
            entity(document, index, under)
        })
        .collect()
}

/// `None` for what is no entity.
pub(super) fn entity(document: Value, index: usize, under: Option<&str>) -> Option<Entity> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = text(&document["kind"])?;
    let is_harness = document["apiVersion"].as_str().is_some_and(|version| version.starts_with("harness.io"));
    let entity_ref = if is_harness {
        EntityRef::harness(&kind, "account", document["identifier"].as_str()?)
    } else {
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or("default");
        EntityRef::backstage(&kind, namespace, document["metadata"]["name"].as_str()?)
    };
    let mark = document["metadata"]["annotations"]["catalog-sync.dev/repository"].as_str().and_then(RepoKey::parse);
    let own = |key: &str| text(if is_harness { &document[key] } else { &document["spec"][key] });
    Some(Entity {
        entity_type: own("type"),
        owner: own("owner"),
        entity_id: entity_ref.to_string(),
        entity_ref,
        format: if is_harness { EntityFormat::Harness } else { EntityFormat::Backstage },
        kind,
        place: Place {
            file: PathBuf::from("catalog-info.yaml"),
            document: index,
            line: 1,
            read_only_under: under.map(PathBuf::from),
        },
        mark: mark.map(|repository| Mark { repository, integration: "acme".into(), action: ImportAction::Register }),
        document,
    })
}

/// A component of this name, with annotations.
pub(super) fn component(name: &str, annotations: &[(&str, &str)]) -> Entity {
    let annotations: serde_json::Map<String, Value> =
        annotations.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let document = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"type": "service", "owner": "group:default/payments"},
    });
    entity(document, 0, None).expect("an entity")
}

pub(super) fn link(repo: RepoKey, entity: EntityRef, state: LinkState) -> Link {
    Link {
        repo,
        entity_id: entity.to_string(),
        scope: entity.scope().to_owned(),
        entity,
        action: ImportAction::Merge,
        kind: "Component".into(),
        entity_type: None,
        import_id: ImportId("01".into()),
        imported_at: DateTime::UNIX_EPOCH,
        imported_by: "cli".into(),
        state,
        last_synced_at: None,
        written: Default::default(),
    }
}

pub(super) fn decision(repo: RepoKey, kind: DecisionKind) -> Decision {
    Decision { repo, full_name: String::new(), kind, at: DateTime::UNIX_EPOCH, by: "cli".into(), reason: None }
}
