//! Why a sync ends early, and what each seam's error means for it.

use chrono::{DateTime, Utc};

use crate::catalog::CatalogError;
use crate::discover::DiscoverError;
use crate::error::Report;
use crate::source::SourceError;
use crate::store::{StoreError, StoredPlan};

/// Why a sync ended early.
#[derive(Debug)]
pub enum Stop {
    /// Nothing can be concluded.
    Failed {
        /// Where.
        stage: &'static str,
        /// In words.
        report: Report,
    },
    /// A limit; the rest follows.
    RateLimited {
        /// When requests are possible again.
        resume_at: Option<DateTime<Utc>>,
    },
    /// Waits for approval.
    Held(Box<StoredPlan>),
    /// Asked to.
    Cancelled,
    /// The credential was refused while items were fetched; the error is in the record.
    Refused,
}

impl Stop {
    /// In words, for a command that ends because of it.
    pub fn into_report(self) -> Report {
        match self {
            Self::Failed { report, .. } => report,
            Self::RateLimited { .. } => Report::plain("the request budget of this hour is used up", None),
            Self::Held(plan) => Report::plain(plan.reason, None),
            Self::Cancelled => Report::plain("stopped", None),
            Self::Refused => Report::plain("the credential was refused", None),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        let mend = error.mend();
        Self::Failed { stage: "store", report: Report::new("the state could not be read or written", &error, mend) }
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        let mend = error.mend();
        Self::Failed { stage: "catalog", report: Report::new("the catalog could not be read", &error, mend) }
    }
}

impl From<DiscoverError> for Stop {
    fn from(error: DiscoverError) -> Self {
        match error {
            DiscoverError::Stopped => Self::Cancelled,
            DiscoverError::Source(SourceError::BudgetExhausted { resume_at }) => {
                Self::RateLimited { resume_at: Some(resume_at) }
            }
            error => {
                let mend = error.mend();
                let report = Report::new("the repositories could not be listed", &error, mend);
                Self::Failed { stage: "discover", report }
            }
        }
    }
}
