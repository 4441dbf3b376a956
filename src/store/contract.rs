//! What every store promises: one suite, run against each implementation. A second store passes it by
//! calling [`contract!`] with a [`Home`] of its own.

pub(crate) mod credentials;
pub(crate) mod deliveries;
pub(crate) mod discovery;
pub(crate) mod durability;
pub(crate) mod linking;
pub(crate) mod people;
pub(crate) mod secondary;
pub(crate) mod transfer;
pub(crate) mod world;

use async_trait::async_trait;

use super::Store;

/// Where a store lives, so that it can be closed and opened again. Every test gets one of its own.
#[async_trait]
pub(crate) trait Home: Send + Sync {
    /// Opens the store; the one opened before was dropped.
    async fn open(&self) -> Box<dyn Store>;
    /// Throws away what is there; the store was dropped.
    async fn fresh(&self);
}

/// Makes a test of every promise; `$home` is an expression that gives a new [`Home`].
macro_rules! contract {
    ($home:expr) => {
        $crate::store::contract::contract! { $home;
            discovery::{
                integrations_are_kept_as_saved,
                a_page_and_its_cursor_are_one_write,
                pages_come_in_order_without_gaps,
                touched_repositories_keep_their_records,
                what_is_recorded_is_not_judged_yet,
                a_sweep_remembers_what_it_has_seen,
                a_new_sweep_forgets_what_an_old_one_saw,
                verdicts_are_replaced_counted_and_dropped,
                a_deleted_integration_takes_its_own_along,
                a_deleted_integration_leaves_what_others_know,
                an_integration_is_carried_over_whole,
                a_catalog_that_is_there_stays_where_it_is,
                only_the_known_is_carried_over_and_only_to_the_unknown,
                a_write_under_another_lease_is_refused,
                leases_are_exclusive_and_come_back,
                lists_hear_of_what_changed,
            }
            linking::{
                links_are_found_both_ways,
                an_entity_gets_no_second_repository,
                the_journal_keeps_its_order,
                the_newest_decision_counts,
                a_catalog_never_read_is_not_an_empty_one,
                switches_and_budgets_are_kept,
                plans_are_kept_until_dropped,
                syncs_come_newest_first,
                what_is_old_expires,
            }
            secondary::{
                items_come_newest_first,
                an_item_stored_again_is_replaced,
                coverage_comes_by_kind_and_repository,
                items_are_stored_once_whatever_the_order, many_items_come_back, long_items_come_back,
                people_are_kept_replaced_and_forgotten,
            }
            credentials::{
                credentials_are_kept_replaced_and_forgotten,
                several_credentials_change_together_or_not_at_all,
                exports_leave_credentials_out_unless_asked_for,
            }
            deliveries::{
                a_delivery_is_kept_once_by_id_and_by_body,
                deliveries_wait_until_they_are_due,
                old_deliveries_go_once_they_are_done,
            }
            people::{
                what_people_did_comes_newest_first,
                what_people_did_expires,
                sessions_are_kept_until_they_end_and_never_exported,
            }
            durability::{
                everything_survives_reopening,
                unchanged_writes_cost_nothing,
                writers_do_not_lose_each_other,
                indexes_can_be_made_anew,
            }
            transfer::{
                an_export_comes_back_byte_for_byte,
                an_export_holds_no_request_counters,
                only_an_empty_store_imports,
                a_malformed_line_imports_nothing,
            }
        }
    };
    ($home:expr; $($room:ident::{ $($promise:ident,)* })*) => {
        $(mod $room {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                $crate::store::contract::$room::$promise(&$home).await;
            })*
        })*
    };
}
pub(crate) use contract;
