//! `imported undo`: imports taken back, field by field (P4.11).

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{ChangedFile, LeftField, RepositoryName, RowResult, UndoChange, UndoReport, UndoRow};
use super::request::{Answer, UndoSelection};
use super::{App, Failure, imported};
use crate::catalog::Became;
use crate::config::Integration;
use crate::engine::undo::{Import, UndoResult, Undoing, Undone, imports};
use crate::engine::{Progress, Stop, survey, undo as engine};
use crate::error::escape_control;
use crate::model::{Action, ImportAction, ImportId, KnownRepository, SyncId};

/// An import that is to be taken back, and where its repository is looked after.
struct Chosen<'a> {
    integration: &'a Integration,
    known: KnownRepository,
    import: Import,
}

pub(super) async fn undo(
    app: &App,
    which: &UndoSelection,
    integration: Option<&str>,
    dry_run: bool,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Answer, Failure> {
    let mut by_catalog: BTreeMap<&str, Vec<Chosen<'_>>> = BTreeMap::new();
    for chosen in chosen(app, which, integration).await? {
        by_catalog.entry(&chosen.integration.catalog).or_default().push(chosen);
    }
    let mut rows = Vec::new();
    for chosen in by_catalog.into_values() {
        rows.extend(undo_in_catalog(app, chosen, dry_run, progress).await?);
    }
    if !dry_run {
        app.write_decisions().await?;
    }
    rows.sort_by(|a, b| {
        (&a.repository.full_name, &a.entity, &a.import_id).cmp(&(&b.repository.full_name, &b.entity, &b.import_id))
    });
    Ok(Answer::Undone(UndoReport { dry_run, rows }))
}

/// The imports meant, of what the caller sees.
async fn chosen<'a>(
    app: &'a App,
    which: &UndoSelection,
    integration: Option<&str>,
) -> Result<Vec<Chosen<'a>>, Failure> {
    let among = app.integrations(integration)?;
    let mut found = Vec::new();
    match which {
        UndoSelection::Imports { ids } => {
            // Named twice, it is one all the same.
            for id in ids.iter().collect::<BTreeSet<_>>() {
                let of_id =
                    looked_after(app, &among, imports(app.store.as_ref(), &ImportId(id.clone())).await?).await?;
                if of_id.is_empty() {
                    return Err(Failure::unknown(
                        format!("there is no import {}", escape_control(id)),
                        "`imported list --output json` tells the import of each row; what is older than `retention.undo` is forgotten",
                    ));
                }
                found.extend(of_id);
            }
            return Ok(found);
        }
        UndoSelection::Repositories { repositories } => {
            let mut seen = BTreeSet::new();
            for text in repositories {
                let (integration, known) = app.find(text, integration).await?;
                // Named twice, it is one all the same.
                if seen.insert(known.repository.key.clone()) {
                    found.extend(last_import(app, integration, known).await?);
                }
            }
            return Ok(found);
        }
        UndoSelection::Sync { id } => {
            let sync = app.store.sync(&SyncId(id.clone())).await?;
            if !sync.is_some_and(|(_, record)| app.caller.sees(&record.integration)) {
                return Err(Failure::unknown(
                    format!("there is no sync {}", escape_control(id)),
                    "`catalog-sync sync history` lists them",
                ));
            }
        }
        UndoSelection::Rule { .. } | UndoSelection::Since { .. } => {}
    }
    let is_meant = |import: &Import| match which {
        UndoSelection::Imports { .. } | UndoSelection::Repositories { .. } => false,
        UndoSelection::Sync { id } => import.sync_id.as_ref().is_some_and(|sync| sync.0 == *id),
        UndoSelection::Rule { rule } => import.rule == Some(*rule),
        UndoSelection::Since { at } => import.at >= *at,
    };
    // What is linked still: links that a person ended stay as they left them.
    let catalogs: BTreeSet<&str> = among.iter().map(|integration| integration.catalog.as_str()).collect();
    let mut ids: BTreeSet<ImportId> = BTreeSet::new();
    let mut linked = BTreeSet::new();
    for catalog in catalogs {
        for link in app.store.links(catalog).await? {
            ids.insert(link.import_id.clone());
            linked.insert((link.import_id, link.repo, link.entity));
        }
    }
    for id in ids {
        let mut of_id = imports(app.store.as_ref(), &id).await?;
        of_id.retain(|one| is_meant(one) && linked.contains(&(one.id.clone(), one.repo.clone(), one.entity.clone())));
        found.extend(looked_after(app, &among, of_id).await?);
    }
    Ok(found)
}

/// What the import that linked a repository last did to it.
async fn last_import<'a>(
    app: &App,
    integration: &'a Integration,
    known: KnownRepository,
) -> Result<Vec<Chosen<'a>>, Failure> {
    let (repo, name) = (&known.repository.key, escape_control(&known.repository.full_name));
    let links = app.store.links_of(&integration.catalog, repo).await?;
    let Some(last) = links.iter().max_by_key(|link| (link.imported_at, &link.import_id)) else {
        return Err(imported::not_imported(&known));
    };
    let mut did = imports(app.store.as_ref(), &last.import_id).await?;
    did.retain(|import| import.repo == *repo);
    if did.is_empty() {
        return Err(Failure::refused(
            format!("what the import of {name} wrote is not known any more"),
            "`retention.undo` in the config tells how long that is kept; `imported unlink` ends the link, and leaves the entity as it is",
        ));
    }
    Ok(did.into_iter().map(|import| Chosen { integration, known: known.clone(), import }).collect())
}

/// Imports with the integration that looks after their repository; those of others are left out.
async fn looked_after<'a>(
    app: &App,
    among: &[&'a Integration],
    imports: Vec<Import>,
) -> Result<Vec<Chosen<'a>>, Failure> {
    let mut chosen = Vec::new();
    for import in imports {
        let mut best: Option<(&Integration, KnownRepository)> = None;
        for integration in among {
            // A catalog that is not in the config any more was renamed.
            let is_its = import.catalog.is_empty()
                || import.catalog == integration.catalog
                || !app.config.catalogs.contains_key(&import.catalog);
            if !is_its {
                continue;
            }
            let Some((known, _)) = app.store.record(&integration.key(), &import.repo).await? else { continue };
            if app.handed_over_to(&integration.key(), &known).await?.is_some() {
                continue;
            }
            if best.as_ref().is_none_or(|(_, before)| !before.presence.is_served() && known.presence.is_served()) {
                best = Some((integration, known));
            }
        }
        chosen.extend(best.map(|(integration, known)| Chosen { integration, known, import }));
    }
    Ok(chosen)
}

async fn undo_in_catalog(
    app: &App,
    mut chosen: Vec<Chosen<'_>>,
    dry_run: bool,
    progress: &(dyn Fn(Progress) + Sync + Send),
) -> Result<Vec<UndoRow>, Failure> {
    let Some(integration) = chosen.first().map(|first| first.integration) else { return Ok(Vec::new()) };
    let parts = app.assembler.parts(integration).await?;
    let catalog = parts.catalog.as_ref();
    let lease = app.store.catalog_lease(catalog.name()).await?;
    as_it_stands(app, &mut chosen).await?;
    let looked = survey::look(catalog, app.store.as_ref()).await;
    let survey = looked.map_err(|error| Failure::failed(Stop::from(error).into_report()))?;
    if !dry_run {
        catalog.tidy().await?;
    }
    let total = Some(chosen.len() as u64);
    let name = integration.name.clone();
    let report = |done| {
        let finished = Some(done) == total;
        progress(Progress { integration: name.clone(), stage: "undo".to_owned(), done, total, finished });
    };
    let undone = engine::undo(
        &Undoing {
            catalog,
            store: app.store.as_ref(),
            lease: &lease,
            marks: &survey.marks,
            unreadable: &survey.reading.unreadable,
            dry_run,
            by: &app.caller.name,
            now: app.clock.now(),
            stop: &app.stop,
            progress: &report,
        },
        chosen.iter().map(|one| one.import.clone()).collect(),
    )
    .await?;
    let of = |import: &Import| {
        let same = |one: &&Chosen<'_>| one.import.id == import.id && one.import.repo == import.repo;
        chosen.iter().find(same).map(|one| (one.integration.name.clone(), RepositoryName::from(&one.known.repository)))
    };
    Ok(undone
        .into_iter()
        .map(|one| {
            let found = of(&one.import);
            let (integration, repository) = found.unwrap_or_else(|| (String::new(), super::nameless(&one.import.repo)));
            row(one, integration, repository)
        })
        .collect())
}

/// The journal again, now that nobody else writes: somebody may have taken the same back while this waited for its turn.
async fn as_it_stands(app: &App, chosen: &mut [Chosen<'_>]) -> Result<(), Failure> {
    let mut read: BTreeMap<ImportId, Vec<Import>> = BTreeMap::new();
    for one in chosen {
        let id = &one.import.id;
        if !read.contains_key(id) {
            read.insert(id.clone(), imports(app.store.as_ref(), id).await?);
        }
        let is_it = |now: &&Import| {
            (&now.catalog, &now.repo, &now.entity) == (&one.import.catalog, &one.import.repo, &one.import.entity)
        };
        if let Some(now) = read.get(id).and_then(|all| all.iter().find(is_it)) {
            one.import = now.clone();
        }
    }
    Ok(())
}

fn row(undone: Undone, integration: String, repository: RepositoryName) -> UndoRow {
    let Undone { import, result, left } = undone;
    let mut row = UndoRow {
        integration,
        repository,
        import_id: import.id.to_string(),
        action: match import.action {
            ImportAction::Register => Action::Register,
            ImportAction::Merge => Action::Merge,
        },
        entity: import.entity.to_string(),
        result: RowResult::Failed,
        change: None,
        reason: None,
        left: left
            .into_iter()
            .map(|left| LeftField {
                reason: format!("changed by others since: {}", left.in_words()),
                field: left.path.to_string(),
                value: left.now,
            })
            .collect(),
        files: Vec::new(),
    };
    match result {
        UndoResult::Done(taken) => {
            row.result = RowResult::Done;
            row.left.extend(taken.refused.into_iter().map(|(path, because)| LeftField {
                field: path.to_string(),
                value: None,
                reason: format!("it could not be taken out alone: {because}"),
            }));
            let changed = taken.files.into_iter().map(|file| ChangedFile { path: file.path, diff: file.diff });
            row.files = changed.collect();
            (row.change, row.reason) = match taken.became {
                Became::Restored => (Some(UndoChange::Restore), None),
                Became::Unmade => (Some(UndoChange::Remove), None),
                Became::Kept { because } => {
                    (Some(UndoChange::Unlink), Some(format!("{because}: the file stays, only the link ends")))
                }
                Became::AsItWas if row.left.is_empty() => {
                    (Some(UndoChange::Unlink), Some("nothing of it is left in the catalog".to_owned()))
                }
                Became::AsItWas => (Some(UndoChange::Unlink), None),
            };
        }
        UndoResult::Already => {
            row.result = RowResult::Unchanged;
            row.reason = Some("undone already".to_owned());
        }
        UndoResult::Held(reason) => {
            row.result = RowResult::Held;
            row.reason = Some(reason);
        }
        UndoResult::Failed(reason) | UndoResult::Left(reason) => row.reason = Some(reason),
    }
    row
}
