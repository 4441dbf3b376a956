//! Settings → the objects a sync works with: rules, catalog, source. Catalogs and connections are made
//! once and shared: two integrations on one connector spend one budget, two on one catalog read it once.

mod git;
pub mod login;

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use tokio::sync::Mutex;
use url::Url;

use crate::backfill;
use crate::catalog::Catalog;
use crate::catalog::directory::{DirectoryCatalog, DirectorySettings, MAX_FILE_BYTES};
use crate::clock::Clock;
use crate::commands::{Exit, Failure};
use crate::config::{
    self, Auth, CatalogConfig, Config, Connector, ConnectorType, ConnectorUrl, Environment, FirstSync, Host,
    Integration, RulesRef, Secret, SecretFrom, Secrets, WHOLE_INSTANCE,
};
use crate::correlate::Rules;
use crate::credentials::{CredentialError, Kind, Vault};
use crate::error::{Report, shown};
use crate::model::{DetailKind, IntegrationKey, SecondaryKind};
use crate::plan::Guard;
use crate::source::Source;
use crate::source::bitbucket_cloud::{BitbucketCloud, CloudSettings, TOKEN_URL};
use crate::source::bitbucket_data_center::{self, BitbucketDataCenter, DataCenterSettings};
use crate::source::http::{
    Credential, CredentialSettings, HttpSettings, LoginSource, Reserve, SecretError, SecretSource, SentCount,
    SettingsError, TokenEndpoint,
};
use crate::store::{SealedCredential, Store};
use login::{Holder, Renews, StoredLogin};

/// An integration with its rules and its catalog: all that planning and importing need, no network.
pub struct Parts {
    /// Its settings.
    pub integration: Integration,
    /// Its identity.
    pub key: IntegrationKey,
    /// Its rules, compiled.
    pub rules: Rules,
    /// Its catalog.
    pub catalog: Arc<dyn Catalog>,
}

impl Parts {
    /// What stops a sync until approved.
    pub fn guard(&self) -> Guard {
        Guard { percent: u32::from(self.integration.guard.percent.0), at_least: self.integration.guard.at_least }
    }

    /// Settings of a secondary kind; `None`: not selected.
    pub fn kind(&self, kind: SecondaryKind) -> Option<backfill::KindSettings> {
        let settings = self.integration.secondary_kinds.get(&kind)?;
        let first_sync = match settings.first_sync {
            FirstSync::Newest(n) => backfill::FirstSync::Newest(n),
            FirstSync::All => backfill::FirstSync::All,
        };
        Some(backfill::KindSettings { first_sync, per_sync: settings.per_sync })
    }

    /// Optional kinds with their caps.
    pub fn detail_kinds(&self) -> BTreeMap<DetailKind, u64> {
        self.integration.details.iter().map(|(kind, settings)| (*kind, settings.per_sync)).collect()
    }

    /// Most people stored in one sync; `None`: they are not selected.
    pub fn users(&self) -> Option<u64> {
        self.integration.users.map(|settings| settings.per_sync)
    }

    /// Midnight UTC of the start date.
    pub fn start_date(&self) -> Option<DateTime<Utc>> {
        self.integration.start_date.map(|date| date.and_time(chrono::NaiveTime::MIN).and_utc())
    }
}

/// Makes and keeps what syncs work with.
pub struct Assembler {
    config: Arc<Config>,
    vault: Arc<Vault>,
    secrets: Secrets,
    clock: Clock,
    catalogs: Mutex<BTreeMap<String, Arc<dyn Catalog>>>,
    connections: Mutex<BTreeMap<String, MadeWith>>,
    /// Who renews logins, where this process does not hold the store.
    renews: Option<Arc<dyn Renews>>,
}

/// A connection, and what it was made with.
type MadeWith = (Vec<StoredEntry>, Connection);
/// What a connection took from the credential store beside secrets: name, kind, expiry. Another kind makes another
/// connection.
type StoredEntry = (String, Option<(String, Option<NaiveDate>)>);

impl Assembler {
    /// Makes nothing yet.
    pub fn new(config: Arc<Config>, environment: Environment, clock: Clock) -> Self {
        let vault = Arc::new(Vault::new(&config, &environment));
        let secrets = Secrets { environment, stored: Some(vault.clone()) };
        Self { config, vault, secrets, clock, catalogs: Mutex::default(), connections: Mutex::default(), renews: None }
    }

    /// The same, for a process that does not hold the store: logins are renewed by who does.
    #[must_use]
    pub fn renewing(self, renews: Arc<dyn Renews>) -> Self {
        Self { renews: Some(renews), ..self }
    }

    /// The stored credentials, as they were last read from the store.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// What secrets of the config are resolved from.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The day a credential ends: as its entry says, else as the credential store knows. Of a login, that day moves
    /// on with each use, so it is none to prepare for ([`Assembler::logins`]).
    pub fn expiry(&self, credential: &config::Credential) -> Option<NaiveDate> {
        let stored = credential.auth.secrets().into_iter().filter_map(|secret| match &secret.from {
            SecretFrom::Credential { name, .. } => {
                self.vault.record(name).ok().filter(|record| !login::is_login(record))?.expires
            }
            _ => None,
        });
        credential.expires.or_else(|| stored.min())
    }

    /// Rules and catalog of an integration.
    ///
    /// # Errors
    /// Faults of the rules file, all of them with their lines; a catalog that cannot be opened.
    pub async fn parts(&self, integration: &Integration) -> Result<Parts, Failure> {
        let rules = rules(integration)?;
        let Some(config) = self.config.catalog_of(integration) else {
            return Err(Failure::usage(
                format!("{} names the catalog {}, which is not in the config", integration.name, integration.catalog),
                "add it under `catalogs`",
            ));
        };
        let catalog = self.catalog(config).await?;
        Ok(Parts { integration: integration.clone(), key: integration.key(), rules, catalog })
    }

    /// A catalog, opened once.
    ///
    /// # Errors
    /// The catalog's.
    pub async fn catalog(&self, config: &CatalogConfig) -> Result<Arc<dyn Catalog>, Failure> {
        let mut catalogs = self.catalogs.lock().await;
        if let Some(catalog) = catalogs.get(&config.name) {
            return Ok(catalog.clone());
        }
        let directory = &config.directory;
        let catalog: Arc<dyn Catalog> = Arc::new(DirectoryCatalog::open(DirectorySettings {
            name: config.name.clone(),
            root: directory.path.clone(),
            new_entities: Some(directory.new_entities.clone()),
            format: directory.format,
            namespace: directory.namespace.clone(),
            org: directory.org.clone(),
            project: directory.project.clone(),
            also_read: config.also_read.iter().map(|one| one.directory.clone()).collect(),
            clock: self.clock.clone(),
            max_file_bytes: MAX_FILE_BYTES,
        }));
        catalogs.insert(config.name.clone(), catalog.clone());
        Ok(catalog)
    }

    /// The source of an integration. Secrets are read here; requests spent in the last hour come from the
    /// store, where there is one.
    ///
    /// # Errors
    /// A secret that cannot be read, an address or certificate that cannot be used.
    pub async fn source(
        &self,
        integration: &Integration,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<Arc<dyn Source>, Failure> {
        let Some(connector) = self.config.connector_of(integration) else {
            return Err(Failure::usage(
                format!(
                    "{} names the connector {}, which is not in the config",
                    integration.name, integration.connector
                ),
                "add it under `connectors`",
            ));
        };
        if let Some(store) = store.filter(|_| self.config.uses_credentials()) {
            self.vault.refresh(store.credentials().await?);
        }
        let stored = self.stored_entries(connector);
        let mut connections = self.connections.lock().await;
        let made_so = |made: &&MadeWith| made.0 == stored;
        if let Some((_, connection)) = connections.get(&connector.name).filter(made_so) {
            let source = connection.of(&integration.workspace).map_err(|error| unusable(connector, &error))?;
            return self.with_git(source, connector, integration);
        }
        let budget = match store {
            Some(store) => store.budget(&connector.name).await?,
            None => None,
        };
        let connection = self.connect(connector, &integration.workspace, budget, store)?;
        let source = connection.of(&integration.workspace).map_err(|error| unusable(connector, &error))?;
        connections.insert(connector.name.clone(), (stored, connection));
        self.with_git(source, connector, integration)
    }

    /// How the connections made so far have been used, by connector.
    pub async fn connections(&self) -> BTreeMap<String, ConnectionUse> {
        let connections = self.connections.lock().await;
        connections.iter().map(|(name, (_, connection))| (name.clone(), connection.told())).collect()
    }

    fn connect(
        &self,
        connector: &Connector,
        workspace: &str,
        budget: Option<serde_json::Value>,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<Connection, Failure> {
        let made = match connector.kind {
            ConnectorType::BitbucketCloud => {
                BitbucketCloud::new(self.cloud(connector, workspace, budget, store)?).map(Connection::Cloud)
            }
            ConnectorType::BitbucketDataCenter => {
                BitbucketDataCenter::new(self.data_center(connector, budget, store)?).map(Connection::DataCenter)
            }
        };
        made.map_err(|error| unusable(connector, &error))
    }

    fn secret(&self, secret: &Secret) -> Arc<dyn SecretSource> {
        Arc::new(ConfiguredSecret { secret: secret.clone(), secrets: self.secrets.clone() })
    }

    /// Whether any integration of the connector fetches details of pull requests.
    fn wants_details(&self, connector: &Connector) -> bool {
        let of_connector = self.config.integrations.iter().filter(|one| one.connector == connector.name);
        let mut kinds = of_connector.flat_map(|one| one.details.keys());
        kinds.any(|kind| kind.of() == Some(SecondaryKind::PullRequests))
    }

    fn wants_users(&self, connector: &Connector) -> bool {
        self.config.integrations.iter().any(|one| one.connector == connector.name && one.users.is_some())
    }

    fn stored_entries(&self, connector: &Connector) -> Vec<StoredEntry> {
        let secrets = connector.auth.iter().flat_map(|credential| credential.auth.secrets());
        let stored = secrets.filter_map(|secret| match &secret.from {
            SecretFrom::Credential { name, .. } => {
                let record = self.vault.record(name).ok();
                let expires = |record: &SealedCredential| record.expires.filter(|_| !login::is_login(record));
                Some((name.clone(), record.map(|record| (record.kind.clone(), expires(&record)))))
            }
            _ => None,
        });
        stored.collect()
    }

    fn credentials(
        &self,
        connector: &Connector,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<Vec<CredentialSettings>, Failure> {
        let mut credentials = Vec::new();
        for (index, credential) in connector.api_credentials().enumerate() {
            let secret = |secret: &Secret| self.secret(secret);
            let kind = match &credential.auth {
                Auth::AccessToken(token) => Credential::AccessToken(secret(token)),
                Auth::ApiToken { email, token } => Credential::ApiToken { email: secret(email), token: secret(token) },
                Auth::OAuth { key, secret: hidden } => {
                    Credential::OAuth { key: secret(key), secret: secret(hidden), token_url: token_url(connector) }
                }
                Auth::Basic { username, password } => {
                    Credential::Basic { username: secret(username), password: secret(password) }
                }
                Auth::Stored { name, login } => {
                    let user = || {
                        secret(&Secret {
                            from: SecretFrom::Credential { name: name.clone(), part: config::Part::User },
                            place: login.place,
                        })
                    };
                    match self.vault.login(name).map_err(|error| unusable_credential(connector, &error))?.kind {
                        Kind::Basic if connector.kind == ConnectorType::BitbucketCloud => {
                            let credential = format!("the stored credential {name}");
                            return Err(unusable(connector, &SettingsError::AppPassword { credential }));
                        }
                        Kind::ApiToken | Kind::OAuth | Kind::OAuthLogin
                            if connector.kind == ConnectorType::BitbucketDataCenter =>
                        {
                            let credential = format!("the stored credential {name}");
                            return Err(unusable(connector, &SettingsError::CloudOnly { credential }));
                        }
                        Kind::ApiToken => Credential::ApiToken { email: user(), token: secret(login) },
                        Kind::OAuth => {
                            Credential::OAuth { key: user(), secret: secret(login), token_url: token_url(connector) }
                        }
                        Kind::OAuthLogin => Credential::OAuthLogin(self.login(connector, name, store)?),
                        Kind::Basic => Credential::Basic { username: user(), password: secret(login) },
                        Kind::AccessToken | Kind::Secret => Credential::AccessToken(secret(login)),
                    }
                }
                Auth::SshKey { .. } => continue,
            };
            credentials.push(CredentialSettings {
                name: credential_name(index, credential),
                credential: kind,
                expires: self.expiry(credential),
            });
        }
        Ok(credentials)
    }

    fn cloud(
        &self,
        connector: &Connector,
        workspace: &str,
        budget: Option<serde_json::Value>,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<CloudSettings, Failure> {
        Ok(CloudSettings {
            api_url: connector.api_url.clone(),
            workspace: workspace.to_owned(),
            credentials: self.credentials(connector, store)?,
            http: http(connector, HttpSettings::default()),
            requests_per_hour: connector.requests_per_hour.map(u64::from),
            reserve: Reserve::Percent(connector.reserve.0),
            details: self.wants_details(connector),
            reads_users: self.wants_users(connector),
            // A url that names one repository says which one matters.
            test_repository: connector.test_repository.clone().or_else(|| connector.url.repository.clone()),
            clock: self.clock.clone(),
            // Jitter only has to differ between processes.
            seed: RandomState::new().build_hasher().finish(),
            budget,
        })
    }

    fn data_center(
        &self,
        connector: &Connector,
        budget: Option<serde_json::Value>,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<DataCenterSettings, Failure> {
        let base_url = match &connector.url.host {
            Host::DataCenter { base } => base.clone(),
            // The config holds no Data Center connector with a URL of bitbucket.org.
            Host::Cloud => connector.api_url.clone(),
        };
        Ok(DataCenterSettings {
            base_url,
            project: None,
            credentials: self.credentials(connector, store)?,
            http: http(connector, bitbucket_data_center::default_http()),
            requests_per_second: connector.requests_per_second,
            test_repository: connector.test_repository.clone().or_else(|| {
                let ConnectorUrl { workspace, repository, .. } = &connector.url;
                Some(format!("{}/{}", workspace.as_ref()?, repository.as_ref()?))
            }),
            reads_users: self.wants_users(connector),
            clock: self.clock.clone(),
            seed: RandomState::new().build_hasher().finish(),
            budget,
        })
    }
}

/// Logins by redirect: only consumers of Bitbucket Cloud have them.
impl Assembler {
    /// Names of the logins a connector uses, as the credential store has them now.
    pub fn logins(&self, connector: &Connector) -> Vec<String> {
        let stored = connector.auth.iter().filter_map(|credential| match &credential.auth {
            Auth::Stored { name, .. } => Some(name),
            _ => None,
        });
        stored.filter(|name| self.vault.record(name).is_ok_and(|record| login::is_login(&record))).cloned().collect()
    }

    /// Where the consumers of a connector exchange what they are granted, and the way there.
    ///
    /// # Errors
    /// An address or certificate that cannot be used.
    pub fn token_endpoint(&self, connector: &Connector) -> Result<TokenEndpoint, Failure> {
        TokenEndpoint::new(token_url(connector), &http(connector, HttpSettings::default()))
            .map_err(|error| unusable(connector, &error))
    }

    /// Renews the logins of a connector: only for who holds the store.
    ///
    /// # Errors
    /// As [`Assembler::token_endpoint`].
    pub fn holder(&self, connector: &Connector, store: &Arc<dyn Store>) -> Result<Holder, Failure> {
        Ok(Holder::new(store.clone(), self.vault.clone(), self.token_endpoint(connector)?))
    }

    fn login(
        &self,
        connector: &Connector,
        name: &str,
        store: Option<&Arc<dyn Store>>,
    ) -> Result<Arc<dyn LoginSource>, Failure> {
        let renews: Option<Arc<dyn Renews>> = match store {
            Some(store) => Some(Arc::new(self.holder(connector, store)?)),
            None => self.renews.clone(),
        };
        let (name, connector) = (name.to_owned(), connector.name.clone());
        Ok(Arc::new(StoredLogin { name, connector, vault: self.vault.clone(), renews }))
    }
}

/// Where a person grants a consumer of this connector access.
pub fn authorize_url(connector: &Connector) -> Url {
    let mut url = token_url(connector);
    url.set_path("/site/oauth2/authorize");
    url
}

/// What the integrations of one connector share: credentials and their limits.
enum Connection {
    Cloud(BitbucketCloud),
    DataCenter(BitbucketDataCenter),
}

impl Connection {
    /// For one workspace (Cloud), one project, or the whole instance (Data Center).
    fn of(&self, workspace: &str) -> Result<Arc<dyn Source>, SettingsError> {
        Ok(match self {
            Self::Cloud(cloud) => Arc::new(cloud.for_workspace(workspace)?),
            Self::DataCenter(instance) => {
                Arc::new(instance.for_project((workspace != WHOLE_INSTANCE).then_some(workspace))?)
            }
        })
    }

    fn told(&self) -> ConnectionUse {
        let (sent, refused, usage) = match self {
            Self::Cloud(cloud) => (cloud.sent(), cloud.refused(), cloud.usage()),
            Self::DataCenter(instance) => (instance.sent(), instance.refused(), instance.usage()),
        };
        ConnectionUse { sent, refused: refused.len() as u64, remaining: usage.remaining }
    }
}

/// How a connection has been used since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionUse {
    /// Requests by pool and answer.
    pub sent: Vec<SentCount>,
    /// Credentials that were refused and are left alone since.
    pub refused: u64,
    /// Requests left in the present hour; `None` where there is no such limit.
    pub remaining: Option<u64>,
}

fn http(connector: &Connector, defaults: HttpSettings) -> HttpSettings {
    HttpSettings {
        allow_http: connector.allow_http,
        proxy: connector.proxy.as_ref().map(|proxy| proxy.url_with_userinfo().clone()),
        ca_bundle: connector.ca_bundle.clone(),
        ..defaults
    }
}

/// Where OAuth consumers of a connector fetch their tokens: beside the API for anything but Bitbucket
/// itself (a simulator, a gateway).
fn token_url(connector: &Connector) -> Url {
    let vendor = Url::parse(TOKEN_URL).expect("a constant that parses");
    if connector.api_url.host_str() == Some("api.bitbucket.org") {
        return vendor;
    }
    let mut url = connector.api_url.clone();
    url.set_path(vendor.path());
    url
}

/// What people call a credential of a connector; also names its budget in the store.
pub fn credential_name(index: usize, credential: &config::Credential) -> String {
    let what = match &credential.auth {
        Auth::Stored { name, .. } => name,
        auth => auth.as_str(),
    };
    format!("credential {} ({what})", index + 1)
}

fn unusable_credential(connector: &Connector, error: &CredentialError) -> Failure {
    let report = Report::new(format!("the connector {} cannot be used", connector.name), error, Some(error.mend()));
    Failure { report, exit: Exit::Usage }
}

fn unusable(connector: &Connector, error: &SettingsError) -> Failure {
    let mend = Some(error.mend().to_owned());
    let report = Report::new(format!("the connector {} cannot be used", connector.name), error, mend);
    Failure { report, exit: Exit::Usage }
}

/// The rules of an integration, compiled.
///
/// # Errors
/// Usage, with every fault and its line.
pub fn rules(integration: &Integration) -> Result<Rules, Failure> {
    match &integration.rules {
        RulesRef::Builtin(name) => Rules::builtin(name).ok_or_else(|| {
            let names: Vec<&str> = crate::correlate::BUILTIN.iter().map(|(name, _)| *name).collect();
            Failure::usage(
                format!("{} asks for the rules `{name}`, which are not built in", integration.name),
                format!("use one of {}, or the path of a rules file", names.join(", ")),
            )
        }),
        RulesRef::File { path, text } => Rules::parse(text, &path.display().to_string()).map_err(|faults| {
            let mut report = Report::plain(format!("the rules file {} has faults", shown(path)), None);
            report.because = faults.iter().map(|fault| fault.in_file(&shown(path))).collect();
            report.mend = Some(format!("mend them; `catalog-sync rules check {}` checks again", shown(path)));
            Failure { report, exit: Exit::Usage }
        }),
    }
}

/// A secret of the config, read anew whenever the client asks.
struct ConfiguredSecret {
    secret: Secret,
    secrets: Secrets,
}

impl SecretSource for ConfiguredSecret {
    fn read(&self) -> Result<SecretString, SecretError> {
        self.secret.resolve(&self.secrets).map_err(|error| SecretError(format!("{error}; {}", error.mend())))
    }

    fn variable(&self) -> Option<&str> {
        match &self.secret.from {
            SecretFrom::Env(name) => Some(name),
            _ => None,
        }
    }
}

/// How long a sync of this cadence usually waits for the next, where nothing better is known.
pub const USUAL_INTERVAL: Duration = Duration::from_secs(3 * 3600);
