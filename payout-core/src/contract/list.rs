//! The list of all cases: the macros that run the suites, and the test that the list is complete.

/// Runs every case that a [`PayoutRepository`](crate::ports::PayoutRepository) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture): `Arc<dyn PayoutRepository>`, alone or with a guard.
///
/// Add `whole names` for a repository that encrypts names and finds them only as a whole.
#[macro_export]
macro_rules! repository_contract {
    ($make:expr) => {
        $crate::__repository_cases! { tests($make) }
        $crate::__prefix_search_cases! { tests($make) }
    };
    ($make:expr, whole names) => {
        $crate::__repository_cases! { tests($make) }
        $crate::__whole_name_search_cases! { tests($make) }
    };
}

/// Runs every case that the [`crate::ports::ReconciliationReader`] of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of a [`crate::contract::reconciliation::Reconcilable`].
#[macro_export]
macro_rules! reconciliation_contract {
    ($make:expr) => {
        $crate::__reconciliation_cases! { tests($make) }
    };
}

/// Runs every case that the [`PayoutImport`](crate::ports::PayoutImport) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of an [`Importing`](crate::contract::imports::Importing).
#[macro_export]
macro_rules! import_contract {
    ($make:expr) => {
        $crate::__import_cases! { tests($make) }
    };
}

/// Runs every case that an [`ApiKeyRepository`](crate::ports::ApiKeyRepository) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes one over an **empty store of its own**. Its result converts to a
/// [`Fixture`](crate::contract::Fixture).
#[macro_export]
macro_rules! api_keys_contract {
    ($make:expr) => {
        $crate::__api_keys_cases! { tests($make) }
    };
}

/// Runs every case that a [`JobQueue`](crate::ports::JobQueue) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes an **empty** queue. Its result converts to a
/// [`Fixture`](crate::contract::Fixture); [`with_peer`](crate::contract::Fixture::with_peer) adds the second consumer.
#[macro_export]
macro_rules! queue_contract {
    ($make:expr) => {
        $crate::__queue_cases! { tests($make) }
    };
}

/// Runs every case that a [`Processor`](crate::ports::Processor) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a processor which pays every instruction, at once or later. Its result
/// converts to a [`Fixture`](crate::contract::Fixture).
#[macro_export]
macro_rules! processor_contract {
    ($make:expr) => {
        $crate::__processor_cases! { tests($make) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __repository_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::PayoutRepository) in repository;
            insert: [
                an_inserted_payout_is_found_with_every_field,
                many_are_found_at_once_and_what_is_not_there_is_left_out,
                a_scheduled_payout_is_due_at_its_time_and_not_claimable_before,
                a_batch_of_five_hundred_is_answered_in_its_order,
                a_repeated_insert_makes_no_second_payout,
            ];
            idempotency: [
                the_same_key_twice_in_a_batch_is_won_by_the_first,
                a_payout_under_a_taken_key_is_not_written,
                sixty_four_callers_racing_for_a_key_store_one_payout,
                an_answer_is_replayed_as_it_was_given,
                one_key_of_two_api_keys_is_two,
                a_change_with_a_key_stores_its_own_answer,
                a_change_under_a_taken_key_changes_nothing,
                answers_are_forgotten_by_age,
            ];
            scopes: [
                a_record_of_no_api_key_answers_every_one,
                a_record_of_no_api_key_stands_in_the_way_of_a_change,
                of_both_forms_of_a_key_in_a_batch_the_first_is_stored,
                ones_own_answer_comes_first,
                the_providers_key_is_that_of_the_request,
                what_is_asked_for_again_after_its_record_was_forgotten_is_another_payment,
            ];
            changes: [
                every_step_of_a_person_is_written_with_its_event,
                a_change_from_a_stale_version_writes_nothing,
                a_change_from_before_a_claim_is_a_conflict,
                a_change_of_an_unknown_payout_is_a_conflict,
                a_deleted_payout_is_hidden_from_everybody,
                a_deleted_payout_is_found_by_whoever_asks_for_it,
                the_version_grows_by_one_with_every_write,
            ];
            claims: [
                a_claim_sets_its_columns,
                only_what_is_due_is_claimed,
                a_claim_by_ids_takes_only_these,
                a_claim_takes_no_more_than_its_limit,
                a_sweep_takes_the_longest_due_first,
                concurrent_sweeps_claim_every_payout_exactly_once,
                concurrent_hints_claim_every_payout_exactly_once,
                an_expired_lease_is_taken_over,
                the_quiet_time_never_moves_back,
            ];
            settlements: [
                each_verdict_writes_its_columns_and_its_event,
                hits_and_misses_in_one_batch_are_answered_in_their_order,
                a_stale_and_a_current_fence_in_one_batch_are_told_apart,
                a_repeated_settlement_is_applied_once,
                a_provider_reference_is_kept_until_another_comes,
                a_release_forgets_the_first_submission,
                not_now_uses_up_no_attempt,
                a_postponement_keeps_the_first_submission,
                a_settlement_of_an_unknown_payout_is_refused,
                no_words_keep_a_claim_from_being_settled,
            ];
            late: [
                a_stale_fence_changes_nothing,
                a_fence_from_the_future_changes_nothing,
                a_stale_generation_changes_nothing,
                a_payout_that_is_not_processing_is_not_settled,
                the_same_outcome_under_another_fence_is_no_repetition,
                a_late_report_tells_of_a_deletion,
            ];
            lists: [
                cursor_pages_show_every_payout_once_in_both_directions,
                cursor_pages_have_no_holes_under_concurrent_inserts,
                offset_pages_show_every_payout_once,
                a_cursor_outlives_its_payout,
            ];
            filters: [
                each_filter_alone_and_all_together,
                a_bounded_count_says_whether_it_is_exact,
                a_search_follows_an_edit,
                deleted_payouts_are_listed_and_counted_where_they_are_asked_for,
                an_iban_is_found_however_it_is_written,
            ];
            events: [
                the_trail_tells_a_whole_life_oldest_first,
                an_event_names_who_did_it,
                a_refused_change_leaves_evidence_and_nothing_else,
                a_claims_event_comes_before_those_that_follow_it,
                a_trail_is_one_payouts_own,
                a_trail_is_read_part_by_part,
                time_does_not_run_backwards,
            ];
            payout_stats: [
                a_census_of_nothing_is_empty,
                a_census_tells_every_status_and_currency_once,
                a_census_tells_who_is_under_review_beside_more_than_it_counts,
                a_census_tells_for_how_long_the_longest_due_has_waited,
            ];
            races: [
                of_a_person_and_a_worker_racing_one_wins,
                of_two_outcomes_racing_one_is_written,
                batches_with_the_same_keys_in_different_orders_do_not_deadlock,
                settlements_in_different_orders_do_not_deadlock,
            ];
            totals: [
                a_day_is_used_up_exactly,
                every_api_key_and_every_currency_has_a_day_of_its_own,
                of_a_batch_what_fits_is_stored_in_its_order,
                a_refused_payout_leaves_nothing,
                what_a_taken_key_keeps_from_being_stored_counts_nothing,
                a_taken_key_is_told_before_a_used_up_day,
                a_key_whose_payout_was_refused_is_free_for_the_next_of_the_batch,
                a_limit_lowered_below_the_total_lets_nothing_more_through,
                what_was_cancelled_or_deleted_is_not_given_back,
                sixteen_at_once_use_a_day_up_and_no_more,
                batches_with_the_same_days_in_different_orders_do_not_deadlock,
            ];
            raises: [
                an_edit_takes_what_the_payout_grows_by,
                a_refused_edit_changes_nothing,
                a_conflict_counts_nothing_and_is_told_before_a_used_up_day,
                a_retry_takes_all_of_the_payout_once,
                edits_and_inserts_at_once_use_a_day_up_and_no_more,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __reconciliation_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::reconciliation::Reconcilable) in reconciliation;
            records: [
                a_record_has_every_field,
                the_books_hold_deleted_payouts,
                pages_hold_every_payout_once_oldest_first,
                a_period_has_its_first_moment_and_not_its_last,
            ];
            presumptions: [
                a_presumed_claim_is_the_domains_step,
                the_next_claim_looks_the_key_up,
                a_released_payout_is_presumed_claimed_again,
                only_what_is_pending_and_due_is_presumed_claimed,
                repeated_it_reaches_every_payout_once,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __import_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::imports::Importing) in imports;
            takeovers: [
                an_imported_payout_is_stored_as_it_was,
                a_repeated_import_writes_nothing,
                only_an_imported_pending_payout_is_claimed,
                an_id_is_taken_once_in_a_batch,
                imports_at_once_store_each_payout_once,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __api_keys_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::ApiKeyRepository) in api_keys;
            lives: [
                a_new_key_is_listed_and_held_with_every_field,
                a_name_is_used_once_for_good,
                a_revoked_key_is_listed_and_held_no_more,
                an_expired_key_is_held_no_more,
                a_rotated_key_is_held_with_both_its_tokens,
                a_rotation_without_overlap_ends_the_token_before,
                a_dead_key_is_not_rotated_and_an_unknown_one_not_found,
                a_use_is_noted,
                every_set_of_scopes_is_kept,
                live_keys_beyond_the_limit_are_refused,
                a_successor_is_in_the_scope_of_the_first,
            ];
            pulses: [
                the_revision_tells_of_every_change_and_of_no_use,
                a_store_whose_keys_are_all_revoked_still_has_keys,
                a_pulse_tells_the_time,
            ];
            races: [
                of_many_who_take_a_name_one_gets_it,
                of_many_secrets_one_is_kept,
                a_rotation_never_brings_a_revoked_key_back,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __prefix_search_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::PayoutRepository) in repository;
            prefix_search: [a_search_finds_exact_accounts_and_beginnings_of_names];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __whole_name_search_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::PayoutRepository) in repository;
            whole_name_search: [a_search_finds_exact_accounts_and_whole_names];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __queue_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::JobQueue) in queue;
            delivery: [
                an_enqueued_hint_is_delivered,
                a_hint_brings_its_trace,
                a_hint_reaches_a_consumer_elsewhere,
                an_acknowledged_hint_is_not_delivered_again,
                a_consumer_gets_no_more_than_it_asks_for,
                many_hints_in_one_call_all_come,
                two_consumers_share_the_hints,
                empty_and_unknown_receipts_do_no_harm,
                the_depth_falls_to_zero_once_all_is_acknowledged,
            ];
            waiting: [
                an_idle_consumer_waits_about_as_long_as_it_says,
                no_wait_is_not_an_endless_one,
                a_hint_wakes_a_waiting_consumer,
                a_consumer_that_stops_waiting_jams_nobody,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __processor_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::Processor) in processor;
            answers: [
                a_submitted_instruction_is_paid,
                a_key_that_was_never_submitted_is_not_found,
                the_same_key_is_answered_the_same_ever_after,
                a_look_up_after_a_definite_answer_equals_it,
                a_look_up_leaves_no_trace,
                generations_are_told_apart,
                concurrent_submissions_under_one_key_agree,
                a_dropped_call_may_be_repeated_under_its_key,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __expand_cases {
    (tests($make:expr) ($port:ty) in $suite:ident; $($group:ident: [$($case:ident),* $(,)?];)*) => {
        $($(
            #[test]
            fn $case() {
                $crate::contract::run::<$port, _, _>($make, $crate::contract::$suite::$group::$case);
            }
        )*)*
    };
    (names() ($port:ty) in $suite:ident; $($group:ident: [$($case:ident),* $(,)?];)*) => {
        [$((
            stringify!($group),
            include_str!(concat!(stringify!($suite), "/", stringify!($group), ".rs")),
            &[$(stringify!($case)),*] as &[&str],
        )),*]
    };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    /// Returns the names of the public functions of a file of cases.
    fn cases_in(source: &str) -> HashSet<&str> {
        let starts = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "));
        starts
            .filter_map(|rest| rest.split_once('('))
            .map(|(name, _)| name)
            .collect()
    }

    fn assert_listed(groups: &[(&str, &str, &[&str])]) {
        assert!(!groups.is_empty());
        for (group, source, listed) in groups {
            let named: HashSet<&str> = listed.iter().copied().collect();
            assert_eq!(named.len(), listed.len(), "a case of {group} is listed twice");
            assert_eq!(
                named,
                cases_in(source),
                "the list of {group} and its functions differ"
            );
        }
    }

    #[test]
    fn every_case_is_in_its_suites_list() {
        assert_listed(&crate::__repository_cases! { names() });
        assert_listed(&crate::__reconciliation_cases! { names() });
        assert_listed(&crate::__import_cases! { names() });
        assert_listed(&crate::__api_keys_cases! { names() });
        assert_listed(&crate::__prefix_search_cases! { names() });
        assert_listed(&crate::__whole_name_search_cases! { names() });
        assert_listed(&crate::__queue_cases! { names() });
        assert_listed(&crate::__processor_cases! { names() });
    }
}
