//! The exit codes of the contract, and which one an answer means.

use super::answer::{RowResult, WebhookRow};
use super::request::Answer;
use crate::model::{Outcome, SyncRecord};

/// Exit codes of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// 0.
    Done,
    /// 1.
    Failed,
    /// 2: usage or config.
    Usage,
    /// 2: what was named is not known.
    Unknown,
    /// 3: done in part.
    Partly,
    /// 4: held or refused.
    Refused,
    /// 4: whoever asks may not.
    Forbidden,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage | Self::Unknown => 2,
            Self::Partly => 3,
            Self::Refused | Self::Forbidden => 4,
        }
    }

    /// What an answer means: the first of 1, 4, 3, 0 that occurred (contract, section 2).
    pub fn of(answer: &Answer) -> Self {
        let exits: Vec<Self> = match answer {
            Answer::Syncs(records) => records.iter().map(of_sync).collect(),
            Answer::DryRuns(runs) => runs.iter().map(|run| of_sync(&run.record)).collect(),
            Answer::Imported(report) => report.rows.iter().map(|row| of_row(row.result)).collect(),
            Answer::Undone(report) => report.rows.iter().map(|row| of_row(row.result)).collect(),
            Answer::Webhooks(rows) => {
                let failed = |row: &WebhookRow| row.result == "failed";
                rows.iter().map(|row| if failed(row) { Self::Failed } else { Self::Done }).collect()
            }
            Answer::Store(report) if !report.faults.is_empty() => vec![Self::Failed],
            _ => Vec::new(),
        };
        let all_failed = !exits.is_empty() && exits.iter().all(|exit| *exit == Self::Partly);
        let worst = [Self::Failed, Self::Refused, Self::Partly].into_iter().find(|exit| exits.contains(exit));
        match (answer, worst) {
            // An import or undo of which nothing came about has failed, not half succeeded.
            (Answer::Imported(_) | Answer::Undone(_), Some(Self::Partly)) if all_failed => Self::Failed,
            (_, worst) => worst.unwrap_or(Self::Done),
        }
    }
}

fn of_row(result: RowResult) -> Exit {
    match result {
        RowResult::Failed => Exit::Partly,
        RowResult::Held => Exit::Refused,
        RowResult::Done | RowResult::Unchanged => Exit::Done,
    }
}

fn of_sync(record: &SyncRecord) -> Exit {
    match record.outcome {
        Outcome::Completed | Outcome::RateLimited | Outcome::Running => Exit::Done,
        Outcome::Partial => Exit::Partly,
        Outcome::Held | Outcome::Refused => Exit::Refused,
        Outcome::Failed | Outcome::Cancelled | Outcome::Interrupted => Exit::Failed,
    }
}
