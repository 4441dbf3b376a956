//! Planning from the outside: inputs in, plan out, and a small catalog that carries plans out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, TimeZone, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{
    DecisionKind, EntityFormat, ImportAction, ImportId, LinkState, Place, RepoKey, Repository, WrittenField,
};

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).single().expect("a valid instant")
}

fn key(slug: &str) -> RepoKey {
    RepoKey::cloud(format!("{{{slug}-0000}}"))
}

fn repository(slug: &str) -> Repository {
    Repository {
        project_key: Some("PAY".to_owned()),
        language: Some("Go".to_owned()),
        ..Repository::bare(key(slug), slug)
    }
}

fn abilities(format: EntityFormat) -> Abilities {
    let is_harness = format == EntityFormat::Harness;
    Abilities {
        format,
        new_entities: Some(PathBuf::from("new_entities")),
        namespace: "default".to_owned(),
        org: is_harness.then(|| "acme".to_owned()),
        project: is_harness.then(|| "shop".to_owned()),
    }
}

fn component(name: &str) -> EntityRef {
    EntityRef::backstage("component", "default", name)
}

/// What a catalog reads out of a document: the two formats' own readers, so that what is planned is what
/// is recognised.
fn entity_of(document: Value, file: &str) -> Entity {
    let is_harness = document["apiVersion"] == "harness.io/v1";
    let (format, recognised) = if is_harness {
        (EntityFormat::Harness, crate::catalog::harness::recognise(&document))
    } else {
        (EntityFormat::Backstage, crate::catalog::backstage::recognise(&document))
    };
    let crate::catalog::Recognised::Entity(identity) = recognised else { panic!("not an entity: {document}") };
    Entity {
        entity_ref: identity.entity_ref,
        format,
        kind: identity.kind,
        entity_type: identity.entity_type,
        owner: identity.owner,
        entity_id: identity.entity_id,
        place: Place { file: PathBuf::from(file), document: 0, line: 1, read_only_under: None },
        mark: identity.mark,
        document,
    }
}

fn hand_written(name: &str) -> Value {
    json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": "experimental", "owner": "group:default/payments"},
    })
}

fn link_to(slug: &str, entity: &EntityRef, action: ImportAction) -> Link {
    Link {
        repo: key(slug),
        entity: entity.clone(),
        entity_id: entity.to_string(),
        action,
        kind: "Component".to_owned(),
        entity_type: None,
        scope: "default".to_owned(),
        import_id: ImportId("01J".to_owned()),
        imported_at: noon(),
        imported_by: "cli".to_owned(),
        state: LinkState::Active,
        last_synced_at: None,
        written: BTreeMap::new(),
    }
}

fn decision(slug: &str, kind: DecisionKind) -> Decision {
    Decision {
        repo: key(slug),
        full_name: format!("acme/{slug}"),
        kind,
        at: noon(),
        by: "ops".to_owned(),
        reason: None,
    }
}

fn mapped(keys: &[&str], value: Value) -> Mapped {
    Mapped {
        path: FieldPath::of(keys),
        value: (!value.is_null()).then_some(value),
        when: When::Missing,
        mode: Mode::Set,
    }
}

const SYNC: Chosen = Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed: false, decisions_lost: false };

const REGISTER: Target<'_> = Target::Register { kind: "Component", entity_type: Some("service"), owner: None };

fn wanted<'a>(repository: &'a Repository, target: Target<'a>) -> Wanted<'a> {
    Wanted {
        repository,
        integration: "acme",
        tags: &[],
        target,
        asked_type: None,
        rule: None,
        fields: &[],
        many: false,
        first_seen_under_auto_import: true,
        unseen: &Unseen::Allowed,
    }
}

/// A catalog and a store, as small as they can be.
#[derive(Clone, Default)]
struct Shop {
    entities: BTreeMap<EntityRef, Entity>,
    links: Vec<Link>,
    decisions: Vec<Decision>,
    duplicates: Vec<(EntityRef, Vec<String>)>,
    unreadable: Vec<EntityRef>,
    claimed: Vec<ClaimedName>,
    harness: bool,
}

impl Shop {
    fn with(documents: impl IntoIterator<Item = Value>) -> Self {
        let entities = documents.into_iter().map(|document| entity_of(document, "catalog.yaml"));
        Self { entities: entities.map(|entity| (entity.entity_ref.clone(), entity)).collect(), ..Self::default() }
    }

    fn entity(&self, name: &str) -> &Entity {
        &self.entities[&component(name)]
    }

    fn plan(&self, wanted: &[Wanted<'_>], chosen: Chosen) -> Plan {
        let format = if self.harness { EntityFormat::Harness } else { EntityFormat::Backstage };
        let taken: Vec<EntityRef> = self.entities.keys().cloned().collect();
        let marks: Vec<(EntityRef, RepoKey)> = self
            .entities
            .values()
            .filter_map(|entity| Some((entity.entity_ref.clone(), entity.mark.as_ref()?.repository.clone())))
            .collect();
        let plan = plan(&Inputs {
            wanted,
            abilities: &abilities(format),
            taken: &taken,
            duplicates: &self.duplicates,
            unreadable: &self.unreadable,
            claimed: &self.claimed,
            marks: &marks,
            links: &self.links,
            decisions: &self.decisions,
            chosen,
        });
        assert_eq!(check(&plan), Ok(()), "{plan}");
        plan
    }

    /// Carries a plan out, as catalog and engine do.
    fn apply(&mut self, plan: &Plan) {
        for step in &plan.steps {
            let document = match &step.work {
                Work::Register(new) => new.document.clone(),
                Work::Edit(edit) => edit.applied(&self.entities[&step.entity].document),
            };
            self.entities.insert(step.entity.clone(), entity_of(document, "catalog.yaml"));
            if !self.links.iter().any(|link| link.repo == step.repo && link.entity == step.entity) {
                let mut link = link_to("", &step.entity, step.action);
                link.repo = step.repo.clone();
                self.links.push(link);
            }
            for link in self.links.iter_mut().filter(|link| link.repo == step.repo && link.entity == step.entity) {
                step.remember(&mut link.written);
            }
        }
        for note in &plan.notes {
            for link in self.links.iter_mut().filter(|link| link.repo == note.repo && link.entity == note.entity) {
                note.remember(link);
            }
        }
    }

    /// Every linked repository brought up to date.
    fn sync(&self, repositories: &[Repository], fields: &BTreeMap<RepoKey, Vec<Mapped>>) -> Plan {
        let wanted: Vec<Wanted<'_>> = self
            .links
            .iter()
            .filter_map(|link| {
                let repository = repositories.iter().find(|repository| repository.key == link.repo)?;
                let target = Target::Update(link, self.entities.get(&link.entity));
                let fields = fields.get(&link.repo).map_or(&[][..], Vec::as_slice);
                Some(Wanted { fields, ..wanted(repository, target) })
            })
            .collect();
        self.plan(&wanted, SYNC)
    }
}

#[track_caller]
fn only_step(plan: &Plan) -> &Step {
    assert!(plan.held.is_empty(), "{plan}");
    plan.steps.first().expect("one step")
}

#[track_caller]
fn held(plan: &Plan, reason: &str) {
    assert!(plan.steps.is_empty(), "{plan}");
    let reasons: Vec<&str> = plan.held.iter().map(|held| held.reason.as_str()).collect();
    assert!(reasons.iter().all(|held| held.contains(reason)) && !reasons.is_empty(), "{reasons:?}");
}

fn yaml(step: &Step) -> String {
    let Work::Register(new) = &step.work else { return String::new() };
    let header: String = new.header.iter().map(|line| format!("# {line}\n")).collect();
    format!("{}\n{header}{}", new.file.display(), serde_yaml::to_string(&new.document).expect("a document"))
}

/// P4.2, P4.8, product.md "Registering": a new Backstage entity, whole.
#[test]
fn registers_in_backstage() {
    let repo = Repository { name: "Payments API".to_owned(), ..repository("payments-api") };
    let fields = [
        mapped(&["metadata", "description"], json!("Pays people: 1:30, yes\r\nand no")),
        mapped(&["metadata", "title"], json!("Payments API")),
        mapped(&["metadata", "annotations", "acme.dev/tier"], json!(1)),
        Mapped { mode: Mode::Add, ..mapped(&["metadata", "tags"], json!(["pci"])) },
        Mapped { when: When::Register, ..mapped(&["spec", "system"], json!("billing")) },
    ];
    let tags = ["payments".to_owned(), "Team Blue".to_owned()];
    let wanted = Wanted { fields: &fields, tags: &tags, ..wanted(&repo, REGISTER) };
    let plan = Shop::default().plan(&[wanted], Chosen::ByHand);
    insta::assert_snapshot!(yaml(only_step(&plan)), @r"
    new_entities/acme/pay/payments-api.yaml
    # Made by catalog-sync (integration acme) from a Bitbucket repository, and kept up to date by it.
    # What you change here is yours: changed values are never written again.
    # To stop it: catalog-sync imported unlink '{payments-api-0000}'
    apiVersion: backstage.io/v1alpha1
    kind: Component
    metadata:
      name: payments-api
      title: Payments API
      description: |-
        Pays people: 1:30, yes
        and no
      annotations:
        acme.dev/tier: '1'
        catalog-sync.dev/repository: bitbucket.org/{payments-api-0000}
        catalog-sync.dev/integration: acme
        catalog-sync.dev/action: REGISTER
        catalog-sync.dev/project-key: PAY
        catalog-sync.dev/default-branch: main
        catalog-sync.dev/visibility: private
        bitbucket.org/project-slug: acme/payments-api
        backstage.io/source-location: url:https://bitbucket.org/acme/payments-api/src/main/
      tags:
      - pci
      - payments
      - team-blue
      - go
      links:
      - url: https://bitbucket.org/acme/payments-api
        title: Bitbucket repository
    spec:
      type: service
      lifecycle: production
      owner: unknown
      system: billing
    ");
    insta::assert_snapshot!(plan, @r"
    1 step, 0 held

    register acme/payments-api → component:default/payments-api
      new file new_entities/acme/pay/payments-api.yaml

    noticed
      component:default/payments-api: its owner is `unknown`: give one with a field rule, or in the file
    ");
}

/// P4.2, P4.8: a new Harness entity, whole.
#[test]
fn registers_in_harness() {
    let repo = Repository { name: "Payments API".to_owned(), slug: "2048.api".to_owned(), ..repository("x") };
    let fields = [
        mapped(&["metadata", "description"], json!("Pays people")),
        Mapped { when: When::Register, ..mapped(&["metadata", "title"], json!("Payments")) },
        Mapped { when: When::Register, ..mapped(&["spec", "owner"], json!("group:account/payments")) },
    ];
    let tags = ["payments".to_owned()];
    let wanted = Wanted { fields: &fields, tags: &tags, ..wanted(&repo, REGISTER) };
    let shop = Shop { harness: true, ..Shop::default() };
    let plan = shop.plan(&[wanted], Chosen::ByHand);
    insta::assert_snapshot!(yaml(only_step(&plan)), @r"
    new_entities/acme/pay/2048_api.yaml
    # Made by catalog-sync (integration acme) from a Bitbucket repository, and kept up to date by it.
    # What you change here is yours: changed values are never written again.
    # To stop it: catalog-sync imported unlink '{x-0000}'
    apiVersion: harness.io/v1
    kind: Component
    identifier: _2048_api
    name: Payments
    type: service
    owner: group:account/payments
    orgIdentifier: acme
    projectIdentifier: shop
    metadata:
      description: Pays people
      integration:
        repository: bitbucket.org/{x-0000}
        name: acme
        action: REGISTER
      integration_properties:
        BitbucketCloud:
          name: Payments API
          url: https://bitbucket.org/acme/x
          project_key: PAY
          default_branch: main
          tags:
          - payments
          - go
          visibility: private
    spec:
      lifecycle: production
    ");
}

/// P4.9, P4.8, P4.12: merging enriches what is missing and leaves the rest; the dry run says so.
#[test]
fn merges_into_hand_written() {
    let repo = repository("web");
    let mut document = hand_written("web");
    document["metadata"]["description"] = json!("By hand");
    document["metadata"]["tags"] = json!(["go", "shop"]);
    document["metadata"]["annotations"] = json!({"backstage.io/source-location": "url:https://github.com/acme/web/"});
    let shop = Shop::with([document]);
    let fields = [
        mapped(&["metadata", "description"], json!("From Bitbucket")),
        Mapped { when: When::Always, ..mapped(&["metadata", "title"], json!("Web")) },
        Mapped { when: When::Always, ..mapped(&["spec", "owner"], json!("group:default/web")) },
        Mapped { when: When::Register, ..mapped(&["metadata", "labels", "tier"], json!("one")) },
        mapped(&["metadata", "annotations", "acme.dev/note"], json!("a\u{1b}[2Jb")),
        mapped(&["metadata", "name"], json!("other")),
    ];
    let wanted = Wanted { fields: &fields, rule: Some(0), ..wanted(&repo, Target::Merge(shop.entity("web"))) };
    insta::assert_snapshot!(shop.plan(&[wanted], Chosen::ByHand), @r#"
    1 step, 0 held

    merge acme/web → component:default/web
      catalog.yaml:1
      + $.metadata.title: "Web"
      + $.metadata.annotations["catalog-sync.dev/repository"]: "bitbucket.org/{web-0000}"
      + $.metadata.annotations["catalog-sync.dev/integration"]: "acme"
      + $.metadata.annotations["catalog-sync.dev/action"]: "MERGE"
      + $.metadata.annotations["catalog-sync.dev/project-key"]: "PAY"
      + $.metadata.annotations["catalog-sync.dev/default-branch"]: "main"
      + $.metadata.annotations["catalog-sync.dev/visibility"]: "private"
      + $.metadata.annotations["bitbucket.org/project-slug"]: "acme/web"
      + $.metadata.links: {"url":"https://bitbucket.org/acme/web","title":"Bitbucket repository"}

    noticed
      component:default/web: $.metadata.annotations["acme.dev/note"] is left out: it holds the control character \u{1b}
      component:default/web: $.metadata.name is left out: rules may not write what names an entity
    "#);
}

/// The life of one mapped field, from import on: each line is (in the file now, what the source says) →
/// what happens.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Untouched,
    Becomes(Option<&'static str>),
    Theirs,
}

#[track_caller]
fn fate(when: When, wrote: Option<(Option<&str>, bool)>, now: Option<&str>, source: Option<&str>, expected: &Fate) {
    let path = FieldPath::of(&["metadata", "description"]);
    let repo = repository("web");
    let mut document = hand_written("web");
    if let Some(now) = now {
        document["metadata"]["description"] = json!(now);
    }
    let entity = entity_of(document, "web.yaml");
    let mut link = link_to("web", &entity.entity_ref, ImportAction::Merge);
    if let Some((value, theirs)) = wrote {
        link.written.insert(path.to_string(), WrittenField { value: value.map(Value::from), theirs });
    }
    let fields = [Mapped { path: path.clone(), value: source.map(Value::from), when, mode: Mode::Set }];
    let shop = Shop { links: vec![link.clone()], ..Shop::with([entity.document.clone()]) };
    let plan = shop.plan(&[Wanted { fields: &fields, ..wanted(&repo, Target::Update(&link, Some(&entity))) }], SYNC);
    let change = plan.steps.first().and_then(|step| match &step.work {
        Work::Edit(edit) => edit.fields.iter().find(|field| field.path == path).map(|field| field.change.clone()),
        Work::Register(_) => None,
    });
    let got = match change {
        Some(Change::Set { value }) => Fate::Becomes(Some(match value.as_str() {
            Some("new") => "new",
            _ => "unexpected",
        })),
        Some(Change::Remove) => Fate::Becomes(None),
        Some(Change::Add { .. }) => Fate::Becomes(Some("an addition")),
        None if plan.notes.iter().any(|note| matches!(note.about, About::Theirs { .. })) => Fate::Theirs,
        None => Fate::Untouched,
    };
    assert_eq!(got, *expected, "{when:?} wrote {wrote:?} now {now:?} source {source:?}");
}

/// product.md "Fields": ours may be updated and removed; changed ones are theirs, reported once.
#[test]
fn fields_belong_to_who_wrote_last() {
    use Fate::{Becomes, Theirs, Untouched};
    use When::{Always, Missing, Register};
    let (old, new, by_hand) = (Some("old"), Some("new"), Some("by hand"));
    let wrote = |value| Some((value, false));
    let theirs = |value| Some((value, true));
    // Never written by us.
    fate(Missing, None, None, new, &Becomes(new));
    fate(Missing, None, by_hand, new, &Untouched);
    fate(Missing, None, by_hand, None, &Untouched);
    fate(Always, None, by_hand, new, &Becomes(new));
    fate(Always, None, by_hand, None, &Untouched);
    fate(Register, None, None, new, &Untouched);
    // Still ours.
    fate(Missing, wrote(old), old, new, &Becomes(new));
    fate(Missing, wrote(old), old, old, &Untouched);
    fate(Missing, wrote(old), old, None, &Becomes(None));
    fate(Missing, wrote(None), None, new, &Becomes(new));
    fate(Register, wrote(old), old, new, &Untouched);
    // Changed by someone: reported once, then left.
    fate(Missing, wrote(old), by_hand, new, &Theirs);
    fate(Missing, wrote(old), by_hand, None, &Theirs);
    fate(Missing, wrote(old), None, new, &Theirs);
    fate(Missing, wrote(None), by_hand, new, &Theirs);
    fate(Missing, theirs(old), by_hand, new, &Untouched);
    fate(Missing, theirs(old), None, new, &Untouched);
    fate(Missing, theirs(old), old, new, &Untouched);
    // Unless the rule says always.
    fate(Always, wrote(old), by_hand, new, &Becomes(new));
    fate(Always, theirs(old), by_hand, new, &Becomes(new));
    // A kill between file and store: what is there is what we want, so it is ours.
    fate(Missing, wrote(old), new, new, &Untouched);
}

/// P3.8: a present source location is never replaced unseen, not even by `when: always`; by hand it may be.
#[test]
fn source_locations_are_not_replaced_unseen() {
    let repo = repository("web");
    let mut document = hand_written("web");
    document["metadata"]["annotations"] = json!({"backstage.io/source-location": "url:https://github.com/acme/web/"});
    let shop = Shop::with([document]);
    let path = FieldPath::of(&["metadata", "annotations", "backstage.io/source-location"]);
    let value = Some(json!("url:https://bitbucket.org/acme/web/src/main/"));
    let fields = [Mapped { path: path.clone(), value, when: When::Always, mode: Mode::Set }];
    let wanted = [Wanted { fields: &fields, ..wanted(&repo, Target::Merge(shop.entity("web"))) }];
    let writes = |plan: &Plan| match &only_step(plan).work {
        Work::Edit(edit) => edit.fields.iter().any(|field| field.path == path),
        Work::Register(_) => false,
    };
    let unseen = shop.plan(&wanted, SYNC);
    assert!(!writes(&unseen) && unseen.to_string().contains("never replaced unseen"), "{unseen}");
    assert!(writes(&shop.plan(&wanted, Chosen::ByHand)));
}

/// P4.8: the mark and the properties follow the source; others' annotations do not; nothing else moves.
#[test]
fn renames_follow() {
    let mut repo = repository("web");
    let mut shop = Shop::with([hand_written("web")]);
    let plan = shop.plan(&[wanted(&repo, Target::Merge(shop.entity("web")))], Chosen::ByHand);
    shop.apply(&plan);
    repo.slug = "shop".to_owned();
    repo.full_name = "acme/shop".to_owned();
    repo.url = "https://bitbucket.org/acme/shop".to_owned();
    repo.default_branch = Some("release/1.0".to_owned());
    repo.project_key = None;
    insta::assert_snapshot!(shop.sync(&[repo], &BTreeMap::new()), @r#"
    1 step, 0 held

    update acme/shop → component:default/web
      catalog.yaml:1
      - $.metadata.annotations["catalog-sync.dev/project-key"]: "PAY"
      ~ $.metadata.annotations["catalog-sync.dev/default-branch"]: "main" → "release/1.0"
      ~ $.metadata.annotations["bitbucket.org/project-slug"]: "acme/web" → "acme/shop"
      ~ $.metadata.annotations["backstage.io/source-location"]: "url:https://bitbucket.org/acme/web/src/main/" → "url:https://bitbucket.org/acme/shop/src/release%2F1.0/"
      + $.metadata.links: {"url":"https://bitbucket.org/acme/shop","title":"Bitbucket repository"}
    "#);
}

/// product.md "Fields", for lists: only our elements come and go; a list someone took ours out of is theirs.
#[test]
fn lists_keep_what_others_put_in() {
    let mut repo = repository("web");
    let tags = |shop: &Shop| shop.entity("web").document["metadata"]["tags"].clone();
    let mut shop = Shop::with([hand_written("web")]);
    let plan = shop.plan(&[wanted(&repo, Target::Merge(shop.entity("web")))], Chosen::ByHand);
    shop.apply(&plan);
    assert_eq!(tags(&shop), json!(["go"]));

    repo.language = Some("Rust".to_owned());
    let none = BTreeMap::new();
    let plan = shop.sync(std::slice::from_ref(&repo), &none);
    shop.apply(&plan);
    assert_eq!(tags(&shop), json!(["rust"]), "the list is ours alone, so the stale tag goes");

    let edited = |shop: &mut Shop, tags: Value| {
        let mut document = shop.entity("web").document.clone();
        document["metadata"]["tags"] = tags;
        shop.entities.insert(component("web"), entity_of(document, "catalog.yaml"));
    };
    edited(&mut shop, json!(["by-hand", "rust"]));
    repo.language = Some("Zig".to_owned());
    let plan = shop.sync(std::slice::from_ref(&repo), &none);
    shop.apply(&plan);
    assert_eq!(tags(&shop), json!(["by-hand", "rust", "zig"]));

    edited(&mut shop, json!(["by-hand"]));
    let plan = shop.sync(std::slice::from_ref(&repo), &none);
    assert!(plan.steps.is_empty() && plan.to_string().contains("yours now"), "{plan}");
    shop.apply(&plan);
    assert_eq!(shop.sync(&[repo], &none), Plan::default(), "reported once");
}

/// P2.13: a linked entity that is missing is not recreated; the link remembers, and sees it come back.
#[test]
fn missing_entities_wait_for_a_person() {
    let repo = repository("web");
    let mut shop = Shop { links: vec![link_to("web", &component("web"), ImportAction::Merge)], ..Shop::default() };
    let repos = std::slice::from_ref(&repo);
    let plan = shop.sync(repos, &BTreeMap::new());
    held(&plan, "nothing is recreated");
    shop.apply(&plan);
    assert_eq!(shop.links[0].state, LinkState::EntityMissing);
    held(&shop.plan(&[wanted(&repo, REGISTER)], SYNC), "nothing is recreated unseen");
    assert_eq!(shop.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand).steps.len(), 1, "a person registers again");

    shop.unreadable = vec![component("web")];
    held(&shop.sync(repos, &BTreeMap::new()), "no longer parses");
    shop.unreadable.clear();
    shop.entities = Shop::with([hand_written("web")]).entities;
    let plan = shop.sync(repos, &BTreeMap::new());
    shop.apply(&plan);
    assert_eq!(shop.links[0].state, LinkState::Active);
}

/// product.md "Registering": taken names are held, without case, wherever the other lives.
#[test]
fn taken_names_are_held() {
    let repo = repository("web");
    let shop = Shop::with([hand_written("Web")]);
    held(&shop.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand), "an entity of this name already");
    let unreadable = Shop { unreadable: vec![component("web")], ..Shop::default() };
    held(&unreadable.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand), "no longer parses");
    let claimed = ClaimedName { name: "web".to_owned(), because: "x.yaml:3 cannot be read".to_owned() };
    let claimed = Shop { claimed: vec![claimed], ..Shop::default() };
    held(&claimed.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand), "may be taken: x.yaml:3 cannot be read");
    let linked = Shop { links: vec![link_to("other", &component("web"), ImportAction::Merge)], ..Shop::default() };
    held(&linked.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand), "unlink that repository first");
    let elsewhere = Shop { links: vec![link_to("web", &component("shop"), ImportAction::Merge)], ..Shop::default() };
    held(&elsewhere.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand), "linked to component:default/shop already");

    let mut document = hand_written("shop");
    document["metadata"]["annotations"] =
        json!({"catalog-sync.dev/repository": key("web").to_string(), "catalog-sync.dev/action": "MERGE"});
    let marked = Shop::with([document]);
    held(&marked.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand), "carries this repository's mark");

    let (one, two) = (repository("a-b"), Repository { key: key("other"), ..repository("-a-b") });
    let plan = Shop::default().plan(&[wanted(&one, REGISTER), wanted(&two, REGISTER)], Chosen::ByHand);
    held(&plan, "wants it, too");
    assert_eq!(plan.held.len(), 2);

    let as_resource = Target::Register { kind: "resource", entity_type: None, owner: None };
    let plan = Shop::default().plan(&[wanted(&one, REGISTER), wanted(&two, as_resource)], Chosen::ByHand);
    held(&plan, "in the same file new_entities/acme/pay/a-b.yaml");
}

/// P7.7, P4.8, P3.7: what may not be written is held with the place or the holder.
#[test]
fn targets_that_may_not_be_written_are_held() {
    let repo = repository("web");
    let mut shop = Shop::with([hand_written("web")]);
    let mut entity = shop.entity("web").clone();
    entity.place.read_only_under = Some(PathBuf::from("./export"));
    held(&shop.plan(&[wanted(&repo, Target::Merge(&entity))], Chosen::ByHand), "it lives in ./export/catalog.yaml:1");

    let gone = component("gone");
    held(&shop.plan(&[wanted(&repo, Target::MergeMissing(&gone))], Chosen::ByHand), "choose another with `--into`");
    shop.unreadable = vec![gone.clone()];
    held(&shop.plan(&[wanted(&repo, Target::MergeMissing(&gone))], Chosen::ByHand), "no longer parses");

    shop.duplicates = vec![(component("web"), vec!["a.yaml:1".to_owned(), "b.yaml:4".to_owned()])];
    let merge = wanted(&repo, Target::Merge(shop.entity("web")));
    held(&shop.plan(&[merge], Chosen::ByHand), "2 documents bear this name (a.yaml:1, b.yaml:4)");

    let mut document = hand_written("web");
    document["metadata"]["annotations"] =
        json!({"catalog-sync.dev/repository": key("other").to_string(), "catalog-sync.dev/action": "MERGE"});
    let mut shop = Shop::with([document]);
    let merge = wanted(&repo, Target::Merge(shop.entity("web")));
    held(&shop.plan(&[merge], Chosen::ByHand), "the mark of another repository");
    shop.decisions = vec![decision("other", DecisionKind::Unlinked { entity: component("web"), also: vec![] })];
    let merge = wanted(&repo, Target::Merge(shop.entity("web")));
    assert_eq!(shop.plan(&[merge], Chosen::ByHand).steps.len(), 1, "the other was unlinked: its mark is a leftover");
    let merge = wanted(&repo, Target::Merge(shop.entity("web")));
    held(&shop.plan(&[merge], SYNC), "the mark of another repository");
}

/// P3.7: rivals without a holder are all conflicts; the holder of a link keeps the entity.
#[test]
fn rivals_are_judged_together() {
    let (a, b) = (repository("a"), repository("b"));
    let mut shop = Shop::with([hand_written("web")]);
    let entity = shop.entity("web").clone();
    let rivals = [wanted(&a, Target::Merge(&entity)), wanted(&b, Target::Merge(&entity))];
    let plan = shop.plan(&rivals, Chosen::ByHand);
    held(&plan, "wants it, too");
    assert_eq!(plan.held.len(), 2);

    let link = link_to("a", &component("web"), ImportAction::Merge);
    shop.links = vec![link.clone()];
    let rivals = [wanted(&b, Target::Merge(&entity)), wanted(&a, Target::Update(&link, Some(&entity)))];
    let plan = shop.plan(&rivals, Chosen::ByHand);
    assert_eq!(plan.steps.iter().map(|step| &step.repo).collect::<Vec<_>>(), [&a.key]);
    assert_eq!(plan.held.iter().map(|held| &held.repo).collect::<Vec<_>>(), [&b.key]);
}

/// P4.8: of two entities with one mark the link holder keeps it, else it is a conflict. P4.4: what was
/// unlinked is not adopted again.
#[test]
fn copied_marks_are_conflicts() {
    let repo = repository("web");
    let marked = |name: &str| {
        let mut document = hand_written(name);
        document["metadata"]["annotations"] =
            json!({"catalog-sync.dev/repository": key("web").to_string(), "catalog-sync.dev/action": "MERGE"});
        document
    };
    let mut shop = Shop::with([marked("web")]);
    let adopt = wanted(&repo, Target::Adopt(shop.entity("web")));
    assert_eq!(only_step(&shop.plan(&[adopt], SYNC)).verb(), "adopt");
    shop.decisions = vec![decision("web", DecisionKind::Unlinked { entity: component("web"), also: vec![] })];
    let adopt = wanted(&repo, Target::Adopt(shop.entity("web")));
    held(&shop.plan(&[adopt], SYNC), "ops unlinked it");

    let mut shop = Shop::with([marked("web"), marked("copy")]);
    let both = |shop: &Shop| {
        let adopt = |name| wanted(&repo, Target::Adopt(shop.entity(name)));
        shop.plan(&[adopt("web"), adopt("copy")], SYNC)
    };
    let plan = both(&shop);
    held(&plan, "carries the same mark");
    assert_eq!(plan.held.len(), 2);
    shop.links = vec![link_to("web", &component("web"), ImportAction::Merge)];
    let adopt = wanted(&repo, Target::Adopt(shop.entity("copy")));
    held(&shop.plan(&[adopt], SYNC), "a copy of the mark of component:default/web, which is linked");
}

/// Invariant 3: a lost store costs history, never a duplicate; ownership of what we created comes back.
#[test]
fn a_lost_store_is_adopted_from_marks() {
    let mut repo = repository("web");
    let mut fields = BTreeMap::from([(repo.key.clone(), vec![mapped(&["metadata", "description"], json!("Web"))])]);
    let mut shop = Shop::default();
    let register = Wanted { fields: &fields[&repo.key], ..wanted(&repo, REGISTER) };
    let plan = shop.plan(&[register], Chosen::ByHand);
    shop.apply(&plan);
    let written = shop.links[0].written.clone();
    shop.links.clear();

    let adopt = Wanted { fields: &fields[&repo.key], ..wanted(&repo, Target::Adopt(shop.entity("web"))) };
    let plan = shop.plan(&[adopt], SYNC);
    let Work::Edit(edit) = &only_step(&plan).work else { panic!("not registered twice: {plan}") };
    assert!(edit.fields.is_empty() && only_step(&plan).action == ImportAction::Register, "{plan}");
    shop.apply(&plan);
    for (path, field) in &shop.links[0].written {
        assert_eq!(written.get(path), Some(field), "{path}");
    }
    assert_eq!(shop.sync(std::slice::from_ref(&repo), &fields), Plan::default());
    repo.description = Some("Shop".to_owned());
    fields.insert(repo.key.clone(), vec![mapped(&["metadata", "description"], json!("Shop"))]);
    assert_eq!(shop.sync(&[repo], &fields).steps.len(), 1, "the description is ours again");
}

/// P3.8, P4.4, P4.11: what auto-import leaves to people.
#[test]
fn auto_import_leaves_these_to_people() {
    let repo = repository("web");
    let mut shop = Shop::default();
    assert_eq!(shop.plan(&[wanted(&repo, REGISTER)], SYNC).steps.len(), 1);
    let late = || Wanted { first_seen_under_auto_import: false, ..wanted(&repo, REGISTER) };
    held(&shop.plan(&[late()], SYNC), "before auto-import was on");
    let because = "only its name matches".to_owned();
    let unseen = Unseen::Withheld { because };
    let doubtful = || Wanted { unseen: &unseen, ..wanted(&repo, REGISTER) };
    held(&shop.plan(&[doubtful()], SYNC), "only its name matches");
    assert_eq!(shop.plan(&[doubtful()], Chosen::ByHand).steps.len(), 1, "a person may");
    let entity = component("web");
    for (kind, reason) in [
        (DecisionKind::Ignored, "ops set it aside"),
        (DecisionKind::Unlinked { entity: entity.clone(), also: vec![] }, "ops unlinked it from component:default/web"),
        (DecisionKind::Undone { entity: entity.clone(), also: vec![] }, "ops undid its import"),
        (DecisionKind::Target { entity }, "a person chose component:default/web"),
    ] {
        shop.decisions = vec![decision("web", kind)];
        held(&shop.plan(&[wanted(&repo, REGISTER)], SYNC), reason);
        assert_eq!(shop.plan(&[wanted(&repo, REGISTER)], Chosen::ByHand).steps.len(), 1, "a person may");
    }
}

/// P4.14: unseen changes to documents of others wait, with the step inside; our own documents do not.
#[test]
fn a_wide_change_is_held_for_approval() {
    let repositories: Vec<Repository> = (0..12).map(|n| repository(&format!("e{n}"))).collect();
    let mut shop = Shop::with((0..100).map(|n| hand_written(&format!("e{n}"))));
    let merges = |shop: &Shop, count: usize, chosen| {
        let targets = repositories.iter().take(count);
        let wanted: Vec<Wanted<'_>> =
            targets.map(|repo| wanted(repo, Target::Merge(shop.entity(&repo.slug)))).collect();
        shop.plan(&wanted, chosen)
    };
    assert_eq!(merges(&shop, 10, SYNC).steps.len(), 10);
    assert_eq!(merges(&shop, 12, Chosen::ByHand).steps.len(), 12);
    let plan = merges(&shop, 11, SYNC);
    held(&plan, "would change 11 documents we did not create");
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&plan).expect("a plan")).expect("a plan");
    assert_eq!(stored.approved().steps, merges(&shop, 11, Chosen::ByHand).steps, "approve applies exactly that");
    assert_eq!(check(&stored.approved()), Ok(()));
    let changed = Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed: true, decisions_lost: false };
    let plan = merges(&shop, 1, changed);
    held(&plan, "rules or fields changed");
    assert_eq!(plan.approvable().count(), 1);

    let all: Vec<Wanted<'_>> = repositories.iter().map(|repo| wanted(repo, REGISTER)).collect();
    assert_eq!(Shop::default().plan(&all, changed).steps.len(), 12, "new documents are ours");
    let lost = Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed: false, decisions_lost: true };
    let plan = Shop::default().plan(&all, lost);
    held(&plan, "the store is new");
    assert_eq!(plan.approvable().count(), 12);

    shop.entities.clear();
    let plan = Shop::default().plan(&all, SYNC);
    shop.apply(&plan);
    let fields = repositories
        .iter()
        .map(|repo| (repo.key.clone(), vec![mapped(&["metadata", "description"], json!("new"))]))
        .collect();
    assert_eq!(shop.sync(&repositories, &fields).steps.len(), 12, "we created them");
}

/// Monorepos: a second entity by hand or by `many: true`, never by accident.
#[test]
fn second_entities_are_no_accident() {
    let repo = repository("mono");
    let mut shop = Shop::with([hand_written("a"), hand_written("b")]);
    shop.links = vec![link_to("mono", &component("a"), ImportAction::Merge)];
    let merge = || wanted(&repo, Target::Merge(shop.entity("b")));
    held(&shop.plan(&[merge()], SYNC), "belongs to component:default/a already");
    assert_eq!(shop.plan(&[Wanted { many: true, ..merge() }], SYNC).steps.len(), 1);
    assert_eq!(shop.plan(&[merge()], Chosen::ByHand).steps.len(), 1);
}

#[track_caller]
fn registers(repo: &Repository, abilities: &Abilities, kind: &str, expected: Result<&str, &str>) {
    let got = would_register(repo, abilities, kind).map(|entity| entity.to_string()).map_err(|why| why.to_string());
    match expected {
        Ok(entity) => assert_eq!(got.as_deref(), Ok(entity)),
        Err(part) => assert!(got.as_ref().is_err_and(|why| why.contains(part)), "{got:?}"),
    }
}

/// product.md "Registering": kinds, names, folders.
#[test]
fn would_register_says_what_and_why_not() {
    let repo = repository("Api.v2");
    let backstage = abilities(EntityFormat::Backstage);
    registers(&repo, &backstage, "Component", Ok("component:default/api.v2"));
    registers(&repo, &backstage, "domain", Ok("domain:default/api.v2"));
    registers(&repo, &backstage, "API", Err("it needs a definition"));
    registers(&repo, &backstage, "Group", Err("choose Component, Resource, System or Domain"));
    registers(&repository("---"), &backstage, "Component", Err("no valid entity name"));
    registers(&repository("-2048."), &backstage, "Component", Ok("component:default/2048"));
    let harness = abilities(EntityFormat::Harness);
    registers(&repository("2048"), &harness, "component", Ok("component:account.acme.shop/_2048"));
    registers(&repo, &harness, "component", Ok("component:account.acme.shop/Api_v2"));
    registers(&repo, &harness, "Domain", Err("Harness has no such kind"));
    let nowhere = Abilities { new_entities: None, ..backstage.clone() };
    registers(&repo, &nowhere, "Component", Err("set `new_entities`"));
    let outside = Abilities { new_entities: Some(PathBuf::from("../out")), ..backstage };
    registers(&repo, &outside, "Component", Err("leads out of the catalog"));
}

/// A person's owner outranks the rules; an invalid one falls back to `unknown`, flagged.
#[test]
fn owners_are_given_or_unknown() {
    let repo = repository("web");
    let fields = [mapped(&["spec", "owner"], json!("group:default/payments"))];
    let owner = |fields: &[Mapped], owner| {
        let target = Target::Register { kind: "Component", entity_type: None, owner };
        let plan = Shop::default().plan(&[Wanted { fields, ..wanted(&repo, target) }], Chosen::ByHand);
        let Work::Register(new) = &only_step(&plan).work else { panic!("{plan}") };
        let is_flagged = plan.notes.iter().any(|note| note.about == About::OwnerUnknown);
        (new.document["spec"]["owner"].as_str().unwrap_or_default().to_owned(), is_flagged)
    };
    assert_eq!(owner(&[], None), ("unknown".to_owned(), true));
    assert_eq!(owner(&fields, None), ("group:default/payments".to_owned(), false));
    assert_eq!(owner(&fields, Some("web-team")), ("web-team".to_owned(), false));
    assert_eq!(owner(&[mapped(&["spec", "owner"], json!("Web Team"))], None), ("unknown".to_owned(), true));
}

/// Systems and domains get no type and lifecycle of a service.
#[test]
fn kinds_get_the_fields_they_need() {
    let repo = repository("web");
    for (kind, expected) in [
        ("component", json!({"type": "service", "lifecycle": "production", "owner": "unknown"})),
        ("Resource", json!({"type": "service", "owner": "unknown"})),
        ("SYSTEM", json!({"owner": "unknown"})),
        ("Domain", json!({"owner": "unknown"})),
    ] {
        let target = Target::Register { kind, entity_type: Some("service"), owner: None };
        let plan = Shop::default().plan(&[wanted(&repo, target)], Chosen::ByHand);
        let Work::Register(new) = &only_step(&plan).work else { panic!("{plan}") };
        assert_eq!(new.document["spec"], expected, "{kind}");
    }
}

/// The linter finds what planning never makes.
#[test]
fn check_finds_flaws() {
    let repo = repository("web");
    let shop = Shop::with([hand_written("web")]);
    let good = shop.plan(&[wanted(&repo, Target::Merge(shop.entity("web")))], Chosen::ByHand);
    let flaw = |change: &dyn Fn(&mut Plan)| {
        let mut plan = good.clone();
        change(&mut plan);
        check(&plan).expect_err("a flaw").join("; ")
    };
    let edit = |plan: &mut Plan, field: FieldChange| {
        if let Work::Edit(edit) = &mut plan.steps[0].work {
            edit.fields.push(field);
        }
    };
    let set = |keys: &[&str], value: Value| FieldChange {
        path: FieldPath::of(keys),
        before: None,
        change: Change::Set { value },
        is_mark: false,
    };
    insta::assert_snapshot!(flaw(&|plan| plan.steps.push(plan.steps[0].clone())), @"two steps for component:default/web");
    insta::assert_snapshot!(flaw(&|plan| edit(plan, set(&["metadata", "name"], json!("x")))), @"component:default/web: $.metadata.name may not be written");
    insta::assert_snapshot!(flaw(&|plan| edit(plan, set(&["spec", "x"], json!({"a": 1})))), @"component:default/web: $.spec.x is set to neither a scalar nor a list of scalars");
    insta::assert_snapshot!(flaw(&|plan| edit(plan, set(&["metadata", "annotations"], json!("x")))), @r#"component:default/web: $.metadata.annotations["catalog-sync.dev/repository"] is written twice; component:default/web: $.metadata.annotations["catalog-sync.dev/integration"] is written twice; component:default/web: $.metadata.annotations["catalog-sync.dev/action"] is written twice; component:default/web: $.metadata.annotations["catalog-sync.dev/project-key"] is written twice; component:default/web: $.metadata.annotations["catalog-sync.dev/default-branch"] is written twice; component:default/web: $.metadata.annotations["catalog-sync.dev/visibility"] is written twice; component:default/web: $.metadata.annotations["bitbucket.org/project-slug"] is written twice; component:default/web: $.metadata.annotations["backstage.io/source-location"] is written twice; component:default/web: $.metadata.annotations may not be written"#);
    insta::assert_snapshot!(flaw(&|plan| edit(plan, set(&["spec", "x"], json!("a\u{0}")))), @"component:default/web: $.spec.x is set to neither a scalar nor a list of scalars");
    let new = Shop::default().plan(&[wanted(&repo, REGISTER)], Chosen::ByHand);
    let flaw = |change: &dyn Fn(&mut NewEntity)| {
        let mut plan = new.clone();
        if let Work::Register(new) = &mut plan.steps[0].work {
            change(new);
        }
        check(&plan).expect_err("a flaw").join("; ")
    };
    insta::assert_snapshot!(flaw(&|new| new.file = PathBuf::from("a/../b/x.yaml")), @"component:default/web: a/../b/x.yaml is no safe file for a new entity");
    insta::assert_snapshot!(flaw(&|new| new.document["metadata"]["name"] = json!("x")), @"component:default/web: the new document bears another name");
    insta::assert_snapshot!(flaw(&|new| new.document["metadata"]["annotations"] = json!({})), @"component:default/web: the new document does not carry the mark of its repository");
    insta::assert_snapshot!(flaw(&|new| new.header.push("x\napiVersion: y".to_owned())), @"component:default/web: its header holds more than plain lines");
}

/// What a random world is made of; every choice is a small number, so that clashes are common.
#[derive(Clone, Debug)]
struct Dice {
    harness: bool,
    unattended: bool,
    rules_changed: bool,
    documents: Vec<(u8, u8, u8, u8)>,
    repositories: Vec<(u8, u8, u8, u8)>,
    targets: Vec<(u8, u8, u8)>,
    linked: Vec<(u8, u8)>,
    decided: Vec<(u8, u8)>,
}

fn dice() -> impl Strategy<Value = Dice> {
    use proptest::collection::vec;
    (
        any::<(bool, bool, bool)>(),
        vec((0..5u8, 0..4u8, 0..4u8, 0..8u8), 0..6),
        vec((0..6u8, 0..4u8, 0..4u8, 0..4u8), 1..8),
        vec((0..6u8, 0..4u8, 0..5u8), 1..14),
        vec((0..6u8, 0..5u8), 0..3),
        vec((0..6u8, 0..3u8), 0..3),
    )
        .prop_map(|((harness, unattended, rules_changed), documents, repositories, targets, linked, decided)| {
            Dice { harness, unattended, rules_changed, documents, repositories, targets, linked, decided }
        })
}

const SLUGS: [&str; 6] = ["web", "api", "a-b", "-a-b", "2048", "---"];
const NAMES: [&str; 5] = ["web", "api", "docs", "a-b", "Web2"];

struct Made {
    shop: Shop,
    repositories: Vec<Repository>,
    fields: BTreeMap<RepoKey, Vec<Mapped>>,
}

impl Dice {
    fn made(&self) -> Made {
        let mut repositories: Vec<Repository> = Vec::new();
        let mut fields = BTreeMap::new();
        for (slug, language, branch, description) in &self.repositories {
            let mut repo = repository(SLUGS[usize::from(*slug)]);
            repo.language = [None, Some("Go"), Some("C++"), Some("日本")][usize::from(*language)].map(str::to_owned);
            repo.default_branch =
                [None, Some("main"), Some("x/y"), Some("\u{7}")][usize::from(*branch)].map(str::to_owned);
            if repositories.iter().any(|there| there.key == repo.key) {
                continue;
            }
            let value =
                [json!(null), json!("A text"), json!("a\u{1}"), json!(["a", "b"])][usize::from(*description)].clone();
            fields.insert(
                repo.key.clone(),
                vec![
                    mapped(&["metadata", "description"], value.clone()),
                    Mapped { mode: Mode::Add, ..mapped(&["metadata", "tags"], json!(["one", "two"])) },
                    Mapped { when: When::Always, ..mapped(&["metadata", "title"], value.clone()) },
                    Mapped { when: When::Register, ..mapped(&["spec", "owner"], value) },
                ],
            );
            repositories.push(repo);
        }
        let mut documents = BTreeMap::new();
        for (name, description, tags, marked) in &self.documents {
            let name = NAMES[usize::from(*name)];
            let mut document = if self.harness {
                json!({"apiVersion": "harness.io/v1", "kind": "component", "identifier": name, "orgIdentifier": "acme",
                    "projectIdentifier": "shop", "metadata": {}})
            } else {
                hand_written(name)
            };
            match description {
                1 => document["metadata"]["description"] = json!("By hand"),
                2 => document["metadata"]["description"] = json!(null),
                3 => document["metadata"]["annotations"] = json!("not a map"),
                _ => {}
            }
            match tags {
                1 => document["metadata"]["tags"] = json!(["go", "by-hand"]),
                2 => document["metadata"]["tags"] = json!("not a list"),
                3 => document["metadata"]["links"] = json!([{"url": "https://bitbucket.org/acme/web"}]),
                _ => {}
            }
            if let Some(repo) = repositories.get(usize::from(*marked)) {
                let format = if self.harness { EntityFormat::Harness } else { EntityFormat::Backstage };
                super::step::put(&mut document, &mark::paths(format).repository.0, json!(repo.key.to_string()));
                super::step::put(&mut document, &mark::paths(format).action.0, json!("REGISTER"));
            }
            documents.insert(name, document);
        }
        let mut shop = Shop { harness: self.harness, ..Shop::with(documents.into_values()) };
        let refs: Vec<EntityRef> = shop.entities.keys().cloned().collect();
        for (repo, entity) in &self.linked {
            let repo = &repositories[usize::from(*repo) % repositories.len()];
            let Some(entity) = refs.get(usize::from(*entity)) else { continue };
            let is_marked_otherwise =
                shop.entities[entity].mark.as_ref().is_some_and(|mark| mark.repository != repo.key);
            if !is_marked_otherwise && !shop.links.iter().any(|link| link.entity == *entity) {
                let mut link = link_to("", entity, ImportAction::Merge);
                link.repo = repo.key.clone();
                shop.links.push(link);
            }
        }
        for (repo, kind) in &self.decided {
            let Some(repo) = repositories.get(usize::from(*repo)) else { continue };
            let entity = component("web");
            let kind = [
                DecisionKind::Ignored,
                DecisionKind::Unlinked { entity: entity.clone(), also: vec![] },
                DecisionKind::Target { entity },
            ][usize::from(*kind)]
            .clone();
            if !shop.decisions.iter().any(|decision| decision.repo == repo.key) {
                shop.decisions.push(Decision { repo: repo.key.clone(), ..decision("", kind) });
            }
        }
        Made { shop, repositories, fields }
    }

    fn chosen(&self) -> Chosen {
        if self.unattended {
            let rules_changed = self.rules_changed;
            Chosen::Unattended { guard: Guard::BLAST_RADIUS, rules_changed, decisions_lost: false }
        } else {
            Chosen::ByHand
        }
    }
}

impl Made {
    fn wanted(&self, dice: &Dice) -> Vec<Wanted<'_>> {
        let entities: Vec<&Entity> = self.shop.entities.values().collect();
        let mut all: Vec<Wanted<'_>> = Vec::new();
        for (repo, target, entity) in &dice.targets {
            let repo = &self.repositories[usize::from(*repo) % self.repositories.len()];
            let target = match (target, entities.get(usize::from(*entity) % entities.len().max(1))) {
                (1, Some(entity)) => Target::Merge(entity),
                (2, Some(entity)) => Target::Adopt(entity),
                (3, _) => match self.shop.links.iter().find(|link| link.repo == repo.key) {
                    Some(link) => Target::Update(link, self.shop.entities.get(&link.entity)),
                    None => continue,
                },
                _ => REGISTER,
            };
            all.push(Wanted { fields: &self.fields[&repo.key], ..wanted(repo, target) });
        }
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Invariant 4: every import that is wanted is a step or held with a reason; no entity twice (the
    /// linter, inside `plan`, sees to that).
    #[test]
    fn nothing_is_lost(dice in dice()) {
        let made = dice.made();
        let wanted = made.wanted(&dice);
        let plan = made.shop.plan(&wanted, dice.chosen());
        let there: BTreeSet<&RepoKey> =
            plan.steps.iter().map(|step| &step.repo).chain(plan.held.iter().map(|held| &held.repo)).collect();
        let linked = |repo: &RepoKey| made.shop.links.iter().any(|link| link.repo == *repo);
        for wanted in &wanted {
            // A linked entity that is as it should be needs no step.
            let repo = &wanted.repository.key;
            prop_assert!(there.contains(repo) || linked(repo), "{repo} is lost\n{plan}");
        }
        for held in &plan.held {
            prop_assert!(!held.reason.is_empty());
        }
    }

    /// Invariant 1: the same inputs in any order give the same plan, byte for byte.
    #[test]
    fn order_does_not_show(dice in dice(), seed in any::<u64>()) {
        let made = dice.made();
        let mut wanted = made.wanted(&dice);
        let first = made.shop.plan(&wanted, dice.chosen());
        let turn = usize::try_from(seed % 7).unwrap_or(0) % wanted.len().max(1);
        wanted.rotate_left(turn);
        if seed % 2 == 0 {
            wanted.reverse();
        }
        let mut turned = made.shop.clone();
        turned.links.reverse();
        turned.decisions.reverse();
        let second = turned.plan(&wanted, dice.chosen());
        prop_assert_eq!(serde_json::to_string(&first).ok(), serde_json::to_string(&second).ok());
    }

    /// Invariant 1: planning right after applying gives no step, and nobody is told a field is theirs.
    #[test]
    fn planning_after_applying_gives_nothing(dice in dice()) {
        let mut made = dice.made();
        let wanted = made.wanted(&dice);
        let plan = made.shop.plan(&wanted, dice.chosen());
        made.shop.apply(&plan);
        // Links the plan did not touch are brought up to date first.
        let rest = made.shop.sync(&made.repositories, &made.fields);
        made.shop.apply(&rest);
        let again = made.shop.sync(&made.repositories, &made.fields);
        prop_assert!(again.steps.is_empty(), "{again}");
        let theirs = again.notes.iter().any(|note| matches!(note.about, About::Theirs { .. } | About::Ours { .. }));
        prop_assert!(!theirs, "{again}");

        // And whatever the source says next, one sync is enough.
        for (index, repo) in made.repositories.iter_mut().enumerate() {
            repo.default_branch = (index % 2 == 0).then(|| "next".to_owned());
            repo.language = (index % 3 == 0).then(|| "Rust".to_owned());
        }
        for fields in made.fields.values_mut() {
            for field in fields.iter_mut().filter(|field| field.mode == Mode::Set) {
                field.value = field.value.is_none().then(|| json!("now there is one"));
            }
        }
        let next = made.shop.sync(&made.repositories, &made.fields);
        made.shop.apply(&next);
        let again = made.shop.sync(&made.repositories, &made.fields);
        prop_assert!(again.steps.is_empty(), "{again}");
    }

    /// P4.9, invariant 2: what a person wrote is there afterwards; nothing of theirs goes.
    #[test]
    fn hand_written_values_survive(dice in dice()) {
        let mut made = dice.made();
        let before = made.shop.entities.clone();
        let wanted = made.wanted(&dice);
        let plan = made.shop.plan(&wanted, dice.chosen());
        made.shop.apply(&plan);
        for (entity_ref, entity) in before {
            let after = &made.shop.entities[&entity_ref].document;
            survives(&entity.document, after, &mut Vec::new())?;
        }
    }
}

/// All of `before` is in `after`, but for our own mark, empty values, and fields of rules that say `always`.
fn survives(before: &Value, after: &Value, at: &mut Vec<String>) -> Result<(), TestCaseError> {
    let path = FieldPath(at.clone());
    let is_always = path == FieldPath::of(&["metadata", "title"]);
    match (before, after) {
        (Value::Null, _) => Ok(()),
        _ if mark::is_own(&path) || is_always => Ok(()),
        (Value::Object(before), Value::Object(after)) => before.iter().try_for_each(|(key, value)| {
            at.push(key.clone());
            let result = survives(value, after.get(key).unwrap_or(&Value::Null), at);
            at.pop();
            result
        }),
        (Value::Array(before), Value::Array(after)) => {
            prop_assert!(before.iter().all(|element| after.contains(element)), "{path}: {before:?} → {after:?}");
            Ok(())
        }
        (before, after) => {
            prop_assert_eq!(before, after, "{}", path);
            Ok(())
        }
    }
}
