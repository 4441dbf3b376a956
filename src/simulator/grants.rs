//! What persons granted OAuth consumers: codes, used once, and refresh tokens, which change with each use.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};

use super::access::{Access, Login};

/// A code is taken so long.
const CODE_LIFE: Duration = Duration::minutes(10);
/// A refresh token that is not used dies after 3 months.
const UNUSED: Duration = Duration::days(90);

/// Codes and refresh tokens given out.
#[derive(Debug, Default)]
pub(super) struct Grants {
    codes: HashMap<String, Code>,
    refresh: HashMap<String, Refresh>,
    /// Every secret ever given out, in order.
    pub(super) told: Vec<String>,
}

#[derive(Debug)]
struct Code {
    credential: usize,
    /// Of PKCE, where one came.
    challenge: Option<String>,
    until: DateTime<Utc>,
}

#[derive(Debug)]
struct Refresh {
    credential: usize,
    until: DateTime<Utc>,
    used: bool,
}

/// What a grant gives.
pub(super) struct Given {
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) credential: usize,
}

impl Grants {
    pub(super) fn end_logins(&mut self) {
        self.refresh.clear();
    }
}

impl Access {
    /// Position and callback of a consumer.
    pub(super) fn consumer(&self, key: &str) -> Option<(usize, String)> {
        let at = self.position(|login| matches!(login, Login::Consumer { key: known, .. } if known == key))?;
        Some((at, self.credentials[at].callback.clone()?))
    }

    /// The consumer that proves to be one.
    pub(super) fn consumer_with(&self, key: &str, secret: &str) -> Option<usize> {
        let at =
            self.position(|login| matches!(login, Login::Consumer { key: k, secret: s } if k == key && s == secret))?;
        (!self.credentials[at].revoked).then_some(at)
    }

    /// A code for somebody who consented.
    pub(super) fn new_code(&mut self, credential: usize, challenge: Option<String>, now: DateTime<Utc>) -> String {
        let code = self.new_secret();
        self.grants.codes.insert(code.clone(), Code { credential, challenge, until: now + CODE_LIFE });
        code
    }

    /// Exchanges a code, once.
    pub(super) fn redeem(
        &mut self,
        credential: usize,
        code: &str,
        verifier: &str,
        life: Duration,
        now: DateTime<Utc>,
    ) -> Option<Given> {
        let known = self.grants.codes.remove(code).filter(|code| code.credential == credential && now < code.until)?;
        let challenged = || URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if known.challenge.is_some_and(|challenge| challenge != challenged()) {
            return None;
        }
        Some(self.give(credential, life, now))
    }

    /// Exchanges a refresh token, once, unless old ones are taken, too.
    pub(super) fn refresh(
        &mut self,
        credential: usize,
        token: &str,
        takes_old: bool,
        life: Duration,
        now: DateTime<Utc>,
    ) -> Option<Given> {
        let known = self.grants.refresh.get_mut(token)?;
        if known.credential != credential || known.until <= now || (known.used && !takes_old) {
            return None;
        }
        known.used = true;
        Some(self.give(credential, life, now))
    }

    fn give(&mut self, credential: usize, life: Duration, now: DateTime<Utc>) -> Given {
        let access = self.new_access_token(credential, now, life);
        let refresh = self.new_secret();
        self.grants.refresh.insert(refresh.clone(), Refresh { credential, until: now + UNUSED, used: false });
        Given { access, refresh, credential }
    }
}
