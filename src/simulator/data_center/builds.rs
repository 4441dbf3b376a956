//! Builds of commits.

use super::refusal::bad_parameter;
use super::request::Request;
use crate::simulator::answer::Refusal;
use crate::simulator::builds::{BuildState, BuildStatus};
use crate::simulator::json::Json;

impl Request<'_> {
    /// The newest hundred; a commit that nobody knows has none.
    pub(super) fn build_statuses(&self) -> Result<String, Refusal> {
        let builds = self.world.builds_of(&self.route.item);
        let rows: Vec<_> = builds.iter().take(100).collect();
        self.page(&rows, 100, |json, build| self.wire().build(json, build))
    }

    pub(super) fn build_stats(&self) -> Result<String, Refusal> {
        let builds = self.world.builds_of(&self.route.item);
        Ok(Json::text(128, |json| totals(json, &builds)))
    }

    /// Of each commit in the list that was posted; those without any build are left out.
    pub(super) fn many_build_stats(&self) -> Result<String, Refusal> {
        let commits: Vec<String> = serde_json::from_str(self.posted)
            .map_err(|_| bad_parameter("commits", "A list of commits was expected."))?;
        Ok(Json::text(128 * commits.len(), |json| {
            for commit in &commits {
                let builds = self.world.builds_of(commit);
                if !builds.is_empty() {
                    json.object(commit, |json| totals(json, &builds));
                }
            }
        }))
    }
}

fn totals(json: &mut Json, builds: &[BuildStatus]) {
    let count = |state| builds.iter().filter(|build| build.state == state).count();
    json.bare("successful", count(BuildState::Successful));
    json.bare("inProgress", count(BuildState::InProgress));
    json.bare("failed", count(BuildState::Failed));
    json.bare("cancelled", count(BuildState::Cancelled));
    json.bare("unknown", count(BuildState::Unknown));
}
