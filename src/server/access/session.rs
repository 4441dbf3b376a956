//! Who is logged in with a browser. A cookie of 256 random bits stands for it; the store has its SHA-256 alone. One
//! process has the store, so what it knows here is the truth, and the store makes it last.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use chrono::{DateTime, Duration, Utc};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::tokens::Known;
use crate::config::Token;
use crate::store::{Session, SessionOf, Store, StoreError};

/// Not used for so long, it ends.
const IDLE: Duration = Duration::hours(12);
/// It ends after this in any case.
const LASTS: Duration = Duration::days(7);
/// How exactly the store knows when somebody was last seen: each time would be a write per request.
const SEEN_WITHIN: Duration = Duration::minutes(5);
/// Browsers of one token at a time; the one not seen for longest makes room.
const PER_TOKEN: usize = 200;

/// The cookie, as it travels. Never kept.
pub(super) struct Cookie(String);

impl Cookie {
    fn new() -> Self {
        Self(hex::encode(rand::random::<[u8; 32]>()))
    }

    fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.0))
    }

    /// What only who has the cookie can make of a token, and nobody the token of: tells when the token has changed.
    fn seal(&self, token: &Known) -> String {
        hex::encode(Sha256::new().chain_update(&self.0).chain_update(token.digest.bytes()).finalize())
    }
}

/// How the cookie is called, and whether it travels over TLS alone.
#[derive(Clone, Debug)]
pub(super) struct CookieName {
    name: String,
    is_secure: bool,
}

impl CookieName {
    /// Over TLS it can be set by this host alone. Elsewhere the port tells several on one host apart.
    pub(super) fn new(is_secure: bool, port: u16) -> Self {
        let name = if is_secure { "__Host-catalog-sync".to_owned() } else { format!("catalog-sync-{port}") };
        Self { name, is_secure }
    }

    /// The cookie of a request.
    pub(super) fn shown(&self, headers: &HeaderMap) -> Option<Cookie> {
        let pairs = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = pairs.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == self.name)?;
        (value.len() == 64).then(|| Cookie(value.to_owned()))
    }

    /// Gives it to a browser.
    pub(super) fn set(&self, cookie: &Cookie) -> HeaderValue {
        self.header(&cookie.0, LASTS.num_seconds())
    }

    /// Takes it away.
    pub(super) fn clear(&self) -> HeaderValue {
        self.header("", 0)
    }

    fn header(&self, value: &str, seconds: i64) -> HeaderValue {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name);
        let mut header = HeaderValue::from_str(&text).expect("hexadecimal digits and our own words");
        header.set_sensitive(true);
        header
    }
}

/// All that are there.
pub(super) struct Sessions {
    store: Arc<dyn Store>,
    known: Mutex<HashMap<String, Session>>,
}

impl Sessions {
    /// As the store has them; those that ended go.
    pub(super) async fn open(store: Arc<dyn Store>, now: DateTime<Utc>) -> Result<Self, StoreError> {
        let (ended, there): (Vec<_>, Vec<_>) =
            store.sessions().await?.into_iter().partition(|session| has_ended(session, now));
        if !ended.is_empty() {
            let digests: Vec<String> = ended.into_iter().map(|session| session.digest).collect();
            store.end_sessions(&digests).await?;
        }
        let known = there.into_iter().map(|session| (session.digest.clone(), session)).collect();
        Ok(Self { store, known: Mutex::new(known) })
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new one: of a token, or of the sign-in link.
    pub(super) async fn begin(
        &self,
        token: Option<&Known>,
        from: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Cookie, StoreError> {
        let cookie = Cookie::new();
        let of = match token {
            Some(token) => SessionOf::Token { name: token.name.clone(), seal: cookie.seal(token) },
            None => SessionOf::Link,
        };
        let session = Session { digest: cookie.digest(), of, began_at: now, seen_at: now, from };
        self.store.save_session(&session).await?;
        let gone = {
            let mut known = self.locked();
            known.insert(session.digest.clone(), session.clone());
            let mut gone: Vec<String> =
                known.values().filter(|one| has_ended(one, now)).map(|one| one.digest.clone()).collect();
            let mut same: Vec<&Session> = known.values().filter(|one| is_of_same(&one.of, &session.of)).collect();
            same.sort_by_key(|one| std::cmp::Reverse((one.seen_at, one.digest == session.digest)));
            gone.extend(same.iter().skip(PER_TOKEN).map(|one| one.digest.clone()));
            known.retain(|digest, _| !gone.contains(digest));
            gone
        };
        if !gone.is_empty() {
            self.store.end_sessions(&gone).await?;
        }
        Ok(cookie)
    }

    /// The session of a cookie, seen now; `None`: there is none, or it has ended. One of a token that is not `configured`
    /// any more, or is another one now, ends here; while its file cannot be read, it only counts for nothing. `is_seen`:
    /// somebody is there, and it is not we who ask.
    pub(super) async fn of(
        &self,
        cookie: &Cookie,
        tokens: &[Known],
        configured: &[Token],
        now: DateTime<Utc>,
        is_seen: bool,
    ) -> Option<SessionOf> {
        let seen = {
            let mut known = self.locked();
            let session = known.get_mut(&cookie.digest())?;
            let still = match &session.of {
                SessionOf::Token { name, seal } => match tokens.iter().find(|token| token.name == *name) {
                    Some(token) => cookie.seal(token) == *seal,
                    None if configured.iter().any(|token| token.name == *name) => return None,
                    None => false,
                },
                // Once there are tokens, whoever comes shows one.
                SessionOf::Link => configured.is_empty(),
            };
            (still && !has_ended(session, now)).then(|| {
                let is_to_save = is_seen && now - session.seen_at >= SEEN_WITHIN;
                if is_to_save {
                    session.seen_at = now;
                }
                (session.clone(), is_to_save)
            })
        };
        let Some((session, is_to_save)) = seen else {
            self.end(cookie).await;
            return None;
        };
        // It is there all the same when that cannot be written.
        if is_to_save && let Err(error) = self.keep(&session).await {
            warn!("a session could not be kept: {error}");
        }
        Some(session.of)
    }

    /// Makes the store know when it was last seen. One that ended meanwhile stays ended: the store may have lost it
    /// before this brought it back.
    async fn keep(&self, session: &Session) -> Result<(), StoreError> {
        self.store.save_session(session).await?;
        if !self.locked().contains_key(&session.digest) {
            self.store.end_sessions(std::slice::from_ref(&session.digest)).await?;
        }
        Ok(())
    }

    /// Ends it; whether it was there.
    pub(super) async fn end(&self, cookie: &Cookie) -> bool {
        let digest = cookie.digest();
        let was_there = self.locked().remove(&digest).is_some();
        if was_there && let Err(error) = self.store.end_sessions(&[digest]).await {
            warn!("a session that ended could not be removed from the store: {error}");
        }
        was_there
    }
}

fn has_ended(session: &Session, now: DateTime<Utc>) -> bool {
    now - session.seen_at >= IDLE || now - session.began_at >= LASTS
}

fn is_of_same(one: &SessionOf, other: &SessionOf) -> bool {
    match (one, other) {
        (SessionOf::Token { name: one, .. }, SessionOf::Token { name: other, .. }) => one == other,
        (SessionOf::Link, SessionOf::Link) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::Digest;
    use super::*;
    use crate::commands::caller::Sees;
    use crate::config::{Place, Role, Secret, SecretFrom};
    use crate::store::sled::SledStore;

    fn token(name: &str, secret: &str) -> Known {
        Known { name: name.to_owned(), role: Role::View, sees: Sees::Everything, digest: Digest::of(secret) }
    }

    /// As the config names them.
    fn configured() -> Vec<Token> {
        ["ops", "dev"].map(configured_as).to_vec()
    }

    fn configured_as(name: &str) -> Token {
        Token {
            name: name.to_owned(),
            role: Role::View,
            integrations: Vec::new(),
            token: Secret { from: SecretFrom::Env("T".to_owned()), place: Place { line: 1, column: 1 } },
        }
    }

    fn at(hours: i64) -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::hours(hours)
    }

    async fn store() -> Arc<dyn Store> {
        Arc::new(SledStore::temporary().await.unwrap())
    }

    // P7.4: 12 hours without use, or 7 days in all; the same after a restart.
    #[tokio::test]
    async fn a_session_ends_when_idle_and_in_the_end_p7_4() {
        let store = store().await;
        let tokens = [token("ops", "a")];
        let sessions = Sessions::open(store.clone(), at(0)).await.unwrap();
        let idle = sessions.begin(Some(&tokens[0]), None, at(0)).await.unwrap();
        let used = sessions.begin(Some(&tokens[0]), None, at(0)).await.unwrap();
        for hours in (11..=161).step_by(10) {
            assert!(sessions.of(&used, &tokens, &configured(), at(hours), true).await.is_some(), "{hours}");
        }
        assert!(sessions.of(&idle, &tokens, &configured(), at(12), true).await.is_none());
        assert_eq!(store.sessions().await.unwrap().len(), 1);
        let sessions = Sessions::open(store.clone(), at(167)).await.unwrap();
        assert!(sessions.of(&used, &tokens, &configured(), at(167), true).await.is_some());
        assert!(sessions.of(&used, &tokens, &configured(), at(168), true).await.is_none());
        assert!(store.sessions().await.unwrap().is_empty());
    }

    // P7.4: a token that is another one, or is gone, takes its sessions along; others stay.
    #[tokio::test]
    async fn a_changed_or_removed_token_ends_its_sessions_p7_4() {
        let sessions = Sessions::open(store().await, at(0)).await.unwrap();
        let (ops, dev) = (token("ops", "a"), token("dev", "b"));
        let of_ops = sessions.begin(Some(&ops), None, at(0)).await.unwrap();
        let of_dev = sessions.begin(Some(&dev), None, at(0)).await.unwrap();
        let link = sessions.begin(None, None, at(0)).await.unwrap();
        assert!(sessions.of(&link, &[], &[], at(0), true).await.is_some());
        assert!(
            sessions.of(&link, std::slice::from_ref(&ops), &configured(), at(0), true).await.is_none(),
            "a token is wanted now"
        );
        assert!(sessions.of(&of_dev, &[ops.clone(), dev.clone()], &configured(), at(0), true).await.is_some());
        assert!(sessions.of(&of_ops, &[token("ops", "c"), dev.clone()], &configured(), at(0), true).await.is_none());
        assert!(
            sessions.of(&of_ops, &[ops, dev.clone()], &configured(), at(0), true).await.is_none(),
            "it does not come back"
        );
        assert!(sessions.of(&of_dev, &[], &configured(), at(0), true).await.is_none(), "its file cannot be read");
        assert!(sessions.of(&of_dev, std::slice::from_ref(&dev), &configured(), at(0), true).await.is_some());
        assert!(sessions.of(&of_dev, &[], &[configured_as("ops")], at(0), true).await.is_none());
        assert!(sessions.of(&of_dev, &[dev], &configured(), at(0), true).await.is_none(), "nor does this one");
    }

    // security.md, sessions: neither the cookie nor the token is in the store.
    #[tokio::test]
    async fn the_store_knows_neither_cookie_nor_token_p7_4() {
        let store = store().await;
        let sessions = Sessions::open(store.clone(), at(0)).await.unwrap();
        let ops = token("ops", "a");
        let cookie = sessions.begin(Some(&ops), None, at(0)).await.unwrap();
        let kept = serde_json::to_string(&store.sessions().await.unwrap()).unwrap();
        assert!(!kept.contains(&cookie.0) && !kept.contains(&hex::encode(ops.digest.bytes())), "{kept}");
        assert!(kept.contains(&cookie.digest()));
        assert!(sessions.end(&cookie).await);
        assert!(!sessions.end(&cookie).await);
        assert!(sessions.of(&cookie, &[ops], &configured(), at(0), true).await.is_none());
        assert!(store.sessions().await.unwrap().is_empty());
    }

    // P7.4: somebody logs out while a request of the same session is noted: it stays logged out, after a restart, too. Being
    // asked for by ourselves keeps nobody logged in.
    #[tokio::test]
    async fn a_session_that_ended_meanwhile_stays_ended_p7_4() {
        let store = store().await;
        let sessions = Sessions::open(store.clone(), at(0)).await.unwrap();
        let ops = token("ops", "a");
        let cookie = sessions.begin(Some(&ops), None, at(0)).await.unwrap();
        let seen = sessions.locked().get(&cookie.digest()).cloned().unwrap();
        assert!(sessions.end(&cookie).await);
        sessions.keep(&seen).await.unwrap();
        assert!(store.sessions().await.unwrap().is_empty());

        let idle = sessions.begin(Some(&ops), None, at(0)).await.unwrap();
        let tokens = [ops];
        assert!(sessions.of(&idle, &tokens, &configured(), at(11), false).await.is_some());
        assert!(sessions.of(&idle, &tokens, &configured(), at(12), false).await.is_none());
    }

    #[tokio::test]
    async fn a_token_has_room_for_many_browsers_and_not_for_all_p7_4() {
        let store = store().await;
        let sessions = Sessions::open(store.clone(), at(0)).await.unwrap();
        let ops = token("ops", "a");
        let first = sessions.begin(Some(&ops), None, at(0)).await.unwrap();
        let mut last = None;
        for _ in 0..PER_TOKEN {
            last = Some(sessions.begin(Some(&ops), None, at(1)).await.unwrap());
        }
        let tokens = [ops];
        assert!(sessions.of(&first, &tokens, &configured(), at(1), true).await.is_none());
        assert!(sessions.of(&last.unwrap(), &tokens, &configured(), at(1), true).await.is_some());
        assert_eq!(store.sessions().await.unwrap().len(), PER_TOKEN);
    }

    #[test]
    fn the_cookie_is_found_among_others_p7_4() {
        let name = CookieName::new(true, 8321);
        let cookie = Cookie::new();
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; catalog-sync-8321=x".parse().unwrap());
        assert!(name.shown(&headers).is_none());
        headers.append(header::COOKIE, format!("c=d;__Host-catalog-sync={}; e", cookie.0).parse().unwrap());
        assert_eq!(name.shown(&headers).unwrap().0, cookie.0);
        let set = name.set(&cookie);
        assert!(set.is_sensitive());
        let rest = set.to_str().unwrap().split_once(';').unwrap().1.to_owned();
        assert_eq!(rest, " Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure");
        assert!(!CookieName::new(false, 8321).clear().to_str().unwrap().contains("Secure"));
    }
}
