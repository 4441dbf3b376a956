//! `credential …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::config::fields::parse_duration;
use crate::credentials::Kind;

/// `credential …`.
#[derive(Clone, Debug, Subcommand)]
pub enum Credential {
    /// Store a new one; the secret comes by prompt, stdin or file, never as an argument
    #[command(after_help = "\
Examples:
  catalog-sync credential add acme                                    asks for an access token
  catalog-sync credential add acme --kind api_token --expires 2027-03-31
  printf %s \"$TOKEN\" | catalog-sync credential add acme --stdin
  catalog-sync credential add bot --kind basic --file login.json      {\"username\": …, \"password\": …}

stdin and file hold the secret alone; for kinds with a user, the user on the first line and the secret on the second;
or one JSON object of named fields.")]
    Add(CredentialAdd),
    /// Log in with a browser: an OAuth consumer of Bitbucket Cloud acts for whoever grants it access
    #[command(after_help = "\
Examples:
  catalog-sync credential login acme                                  asks for the consumer's key and secret, then waits for the browser
  catalog-sync credential login acme                                  once more: with key and secret as stored
  catalog-sync credential login acme --port 9000                      the consumer's callback URL is http://localhost:9000/
  catalog-sync credential login acme --paste                          no browser on this machine: paste the address it ends at

Make the consumer under the workspace's settings, OAuth consumers, with the callback URL http://localhost:8323/ and the
permissions account, projects, repositories and pull requests (read). Its tokens are stored encrypted and renewed by syncs;
a login that nothing uses ends after 3 months.")]
    Login(CredentialLogin),
    /// All of them: kind, dates, who uses them; never a secret
    List,
    /// One of them
    Info(OneCredential),
    /// Replace the secret; what was synced with it stays
    #[command(after_help = "\
Examples:
  catalog-sync credential update acme                                 asks for the new secret
  catalog-sync credential update acme --expires 2028-03-31 --keep-secret

A running sidecar uses the new secret at once, without a restart.")]
    Update(CredentialUpdate),
    /// Forget one; asks first when something uses it
    Delete(OneCredential),
    /// Encrypt them all under a new key
    #[command(after_help = "\
Examples:
  catalog-sync credential rekey                                       makes a new key in the key file of the config
  catalog-sync credential rekey --old-key-file ./credentials.key.old  the config names the new key already
  catalog-sync credential rekey --old-key-env OLD_KEY")]
    Rekey(CredentialRekey),
}

/// `credential add`.
#[derive(Clone, Debug, Args)]
pub struct CredentialAdd {
    /// Its name: a-z, 0-9 and `-`, beginning with a letter
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is for [default: access_token, or what the named fields tell]
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<Kind>,
    /// The day it ends, like 2027-03-31; announced 30, 7 and 1 days before
    #[arg(long, value_name = "DATE")]
    pub expires: Option<chrono::NaiveDate>,
    /// Where the secret comes from [default: a prompt]
    #[command(flatten)]
    pub input: SecretInput,
}

/// `credential login`.
#[derive(Clone, Debug, Args)]
pub struct CredentialLogin {
    /// Its name: a-z, 0-9 and `-`, beginning with a letter; one that is there is logged in again
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Whose Bitbucket [default: the connector that uses NAME, else the only one of Bitbucket Cloud]
    #[arg(long, value_name = "CONNECTOR")]
    pub connector: Option<String>,
    /// Where the browser comes back to on this machine: the port of the consumer's callback URL
    #[arg(long, value_name = "PORT", default_value_t = 8323)]
    pub port: u16,
    /// Wait for no browser: the address it ends at, or the code in it, is pasted, or read from stdin
    #[arg(long, conflicts_with = "stdin")]
    pub paste: bool,
    /// How long to wait for the browser
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = wait)]
    pub wait: Duration,
    /// Where the consumer's key and secret come from [default: as stored, else a prompt]
    #[command(flatten)]
    pub input: SecretInput,
}

/// `credential update`.
#[derive(Clone, Debug, Args)]
pub struct CredentialUpdate {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The day the new secret ends, like 2027-03-31 [default: none; with --keep-secret: as it was]
    #[arg(long, value_name = "DATE")]
    pub expires: Option<chrono::NaiveDate>,
    /// Change the date alone
    #[arg(long, requires = "expires", conflicts_with_all = ["stdin", "file"])]
    pub keep_secret: bool,
    /// Where the secret comes from [default: a prompt]
    #[command(flatten)]
    pub input: SecretInput,
}

/// Where a secret comes from.
#[derive(Clone, Debug, Args)]
pub struct SecretInput {
    /// Read it from stdin
    #[arg(long, conflicts_with = "file")]
    pub stdin: bool,
    /// Read it from this file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// One credential.
#[derive(Clone, Debug, Args)]
pub struct OneCredential {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// `credential rekey`.
#[derive(Clone, Debug, Args)]
pub struct CredentialRekey {
    /// The key they are encrypted under now, where the config names the new one already
    #[arg(long, value_name = "FILE", conflicts_with = "old_key_env")]
    pub old_key_file: Option<PathBuf>,
    /// The same in an environment variable
    #[arg(long, value_name = "NAME")]
    pub old_key_env: Option<String>,
}

/// A kind of credential.
fn kind(text: &str) -> Result<Kind, String> {
    let names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    Kind::parse(text).ok_or_else(|| format!("use one of {}", names.join(", ")))
}

fn wait(text: &str) -> Result<Duration, String> {
    parse_duration(text).filter(|wait| !wait.is_zero()).ok_or_else(|| "write it like `5m` or `90s`".to_owned())
}
