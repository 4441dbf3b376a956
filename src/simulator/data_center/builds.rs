//! Builds of commits.

use super::request::Request;
use crate::simulator::answer::Refusal;
use crate::simulator::builds::BuildState;
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
        let count = |state| builds.iter().filter(|build| build.state == state).count();
        Ok(Json::text(128, |json| {
            json.bare("successful", count(BuildState::Successful));
            json.bare("inProgress", count(BuildState::InProgress));
            json.bare("failed", count(BuildState::Failed));
            json.bare("cancelled", count(BuildState::Cancelled));
            json.bare("unknown", count(BuildState::Unknown));
        }))
    }
}
