//! The JSON Schema of the config file, for editors: completion, explanations, checks while typing.
//!
//! These types exist for the schema alone: their comments are what a person reads in the editor. A test
//! holds them to the keys that loading knows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::model::Registration;
use crate::model::EntityFormat;

/// The schema, as `config schema` prints it.
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<File>().to_value()
}

/// A length of time: `90s`, `15m`, `3h`, `1d`, or several together (`1h30m`).
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Span(#[schemars(regex(pattern = r"^([0-9]+[smhd])+$"))] String);

/// A name: 1 to 63 of a-z, 0-9 and `-`, beginning with a letter.
#[derive(JsonSchema)]
#[schemars(transparent)]
#[expect(dead_code, reason = "read by the schema generator only")]
struct Name(#[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,62}$"))] String);

/// A share in percent: `10%` or `10`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
enum Share {
    /// As a number.
    Number(#[schemars(range(min = 0, max = 100))] u8),
    /// With a percent sign.
    Text(#[schemars(regex(pattern = r"^[0-9]{1,3} ?%?$"))] String),
}

macro_rules! blocks {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* })*) => {$(
        #[derive(JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        #[expect(dead_code, reason = "read by the schema generator only")]
        struct $name { $($(#[$field_meta])* $field: $type,)* }
    )*};
}

blocks! {
    /// The config file of catalog-sync: it keeps a software catalog and Bitbucket together.
    ///
    /// Relative paths begin at this file's folder.
    #[schemars(title = "catalog-sync config")]
    File {
        /// Where state is kept: a directory. Left out: `$STATE_DIRECTORY`, else `./data`.
        store: Option<String>,
        /// A file, fit for git, that takes each decision people make (ignores, unlinks, chosen targets) and is read at start.
        decisions: Option<String>,
        /// How long records are kept.
        retention: Option<Retention>,
        /// The encrypted credential store: only where `{ credential: NAME }` is used.
        credentials: Option<CredentialStore>,
        /// The sidecar's listeners and who may use them. All of it optional.
        server: Option<Server>,
        /// How to reach Bitbucket, by name. Several integrations can share a connector.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9-]{0,62}$" }))]
        connectors: BTreeMap<String, Connector>,
        /// Where entities live, by name.
        #[schemars(extend("propertyNames" = { "pattern": "^[a-z][a-z0-9-]{0,62}$" }))]
        catalogs: BTreeMap<String, Catalog>,
        /// One workspace and one catalog each, with rules and schedule.
        #[schemars(length(min = 1))]
        integrations: Vec<Integration>,
    }

    /// How long records are kept.
    Retention {
        /// Records of past syncs.
        #[schemars(extend("default" = "90d"))]
        syncs: Option<Span>,
        /// What imports changed: how far back undo reaches.
        #[schemars(extend("default" = "90d"))]
        undo: Option<Span>,
        /// The audit log.
        #[schemars(extend("default" = "400d"))]
        audit: Option<Span>,
        /// Webhook deliveries.
        #[schemars(extend("default" = "7d"))]
        deliveries: Option<Span>,
    }

    /// The encrypted credential store.
    CredentialStore {
        /// The key that encrypts it: 32 bytes as base64 or hex, `{ env: NAME }` or `{ file: PATH }`, never inside the store.
        /// A file that is not there is made by the first `credential add`.
        key: Secret,
    }

    /// The sidecar's listeners and who may use them.
    Server {
        /// Address and port of the API. Beyond loopback it needs tokens, and `behind_proxy`.
        #[schemars(extend("default" = "127.0.0.1:8321"))]
        listen: Option<String>,
        /// Address and port of webhooks alone. Left out: on `listen`.
        webhook_listen: Option<String>,
        /// Address and port of health and metrics alone, without a token. Left out: on `listen`.
        health_listen: Option<String>,
        /// The address people and Bitbucket use.
        public_url: Option<String>,
        /// Certificate and key of the listener. Not in this version: use a proxy.
        tls: Option<Tls>,
        /// Networks of the reverse proxies that may be trusted: `10.0.0.0/8`.
        behind_proxy: Option<OneOrMany<String>>,
        /// Who may call the API.
        tokens: Option<OneOrMany<Token>>,
        /// Users as a trusted proxy names them.
        identity: Option<Identity>,
        /// Whether the web UI may write rules files.
        #[schemars(extend("default" = false))]
        edit_rules: Option<bool>,
    }

    /// Certificate and key of the listener.
    Tls {
        /// PEM file.
        certificate: String,
        /// PEM file.
        key: String,
    }

    /// A token for the API.
    Token {
        /// Appears in history and audit.
        name: Name,
        /// `view` reads, `edit` changes.
        role: Role,
        /// Names or globs of the integrations it sees.
        #[schemars(extend("default" = ["*"]))]
        integrations: Option<OneOrMany<String>>,
        /// The token: at least 32 characters.
        token: Secret,
    }

    /// Users as a trusted proxy names them.
    Identity {
        /// Header with the user's name.
        user_header: String,
        /// Header with the user's groups.
        groups_header: Option<String>,
        /// Members of these may change things.
        edit_groups: Option<OneOrMany<String>>,
    }

    /// How to reach one Bitbucket.
    Connector {
        /// What it reaches. Data Center is not in this version.
        #[schemars(rename = "type")]
        kind: ConnectorType,
        /// For people.
        description: Option<String>,
        /// For people.
        tags: Option<OneOrMany<String>>,
        /// Account or repository: `https://bitbucket.org/WORKSPACE`, `git@bitbucket.org:WORKSPACE/`, …
        url: String,
        /// The REST API. Left out: derived from `url`.
        api_url: Option<String>,
        /// Where git finds the repositories. Left out: what `url` names; with an `api_url` of its own, nowhere.
        git_url: Option<String>,
        /// Whether credentials may be sent over plain http to another machine.
        #[schemars(extend("default" = false))]
        allow_http: Option<bool>,
        /// One credential or several; with several, requests are spread over them, each under its own rate limit.
        auth: OneOrMany<Credential>,
        /// File of SSH host keys; `check` asks before it adds one.
        known_hosts: Option<String>,
        /// For validation only: `repo.git`; on Data Center `PROJECT/repo.git`.
        test_repository: Option<String>,
        /// `http://proxy:3128`. Left out: `HTTPS_PROXY` and `NO_PROXY`.
        proxy: Option<String>,
        /// PEM certificates added to the system's.
        ca_bundle: Option<String>,
        /// Requests per hour and credential. Left out: learned from Bitbucket's headers.
        #[schemars(range(min = 1, max = 1_000_000))]
        requests_per_hour: Option<u32>,
        /// Data Center: requests per second.
        #[schemars(range(min = 1, max = 10_000))]
        requests_per_second: Option<u32>,
        /// Share of the requests left to people and other programs on the same credential.
        #[schemars(extend("default" = "10%"))]
        reserve: Option<Share>,
        /// What signs webhooks; several while rotating.
        webhook_secrets: Option<OneOrMany<Secret>>,
    }

    /// One credential: one of access_token, api_token, oauth, basic, ssh_key, credential.
    Credential {
        /// Access token of a workspace or project.
        access_token: Option<Secret>,
        /// Atlassian API token, with the account's e-mail address.
        api_token: Option<ApiToken>,
        /// OAuth consumer, client credentials grant.
        oauth: Option<OAuth>,
        /// User and password: Data Center. On Cloud they ended on 2026-07-28.
        basic: Option<Basic>,
        /// Private key for SSH URLs: commits come over SSH; discovery still needs one of the others.
        ssh_key: Option<SshKey>,
        /// Name of a credential of the credential store, of whichever kind.
        credential: Option<Name>,
        /// Recognised only to say that they ended on 2026-07-28.
        #[schemars(extend("deprecated" = true))]
        app_password: Option<serde_json::Value>,
        /// The day it ends, `2027-03-31`: announced 30, 7 and 1 days before.
        #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
        expires: Option<String>,
    }

    /// Atlassian API token.
    ApiToken {
        /// The account's e-mail address.
        email: Secret,
        /// The token.
        token: Secret,
    }

    /// OAuth consumer.
    OAuth {
        /// Its key.
        key: Secret,
        /// Its secret.
        secret: Secret,
    }

    /// User and password.
    Basic {
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    }

    /// Private key for SSH.
    SshKey {
        /// Private key, PEM or OpenSSH; readable by its owner alone.
        file: String,
        /// Of an encrypted key.
        passphrase: Option<Secret>,
    }

    /// Where entities live.
    Catalog {
        /// A directory of YAML files: matched and written.
        directory: Option<Directory>,
        /// Matched, and names there are taken; never written.
        also_read: Option<OneOrMany<AlsoRead>>,
        /// A git repository. Not in this version.
        git: Option<serde_json::Map<String, serde_json::Value>>,
        /// A live Backstage. Not in this version.
        backstage: Option<serde_json::Map<String, serde_json::Value>>,
        /// A live Harness IDP. Not in this version.
        harness: Option<serde_json::Map<String, serde_json::Value>>,
    }

    /// A directory of YAML files: every `*.yaml` and `*.yml` beneath.
    Directory {
        /// The directory.
        path: String,
        /// Folder of new files, below `path`.
        #[schemars(extend("default" = "bitbucket"))]
        new_entities: Option<String>,
        /// Format of new entities. Left out: that of most documents, else backstage.
        format: Option<EntityFormat>,
        /// Backstage: namespace of new entities.
        #[schemars(extend("default" = "default"))]
        namespace: Option<String>,
        /// Harness: org of new entities.
        org: Option<String>,
        /// Harness: project of new entities.
        project: Option<String>,
        /// What is done with git after writing. Only `off` in this version.
        #[schemars(extend("default" = "off"))]
        git: Option<GitMode>,
    }

    /// A place that is only read.
    AlsoRead {
        /// A directory.
        directory: Option<String>,
        /// Not in this version.
        git: Option<serde_json::Value>,
        /// Not in this version.
        backstage: Option<serde_json::Value>,
        /// Not in this version.
        harness: Option<serde_json::Value>,
    }

    /// One workspace and one catalog, with rules and schedule.
    Integration {
        /// Its name, unique. Changing it loses nothing; say `renamed_from`.
        name: Name,
        /// For people.
        description: Option<String>,
        /// One of `connectors`.
        connector: Name,
        /// One of `catalogs`.
        catalog: Name,
        /// The workspace, where the connector's url names none.
        workspace: Option<String>,
        /// Which repositories. Hidden ones are recorded and listed with the filter that hides them.
        repositories: Option<Filters>,
        /// What may become of a repository.
        #[schemars(extend("default" = "register_and_merge"))]
        registration: Option<Registration>,
        /// Kind of registered entities.
        #[schemars(extend("default" = "Component"))]
        kind: Option<Kind>,
        /// Type of registered entities. Not with `registration: merge`.
        #[schemars(extend("default" = "service"), rename = "type")]
        entity_type: Option<String>,
        /// Rules that ship with catalog-sync (bitbucket-cloud, bitbucket-cloud-annotations, bitbucket-data-center, harness-idp), or the path of a rules file.
        #[schemars(extend("default" = "bitbucket-cloud"))]
        rules: Option<String>,
        /// What is fetched of each repository. Left out: pull requests and commits; `{}`: nothing. Which kinds is locked after the first sync, the numbers are not.
        secondary_kinds: Option<SecondaryKinds>,
        /// How often it syncs, at least a minute apart.
        #[schemars(extend("default" = "3h"))]
        update_every: Option<Span>,
        /// When it syncs, as a cron expression of five fields (six with seconds), instead of `update_every`.
        cron: Option<String>,
        /// Time zone of `cron`: `Europe/Berlin`.
        #[schemars(extend("default" = "UTC"))]
        timezone: Option<String>,
        /// Older pull requests and commits are not fetched. It hides no repository; it may move earlier, never later.
        #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
        start_date: Option<String>,
        /// A complete walk over the repository list at least this often.
        #[schemars(extend("default" = "24h"))]
        complete_sweep_every: Option<Span>,
        /// How much may vanish before a sync stops and waits for approval.
        guard: Option<Guard>,
        /// Kept on every imported entity.
        tags: Option<OneOrMany<String>>,
        /// Whether repositories first seen from now on are imported without asking.
        #[schemars(extend("default" = false))]
        auto_import: Option<bool>,
        /// Whether it rests. Outranks `integration resume`.
        #[schemars(extend("default" = false))]
        suspended: Option<bool>,
        /// A former name whose state is carried over.
        renamed_from: Option<Name>,
    }

    /// Which repositories.
    Filters {
        /// Globs on the slug, or on `PROJECT/slug` when they hold a slash; case ignored. Left out: all.
        include: Option<OneOrMany<String>>,
        /// Globs; they win over `include`.
        exclude: Option<OneOrMany<String>>,
        /// Keys of projects. Left out: all.
        projects: Option<OneOrMany<String>>,
        /// Archived ones, too (Data Center).
        #[schemars(extend("default" = false))]
        archived: Option<bool>,
        /// Personal ones, too.
        #[schemars(extend("default" = false))]
        personal: Option<bool>,
        /// Forks, too.
        #[schemars(extend("default" = true))]
        forks: Option<bool>,
    }

    /// What is fetched of each repository.
    SecondaryKinds {
        /// Pull requests in every state.
        pull_requests: Option<PullRequests>,
        /// Commits of the default branch.
        commits: Option<Commits>,
        /// Approvals, requested changes and comments of pull requests. Off unless named; a request each.
        reviews: Option<Detail>,
        /// The files that commits change. Off unless named; a request each.
        commit_files: Option<Detail>,
        /// The files that pull requests change. Off unless named; a request each.
        pull_request_files: Option<Detail>,
        /// Pipelines (Cloud). Off unless named.
        pipelines: Option<Detail>,
        /// Build statuses of commits (Data Center). Not in this version.
        builds: Option<Detail>,
        /// Not in this version.
        users: Option<serde_json::Value>,
    }

    /// Pull requests in every state.
    PullRequests {
        /// The newest of each repository at its first sync, or `all` (to the start date).
        #[schemars(extend("default" = 50))]
        first_sync: Option<FirstSync>,
        /// Most that are stored in one sync, over all repositories; the rest follows in later syncs.
        #[schemars(extend("default" = 5000), range(min = 1))]
        per_sync: Option<u32>,
    }

    /// Commits of the default branch.
    Commits {
        /// The newest of each repository at its first sync, or `all` (to the start date).
        #[schemars(extend("default" = 50))]
        first_sync: Option<FirstSync>,
        /// Most that are stored in one sync, over all repositories; the rest follows in later syncs.
        #[schemars(extend("default" = 5000), range(min = 1))]
        per_sync: Option<u32>,
        /// How they are read. `git` is not in this version.
        #[schemars(extend("default" = "auto"))]
        via: Option<Via>,
    }

    /// An optional secondary kind. May be selected and deselected at any time.
    Detail {
        /// Most that are stored in one sync, over all repositories; the rest follows in later syncs.
        #[schemars(extend("default" = 500), range(min = 1))]
        per_sync: Option<u32>,
    }

    /// How much may vanish before a sync stops and waits for approval: more than both.
    Guard {
        /// Of the repositories or entities that are known.
        #[schemars(extend("default" = 10))]
        percent: Option<Share>,
        /// In numbers.
        #[schemars(extend("default" = 3))]
        at_least: Option<u32>,
    }

    /// An environment variable.
    FromEnv {
        /// Name of the variable, read at start.
        env: String,
    }

    /// A file.
    FromFile {
        /// Path of the file; one newline at its end is trimmed; read again when it changes.
        file: String,
    }

    /// The encrypted credential store.
    FromStore {
        /// Name of the credential, as given to `catalog-sync credential add`.
        credential: Name,
    }
}

/// A secret: where it is, rather than what it is.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
enum Secret {
    Env(FromEnv),
    File(FromFile),
    Credential(FromStore),
    /// The secret itself. Loading warns.
    Plain(String),
}

#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $word:ident,)* })*) => {$(
        #[derive(JsonSchema)]
        #[serde(rename_all = "snake_case")]
        $(#[$meta])*
        #[expect(dead_code, reason = "read by the schema generator only")]
        enum $name { $($(#[$word_meta])* $word,)* }
    )*};
}

words! {
    /// What a token may do.
    Role {
        /// Reads.
        View,
        /// Reads and changes.
        Edit,
    }

    /// What a connector reaches.
    ConnectorType {
        /// bitbucket.org.
        BitbucketCloud,
        /// A Data Center instance. Not in this version.
        BitbucketDataCenter,
    }

    /// What is done with git after writing.
    GitMode {
        /// Nothing.
        Off,
        /// Commits. Not in this version.
        Commit,
        /// Commits and pushes. Not in this version.
        Push,
    }

    /// How commits are read.
    Via {
        /// Whatever fits.
        Auto,
        /// The REST API.
        Rest,
        /// The git protocol. Not in this version.
        Git,
    }
}

/// Kind of registered entities.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "read by the schema generator only")]
enum Kind {
    Component,
    Resource,
    System,
    Domain,
}

/// A number, or `all`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read by the schema generator only")]
enum FirstSync {
    /// This many, the newest.
    Newest(#[schemars(range(min = 1))] u32),
    /// All, to the start date.
    All(#[schemars(regex(pattern = "^all$"))] String),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::sync::LazyLock;

    use serde_json::Value;

    use super::super::fields::Faults;
    use super::super::{Config, Environment, LoadOptions};
    use super::*;

    const FULL: &str = include_str!("../../fixtures/config/full.yaml");

    fn faults_of(instance: &Value) -> Vec<String> {
        static VALIDATOR: LazyLock<jsonschema::Validator> =
            LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());
        VALIDATOR.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path)).collect()
    }

    fn full() -> Value {
        serde_yaml::from_str(FULL).unwrap()
    }

    #[test]
    fn the_full_example_follows_the_schema() {
        assert_eq!(faults_of(&full()), Vec::<String>::new());
    }

    #[test]
    fn unknown_keys_break_the_schema_wherever_they_are() {
        let mut broken = 0;
        let mut places = vec![String::new()];
        while let Some(place) = places.pop() {
            let mut instance = full();
            let Some(object) = instance.pointer_mut(&place).and_then(Value::as_object_mut) else {
                let elements = full().pointer(&place).and_then(Value::as_array).map_or(0, Vec::len);
                places.extend((0..elements).map(|index| format!("{place}/{index}")));
                continue;
            };
            places.extend(object.keys().map(|key| format!("{place}/{}", key.replace('/', "~1"))));
            // Blocks of later versions take whatever they will have.
            let later = ["git", "backstage", "harness"].contains(&place.split('/').nth(3).unwrap_or_default());
            if place.starts_with("/catalogs/") && later {
                continue;
            }
            object.insert("Not_a_key".to_owned(), Value::Null);
            assert_ne!(faults_of(&instance), Vec::<String>::new(), "an unknown key in {place:?} is not noticed");
            broken += 1;
        }
        assert!(broken > 40, "{broken}");
    }

    #[test]
    fn schema_and_loading_know_the_same_keys() {
        let environment = Environment::default();
        let options = LoadOptions {
            config: None,
            store: None,
            listen: None,
            environment: &environment,
            working_directory: Path::new("/nowhere"),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
        };
        let mut faults = Faults::default();
        Config::read_text(FULL, Path::new("catalog-sync.yaml"), &options, &mut faults);

        let schema = schema();
        let mut of_schema: BTreeSet<(String, String)> = BTreeSet::new();
        let definitions = schema["definitions"].as_object().unwrap().iter();
        for (name, definition) in definitions.map(|(name, d)| (name.as_str(), d)).chain([("File", &schema)]) {
            let name = if name.starts_with("From") { "Secret" } else { name };
            let keys = definition["properties"].as_object().into_iter().flatten();
            of_schema.extend(keys.map(|(key, _)| (name.to_owned(), key.clone())));
        }
        let section = |section: &str| match section {
            "config" => "File".to_owned(),
            "credential store" => "CredentialStore".to_owned(),
            "tls block" => "Tls".to_owned(),
            "identity block" => "Identity".to_owned(),
            "api_token block" => "ApiToken".to_owned(),
            "oauth block" => "OAuth".to_owned(),
            "basic block" => "Basic".to_owned(),
            "ssh_key block" => "SshKey".to_owned(),
            "directory catalog" => "Directory".to_owned(),
            "also_read entry" => "AlsoRead".to_owned(),
            "repository filter" => "Filters".to_owned(),
            "secondary_kinds block" => "SecondaryKinds".to_owned(),
            "pull_requests block" => "PullRequests".to_owned(),
            "commits block" => "Commits".to_owned(),
            "detail block" => "Detail".to_owned(),
            other => other[..1].to_uppercase() + &other[1..],
        };
        let of_loading: BTreeSet<(String, String)> = faults
            .known
            .iter()
            .flat_map(|(name, keys)| keys.iter().map(move |key| (section(name), (*key).to_owned())))
            .collect();
        assert_eq!(of_schema, of_loading);
    }

    #[test]
    fn every_key_is_explained() {
        let schema = schema();
        for (name, definition) in schema["definitions"].as_object().unwrap() {
            for (key, property) in definition["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{name}.{key} has no description");
            }
        }
    }
}
