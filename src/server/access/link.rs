//! The sign-in link: where no tokens are configured, the terminal of the sidecar shows a link that lets one browser
//! in, once and for a short time. What is in it is no token: it is worth nothing when it was used.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Duration, Utc};

use super::tokens::Digest;

/// How long a link can be used.
const LASTS: Duration = Duration::minutes(10);

/// Whoever looks at the terminal of the sidecar: gets the path of a link to show.
pub type Terminal = Box<dyn Fn(&str) + Send + Sync>;

/// The one link that is good now.
pub(super) struct Links {
    /// `None`: nobody looks, and nobody gets in this way.
    terminal: Option<Terminal>,
    good: Mutex<Option<(Digest, DateTime<Utc>)>>,
}

impl Links {
    pub(super) fn new(terminal: Option<Terminal>) -> Self {
        Self { terminal, good: Mutex::new(None) }
    }

    /// Whether there is a terminal to look at.
    pub(super) fn has_terminal(&self) -> bool {
        self.terminal.is_some()
    }

    /// Shows a link on the terminal, unless the one there is still good.
    pub(super) fn show(&self, now: DateTime<Utc>) {
        let Some(terminal) = &self.terminal else { return };
        let code = {
            let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
            if good.as_ref().is_some_and(|(_, until)| now < *until) {
                return;
            }
            let code = hex::encode(rand::random::<[u8; 32]>());
            *good = Some((Digest::of(&code), now + LASTS));
            code
        };
        terminal(&format!("/login?code={code}"));
    }

    /// Takes a code; it is worth nothing from then on.
    pub(super) fn take(&self, code: &str, now: DateTime<Utc>) -> bool {
        let shown = Digest::of(code);
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = good.as_ref().is_some_and(|(digest, until)| digest.is(&shown) && now < *until);
        if is_good {
            *good = None;
        }
        is_good
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + Duration::minutes(minutes)
    }

    // P7.4: once, for ten minutes; a new one is shown when it is needed.
    #[test]
    fn a_link_is_good_once_and_not_for_long_p7_4() {
        let shown = Arc::new(Mutex::new(Vec::<String>::new()));
        let seen = shown.clone();
        let links = Links::new(Some(Box::new(move |path| {
            seen.lock().unwrap().push(path.strip_prefix("/login?code=").unwrap().to_owned());
        })));
        let code = |n: usize| shown.lock().unwrap().get(n).cloned();
        assert!(!links.take("", at(0)));
        links.show(at(0));
        links.show(at(9));
        assert_eq!(code(1), None, "the one there is good");
        let first = code(0).unwrap();
        assert!(!links.take("0000", at(1)) && links.take(&first, at(1)) && !links.take(&first, at(1)));
        links.show(at(2));
        let second = code(1).unwrap();
        assert!(first != second && !links.take(&second, at(12)), "too late");
        links.show(at(12));
        assert!(links.take(&code(2).unwrap(), at(12)));
    }

    #[test]
    fn without_a_terminal_there_is_no_link_p7_4() {
        let links = Links::new(None);
        links.show(at(0));
        assert!(!links.has_terminal() && links.good.lock().unwrap().is_none());
    }
}
