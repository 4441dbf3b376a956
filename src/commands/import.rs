//! `discovered import`: by hand, in bulk, or exactly what a dry run showed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::SecondsFormat;

use super::answer::{DiscoveredRow, ImportReport, ImportRow, Recommended, RepositoryName, RowResult};
use super::masked::Mask;
use super::request::{Answer, DiscoveredFilter, ImportOptions, Selection, StateFilter};
use super::{App, Failure, discovered, sync};
use crate::apply::{Applying, preview};
use crate::config::Integration;
use crate::engine::import::{Chosen, carry_out, gather, name_held};
use crate::engine::{Progress, survey, update};
use crate::error::{Report, escape_control};
use crate::model::{
    Action, Decision, DecisionKind, EntityRef, ImportAction, ImportId, KnownRepository, Link, LinkState, Presence,
    Recommendation, Registration, RepoKey,
};
use crate::plan::{self, Plan, Step};
use crate::recommend::awaits_decision;
use crate::store::{LinkChange, Listed, ListedOf, StoredPlan};

/// What is chosen in one integration, and what cannot be.
#[derive(Default)]
struct Choice {
    chosen: Vec<Chosen>,
    names: BTreeMap<String, KnownRepository>,
    refused: Vec<ImportRow>,
    /// With `--plan`: only steps that come out the same are carried out.
    promised: Option<Vec<Step>>,
    /// A person chose the entity: `--into`, here or in the dry run.
    is_chosen: bool,
    /// Links that were there when the choice was made: somebody else may import the same meanwhile.
    before: BTreeSet<(RepoKey, EntityRef, ImportId)>,
}

/// What tells one link from another.
fn told_by(link: &Link) -> (RepoKey, EntityRef, ImportId) {
    (link.repo.clone(), link.entity.clone(), link.import_id.clone())
}

pub(super) async fn import(
    app: &App,
    selection: Selection,
    options: ImportOptions,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Answer, Failure> {
    let choices = match selection {
        Selection::Named { repositories, integration, versions } => {
            named(app, &repositories, integration.as_deref(), &options, &versions).await?
        }
        Selection::Matching(filter) => matching(app, filter, &options).await?,
        Selection::Plan { id } => promised(app, &id).await?,
    };
    let id = app.job.as_ref().map_or_else(|| app.ids.next(), |job| job.id.clone());
    let mut rows = Vec::new();
    let mut plans = 0;
    for (name, choice) in choices {
        let integration = app.integration(&name)?;
        rows.extend(import_into(app, integration, choice, &options, &id, &mut plans, progress).await?);
    }
    rows.sort_by(|a: &ImportRow, b| (&a.repository.full_name, &a.entity).cmp(&(&b.repository.full_name, &b.entity)));
    Ok(Answer::Imported(ImportReport {
        import_id: (!options.dry_run).then(|| id.clone()),
        plan_id: (options.dry_run && plans > 0).then_some(id),
        dry_run: options.dry_run,
        rows,
    }))
}

/// Repositories by name, each as recommended or as the options say.
async fn named(
    app: &App,
    repositories: &[String],
    integration: Option<&str>,
    options: &ImportOptions,
    versions: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Choice>, Failure> {
    if options.into.is_some() && repositories.len() != 1 {
        return Err(Failure::usage("--into takes exactly one repository", "import them one by one"));
    }
    let mut choices: BTreeMap<String, Choice> = BTreeMap::new();
    for text in repositories {
        let (integration, known) = app.find(text, integration).await?;
        if let Some(version) = versions.get(text)
            && let Some(row) = changed_since_shown(app, integration, &known, version).await?
        {
            choices.entry(integration.name.clone()).or_default().refused.push(row);
            continue;
        }
        if options.as_new && integration.registration == Registration::Merge {
            return Err(Failure::refused(
                format!("{} never makes an entity: `registration: merge`", integration.name),
                "merge it into one (`--into ENTITY`), or change `registration` in the config",
            ));
        }
        let repo = known.repository.key.clone();
        let of_it = app.store.listed(&integration.key(), ListedOf::These(vec![repo])).await?.pop();
        let (recommendation, links, decision) = match of_it {
            Some(Listed { recommendation, links, decision, .. }) => (recommendation, links, decision),
            None => (None, Vec::new(), None),
        };
        let rules = crate::assemble::rules(integration)?;
        let left = left(decision.as_slice(), &known);
        let choice = choices.entry(integration.name.clone()).or_default();
        choice.before.extend(links.iter().map(told_by));
        // What is linked waits for a person again only where its entity is missing, or a rule says `many`.
        let waits = recommendation.as_ref().is_some_and(|one| awaits_decision(one, &links, &rules));
        match links.iter().find(|link| link.repo == known.repository.key) {
            Some(link) if link.state == LinkState::Active && !waits && is_the_same(link, options) => {
                choice.refused.push(imported_already(&known, link));
            }
            _ => add(choice, known, recommendation, &left, options),
        }
    }
    Ok(choices)
}

/// Everything pending that a filter matches.
async fn matching(
    app: &App,
    filter: DiscoveredFilter,
    options: &ImportOptions,
) -> Result<BTreeMap<String, Choice>, Failure> {
    if options.into.is_some() {
        return Err(Failure::usage("--into takes exactly one repository", "name the repository instead of --all"));
    }
    // What was set aside or is hidden is not imported by a filter.
    let filter = DiscoveredFilter { state: Some(StateFilter::Pending), ..filter };
    let mut choices: BTreeMap<String, Choice> = BTreeMap::new();
    // Before the list is read: what is linked after this was not in it as linked.
    for integration in app.integrations(filter.integration.as_deref())? {
        let before = app.store.links(&integration.catalog).await?.iter().map(told_by).collect();
        choices.insert(integration.name.clone(), Choice { before, ..Choice::default() });
    }
    let rows: Vec<DiscoveredRow> = discovered::list(app, &filter).await?;
    for integration in app.integrations(filter.integration.as_deref())? {
        let wanted: BTreeSet<&str> = rows
            .iter()
            .filter(|row| row.integration == integration.name)
            .map(|row| row.repository.id.as_str())
            .collect();
        if wanted.is_empty() {
            choices.remove(&integration.name);
            continue;
        }
        let mut recommendations: BTreeMap<_, _> = app
            .store
            .recommendations(&integration.key())
            .await?
            .into_iter()
            .map(|one| (one.repo.clone(), one))
            .collect();
        let decisions = app.store.decisions(&integration.catalog).await?;
        let choice = choices.entry(integration.name.clone()).or_default();
        for known in app.repositories(&integration.key()).await? {
            if wanted.contains(known.repository.key.id.as_str()) {
                let recommendation = recommendations.remove(&known.repository.key);
                let left = left(&decisions, &known);
                add(choice, known, recommendation, &left, options);
            }
        }
    }
    Ok(choices)
}

/// What a dry run showed.
async fn promised(app: &App, id: &str) -> Result<BTreeMap<String, Choice>, Failure> {
    let mut choices: BTreeMap<String, Choice> = BTreeMap::new();
    let mut part = 0;
    while let Some(stored) = app.store.plan(&part_id(id, part)).await? {
        part += 1;
        let Some(integration) = app.visible().find(|one| one.key() == stored.integration) else {
            continue;
        };
        let choice = choices.entry(integration.name.clone()).or_default();
        choice.is_chosen = stored.is_chosen;
        let decisions = app.store.decisions(&integration.catalog).await?;
        let links = app.store.links(&integration.catalog).await?;
        choice.before.extend(links.iter().map(told_by));
        for step in &stored.plan.steps {
            let known = app.store.record(&stored.integration, &step.repo).await?.map(|(known, _)| known);
            // Carried out already, by this plan or otherwise.
            let is_done =
                |link: &&Link| link.repo == step.repo && link.entity == step.entity && link.state == LinkState::Active;
            if let (Some(known), Some(link)) = (&known, links.iter().find(is_done)) {
                choice.refused.push(imported_already(known, link));
                continue;
            }
            let decision = decisions.iter().find(|decision| decision.repo == step.repo && decision.at > stored.at);
            let known = match (known, decision) {
                (Some(known), None) if unserved(&known.presence).is_none() => known,
                (known, decision) => {
                    choice.refused.push(changed_since(step, known.as_ref(), decision));
                    continue;
                }
            };
            choice.names.insert(known.repository.key.id.clone(), known.clone());
            choice.chosen.push(Chosen::again(known, step, step.rule));
        }
        choice.promised = Some(stored.plan.steps);
    }
    if choices.is_empty() {
        return Err(Failure::unknown(
            format!("there is no plan {id}"),
            "make one with `discovered import … --dry-run`; plans expire with the sync history",
        ));
    }
    Ok(choices)
}

fn part_id(id: &str, part: usize) -> String {
    if part == 0 { id.to_owned() } else { format!("{id}-{part}") }
}

/// A row that says something else than what the person saw who imports it.
async fn changed_since_shown(
    app: &App,
    integration: &Integration,
    known: &KnownRepository,
    version: &str,
) -> Result<Option<ImportRow>, Failure> {
    let now = discovered::row_now(app, integration, &known.repository.key).await?;
    let Some(now) = now else { return Ok(None) };
    if now.version == version {
        return Ok(None);
    }
    let Recommended { action, entity, reason, .. } = now.recommendation;
    let into = entity.as_ref().map_or_else(String::new, |entity| format!(" with {entity}"));
    let reason = format!("changed since you looked: now {}{into} ({reason}); look again", action.as_str());
    Ok(Some(ImportRow {
        repository: RepositoryName::from(&known.repository),
        action,
        entity,
        result: RowResult::Held,
        change: None,
        reason: Some(reason),
        files: Vec::new(),
    }))
}

/// Nothing to do, and no fault either.
fn imported_already(known: &KnownRepository, link: &Link) -> ImportRow {
    let (name, entity, by) = (&known.repository.full_name, &link.entity, escape_control(&link.imported_by));
    let at = link.imported_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    ImportRow {
        repository: RepositoryName::from(&known.repository),
        action: Action::None,
        entity: Some(entity.to_string()),
        result: RowResult::Unchanged,
        change: None,
        reason: Some(format!(
            "already imported as {entity} (by {by}, {at}): each sync keeps it in step; for another entity `imported unlink {name}` first"
        )),
        files: Vec::new(),
    }
}

/// Takes out what somebody else imported while this import was on its way: done for one, `unchanged` for the other.
fn imported_meanwhile(choice: &mut Choice, links: &[Link]) {
    let Choice { chosen, names, refused, before, .. } = choice;
    let made: Vec<&Link> =
        links.iter().filter(|link| link.state == LinkState::Active && !before.contains(&told_by(link))).collect();
    chosen.retain(|one| {
        let made = made.iter().find(|link| {
            let is_aim = one.target().is_none_or(|entity| *entity == link.entity);
            link.repo == *one.repo() && is_aim
        });
        let Some((link, known)) = made.copied().zip(names.get(&one.repo().id)) else { return true };
        refused.push(imported_already(known, link));
        false
    });
}

/// A row of a dry run that does not hold any more, and why.
fn changed_since(step: &Step, known: Option<&KnownRepository>, decision: Option<&Decision>) -> ImportRow {
    let because = match (known.map(|known| unserved(&known.presence)), decision) {
        (None, _) => "the repository is not known any more".to_owned(),
        (Some(Some(reason)), _) => reason,
        (Some(None), Some(decision)) => plan::tombstone(decision).unwrap_or_else(|| match &decision.kind {
            DecisionKind::Target { entity } => format!("{} chose {entity} for it", escape_control(&decision.by)),
            _ => format!("{} let it back into the list", escape_control(&decision.by)),
        }),
        (Some(None), None) => "it is not what it was".to_owned(),
    };
    let repository = match known {
        Some(known) => RepositoryName::from(&known.repository),
        None => RepositoryName { full_name: step.full_name.clone(), ..super::nameless(&step.repo) },
    };
    ImportRow {
        repository,
        action: action(step.action),
        entity: Some(step.entity.to_string()),
        result: RowResult::Held,
        change: None,
        reason: Some(format!("changed since the dry run: {because}")),
        files: Vec::new(),
    }
}

/// Whether the import asked for is the one that was done.
fn is_the_same(link: &Link, options: &ImportOptions) -> bool {
    options.into.as_deref().is_none_or(|into| into == link.entity.to_string())
}

/// The entities a person unlinked a repository from.
fn left(decisions: &[Decision], known: &KnownRepository) -> Vec<EntityRef> {
    let of_it = decisions.iter().filter(|decision| decision.repo == known.repository.key);
    of_it.flat_map(|decision| decision.kind.let_go()).cloned().collect()
}

/// Why nothing can be imported of a repository that is not served.
fn unserved(presence: &Presence) -> Option<String> {
    match presence {
        Presence::Excluded { filter } => {
            Some(format!("hidden by the filter {filter}: change `repositories` in the config first"))
        }
        presence if !presence.is_served() => Some(format!("it is {} at the source", presence.as_str())),
        _ => None,
    }
}

/// Puts one repository among what is chosen, or among what cannot be.
///
/// `left`: the entities a person unlinked it from.
fn add(
    choice: &mut Choice,
    known: KnownRepository,
    recommendation: Option<Recommendation>,
    left: &[EntityRef],
    options: &ImportOptions,
) {
    choice.names.insert(known.repository.key.id.clone(), known.clone());
    let mut refuse = |action, reason: String| {
        choice.refused.push(ImportRow {
            repository: RepositoryName::from(&known.repository),
            action,
            entity: recommendation.as_ref().and_then(|one| one.entity.as_ref()).map(ToString::to_string),
            result: RowResult::Held,
            change: None,
            reason: Some(reason),
            files: Vec::new(),
        });
    };
    if let Some(reason) = unserved(&known.presence) {
        return refuse(Action::None, reason);
    }
    match (&options.into, &recommendation) {
        (Some(entity), _) => {
            choice.is_chosen = true;
            choice.chosen.push(Chosen::merge(known, EntityRef::from_canonical(entity.clone()), None));
        }
        (None, Some(one)) if options.as_new => {
            let kind = options.kind.clone().unwrap_or_else(|| one.kind.clone());
            let chosen = Chosen::register(known, kind, one.entity_type.clone()).of_type(options.r#type.clone());
            choice.chosen.push(chosen);
        }
        // Unlinked since the last sync, which had nothing to judge: whoever imports it wants it back.
        (None, None) if !left.is_empty() => {
            let again = |entity: &EntityRef| Chosen::merge(known.clone(), entity.clone(), None);
            choice.chosen.extend(left.iter().map(again));
        }
        (None, None) => refuse(Action::None, "not judged yet: sync first, or name the entity with `--into`".to_owned()),
        (None, Some(one)) => match one.action {
            Action::Merge if options.kind.is_some() || options.r#type.is_some() => refuse(
                Action::Merge,
                "a merge keeps the entity's own kind and type: leave `--kind` and `--type` out".to_owned(),
            ),
            // What the list shows, types given by rules included, unless the person says otherwise.
            Action::Register => {
                let kind = options.kind.clone().unwrap_or_else(|| one.kind.clone());
                let chosen = Chosen::register(known, kind, one.entity_type.clone()).of_type(options.r#type.clone());
                choice.chosen.push(chosen);
            }
            Action::Merge => choice.chosen.extend(Chosen::recommended(known, one.clone())),
            Action::Conflict => {
                refuse(Action::Conflict, format!("{}; choose with `--into ENTITY`", one.reason));
            }
            Action::None => refuse(Action::None, format!("{}; choose with `--into ENTITY`", one.reason)),
        },
    }
}

/// plan → apply → record over what was chosen.
async fn import_into(
    app: &App,
    integration: &Integration,
    choice: Choice,
    options: &ImportOptions,
    id: &str,
    plans: &mut usize,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Vec<ImportRow>, Failure> {
    let mut choice = choice;
    let parts = app.assembler.parts(integration).await?;
    let catalog = parts.catalog.as_ref();
    let lease = app.store.catalog_lease(catalog.name()).await?;
    imported_meanwhile(&mut choice, &app.store.links(catalog.name()).await?);
    let Choice { chosen, names, refused: mut rows, promised, is_chosen, .. } = choice;
    let survey = survey::look(catalog, app.store.as_ref()).await.map_err(|error| stopped(error.into()))?;
    if !options.dry_run {
        catalog.tidy().await?;
    }
    let chosen: Vec<Chosen> = chosen.into_iter().map(|one| one.resolve(|text| survey.resolve(text))).collect();
    let links = app.store.links(catalog.name()).await?;
    let decisions = app.store.decisions(catalog.name()).await?;
    let material = gather(&parts, app.store.as_ref(), &chosen).await.map_err(stopped)?;
    let mut plan = update::plan_of(&parts, &survey, &material, &links, &decisions, plan::Chosen::ByHand);
    plan::check(&plan).map_err(|faults| {
        Failure::failed(Report::plain(
            format!("the plan is flawed and was not carried out: {}", faults.join("; ")),
            Some("please report this with the log".to_owned()),
        ))
    })?;
    name_held(app.store.as_ref(), &links, &survey.marks, &mut plan).await?;
    let name_of =
        |repo: &RepoKey| names.get(&repo.id).map_or_else(|| super::nameless(repo), |known| (&known.repository).into());
    if let Some(promised) = promised {
        let (same, changed): (Vec<Step>, Vec<Step>) = plan.steps.drain(..).partition(|step| promised.contains(step));
        plan.steps = same;
        rows.extend(changed.into_iter().map(|step| ImportRow {
            repository: name_of(&step.repo),
            action: action(step.action),
            entity: Some(step.entity.to_string()),
            result: RowResult::Held,
            change: None,
            reason: Some("repository, entity or rules changed since the dry run: look again".to_owned()),
            files: Vec::new(),
        }));
    }
    for held in &plan.held {
        rows.push(ImportRow {
            repository: name_of(&held.repo),
            action: match chosen.iter().any(|chosen| chosen.registers(&held.repo)) {
                true => Action::Register,
                false => Action::Merge,
            },
            entity: held.entity.as_ref().map(ToString::to_string),
            result: RowResult::Held,
            change: None,
            reason: Some(held.reason.clone()),
            files: Vec::new(),
        });
    }

    // Those of the steps follow one by one.
    let mask = match &app.job {
        Some(_) => Mask::of(app).await?,
        None => None,
    };
    rows.iter().for_each(|row| app.tell_row(row, mask.as_ref()));
    if let Some(job) = &app.job {
        job.expect(plan.steps.len());
    }
    if options.dry_run {
        let outcomes = preview(catalog, &plan.steps).await;
        if !plan.steps.is_empty() {
            let stored = StoredPlan {
                id: part_id(id, *plans),
                integration: parts.key.clone(),
                at: app.clock.now(),
                plan: Plan { steps: plan.steps, ..Plan::default() },
                absences: Vec::new(),
                shrunk_to: None,
                reason: "a dry run".to_owned(),
                is_chosen,
                rules_hash: None,
                unlooked: Vec::new(),
            };
            app.store.save_plan(&stored).await?;
            *plans += 1;
        }
        rows.extend(outcomes.iter().map(|outcome| sync::import_row(outcome, name_of(&outcome.repo))));
        return Ok(rows);
    }

    let import_id = ImportId(id.to_owned());
    let total = plan.steps.len() as u64;
    let outcomes = carry_out(
        &Applying {
            catalog,
            store: app.store.as_ref(),
            lease: &lease,
            links: &links,
            import_id: &import_id,
            sync_id: None,
            by: &app.caller.name,
            now: app.clock.now(),
            stop: &app.stop,
            progress: &|done, outcome| {
                app.tell_row(&sync::import_row(outcome, name_of(&outcome.repo)), mask.as_ref());
                progress(Progress {
                    integration: integration.name.clone(),
                    stage: "import".to_owned(),
                    done,
                    total: Some(total),
                    finished: done == total,
                });
            },
        },
        &plan,
    )
    .await?;
    for outcome in &outcomes {
        let row = sync::import_row(outcome, name_of(&outcome.repo));
        if matches!(row.result, RowResult::Done | RowResult::Unchanged) {
            settle(app, integration, outcome, is_chosen, &decisions).await?;
            let missing = links.iter().filter(|link| {
                link.repo == outcome.repo && link.state == LinkState::EntityMissing && link.entity != outcome.entity
            });
            // Linked anew by hand: the link to the entity that went is settled (P2.13).
            let ended: Vec<_> =
                missing.map(|link| LinkChange::Remove(link.repo.clone(), link.entity.clone())).collect();
            if !ended.is_empty() {
                app.store.change_links(&lease, ended, Vec::new()).await?;
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// A person acted: what was decided before is settled, a chosen target is remembered.
async fn settle(
    app: &App,
    integration: &Integration,
    outcome: &crate::apply::StepOutcome,
    is_chosen: bool,
    decisions: &[Decision],
) -> Result<(), Failure> {
    if is_chosen {
        let decision = Decision {
            repo: outcome.repo.clone(),
            full_name: outcome.full_name.clone(),
            kind: DecisionKind::Target { entity: outcome.entity.clone() },
            at: app.clock.now(),
            by: app.caller.name.clone(),
            reason: None,
        };
        return app.decide(&integration.catalog, &decision).await;
    }
    // A target chosen earlier stays chosen while it is the one imported into.
    let is_settled =
        |kind: &DecisionKind| !matches!(kind, DecisionKind::Target { entity } if *entity == outcome.entity);
    if decisions.iter().any(|decision| decision.repo == outcome.repo && is_settled(&decision.kind)) {
        app.undecide(&integration.catalog, &outcome.repo).await?;
    }
    Ok(())
}

fn action(action: ImportAction) -> Action {
    match action {
        ImportAction::Register => Action::Register,
        ImportAction::Merge => Action::Merge,
    }
}

fn stopped(stop: crate::engine::Stop) -> Failure {
    Failure::failed(stop.into_report())
}
