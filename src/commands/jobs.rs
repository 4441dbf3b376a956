//! Imports that go on by themselves: whoever began one may leave, come back and read what came of each row.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::answer::ImportRow;
use super::caller::{Caller, Sees};
use super::request::{Answer, ImportOptions, Request, Selection};
use super::{App, Failure, execute};
use crate::error::Report;

/// Imports remembered that have ended; older ones are in the catalog's history.
const REMEMBERED: usize = 32;
/// Imports under way at once: each waits for its catalog.
const AT_ONCE: usize = 16;
/// Bytes of diffs kept of one import: what is behind them is told without. A preview shows any of them.
const DIFF_BYTES: usize = 4 * 1024 * 1024;

/// The imports of this process.
#[derive(Debug, Default)]
pub struct Jobs(Mutex<VecDeque<Arc<Job>>>);

/// One import.
#[derive(Debug)]
pub struct Job {
    /// The import's id.
    pub id: String,
    /// Who began it.
    pub by: Caller,
    /// When.
    pub started_at: DateTime<Utc>,
    state: Mutex<State>,
    /// Rows so far, and one more once it has ended: for whoever waits.
    news: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<Arc<ImportRow>>,
    diff_bytes: usize,
    expected: u64,
    end: Option<Result<DateTime<Utc>, Report>>,
}

/// Whether an import goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Under way.
    Running,
    /// Every row has its result.
    Done,
    /// It could not go on; rows that have a result keep it.
    Failed,
}

/// An import as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobReport {
    /// The import's id, by which it can be undone.
    pub import_id: String,
    /// Whether it goes on.
    pub state: JobState,
    /// Who began it.
    pub by: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Rows that have a result.
    pub done: u64,
    /// Rows there will be, as far as is known: at first none.
    pub total: u64,
    /// Why it could not go on, and what to do.
    pub failure: Option<String>,
    /// Results in the order they came about, from the one asked for.
    pub rows: Vec<ImportRow>,
    /// What to ask from for those that follow (`after`).
    pub next_after: u64,
}

impl Jobs {
    /// An import by its id that the caller may look at: their own, or any where they see everything.
    pub fn job(&self, id: &str, caller: &Caller) -> Option<Arc<Job>> {
        self.visible(caller).into_iter().find(|job| job.id == id)
    }

    /// All that the caller may look at, newest first.
    pub fn visible(&self, caller: &Caller) -> Vec<Arc<Job>> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().rev().filter(|job| job.may_be_seen_by(caller)).cloned().collect()
    }

    fn add(&self, job: Arc<Job>) -> Result<(), Failure> {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if jobs.iter().filter(|job| job.is_running()).count() >= AT_ONCE {
            return Err(Failure::refused(format!("{AT_ONCE} imports are under way"), "wait for one of them to end"));
        }
        while jobs.len() >= REMEMBERED + AT_ONCE {
            let Some(oldest) = jobs.iter().position(|job| !job.is_running()) else { break };
            jobs.remove(oldest);
        }
        jobs.push_back(job);
        Ok(())
    }
}

/// Enters an import into the book; what is returned carries it out, whoever asks or waits.
///
/// # Errors
/// Forbidden; refused while too many are under way.
pub fn begin(
    app: &App,
    selection: Selection,
    options: ImportOptions,
) -> Result<(Arc<Job>, impl Future<Output = ()> + Send + 'static + use<>), Failure> {
    let request = Request::DiscoveredImport { selection, options };
    app.caller.may(&request)?;
    let job = Arc::new(Job {
        id: app.ids.next(),
        by: app.caller.clone(),
        started_at: app.clock.now(),
        state: Mutex::default(),
        news: watch::Sender::new(0),
    });
    app.jobs.add(job.clone())?;
    let app = App { job: Some(job.clone()), ..app.clone() };
    let under_way = UnderWay(job.clone());
    let work = async move {
        let job = &under_way.0;
        match execute(&app, request, &|_| {}).await {
            Ok(Answer::Imported(_)) => job.end(Ok(app.clock.now())),
            Ok(_) => job.end(Err(Report::plain("the import answered something else", None))),
            Err(failure) => job.end(Err(failure.report)),
        }
    };
    Ok((job, work))
}

/// Ends a job whose work was dropped or panicked.
struct UnderWay(Arc<Job>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.is_running() {
            let mend = Some("what was written is kept; import the rest again".to_owned());
            self.0.end(Err(Report::plain("the import ended without a word", mend)));
        }
    }
}

impl Job {
    /// Whether somebody may look at it: it is their own, or they see everything.
    pub fn may_be_seen_by(&self, caller: &Caller) -> bool {
        matches!(caller.sees, Sees::Everything) || self.by.is(caller)
    }

    /// So many more rows will come.
    pub(super) fn expect(&self, rows: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expected = (state.rows.len() + rows) as u64;
    }

    pub(super) fn tell(&self, mut row: ImportRow) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for file in &mut row.files {
            if state.diff_bytes + file.diff.len() > DIFF_BYTES {
                file.diff = String::new();
            }
            state.diff_bytes += file.diff.len();
        }
        state.rows.push(Arc::new(row));
        let news = state.rows.len();
        drop(state);
        self.news.send_replace(news);
    }

    fn end(&self, end: Result<DateTime<Utc>, Report>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.end = Some(end);
        let news = state.rows.len() + 1;
        drop(state);
        self.news.send_replace(news);
    }

    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).end.is_none()
    }

    /// As it stands, with the rows behind the first `after`, at most `limit`.
    pub fn report(&self, after: usize, limit: usize) -> JobReport {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<ImportRow> = state.rows.iter().skip(after).take(limit).map(|row| (**row).clone()).collect();
        let done = state.rows.len() as u64;
        let (job_state, ended_at, failure) = match &state.end {
            None => (JobState::Running, None, None),
            Some(Ok(at)) => (JobState::Done, Some(*at), None),
            Some(Err(report)) => (JobState::Failed, None, Some(report.one_line())),
        };
        JobReport {
            import_id: self.id.clone(),
            state: job_state,
            by: self.by.name.clone(),
            started_at: self.started_at,
            ended_at,
            done,
            // Of refused rows nothing is expected.
            total: done.max(state.expected),
            failure,
            next_after: (after.min(state.rows.len()) + rows.len()) as u64,
            rows,
        }
    }

    /// Returns when there is something behind the first `after` rows, or it has ended.
    pub async fn more(&self, after: usize) {
        let mut news = self.news.subscribe();
        let is_more = |_: &usize| {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.rows.len() > after || state.end.is_some()
        };
        // The sender lives as long as this.
        let _ = news.wait_for(is_more).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::config::Role;
    use crate::store::KnownBy;

    fn caller(name: &str, known_by: KnownBy, sees: Sees) -> Caller {
        let from = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Caller { name: name.to_owned(), known_by, role: Role::Edit, sees, from }
    }

    // P7.4: a user of the proxy and a token of one name are two: neither is shown what the other does, but for who sees all.
    #[test]
    fn a_user_and_a_token_of_one_name_are_two_p7_4() {
        let some = || Sees::Matching(Arc::new(globset::GlobSet::empty()));
        let by = |by: Caller| Job {
            id: "01".to_owned(),
            by,
            started_at: DateTime::UNIX_EPOCH,
            state: Mutex::default(),
            news: watch::Sender::new(0),
        };
        let token = caller("guest", KnownBy::Token, some());
        let of_user = by(caller("guest", KnownBy::Proxy, Sees::Everything));
        assert!(!of_user.may_be_seen_by(&token));
        assert!(by(token.clone()).may_be_seen_by(&token));
        assert!(!by(token.clone()).may_be_seen_by(&caller("other", KnownBy::Token, some())));
        assert!(by(token).may_be_seen_by(&caller("ops", KnownBy::Token, Sees::Everything)));
    }
}
