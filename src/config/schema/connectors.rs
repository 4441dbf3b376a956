//! `connectors`.

use super::secret::Secret;
use super::shapes::{Name, OneOrMany, Share, blocks, words};

blocks! {
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
}

words! {
    /// What a connector reaches.
    ConnectorType {
        /// bitbucket.org.
        BitbucketCloud,
        /// A Data Center instance. Not in this version.
        BitbucketDataCenter,
    }
}
