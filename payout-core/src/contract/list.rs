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

/// Runs every case that the [`BatchRepository`](crate::ports::BatchRepository) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of a [`Batching`](crate::contract::batches::Batching).
#[macro_export]
macro_rules! batches_contract {
    ($make:expr) => {
        $crate::__batch_cases! { tests($make) }
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

/// Runs every case that the [`PayoutExport`](crate::ports::PayoutExport) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of an [`Exporting`](crate::contract::exports::Exporting).
#[macro_export]
macro_rules! export_contract {
    ($make:expr) => {
        $crate::__export_cases! { tests($make) }
    };
}

/// Runs every case that the [`StatsRepository`](crate::ports::StatsRepository) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of a [`Counting`](crate::contract::stats::Counting).
#[macro_export]
macro_rules! stats_contract {
    ($make:expr) => {
        $crate::__stats_cases! { tests($make) }
    };
}

/// Runs every case that a [`RecipientRepository`](crate::ports::RecipientRepository) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture).
#[macro_export]
macro_rules! recipients_contract {
    ($make:expr) => {
        $crate::__recipients_cases! { tests($make) }
    };
}

/// Runs every case that the [`RecheckRepository`](crate::ports::RecheckRepository) and the
/// [`ProviderRepository`](crate::ports::ProviderRepository) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of a [`Routed`](crate::contract::providers::Routed).
#[macro_export]
macro_rules! providers_contract {
    ($make:expr) => {
        $crate::__provider_cases! { tests($make) }
    };
}

/// Runs every case that the [`EventFeed`](crate::ports::EventFeed) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of a [`Fed`](crate::contract::feed::Fed);
/// [`with_peer`](crate::contract::Fixture::with_peer) adds a second handle.
#[macro_export]
macro_rules! feed_contract {
    ($make:expr) => {
        $crate::__feed_cases! { tests($make) }
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

/// Runs every case that a [`ConsoleSessionRepository`](crate::ports::ConsoleSessionRepository) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture).
#[macro_export]
macro_rules! console_sessions_contract {
    ($make:expr) => {
        $crate::__console_session_cases! { tests($make) }
    };
}

/// Runs every case that a [`BulkActionRepository`](crate::ports::BulkActionRepository) must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture); [`with_peer`](crate::contract::Fixture::with_peer) adds a second handle.
#[macro_export]
macro_rules! bulk_contract {
    ($make:expr) => {
        $crate::__bulk_cases! { tests($make) }
    };
}

/// Runs every case that the [`WebhookRepository`](crate::ports::WebhookRepository) and the
/// [`WebhookQueue`](crate::ports::WebhookQueue) of a repository must pass, each as a test.
///
/// Takes the path of an `async fn()` that makes a repository over an **empty store of its own**. Its result converts to
/// a [`Fixture`](crate::contract::Fixture) of a [`WebhookStore`](crate::contract::webhooks::WebhookStore).
#[macro_export]
macro_rules! webhooks_contract {
    ($make:expr) => {
        $crate::__webhook_cases! { tests($make) }
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
/// Takes the path of an `async fn()` that makes a processor which pays every instruction that its
/// [capabilities](crate::ports::Processor::capabilities) allow, at once or later. Its result
/// converts to a [`Fixture`](crate::contract::Fixture).
#[macro_export]
macro_rules! processor_contract {
    ($make:expr) => {
        $crate::__processor_cases! { tests($make) }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __batch_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::batches::Batching) in batches;
            storing: [
                a_batch_is_stored_with_all_its_payouts,
                the_payouts_of_a_batch_are_read_in_pages,
                a_batch_is_stored_once,
                callers_racing_with_a_batch_store_it_once,
                a_batch_with_a_taken_external_id_is_not_stored,
                a_batch_whose_rows_end_early_is_not_stored,
                a_batch_is_charged_to_the_daily_limit_as_a_whole,
                a_batch_is_summed_by_status_and_currency,
                batches_are_listed_newest_first,
                a_batch_that_names_a_provider_key_keeps_it,
                likely_duplicates_are_found_before_a_batch_is_stored,
                daily_totals_are_read_without_a_charge,
            ];
            queues: [
                a_payout_is_claimed_beside_a_batch_that_waits,
                payouts_without_a_batch_hold_up_no_batch,
                a_small_batch_is_claimed_beside_a_large_one,
                slots_that_no_batch_needs_are_used,
                every_payout_of_a_batch_is_claimed_once,
                a_claimed_payout_of_a_batch_is_due_like_any_other,
                a_scheduled_batch_waits_for_its_time,
                a_batch_is_claimed_by_provider,
            ];
            steps: [
                only_pending_payouts_of_a_batch_are_cancelled,
                a_cancelled_batch_is_not_claimed,
                a_cancellation_and_a_claim_exclude_each_other,
                retries_of_a_batch_are_those_of_its_payouts,
                a_retry_of_a_batch_that_was_paid_anew_is_held,
                retries_of_a_batch_stay_within_the_daily_limit,
                two_people_who_retry_a_batch_retry_each_payout_once,
            ];
            approvals: [
                approvals_of_a_batch_are_those_of_its_payouts,
                an_approved_payout_of_a_batch_waits_for_its_schedule,
                a_payout_that_changed_is_not_approved_with_its_batch,
                the_store_refuses_a_creator_who_approves_a_batch,
                people_who_race_for_a_batch_approve_each_payout_once,
                approvals_of_a_batch_are_counted_for_each_person,
                only_payouts_that_await_approval_are_rejected_with_their_batch,
            ];
            races: [
                sixty_four_callers_of_a_batch_send_nothing_that_lacks_approval,
            ];
        }
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
            external_ids: [
                a_payout_under_a_taken_external_id_is_not_written,
                of_one_external_id_in_a_batch_the_first_is_stored,
                a_repeated_request_is_answered_by_its_record,
                sixty_four_callers_racing_for_an_external_id_store_one_payout,
                batches_with_the_same_external_ids_in_different_orders_do_not_deadlock,
                a_deleted_payout_gives_its_external_id_up,
                an_edit_sets_an_external_id_that_is_free,
            ];
            fields: [
                an_answer_with_every_field_is_replayed,
                metadata_may_change_in_every_state,
                new_metadata_do_not_disturb_a_worker,
                a_new_schedule_changes_the_time_at_which_a_payout_is_due,
                filters_by_these_fields_select_what_matches,
                a_filter_by_metadata_follows_an_edit,
            ];
            recipients: [
                a_recipient_of_every_type_is_read_as_it_was_stored,
                a_search_finds_the_account_of_each_type_in_any_spelling,
                an_edit_replaces_a_recipient_whole,
                an_answer_with_a_typed_recipient_is_replayed,
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
                the_time_of_waiting_goes_on_until_the_reason_changes,
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
            references: [
                a_payout_is_found_by_what_others_call_it,
                requests_lead_to_what_they_wrote_until_it_is_deleted,
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
                a_census_tells_for_how_long_a_batch_has_waited,
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
            approvals: [
                a_held_payout_is_read_as_it_was_stored_and_is_not_due,
                the_creator_of_a_payout_without_approvals_is_kept,
                an_answer_tells_that_the_payout_awaits_approval,
                the_last_approval_makes_it_pending_and_due,
                of_two_approvals_of_one_version_one_is_written,
                a_rejected_payout_is_cancelled,
                an_edit_voids_every_approval,
                an_edit_to_what_requires_no_approval_releases_it,
                a_retry_awaits_approval_again,
                an_approval_follows_what_the_worker_itself_changes,
                what_a_person_may_approve_is_listed,
                sixty_four_callers_at_once_send_nothing_that_lacks_approval,
            ];
            duplicates: [
                a_likely_duplicate_is_held_and_names_the_other,
                what_differs_or_is_allowed_is_not_held,
                what_will_not_be_paid_is_not_duplicated,
                what_is_older_than_the_window_is_not_duplicated,
                an_iban_is_one_account_in_every_spelling,
                an_edit_into_a_likely_duplicate_is_held,
                a_retry_of_what_was_paid_anew_is_held,
                of_a_batch_the_first_is_stored_and_the_others_are_held,
                a_repeated_create_is_not_its_own_duplicate,
                of_sixty_four_at_once_one_is_not_held,
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
                what_awaits_approval_is_looked_up_once_it_is_approved,
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
macro_rules! __export_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::exports::Exporting) in exports;
            rows: [
                an_export_has_every_payout_of_its_list_in_order,
                an_export_has_the_rows_of_its_filter,
                an_export_of_nothing_ends_at_once,
                an_export_sees_one_moment,
                exports_that_were_dropped_leave_room_for_others,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __stats_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::stats::Counting) in stats;
            counts: [
                payouts_are_counted_as_they_stand,
                sums_that_are_kept_equal_a_count,
                what_changes_after_it_was_counted_is_counted_again,
                sums_are_kept_beside_writes,
                only_the_days_that_are_asked_for_are_counted,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __recipients_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::RecipientRepository) in recipients;
            lives: [
                a_stored_recipient_is_found_with_every_field,
                an_external_id_belongs_to_one_recipient,
                of_many_who_take_an_external_id_one_gets_it,
                a_change_is_guarded_by_its_version,
                of_two_changes_at_once_one_wins,
                an_archived_recipient_is_listed_apart,
                pages_have_every_recipient_once,
                a_recipient_is_listed_by_its_external_id,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __provider_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::providers::Routed) in providers;
            lanes: [
                a_claim_takes_the_payouts_of_its_provider_alone,
                an_unsent_claim_leaves_what_may_have_been_sent,
                a_release_hands_the_payout_to_another_provider,
                a_spent_key_begins_a_new_generation,
                a_wait_is_remembered_since_its_beginning,
            ];
            rechecks: [
                a_due_recheck_is_claimed_once_in_its_lease,
                a_recheck_waits_for_its_time_and_its_provider,
                a_payment_that_stands_keeps_its_version_and_its_events,
                a_payment_that_came_back_is_returned,
                a_finding_of_an_earlier_generation_changes_nothing,
                a_person_marks_a_payment_as_returned,
            ];
            hints: [
                a_notification_brings_a_poll_forward,
                a_notification_brings_a_recheck_forward,
                a_notification_finds_a_payment_by_the_key_of_its_request,
                a_payout_that_a_worker_holds_is_left_to_it,
                a_name_that_matches_nothing_changes_nothing,
            ];
            states: [
                a_paused_provider_is_listed_until_it_is_resumed,
                workers_that_were_seen_lately_are_counted,
                calls_are_added_up_by_provider,
                providers_with_due_payouts_are_named,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __feed_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::feed::Fed) in feed;
            public: [
                a_payouts_life_is_told_once_in_the_order_of_its_versions,
                an_event_says_who_did_it_and_why,
                a_payout_that_awaits_approval_is_told_with_that_status,
                an_event_keeps_its_amount_when_the_payout_is_edited,
                evidence_and_repetitions_are_left_out,
                a_release_and_the_next_claim_are_told,
                a_deleted_payouts_events_stay,
                an_import_is_told,
            ];
            pages: [
                pages_of_every_size_show_the_same,
                a_reader_at_the_end_goes_on_from_there,
                a_filter_by_types_leaves_out_the_others,
                a_page_has_a_longest_length,
            ];
            waits: [
                what_awaits_approval_is_told_right_after_the_change,
                a_date_ahead_is_told_right_after_the_change,
                a_page_may_end_between_both_events_of_a_change,
            ];
            others: [
                a_batch_is_told_with_what_is_done_to_it,
                a_rejected_batch_is_told,
                an_approved_batch_is_told,
                a_retried_batch_is_told,
                a_batch_that_is_known_is_not_told_again,
                a_pause_and_its_end_are_told_once,
                events_of_others_have_their_places_in_the_feed,
            ];
            completions: [
                a_batch_is_told_to_be_completed_once,
                a_batch_without_payouts_is_completed,
                after_a_retry_a_batch_is_completed_again,
                completed_batches_are_told_in_parts,
                of_workers_at_once_one_tells_a_completed_batch,
                a_retry_and_a_completion_at_once_lose_nothing,
            ];
            writers: [readers_that_follow_eight_writers_miss_nothing];
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
                a_successor_has_the_owner_of_the_key_before_it,
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
macro_rules! __webhook_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::contract::webhooks::WebhookStore) in webhooks;
            endpoints: [
                an_endpoint_reads_back_with_all_its_parts,
                a_change_of_an_endpoint_is_guarded_by_its_revision,
                a_deleted_endpoint_is_gone_with_its_deliveries,
                there_are_no_more_endpoints_than_may_be,
            ];
            leases: [
                one_worker_at_a_time_holds_an_endpoint,
                a_worker_gets_no_more_endpoints_than_it_asks_for,
                a_worker_that_lost_its_lease_writes_nothing,
                a_disabled_endpoint_is_not_held,
            ];
            pages: [
                a_page_becomes_deliveries_in_its_order,
                a_page_is_stored_only_where_it_was_read,
                an_empty_page_moves_the_position,
                a_range_is_replayed_beside_the_feed,
            ];
            attempts: [
                an_attempt_is_stored_with_what_it_changes,
                results_that_are_stored_twice_count_once,
                an_endpoint_that_fails_is_known_and_disabled,
                a_delivery_that_was_finished_lately_is_kept,
            ];
            operators: [
                deliveries_are_listed_by_page_and_status,
                the_deliveries_of_a_payout_are_found,
                an_added_delivery_is_seen_by_the_holder,
                a_waiting_delivery_is_made_due_at_once,
            ];
            news: [
                an_endpoint_that_a_person_disables_or_enables_is_told,
                an_endpoint_that_is_disabled_by_its_answers_is_told,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __bulk_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::BulkActionRepository) in bulk;
            lives: [
                an_action_reads_back_with_all_its_parts,
                an_action_is_started_once,
                actions_are_listed_newest_first,
                a_stopped_action_stays_stopped,
                an_action_ends_by_its_holder,
                a_person_stops_what_a_worker_holds,
            ];
            leases: [
                one_worker_at_a_time_holds_an_action,
                actions_take_turns,
                a_holder_that_lost_its_lease_writes_nothing,
                what_was_planned_before_the_stop_is_settled,
            ];
            pages: [
                a_page_is_planned_with_its_place,
                nothing_is_planned_beside_what_is_unsettled,
                an_outcome_is_counted_once,
                outcomes_are_read_in_pages,
            ];
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __console_session_cases {
    ($($how:tt)*) => {
        $crate::__expand_cases! {
            $($how)* (dyn $crate::ports::ConsoleSessionRepository) in console_sessions;
            sessions: [
                a_session_is_found_with_its_key,
                an_unknown_session_is_not_found,
                an_ended_session_is_not_found,
                a_session_ends_at_its_time,
            ];
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
        assert_listed(&crate::__batch_cases! { names() });
        assert_listed(&crate::__export_cases! { names() });
        assert_listed(&crate::__stats_cases! { names() });
        assert_listed(&crate::__recipients_cases! { names() });
        assert_listed(&crate::__provider_cases! { names() });
        assert_listed(&crate::__feed_cases! { names() });
        assert_listed(&crate::__api_keys_cases! { names() });
        assert_listed(&crate::__prefix_search_cases! { names() });
        assert_listed(&crate::__whole_name_search_cases! { names() });
        assert_listed(&crate::__webhook_cases! { names() });
        assert_listed(&crate::__console_session_cases! { names() });
        assert_listed(&crate::__bulk_cases! { names() });
        assert_listed(&crate::__queue_cases! { names() });
        assert_listed(&crate::__processor_cases! { names() });
    }
}
