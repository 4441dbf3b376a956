//! Finding, reading and checking the file. What is wrong is told at once, not one fault at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use super::connectors;
use super::faults::{Fault, FaultReport};
use super::fields::{self, Faults, Fields};
use super::located::{self, Node, Value};
use super::model::{Config, Retention, RulesRef, Server};
use super::secret::{self, Environment, Secrets};
use super::{apart, catalogs, integrations, server};
use crate::credentials::KeyPlace;

/// The file's name where nobody names another.
pub const FILE_NAME: &str = "catalog-sync.yaml";
/// Names the file.
pub const CONFIG_VARIABLE: &str = "CATALOG_SYNC_CONFIG";
/// Overrides `store`.
pub const STORE_VARIABLE: &str = "CATALOG_SYNC_STORE";
/// Overrides `server.listen`.
pub const LISTEN_VARIABLE: &str = "CATALOG_SYNC_LISTEN";
/// Where a service manager wants state kept.
const STATE_VARIABLE: &str = "STATE_DIRECTORY";

/// What loading depends on besides the file.
#[derive(Clone, Debug)]
pub struct LoadOptions<'a> {
    /// `--config`.
    pub config: Option<&'a Path>,
    /// `--store`.
    pub store: Option<&'a Path>,
    /// `--listen`.
    pub listen: Option<&'a str>,
    /// The environment as it was at start.
    pub environment: &'a Environment,
    /// What relative paths on the command line and in variables are relative to.
    pub working_directory: &'a Path,
    /// To tell whether a date lies in the future.
    pub now: DateTime<Utc>,
}

/// A config that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// What somebody should know; may be empty.
    pub warnings: FaultReport,
    /// To find out later whether the files changed.
    pub stamp: Stamp,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No file, at none of the places.
    #[error("there is no config file; looked for {}", list(searched))]
    NotFound {
        /// The places, in order.
        searched: Vec<PathBuf>,
    },
    /// The file named is not there or cannot be read.
    #[error("the config file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `--listen` or its variable: the file has nothing to do with it.
    #[error("{from}: `{value}` is not an address and a port")]
    Listen {
        /// The option or the variable.
        from: &'static str,
        /// What it says.
        value: String,
    },
    /// It has faults; the warnings are among them.
    #[error("{}", count(_0))]
    Faulty(FaultReport),
}

impl ConfigError {
    /// What a person can do about it; faults say it themselves.
    pub fn mend(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => Some(
                "write one with `catalog-sync init`, or name one with `--config FILE`; `catalog-sync demo` needs none"
                    .to_owned(),
            ),
            Self::Listen { .. } => Some("write it like `127.0.0.1:8321`".to_owned()),
            Self::Unreadable { .. } => Some("check the path and its permissions".to_owned()),
            Self::Faulty(_) => None,
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn count(report: &FaultReport) -> String {
    let file = crate::error::shown(&report.file);
    match report.errors() {
        1 => format!("{file} has 1 fault"),
        errors => format!("{file} has {errors} faults"),
    }
}

/// Size and time of the files a config was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    files: Vec<(PathBuf, Option<(u64, SystemTime)>)>,
}

impl Stamp {
    /// Looks at the files. Taken before reading, so that a change while reading shows.
    fn of(files: impl IntoIterator<Item = PathBuf>) -> Self {
        let look = |path: PathBuf| {
            let seen = std::fs::metadata(&path).ok().and_then(|data| Some((data.len(), data.modified().ok()?)));
            (path, seen)
        };
        Self { files: files.into_iter().map(look).collect() }
    }

    /// The same files as they are now.
    pub fn renewed(&self) -> Self {
        Self::of(self.files.iter().map(|(path, _)| path.clone()))
    }

    /// Whether one of the files (the config, its rules files) is not as it was; costs one look at each.
    pub fn has_changed(&self) -> bool {
        self.renewed() != *self
    }
}

impl Config {
    /// Finds the file and reads it.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault of the file.
    pub fn load(options: &LoadOptions<'_>) -> Result<Loaded, ConfigError> {
        let path = find(options)?;
        Self::load_file(&path, options)
    }

    /// Reads a file found earlier: for reload.
    ///
    /// # Errors
    /// [`ConfigError`] with every fault of the file; the old config stays in use then.
    pub fn load_file(path: &Path, options: &LoadOptions<'_>) -> Result<Loaded, ConfigError> {
        if let Some((from, value)) = given_listen(options)
            && value.parse::<SocketAddr>().is_err()
        {
            return Err(ConfigError::Listen { from, value: fields::cut(value).to_string() });
        }
        let path = options.working_directory.join(path);
        let before = Stamp::of([path.clone()]);
        let bytes = std::fs::read(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        let (config, report) = Self::read(&bytes, &path, options);
        let Some(config) = config else { return Err(ConfigError::Faulty(report)) };
        let rules = config.integrations.iter().filter_map(|integration| match &integration.rules {
            RulesRef::File { path, .. } => Some(path.clone()),
            RulesRef::Builtin(_) => None,
        });
        let mut stamp = Stamp::of(rules);
        stamp.files.extend(before.files);
        Ok(Loaded { config, warnings: report, stamp })
    }

    /// Reads the text of a config that lies (or would lie) at `path`. The config is `None` when one of the
    /// faults stops.
    pub fn read(bytes: &[u8], path: &Path, options: &LoadOptions<'_>) -> (Option<Self>, FaultReport) {
        let shown = shorten(path, options.working_directory);
        let text = match located::decode(bytes) {
            Ok(text) => text,
            Err(fault) => return (None, FaultReport::new(shown, &String::from_utf8_lossy(bytes), None, vec![fault])),
        };
        let mut faults = Faults::default();
        let (config, root) = Self::read_text(text, path, options, &mut faults);
        (config, FaultReport::new(shown, text, root.as_ref(), faults.list))
    }

    /// Reads the text, and hands out what it was as well.
    pub(super) fn read_text(
        text: &str,
        path: &Path,
        options: &LoadOptions<'_>,
        faults: &mut Faults,
    ) -> (Option<Self>, Option<Node>) {
        let root = located::parse(text, &mut faults.list);
        if root.is_none() && faults.list.is_empty() {
            let fault = Fault::nowhere("the file says nothing");
            faults.push(fault.mend("`catalog-sync init` writes a commented starter config"));
        }
        let config = root.as_ref().and_then(|root| read_config(root, path, options, faults));
        (config.filter(|_| faults.errors() == 0), root)
    }

    /// Looks at every secret and tells those that have no value, and secret files that others can read.
    /// Loading does not: `check --offline` needs no secret.
    pub fn check_secrets(&self, secrets: &Secrets) -> Vec<Fault> {
        let of_connectors = self.connectors.values().flat_map(|connector| {
            let auth = connector.auth.iter().flat_map(|credential| credential.auth.secrets());
            auth.chain(&connector.webhook_secrets)
        });
        let of_tokens = self.server.tokens.iter().map(|token| &token.token);
        let mut faults: Vec<Fault> =
            of_connectors.chain(of_tokens).filter_map(|secret| secret.fault(secrets)).collect();
        let short = self.server.tokens.iter().filter(|token| {
            use secrecy::ExposeSecret as _;
            token
                .token
                .resolve(secrets)
                .is_ok_and(|value| value.expose_secret().chars().count() < server::TOKEN_CHARACTERS)
        });
        faults.extend(short.map(|token| server::short_token(&token.name, token.token.place)));
        faults
    }

    /// Connectors of which a secret has no value.
    pub fn lacking_secrets(&self, secrets: &Secrets) -> BTreeSet<String> {
        let is_lacking = |secret: &super::Secret| secret.fault(secrets).is_some_and(|fault| fault.is_error());
        let lacks = |connector: &&super::Connector| {
            connector.auth.iter().flat_map(|credential| credential.auth.secrets()).any(is_lacking)
        };
        self.connectors.values().filter(lacks).map(|connector| connector.name.clone()).collect()
    }

    /// Shows faults found after loading ([`Config::check_secrets`]) with their lines.
    pub fn report(&self, faults: Vec<Fault>) -> FaultReport {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        let text = located::decode(&bytes).unwrap_or_default();
        let root = located::parse(text, &mut Vec::new());
        FaultReport::new(&self.path, text, root.as_ref(), faults)
    }
}

/// The file named by flag or variable, else the first that is there.
fn find(options: &LoadOptions<'_>) -> Result<PathBuf, ConfigError> {
    let at = |path: &Path| options.working_directory.join(path);
    if let Some(path) = options.config {
        return Ok(at(path));
    }
    if let Some(path) = options.environment.get(CONFIG_VARIABLE) {
        return Ok(at(Path::new(path)));
    }
    let own = options.environment.get("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let own = own.or_else(|| Some(PathBuf::from(options.environment.get("HOME")?).join(".config")));
    let places = [
        Some(at(Path::new(FILE_NAME))),
        own.map(|folder| folder.join("catalog-sync").join(FILE_NAME)),
        Some(PathBuf::from("/etc/catalog-sync").join(FILE_NAME)),
    ];
    let searched: Vec<PathBuf> = places.into_iter().flatten().collect();
    // What is there and cannot be looked at is not skipped: reading it says why.
    match searched.iter().find(|path| !matches!(path.try_exists(), Ok(false))) {
        Some(path) => Ok(path.clone()),
        None => Err(ConfigError::NotFound { searched }),
    }
}

/// Below the working directory, paths are shown relative to it.
fn shorten(path: &Path, working_directory: &Path) -> PathBuf {
    path.strip_prefix(working_directory).unwrap_or(path).to_owned()
}

/// What the sections need to read themselves.
pub(super) struct Context {
    /// What relative paths of the file are relative to.
    folder: PathBuf,
    /// Whether the config names a key for it.
    pub has_credential_store: bool,
    pub now: DateTime<Utc>,
}

impl Context {
    /// A path of the file.
    pub fn path(&self, node: &Node, faults: &mut Faults) -> Option<PathBuf> {
        Some(self.resolve(&fields::text(node, faults)?))
    }

    /// Relative paths begin at the config file; `./` and inner `.` go.
    pub fn resolve(&self, written: &str) -> PathBuf {
        self.folder.join(written).components().filter(|part| *part != Component::CurDir).collect()
    }
}

fn read_config(root: &Node, path: &Path, options: &LoadOptions<'_>, faults: &mut Faults) -> Option<Config> {
    let path = options.working_directory.join(path);
    let folder = path.parent().unwrap_or(options.working_directory).to_owned();
    let has_credential_store = root.get("credentials").is_some();
    let context = Context { folder, has_credential_store, now: options.now };

    let mut file = Fields::of("config", root, faults)?;
    let store = store(&mut file, &context, options, faults);
    let decisions = file.optional("decisions", faults, |node, faults| context.path(node, faults));
    let retention = file.get("retention");
    let retention = retention.and_then(|node| read_retention(node, faults)).unwrap_or_default();
    let credentials = file.get("credentials");
    let credential_key = credentials.and_then(|node| read_credential_store(node, &context, faults));
    let server = file.get("server").and_then(|node| server::read(node, &context, faults));
    let server = listen(server.unwrap_or_default(), options, faults);
    let connectors_node = file.need("connectors", "say how to reach Bitbucket: `connectors: { acme: { … } }`", faults);
    let connectors = named(connectors_node, "connector", faults, |name, place, node, faults| {
        connectors::read(name, place, node, &context, faults)
    });
    let catalogs_node = file.need("catalogs", "say where the catalog is: `catalogs: { main: { … } }`", faults);
    let catalogs = named(catalogs_node, "catalog", faults, |name, place, node, faults| {
        catalogs::read(name, place, node, &context, faults)
    });
    let integrations = file.need("integrations", "join a connector and a catalog: `integrations: [ { … } ]`", faults);
    let integrations = integrations
        .map(|node| integrations::read_all(node, &connectors, &catalogs, &context, faults))
        .unwrap_or_default();
    file.finish(faults);
    let (connectors, catalogs) = (sound(connectors), sound(catalogs));
    if let Some(store) = &store {
        let is_given = options.store.is_some() || options.environment.get(STORE_VARIABLE).is_some();
        let node = root.get("store").filter(|_| !is_given);
        apart::check(root, (store, node), &catalogs, faults);
        if let (Some(KeyPlace::File(path)), Some(node)) = (&credential_key, credentials) {
            let node = node.get("key").and_then(|key| key.get("file")).unwrap_or(node);
            apart::check_key((path, node), store, &catalogs, faults);
        }
    }
    Some(Config {
        path,
        store: store?,
        decisions,
        retention,
        credential_key,
        server,
        connectors,
        catalogs,
        integrations,
    })
}

/// By name; `None` for a block that is there and has faults, so that what refers to it is not blamed.
pub(super) type Named<T> = BTreeMap<String, Option<T>>;

fn sound<T>(all: Named<T>) -> BTreeMap<String, T> {
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn named<T>(
    node: Option<&Node>,
    section: &'static str,
    faults: &mut Faults,
    mut read: impl FnMut(&str, super::Place, &Node, &mut Faults) -> Option<T>,
) -> Named<T> {
    let mut all = Named::new();
    let Some(node) = node else { return all };
    let Value::Map(entries) = &node.value else {
        let fault = Fault::of(node, format!("this must be a mapping from names to {section}s, and is {}", node.kind()));
        faults.push(fault.mend(format!("write each {section} as `NAME:` with its keys indented below")));
        return all;
    };
    if entries.is_empty() {
        faults.push(Fault::of(node, format!("there is no {section}")).mend("name at least one"));
    }
    for (key, node) in entries {
        if !fields::is_name(&key.text) {
            let fault =
                Fault::at(key.place, key.text.chars().count(), format!("`{}` is not a name", fields::cut(&key.text)));
            faults.push(fields::name_fault(fault, &key.text));
        }
        all.insert(key.text.clone(), read(&key.text, key.place, node, faults));
    }
    all
}

/// `--store`, `CATALOG_SYNC_STORE`, `store`, `$STATE_DIRECTORY`, `./data`.
fn store(file: &mut Fields<'_>, context: &Context, options: &LoadOptions<'_>, faults: &mut Faults) -> Option<PathBuf> {
    let node = file.get("store");
    let written = match node {
        Some(node) => {
            let text = fields::text(node, faults)?;
            if text.contains("://") {
                let fault = Fault::of(node, "stores in a database are not in this version");
                faults.push(fault.mend("name a directory, or leave `store` out"));
                return None;
            }
            Some(context.resolve(&text))
        }
        None => None,
    };
    let given = options.store.or_else(|| options.environment.get(STORE_VARIABLE).map(Path::new));
    let state = || {
        // A service manager that gives several lists them with colons.
        let first = options.environment.get(STATE_VARIABLE)?.split(':').next()?;
        Some(PathBuf::from(first)).filter(|path| path.is_absolute())
    };
    // `./` and inner `.` go.
    let given = given.map(|path| options.working_directory.join(path).components().collect());
    given.or(written).or_else(state).or_else(|| Some(context.resolve("data")))
}

/// What outranks `server.listen`, and where it is said.
fn given_listen<'a>(options: &LoadOptions<'a>) -> Option<(&'static str, &'a str)> {
    let from_variable = || options.environment.get(LISTEN_VARIABLE).map(|value| (LISTEN_VARIABLE, value));
    options.listen.map(|value| ("--listen", value)).or_else(from_variable)
}

/// `--listen`, `CATALOG_SYNC_LISTEN`, `server.listen`.
fn listen(mut server: Server, options: &LoadOptions<'_>, faults: &mut Faults) -> Server {
    if let Some((from, value)) = given_listen(options) {
        match value.parse::<SocketAddr>() {
            Ok(address) => server.listen = address,
            Err(_) => {
                let fault = Fault::nowhere(format!("{from}: `{}` is not an address and a port", fields::cut(value)));
                faults.push(fault.mend("write it like `127.0.0.1:8321`"));
            }
        }
    }
    server::check_exposure(&server, faults);
    server
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for Retention {
    fn default() -> Self {
        Self { syncs: 90 * DAY, undo: 90 * DAY, audit: 400 * DAY, deliveries: 7 * DAY }
    }
}

fn read_retention(node: &Node, faults: &mut Faults) -> Option<Retention> {
    let least = Duration::from_secs(3_600);
    let defaults = Retention::default();
    let mut map = Fields::of("retention", node, faults)?;
    let mut read = |key, default| map.read(key, default, faults, |node, faults| fields::duration(node, least, faults));
    let retention = Retention {
        syncs: read("syncs", defaults.syncs),
        undo: read("undo", defaults.undo),
        audit: read("audit", defaults.audit),
        deliveries: read("deliveries", defaults.deliveries),
    };
    map.finish(faults);
    Some(retention)
}

fn read_credential_store(node: &Node, context: &Context, faults: &mut Faults) -> Option<KeyPlace> {
    let mut map = Fields::of("credential store", node, faults)?;
    let key = map.need("key", "write `key: { file: ./credentials.key }`, or `key: { env: NAME }`", faults);
    let key = key.and_then(|node| secret::read_key(node, context, faults));
    map.finish(faults);
    key
}
