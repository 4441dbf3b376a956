//! People, and how far their list was walked.

use super::books::{USER_COVERAGE, USERS};
use super::draft::{Draft, Tree};
use super::keys::Key;
use crate::model::{IntegrationKey, User, UserCoverage};
use crate::store::{StoreError, UserBatch};

fn users_key(integration: &IntegrationKey) -> Key {
    Key::in_book(USERS).integration(integration)
}

fn coverage_key(integration: &IntegrationKey) -> Vec<u8> {
    Key::in_book(USER_COVERAGE).integration(integration).bytes()
}

/// In one write.
pub(super) fn record(draft: &mut Draft<'_>, integration: &IntegrationKey, batch: &UserBatch) -> Result<(), StoreError> {
    for user in &batch.users {
        draft.put(users_key(integration).text(&user.id).bytes(), user)?;
    }
    for id in &batch.forgotten {
        draft.remove(users_key(integration).text(id).bytes())?;
    }
    draft.put(coverage_key(integration), &batch.coverage)
}

/// By id.
pub(super) fn users(tree: &Tree, integration: &IntegrationKey) -> Result<Vec<User>, StoreError> {
    tree.values(&users_key(integration).bytes(), None, usize::MAX)
}

pub(super) fn coverage(tree: &Tree, integration: &IntegrationKey) -> Result<Option<UserCoverage>, StoreError> {
    tree.get(&coverage_key(integration))
}

/// All of them: that they were ever listed goes last, so that a kill leaves it to be done again.
pub(super) fn forget(draft: &mut Draft<'_>, integration: &IntegrationKey) -> Result<(), StoreError> {
    for entry in draft.tree.scan(&users_key(integration).bytes(), None) {
        draft.remove(entry?.0.to_vec())?;
        draft.apply_when_large()?;
    }
    draft.remove(coverage_key(integration))?;
    Ok(())
}
