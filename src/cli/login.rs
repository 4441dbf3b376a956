//! `credential login`: a person grants an OAuth consumer access in a browser; what comes of it is sealed here, as every
//! secret is, and stored. And how a process beside a running sidecar has a login renewed.

use std::io::Read;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::Url;

use super::args::CredentialLogin;
use super::browser::{Answered, Browser, FOREIGN, read_pasted};
use super::output::Screen;
use super::{Asking, Exit, Start, credential, local, prompt};
use crate::assemble::login::{Renews, is_login};
use crate::assemble::{Assembler, authorize_url};
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::request::{Answer, Renewed, Request};
use crate::config::{Auth, Config, Connector, ConnectorType};
use crate::credentials::input::{self, MAX_BYTES};
use crate::credentials::login::ends;
use crate::credentials::{CredentialError, Head, Kind, Opened, Tokens, Vault};
use crate::error::{Report, escape_control};
use crate::source::SourceError;
use crate::source::http::{Grant, Granted, TokenEndpoint, TokenError};
use crate::store::SealedCredential;

/// How long a login that was granted waits for a store that another command has.
const STORE_WITHIN: Duration = Duration::from_secs(60);

/// `credential login`.
pub(super) async fn login(start: &Start, screen: &Screen, of: CredentialLogin) -> Result<Exit, Failure> {
    credential::check_name(&of.name)?;
    let (key, secret, connector) = consumer(start, &of).await?;
    let config = local::load(start)?;
    let endpoint =
        Assembler::new(config.into(), start.environment.clone(), Clock::System).token_endpoint(&connector)?;
    let asked = Asked::new(&connector, &key)?;
    let code = granted_code(start, &of, &asked).await?;
    let now = Clock::System.now();
    let grant = Grant::Code { code: &code, verifier: &asked.verifier };
    let granted = endpoint.exchange((&key, &secret), grant, now, &|| {}).await;
    let granted = granted.map_err(|error| not_granted(&of.name, &endpoint, error))?;
    let Granted { access, refresh: Some(refresh), life, scopes } = granted else {
        return Err(Failure::refused(
            "Bitbucket granted access and gave no refresh token",
            "a login cannot last without one; use another consumer, or `credential add` with an access token",
        ));
    };
    if let Some(scopes) = scopes {
        eprintln!("granted: {}", escape_control(&scopes));
    }
    let tokens = Tokens { login: random_text(), refresh, access, until: now + life };
    let what = Opened { kind: Kind::OAuthLogin, user: Some(key), secret, tokens: Some(tokens) };
    keep(start, screen, &of.name, &what).await
}

/// Key, secret and connector: as stored, unless they are given. The store is free again after this: a person may take
/// their time.
async fn consumer(start: &Start, of: &CredentialLogin) -> Result<(SecretString, SecretString, Connector), Failure> {
    let name = &of.name;
    let (mut asking, place) = credential::begin(start)?;
    let connector = connector(&asking.config, name, of.connector.as_deref())?.clone();
    let records = asking.credentials().await?;
    credential::present_key(start, &place, &records, name)?;
    let vault = Vault::new(&asking.config, &start.environment);
    drop(asking);
    let stored = records.get(name);
    if let Some(record) = stored.filter(|record| !is_login(record) && record.kind != Kind::OAuth.as_str()) {
        return Err(CredentialError::Unfit {
            name: name.clone(),
            kind: escape_control(&record.kind),
            wanted: "an oauth or oauth_login",
        }
        .into());
    }
    let is_given = of.input.stdin || of.input.file.is_some();
    let what = match stored.filter(|_| !is_given) {
        Some(record) => vault.open_record(name, record)?,
        None => {
            let given = match credential::text(start, &of.input)? {
                Some(text) => input::read(&text, Some(Kind::OAuth), false).map_err(credential::unfit)?,
                None => credential::asked(start, name, Kind::OAuth, false).await?,
            };
            credential::whole(Kind::OAuth, given.user, given.secret)?
        }
    };
    Ok((what.user.unwrap_or_default(), what.secret, connector))
}

/// The connector whose Bitbucket it is.
fn connector<'a>(config: &'a Config, name: &str, asked: Option<&str>) -> Result<&'a Connector, Failure> {
    if let Some(asked) = asked {
        let known: Vec<&str> = config.connectors.keys().map(String::as_str).collect();
        let connector = config.connectors.get(asked).ok_or_else(|| {
            let asked = escape_control(asked);
            Failure::usage(format!("there is no connector `{asked}`"), format!("the config has: {}", known.join(", ")))
        })?;
        return cloud(connector);
    }
    let uses = |connector: &&Connector| {
        connector.auth.iter().any(|entry| matches!(&entry.auth, Auth::Stored { name: used, .. } if used == name))
    };
    if let Some(connector) = config.connectors.values().find(uses) {
        return cloud(connector);
    }
    let mut of_cloud = config.connectors.values().filter(|connector| connector.kind == ConnectorType::BitbucketCloud);
    match (of_cloud.next(), of_cloud.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Failure::usage(
            "no connector of the config is of Bitbucket Cloud",
            "a login by browser is one of Bitbucket Cloud; for Data Center use an HTTP access token",
        )),
        (Some(_), Some(_)) => Err(Failure::usage(
            format!("several connectors are of Bitbucket Cloud, and none uses the credential {name}"),
            "say which one is meant with `--connector`",
        )),
    }
}

fn cloud(connector: &Connector) -> Result<&Connector, Failure> {
    match connector.kind {
        ConnectorType::BitbucketCloud => Ok(connector),
        ConnectorType::BitbucketDataCenter => Err(Failure::usage(
            format!("the connector {} is of a Data Center, which has no OAuth consumers", connector.name),
            "make an HTTP access token there, and `catalog-sync credential add`",
        )),
    }
}

/// What a browser is asked, and what tells its answer from others.
struct Asked {
    url: Url,
    state: String,
    /// PKCE: a code that somebody else caught is of no use without it, where the server looks. Bitbucket documents
    /// nothing of it; a server that does not know it leaves it alone (RFC 6749, 3.1).
    verifier: SecretString,
}

impl Asked {
    fn new(connector: &Connector, key: &SecretString) -> Result<Self, Failure> {
        let (state, verifier) = (random_text(), random_text());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let mut url = authorize_url(connector);
        // No `redirect_uri`: the consumer's callback URL counts, and one that differs would be refused.
        url.query_pairs_mut()
            .append_pair("client_id", key.expose_secret())
            .append_pair("response_type", "code")
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(Self { url, state, verifier: SecretString::from(verifier) })
    }
}

/// 256 random bits.
fn random_text() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// Has a person grant access; gives the code.
async fn granted_code(start: &Start, of: &CredentialLogin, asked: &Asked) -> Result<SecretString, Failure> {
    let mut browser = match of.paste {
        true => None,
        false => Some(Browser::listen(of.port, &asked.state).await.map_err(|error| not_listening(of.port, &error))?),
    };
    eprintln!("Open this address in a browser, and grant access:\n\n  {}\n", asked.url);
    let can_paste = of.paste || prompt::is_possible();
    let browser_is_awaited = browser.is_some();
    match (&browser, can_paste) {
        (Some(_), true) => eprintln!(
            "Waiting for it at http://localhost:{}/. If it ends elsewhere, or on another machine, paste the address it ends at.",
            of.port
        ),
        (Some(_), false) => eprintln!("Waiting for it at http://localhost:{}/.", of.port),
        (None, _) => {
            eprintln!("It ends at the consumer's callback URL, which need not be there; that address is asked for.")
        }
    }
    let answered = tokio::select! {
        answered = of_browser(browser.as_mut()) => answered,
        pasted = pasted(start, can_paste, browser_is_awaited, &asked.state) => pasted?,
        () = tokio::time::sleep(of.wait) => return Err(nobody_came(of)),
        () = start.stop.cancelled() => {
            return Err(Failure::refused("interrupted, nothing was stored", "log in again when you have the time"));
        }
    };
    if let Some(browser) = browser {
        browser.end().await;
    }
    match answered {
        Answered::Code(code) => Ok(code),
        Answered::Denied(word) => Err(Failure::refused(
            format!("access was not granted ({word})"),
            format!("`catalog-sync credential login {}` asks again", of.name),
        )),
        Answered::Foreign => Err(Failure::refused(
            format!("what was pasted came {FOREIGN}"),
            format!("`catalog-sync credential login {}` begins a new one: open the address it prints", of.name),
        )),
    }
}

async fn of_browser(browser: Option<&mut Browser>) -> Answered {
    match browser {
        Some(browser) => browser.answer().await,
        None => std::future::pending().await,
    }
}

/// What somebody pastes on the terminal, or gives on stdin; waits for ever where nobody can.
async fn pasted(start: &Start, can_paste: bool, browser_is_awaited: bool, state: &str) -> Result<Answered, Failure> {
    if !can_paste {
        return std::future::pending().await;
    }
    let no_code = || {
        Failure::usage(
            "there is no code in what was pasted",
            "paste the whole address the browser ends at: it holds `code=` and `state=`",
        )
    };
    if !prompt::is_possible() {
        return read_pasted(line_of_stdin().await?.expose_secret(), state).ok_or_else(no_code);
    }
    loop {
        let question = "The address the browser ends at, or its code (not shown)";
        let line = prompt::line(question, true, &start.stop).await?;
        match read_pasted(line.expose_secret(), state) {
            // The terminal has ended, or somebody only looked whether anything happens.
            None if line.expose_secret().is_empty() && browser_is_awaited => return std::future::pending().await,
            None if line.expose_secret().is_empty() => return Err(no_code()),
            None => eprintln!("there is no code in that"),
            Some(Answered::Foreign) => eprintln!("that came {FOREIGN}"),
            Some(answered) => return Ok(answered),
        }
    }
}

async fn line_of_stdin() -> Result<SecretString, Failure> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().lock().take(MAX_BYTES as u64).read_to_string(&mut text)?;
        Ok(SecretString::from(text.lines().next().unwrap_or_default()))
    });
    let read = reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map_err(|error| Failure {
        report: Report::new("stdin could not be read", &error, Some("give one line of text".to_owned())),
        exit: Exit::Usage,
    })
}

fn not_listening(port: u16, error: &std::io::Error) -> Failure {
    let mend = format!(
        "free the port, or choose another with `--port` that the consumer's callback URL names (http://localhost:{port}/ is meant now); `--paste` needs none"
    );
    Failure {
        report: Report::new(format!("port {port} cannot be listened on"), error, Some(mend)),
        exit: Exit::Refused,
    }
}

fn nobody_came(of: &CredentialLogin) -> Failure {
    let mend = match of.paste {
        true => "log in again; `--wait` gives more time".to_owned(),
        false => format!(
            "look whether the consumer's callback URL is http://localhost:{}/; `--paste` takes the address the browser ends at, `--wait` gives more time",
            of.port
        ),
    };
    Failure::refused(format!("no answer of a browser came within {} s", of.wait.as_secs()), mend)
}

fn not_granted(name: &str, endpoint: &TokenEndpoint, error: TokenError) -> Failure {
    match error {
        TokenError::InvalidGrant => Failure::refused(
            "Bitbucket does not take the code (invalid_grant): it is taken once, within minutes, and of its own consumer",
            format!("`catalog-sync credential login {name}` begins a new login"),
        ),
        TokenError::Consumer => Failure::refused(
            format!("{} refused the consumer's key and secret", endpoint.shown()),
            format!(
                "look them up under the workspace's settings, OAuth consumers, and give them anew: `catalog-sync credential login {name} --stdin`"
            ),
        ),
        TokenError::Source(error) => {
            let mend = error.mend();
            Failure::failed(Report::new("the login could not be finished", &error, mend))
        }
    }
}

/// Stores a login in the place of what is there by now: a sync may have renewed the former one meanwhile, and another
/// command may have the store for a moment.
async fn keep(start: &Start, screen: &Screen, name: &str, what: &Opened) -> Result<Exit, Failure> {
    let give_up = Instant::now() + STORE_WITHIN;
    let mut is_told = false;
    loop {
        match kept(start, screen, name, what).await {
            Err(failure) if failure.exit == Exit::Refused && Instant::now() < give_up && !start.stop.is_cancelled() => {
                if !is_told {
                    eprintln!("the login cannot be stored yet ({}); trying again", failure.report.one_line());
                }
                is_told = true;
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            ended => return ended,
        }
    }
}

async fn kept(start: &Start, screen: &Screen, name: &str, what: &Opened) -> Result<Exit, Failure> {
    let (mut asking, place) = credential::begin(start)?;
    let records = asking.credentials().await?;
    let key = credential::present_key(start, &place, &records, name)?;
    let key = credential::key_or_new(key, &place)?;
    let before = records.get(name);
    let now = Clock::System.now();
    let created_at = before.map_or(now, |before| before.created_at);
    let head = Head { created_at, updated_at: now, expires: Some(ends(now)) };
    credential::save(screen, &mut asking, key, name, before.map(|before| before.nonce.clone()), what, head).await
}

/// A process that does not hold the store: whoever does renews.
pub(super) struct AsksHolder {
    pub(super) start: Start,
    pub(super) config: Config,
}

#[async_trait]
impl Renews for AsksHolder {
    async fn renewed(
        &self,
        name: &str,
        connector: &str,
        refused: Option<String>,
        _: DateTime<Utc>,
        _: &(dyn Fn() + Sync),
    ) -> Result<SealedCredential, SourceError> {
        let unreadable = |message: String| SourceError::SecretUnreadable { credential: name.to_owned(), message };
        let request = Request::CredentialRenew { name: name.to_owned(), connector: connector.to_owned(), refused };
        match Asking::new(&self.start, self.config.clone()).ask(&request).await {
            Ok(Answer::CredentialRenewed(renewed)) => match *renewed {
                Renewed::Record(record) => Ok(record),
                Renewed::Ended => Err(SourceError::LoginEnded { name: name.to_owned() }),
                Renewed::Refused { url } => Err(SourceError::Unauthorized { url }),
            },
            Ok(_) => Err(unreadable("the sidecar answered something else".to_owned())),
            Err(failure) => Err(unreadable(failure.report.one_line())),
        }
    }
}
