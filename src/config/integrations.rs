//! The `integrations` block.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;

use super::connectors;
use super::faults::Fault;
use super::fields::{self, Faults, Fields};
use super::filters::RepositoryGlob;
use super::load::{Context, Named};
use super::located::{self, Node, Value};
use super::model::{
    Cadence, CatalogConfig, CommitsVia, Connector, ConnectorType, DetailSettings, FirstSync, Guard, Integration,
    KindSettings, Percent, Place, Registration, RepositoryFilters, RulesRef,
};
use crate::model::{DetailKind, IntegrationKey, SecondaryKind};
use crate::schedule::Cron;

/// The rules files that ship in the binary, by their name without `.yaml`.
pub const BUILTIN_RULES: [&str; 4] =
    ["bitbucket-cloud", "bitbucket-cloud-annotations", "bitbucket-data-center", "harness-idp"];

const DEFAULT_RULES: &str = BUILTIN_RULES[0];
/// Where none are named, for Data Center.
const DATA_CENTER_RULES: &str = BUILTIN_RULES[2];
/// What stands for the workspace where an integration serves a whole instance of Data Center.
pub const WHOLE_INSTANCE: &str = "*";
const DEFAULT_KIND: &str = "Component";
const DEFAULT_TYPE: &str = "service";
const DEFAULT_FIRST_SYNC: u64 = 50;
const DEFAULT_PER_SYNC: u64 = 5_000;
/// People come in lists: a hundred, or a thousand, cost one request.
const USERS_PER_SYNC: u64 = 5_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// More often than this, a sync would only meet itself.
const SHORTEST_INTERVAL: Duration = MINUTE;

const REGISTRATIONS: [(&str, Registration); 3] = [
    ("register_and_merge", Registration::RegisterAndMerge),
    ("register", Registration::Register),
    ("merge", Registration::Merge),
];
/// Kinds an import can create (product.md, section 9).
const KINDS: [&str; 4] = ["Component", "Resource", "System", "Domain"];
const VIAS: [(&str, CommitsVia); 3] =
    [("auto", CommitsVia::Auto), ("rest", CommitsVia::Rest), ("git", CommitsVia::Git)];

pub(super) fn read_all(
    node: &Node,
    connectors: &Named<Connector>,
    catalogs: &Named<CatalogConfig>,
    context: &Context,
    faults: &mut Faults,
) -> Vec<Integration> {
    let Value::List(nodes) = &node.value else {
        let fault = Fault::of(node, format!("`integrations` is a list, and this is {}", node.kind()));
        faults.push(fault.mend("begin each integration with `- name: …`"));
        return Vec::new();
    };
    if nodes.is_empty() {
        faults.push(Fault::of(node, "there is no integration").mend("name at least one"));
    }
    check_names(nodes, faults);
    let mut keys: BTreeMap<IntegrationKey, (String, Place)> = BTreeMap::new();
    let mut integrations = Vec::new();
    for node in nodes {
        let Some(integration) = read(node, connectors, catalogs, context, faults) else { continue };
        match keys.get(&integration.key()) {
            Some((other, place)) => {
                let what = format!(
                    "`{}` and `{other}` (line {}) both sync the workspace `{}` into the catalog `{}`",
                    integration.name, place.line, integration.workspace, integration.catalog
                );
                let fault = Fault::at(integration.place, integration.name.chars().count(), what);
                faults.push(
                    fault.because("one integration per workspace and catalog; two would undo each other's work").mend(
                        "remove one, or give it another catalog; `repositories` and `rules` can do what two were for",
                    ),
                );
            }
            None => {
                keys.insert(integration.key(), (integration.name.clone(), integration.place));
            }
        }
        integrations.push(integration);
    }
    refuse_parts_of_wholes(&integrations, faults);
    refuse_claimed_names(&integrations, faults);
    integrations
}

/// A former name must be nobody's now, and only one's before.
fn refuse_claimed_names(integrations: &[Integration], faults: &mut Faults) {
    let mut claimed: BTreeMap<&str, &Integration> = BTreeMap::new();
    for integration in integrations {
        let Some(old) = integration.renamed_from.as_deref() else { continue };
        // It may name itself: then only its catalog is called otherwise now.
        if integration.name != old && integrations.iter().any(|other| other.name == old) {
            let what = format!("`renamed_from: {old}` names an integration that is still there");
            let fault = Fault::at(integration.place, integration.name.chars().count(), what);
            faults.push(fault.mend("remove `renamed_from`, or the integration of that name"));
        } else if let Some(other) = claimed.insert(old, integration) {
            let what = format!("`{}` and `{}` both say `renamed_from: {old}`", other.name, integration.name);
            let fault = Fault::at(integration.place, integration.name.chars().count(), what);
            faults.push(fault.mend("say it where its state is to go, and remove the other"));
        }
    }
}

/// A project of an instance that is served whole into the same catalog would be served twice.
fn refuse_parts_of_wholes(integrations: &[Integration], faults: &mut Faults) {
    for whole in integrations.iter().filter(|one| one.workspace == WHOLE_INSTANCE) {
        let is_part = |one: &&Integration| {
            one.workspace != WHOLE_INSTANCE && one.instance == whole.instance && one.catalog == whole.catalog
        };
        for part in integrations.iter().filter(is_part) {
            let what = format!(
                "`{}` syncs the project `{}` into the catalog `{}`, and `{}` (line {}) the whole instance",
                part.name, part.workspace, part.catalog, whole.name, whole.place.line
            );
            let fault = Fault::at(part.place, part.name.chars().count(), what);
            faults.push(
                fault
                    .because("two would undo each other's work")
                    .mend("remove one, or give it another catalog; `rules` and `repositories` can tell projects apart"),
            );
        }
    }
}

/// Names are looked at in all integrations, whatever else is wrong with them.
fn check_names(nodes: &[Node], faults: &mut Faults) {
    let names: Vec<&Node> = nodes.iter().filter_map(|node| node.get("name")).collect();
    for (index, node) in names.iter().enumerate() {
        let Some(text) = node.text() else { continue };
        if let Some(first) = names[..index].iter().find(|other| other.text() == Some(text)) {
            let fault = Fault::of(node, format!("two integrations are named `{}`", fields::cut(text)));
            faults.push(fault.because(format!("the other is on line {}", first.place.line)).mend("rename one of them"));
        }
    }
}

fn read(
    node: &Node,
    connectors: &Named<Connector>,
    catalogs: &Named<CatalogConfig>,
    context: &Context,
    faults: &mut Faults,
) -> Option<Integration> {
    let mut map = Fields::of("integration", node, faults)?;
    let name_node = map.need("name", "name it: `name: acme`", faults);
    let name = name_node.and_then(|node| fields::name(node, faults));
    let description = map.optional("description", faults, fields::prose);
    let connector_node = map.need("connector", "name one of `connectors`", faults);
    let connector = connector_node.and_then(|node| reference(node, "connector", connectors, faults));
    let catalog_node = map.need("catalog", "name one of `catalogs`", faults);
    let catalog = catalog_node.and_then(|node| reference(node, "catalog", catalogs, faults));
    let workspace = workspace(&mut map, connector, faults);
    let filters_node = map.get("repositories");
    let filters = filters_node.map_or_else(|| Some(RepositoryFilters::default()), |node| read_filters(node, faults));
    let registration = map.read("registration", Registration::RegisterAndMerge, faults, |node, faults| {
        fields::one_of(node, &REGISTRATIONS, faults)
    });
    let kind = map.read("kind", DEFAULT_KIND.to_owned(), faults, read_kind);
    let type_node = map.get("type");
    let entity_type = type_node.and_then(|node| read_type(node, registration, faults));
    let rules = match map.get("rules") {
        Some(node) => read_rules(node, context, faults),
        None => {
            let is_data_center = connector.is_some_and(|one| one.kind == ConnectorType::BitbucketDataCenter);
            Some(RulesRef::Builtin(if is_data_center { DATA_CENTER_RULES } else { DEFAULT_RULES }.to_owned()))
        }
    };
    let kinds_node = map.get("secondary_kinds");
    let Kinds { both: secondary_kinds, details, users } = match kinds_node {
        Some(node) => read_kinds(node, connector.map(|connector| connector.kind), faults).unwrap_or_default(),
        None => Kinds { both: default_kinds(), ..Kinds::default() },
    };
    let update_every = read_cadence(&mut map, faults);
    let start_date = map.optional("start_date", faults, |node, faults| start_date(node, context, faults));
    let complete_sweep_every =
        map.read("complete_sweep_every", 24 * HOUR, faults, |node, faults| fields::duration(node, MINUTE, faults));
    let guard = map.read("guard", Guard::default(), faults, read_guard);
    let tags = map.read("tags", Vec::new(), faults, fields::texts);
    let auto_import = map.read("auto_import", false, faults, fields::boolean);
    let suspended_node = map.get("suspended");
    let suspended = suspended_node.and_then(|node| fields::boolean(node, faults)).unwrap_or(false);
    let renamed_from = map.optional("renamed_from", faults, fields::name);
    map.finish(faults);

    let connector = connector?;
    let mut filters = filters?;
    if let Some(repository) = &connector.url.repository {
        only(&mut filters, repository, connector, filters_node, faults);
    }
    Some(Integration {
        name: name?,
        description,
        connector: connector.name.clone(),
        catalog: catalog?.name.clone(),
        workspace: workspace?,
        repositories: filters,
        registration,
        kind,
        entity_type: entity_type.unwrap_or_else(|| DEFAULT_TYPE.to_owned()),
        rules: rules?,
        secondary_kinds,
        details,
        users,
        update_every: update_every?,
        start_date,
        complete_sweep_every,
        guard,
        tags,
        auto_import,
        suspended,
        renamed_from,
        instance: connector.url.instance(),
        place: name_node.map_or(node.place, |node| node.place),
        suspended_place: suspended_node.map_or(Place::default(), |node| node.place),
    })
}

/// What a name refers to; `None` also where that has faults of its own, which are told there.
fn reference<'a, T>(node: &Node, section: &str, named: &'a Named<T>, faults: &mut Faults) -> Option<&'a T> {
    let text = fields::text(node, faults)?;
    match named.get(&text) {
        Some(value) => value.as_ref(),
        None => {
            let names: Vec<&str> = named.keys().map(String::as_str).collect();
            let mend = match (fields::nearest(&text, names.iter().copied()), names.is_empty()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, true) => format!("define it under `{section}s`"),
                (None, false) => format!("there are {}; or define it under `{section}s`", names.join(", ")),
            };
            faults.push(Fault::of(node, format!("there is no {section} `{}`", fields::cut(&text))).mend(mend));
            None
        }
    }
}

/// From the integration, else from the connector's URL; where both name one, it must be the same.
fn workspace(map: &mut Fields<'_>, connector: Option<&Connector>, faults: &mut Faults) -> Option<String> {
    let node = map.get("workspace");
    let written = match node {
        Some(node) => Some(read_workspace(node, faults)?),
        None => None,
    };
    let connector = connector?;
    if connector.kind == ConnectorType::BitbucketDataCenter && written.is_none() && connector.url.workspace.is_none() {
        return Some(WHOLE_INSTANCE.to_owned());
    }
    match (written, &connector.url.workspace) {
        (Some(written), Some(of_url)) if written.to_lowercase() != of_url.to_lowercase() => {
            let what = format!("the integration's workspace is `{written}`, the url of its connector names `{of_url}`");
            let fault = Fault::of(node.unwrap_or(map.node()), what);
            faults.push(fault.mend("use one of them; for several workspaces, leave it out of the connector's url"));
            None
        }
        (Some(written), _) => Some(written),
        (None, Some(of_url)) => Some(of_url.clone()),
        (None, None) => {
            let what = format!("no workspace: neither here nor in the url of the connector `{}`", connector.name);
            let fault = Fault::at(map.node().place, 1, what);
            faults.push(fault.mend("add `workspace: NAME`, the name behind bitbucket.org/ in the browser"));
            None
        }
    }
}

fn read_workspace(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    let plain = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(&text);
    // A person's project of Data Center.
    let plain = plain.strip_prefix('~').unwrap_or(plain);
    let fits = plain.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && plain.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !fits {
        let fault = Fault::of(node, format!("`{}` is not a workspace", fields::cut(&text)));
        faults.push(fault.mend("write the name behind bitbucket.org/ in the browser: `workspace: acme`"));
        return None;
    }
    Some(text)
}

fn read_filters(node: &Node, faults: &mut Faults) -> Option<RepositoryFilters> {
    let defaults = RepositoryFilters::default();
    let mut map = Fields::of("repository filter", node, faults)?;
    let filters = RepositoryFilters {
        include: map.read("include", defaults.include, faults, globs),
        exclude: map.read("exclude", defaults.exclude, faults, globs),
        projects: map.read("projects", defaults.projects, faults, fields::texts),
        archived: map.read("archived", defaults.archived, faults, fields::boolean),
        personal: map.read("personal", defaults.personal, faults, fields::boolean),
        forks: map.read("forks", defaults.forks, faults, fields::boolean),
    };
    map.finish(faults);
    Some(filters)
}

fn globs(node: &Node, faults: &mut Faults) -> Option<Vec<RepositoryGlob>> {
    fields::list(node, faults, |node, faults| {
        let text = fields::text(node, faults)?;
        match RepositoryGlob::new(&text) {
            Ok(glob) => Some(glob),
            Err(error) => {
                let fault = Fault::of(node, format!("`{}` is not a glob: {error}", fields::cut(&text)));
                faults.push(fault.mend("write it like `payments-*`, or `PAY/*` for a project"));
                None
            }
        }
    })
}

/// A connector whose URL names one repository serves that one only.
fn only(
    filters: &mut RepositoryFilters,
    repository: &str,
    connector: &Connector,
    node: Option<&Node>,
    faults: &mut Faults,
) {
    if let Some(include) = node.and_then(|node| node.get("include")).filter(|_| !filters.include.is_empty()) {
        let what = format!("the url of the connector `{}` names the repository `{repository}`", connector.name);
        faults.push(Fault::of(include, what).because("so this filter has no effect").warning());
    }
    // A slug holds nothing that means something in a glob.
    filters.include = RepositoryGlob::new(repository).into_iter().collect();
}

fn read_kind(node: &Node, faults: &mut Faults) -> Option<String> {
    let text = fields::text(node, faults)?;
    if let Some(kind) = KINDS.iter().find(|kind| kind.eq_ignore_ascii_case(&text)) {
        return Some((*kind).to_owned());
    }
    let fault = Fault::of(node, format!("entities of kind `{}` cannot be registered", fields::cut(&text)));
    let fault = if text.eq_ignore_ascii_case("api") {
        fault.because("an API needs a definition, which no repository tells")
    } else {
        fault
    };
    faults.push(fault.mend(format!("use {}", KINDS.join(", "))));
    None
}

fn read_type(node: &Node, registration: Registration, faults: &mut Faults) -> Option<String> {
    if registration == Registration::Merge {
        let fault = Fault::of(node, "`type` is not possible with `registration: merge`");
        faults.push(fault.because("the entity that is merged into keeps its own type").mend("remove `type`"));
        return None;
    }
    fields::text(node, faults)
}

/// A shipped file by its name, or the path of one.
fn read_rules(node: &Node, context: &Context, faults: &mut Faults) -> Option<RulesRef> {
    let text = fields::text(node, faults)?;
    if BUILTIN_RULES.contains(&text.as_str()) {
        return Some(RulesRef::Builtin(text));
    }
    if !text.contains('/') && !text.ends_with(".yaml") && !text.ends_with(".yml") {
        let mend = match fields::nearest(&text, BUILTIN_RULES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use {}, or the path of a file: `./rules.yaml`", BUILTIN_RULES.join(", ")),
        };
        faults.push(Fault::of(node, format!("there are no rules `{}`", fields::cut(&text))).mend(mend));
        return None;
    }
    let path = context.resolve(&text);
    read_rules_file(node, path, faults)
}

fn read_rules_file(node: &Node, path: PathBuf, faults: &mut Faults) -> Option<RulesRef> {
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let fault = Fault::of(node, format!("the rules file {} cannot be read", path.display()));
            faults.push(fault.because(error.to_string()).mend("check the path: it begins at the config file's folder"));
            return None;
        }
    };
    match located::decode(&bytes) {
        Ok(text) => Some(RulesRef::File { text: text.to_owned(), path }),
        Err(fault) => {
            let what = format!("the rules file {}: {}", path.display(), fault.what);
            faults.push(Fault { place: node.place, width: node.width(), what, ..fault });
            None
        }
    }
}

fn default_kinds() -> BTreeMap<SecondaryKind, KindSettings> {
    SecondaryKind::ALL.map(|kind| (kind, KindSettings::default())).into()
}

impl Default for KindSettings {
    fn default() -> Self {
        Self { first_sync: FirstSync::Newest(DEFAULT_FIRST_SYNC), per_sync: DEFAULT_PER_SYNC, via: CommitsVia::Auto }
    }
}

/// What a `secondary_kinds` block selects.
#[derive(Default)]
struct Kinds {
    both: BTreeMap<SecondaryKind, KindSettings>,
    details: BTreeMap<DetailKind, DetailSettings>,
    users: Option<DetailSettings>,
}

fn read_kinds(node: &Node, connector: Option<ConnectorType>, faults: &mut Faults) -> Option<Kinds> {
    let mut map = Fields::of("secondary_kinds block", node, faults)?;
    // `commits:` with nothing behind it selects the kind with its defaults.
    let bare = |name: &str| {
        let Value::Map(entries) = &node.value else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    };
    let mut kinds = BTreeMap::new();
    for kind in SecondaryKind::ALL {
        let selected = map.get(kind.as_str()).or_else(|| bare(kind.as_str()));
        if let Some(settings) = selected.and_then(|node| read_kind_settings(node, kind, faults)) {
            kinds.insert(kind, settings);
        }
    }
    let mut details = BTreeMap::new();
    for kind in DetailKind::ALL {
        let Some(selected) = map.get(kind.as_str()).or_else(|| bare(kind.as_str())) else { continue };
        if let Some(settings) = read_detail_settings(selected, kind, connector, &kinds, faults) {
            details.insert(kind, settings);
        }
    }
    let selected = map.get("users").or_else(|| bare("users"));
    let users = selected.and_then(|node| read_per_sync("users block", USERS_PER_SYNC, node, faults));
    map.finish(faults);
    Some(Kinds { both: kinds, details, users })
}

/// Refused where the connector has no such thing, and where what the kind hangs on is not selected.
fn read_detail_settings(
    node: &Node,
    kind: DetailKind,
    connector: Option<ConnectorType>,
    kinds: &BTreeMap<SecondaryKind, KindSettings>,
    faults: &mut Faults,
) -> Option<DetailSettings> {
    let settings = read_per_sync("detail block", DetailSettings::default().per_sync, node, faults)?;
    let name = kind.as_str();
    let wrong_place = match (kind, connector) {
        (DetailKind::Pipelines, Some(ConnectorType::BitbucketDataCenter)) => {
            Some(("Data Center has no pipelines", "use `builds`, the statuses that build servers report"))
        }
        (DetailKind::Builds, Some(ConnectorType::BitbucketCloud)) => {
            Some(("`builds` are for Data Center", "use `pipelines`"))
        }
        _ => None,
    };
    if let Some((what, mend)) = wrong_place {
        faults.push(Fault::of(node, what).mend(mend));
        return None;
    }
    if let Some(of) = kind.of().filter(|of| !kinds.contains_key(of)) {
        let fault = Fault::of(node, format!("`{name}` need `{}`, which are not selected", of.as_str()));
        faults.push(fault.mend(format!("select `{}` as well, or remove `{name}`", of.as_str())));
        return None;
    }
    Some(settings)
}

fn read_per_sync(what: &'static str, default: u64, node: &Node, faults: &mut Faults) -> Option<DetailSettings> {
    let mut map = Fields::of(what, node, faults)?;
    let per_sync =
        map.read("per_sync", default, faults, |node, faults| fields::number(node, 1, u64::from(u32::MAX), faults));
    map.finish(faults);
    Some(DetailSettings { per_sync })
}

fn read_kind_settings(node: &Node, kind: SecondaryKind, faults: &mut Faults) -> Option<KindSettings> {
    let defaults = KindSettings::default();
    let section = match kind {
        SecondaryKind::PullRequests => "pull_requests block",
        SecondaryKind::Commits => "commits block",
    };
    let mut map = Fields::of(section, node, faults)?;
    let first_sync = map.read("first_sync", defaults.first_sync, faults, |node, faults| match node.text() {
        Some("all") => Some(FirstSync::All),
        _ => fields::number(node, 1, u64::from(u32::MAX), faults).map(FirstSync::Newest),
    });
    let per_sync = map.read("per_sync", defaults.per_sync, faults, |node, faults| {
        fields::number(node, 1, u64::from(u32::MAX), faults)
    });
    let mut via = defaults.via;
    if kind == SecondaryKind::Commits {
        via = map.read("via", via, faults, |node, faults| fields::one_of(node, &VIAS, faults));
    }
    map.finish(faults);
    Some(KindSettings { first_sync, per_sync, via })
}

/// `update_every: 3h`, or `cron` with `timezone`.
fn read_cadence(map: &mut Fields<'_>, faults: &mut Faults) -> Option<Cadence> {
    let (every, cron, timezone) = (map.get("update_every"), map.get("cron"), map.get("timezone"));
    if let (Some(_), Some(node)) = (every, cron) {
        faults.push(Fault::of(node, "`update_every` and `cron` are both there").mend("keep one of them"));
    }
    if let (None, Some(node)) = (cron, timezone) {
        let fault = Fault::of(node, "`timezone` belongs to `cron`, and there is none");
        faults.push(fault.mend("remove `timezone`, or write `cron: \"0 */3 * * *\"` instead of `update_every`"));
    }
    let zone = match timezone {
        Some(node) => read_timezone(node, faults),
        None => Some(Tz::UTC),
    };
    match (every, cron) {
        (_, Some(node)) => {
            let expr = fields::text(node, faults)?;
            if let Err(error) = Cron::parse(&expr) {
                faults.push(Fault::of(node, error.what).mend(error.mend));
                return None;
            }
            Some(Cadence::Cron { expr, timezone: zone? })
        }
        (Some(node), None) => fields::duration(node, SHORTEST_INTERVAL, faults).map(Cadence::Every),
        (None, None) => Some(Cadence::Every(3 * HOUR)),
    }
}

fn read_timezone(node: &Node, faults: &mut Faults) -> Option<Tz> {
    let text = fields::text(node, faults)?;
    if let Ok(zone) = Tz::from_str(&text) {
        return Some(zone);
    }
    let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let mend = match fields::nearest(&text, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name like `Europe/Berlin`, or `UTC`".to_owned(),
    };
    faults.push(Fault::of(node, format!("there is no time zone `{}`", fields::cut(&text))).mend(mend));
    None
}

fn start_date(node: &Node, context: &Context, faults: &mut Faults) -> Option<chrono::NaiveDate> {
    let date = connectors::date(node, faults)?;
    if date > context.now.date_naive() {
        let fault = Fault::of(node, format!("the start date {date} lies in the future"));
        faults.push(fault.because("nothing would be fetched").mend("use today or an earlier day, or leave it out"));
        return None;
    }
    Some(date)
}

impl Default for Guard {
    fn default() -> Self {
        Self { percent: Percent(10), at_least: 3 }
    }
}

fn read_guard(node: &Node, faults: &mut Faults) -> Option<Guard> {
    let defaults = Guard::default();
    let mut map = Fields::of("guard", node, faults)?;
    let percent = map.read("percent", defaults.percent, faults, |node, faults| connectors::percent(node, 100, faults));
    let at_least = map.read("at_least", defaults.at_least, faults, |node, faults| {
        fields::number(node, 0, u64::from(u32::MAX), faults)
    });
    map.finish(faults);
    Some(Guard { percent, at_least })
}
