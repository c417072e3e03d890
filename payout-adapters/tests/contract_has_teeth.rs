//! Tests that the contract suites catch broken adapters. Each flaw, built into a sound adapter, makes the case that
//! covers it panic; the sound adapter passes that case.
#![cfg(feature = "memory")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use payout_core::contract::repository::{
    changes, claims, events, filters, idempotency, insert, late, lists, payout_stats, prefix_search, raises,
    settlements, totals,
};
use payout_core::contract::{Pair, processor, queue, run};
use payout_core::ports::{JobQueue, PayoutRepository, Processor};

use self::processors::{FlawedProcessor, ProcessorFlaw};
use self::queues::{FlawedQueue, QueueFlaw};
use self::repositories::{Flaw, FlawedRepository};

#[path = "contract_has_teeth/processors.rs"]
mod processors;
#[path = "contract_has_teeth/queues.rs"]
mod queues;
#[path = "contract_has_teeth/repositories.rs"]
mod repositories;

/// Asserts that the case passes without the flaw and panics with it.
fn assert_caught<F: Copy, P: ?Sized, C: Future<Output = ()>>(
    flaw: F,
    make: impl Fn(Option<F>) -> Arc<P>,
    case: impl Fn(Pair<P>) -> C,
) {
    run(|| async { make(None) }, &case);
    let caught = catch_unwind(AssertUnwindSafe(|| run(|| async { make(Some(flaw)) }, &case)));
    assert!(caught.is_err(), "the flaw went unnoticed");
}

fn repository(flaw: Option<Flaw>) -> Arc<dyn PayoutRepository> {
    Arc::new(FlawedRepository::new(flaw))
}

fn job_queue(flaw: Option<QueueFlaw>) -> Arc<dyn JobQueue> {
    Arc::new(FlawedQueue::new(flaw))
}

fn payment_processor(flaw: Option<ProcessorFlaw>) -> Arc<dyn Processor> {
    Arc::new(FlawedProcessor::new(flaw))
}

/// Defines one test for each flaw: its name, the flaw, the constructor, and the case that catches the flaw.
macro_rules! caught {
    ($($name:ident: $flaw:expr, $make:ident, $case:path;)*) => {$(
        #[test]
        fn $name() {
            assert_caught($flaw, $make, $case);
        }
    )*};
}

caught! {
    a_repository_that_ignores_the_fence: Flaw::AnyFence, repository, late::a_stale_fence_changes_nothing;
    a_repository_that_ignores_the_generation:
        Flaw::AnyGeneration, repository, late::a_stale_generation_changes_nothing;
    a_repository_that_keeps_no_late_evidence: Flaw::NoEvidence, repository, late::a_stale_fence_changes_nothing;
    a_repository_that_takes_a_repetition_for_late:
        Flaw::RepetitionIsLate, repository, settlements::a_repeated_settlement_is_applied_once;
    a_repository_that_answers_settlements_in_another_order:
        Flaw::ReversedAnswers, repository, settlements::hits_and_misses_in_one_batch_are_answered_in_their_order;
    a_repository_that_ignores_the_version:
        Flaw::AnyVersion, repository, changes::a_change_from_a_stale_version_writes_nothing;
    a_repository_that_ignores_the_version_after_a_claim:
        Flaw::AnyVersion, repository, changes::a_change_from_before_a_claim_is_a_conflict;
    a_repository_that_claims_leased_rows: Flaw::NoLease, repository, claims::only_what_is_due_is_claimed;
    a_repository_that_claims_leased_rows_in_a_race:
        Flaw::NoLease, repository, claims::concurrent_sweeps_claim_every_payout_exactly_once;
    a_repository_that_claims_more_than_asked:
        Flaw::NoLimit, repository, claims::a_claim_takes_no_more_than_its_limit;
    a_repository_that_claims_before_the_time:
        Flaw::NoSchedule, repository, insert::a_scheduled_payout_is_due_at_its_time_and_not_claimable_before;
    a_repository_that_ignores_the_quiet_time: Flaw::QuietAtOnce, repository, claims::the_quiet_time_never_moves_back;
    a_repository_that_ignores_keys:
        Flaw::NoKeys, repository, idempotency::sixty_four_callers_racing_for_a_key_store_one_payout;
    a_repository_that_ignores_keys_of_changes:
        Flaw::NoKeys, repository, idempotency::a_change_under_a_taken_key_changes_nothing;
    a_repository_that_replays_the_payout_as_it_is_now:
        Flaw::LiveAnswers, repository, idempotency::an_answer_is_replayed_as_it_was_given;
    a_repository_whose_pages_skip_ties:
        Flaw::NoTies, repository, lists::cursor_pages_show_every_payout_once_in_both_directions;
    a_repository_that_searches_names_only:
        Flaw::NoSearch, repository, prefix_search::a_search_finds_exact_accounts_and_beginnings_of_names;
    a_repository_whose_count_is_always_exact:
        Flaw::ExactCount, repository, filters::a_bounded_count_says_whether_it_is_exact;
    a_repository_whose_trail_always_begins_anew:
        Flaw::NoEventPlaces, repository, events::a_trail_is_read_part_by_part;
    a_repository_whose_trail_is_newest_first:
        Flaw::NewestEventFirst, repository, events::the_trail_tells_a_whole_life_oldest_first;
    a_repository_that_finds_nobody_overdue:
        Flaw::NoneOverdue, repository, payout_stats::a_census_tells_for_how_long_the_longest_due_has_waited;
    a_repository_that_finds_nobody_in_review:
        Flaw::NoneInReview, repository, payout_stats::a_census_tells_every_status_and_currency_once;
    a_repository_that_counts_one_currency:
        Flaw::OneCurrency, repository, payout_stats::a_census_tells_every_status_and_currency_once;
    a_repository_without_limits: Flaw::NoCharges, repository, totals::a_day_is_used_up_exactly;
    a_repository_that_checks_before_it_writes:
        Flaw::LateCharges, repository, totals::sixteen_at_once_use_a_day_up_and_no_more;
    a_repository_that_charges_edits_nothing: Flaw::FreeEdits, repository, raises::an_edit_takes_what_the_payout_grows_by;
    a_repository_that_charges_whole_batches:
        Flaw::WholeBatches, repository, totals::of_a_batch_what_fits_is_stored_in_its_order;

    a_queue_that_delivers_again:
        QueueFlaw::Redelivers, job_queue, queue::delivery::an_acknowledged_hint_is_not_delivered_again;
    a_queue_that_delivers_to_everybody:
        QueueFlaw::Redelivers, job_queue, queue::delivery::two_consumers_share_the_hints;
    a_queue_that_ignores_the_limit:
        QueueFlaw::NoLimit, job_queue, queue::delivery::a_consumer_gets_no_more_than_it_asks_for;
    a_queue_that_does_not_wait:
        QueueFlaw::NoWait, job_queue, queue::waiting::an_idle_consumer_waits_about_as_long_as_it_says;
    a_queue_that_loses_hints: QueueFlaw::Loses, job_queue, queue::delivery::many_hints_in_one_call_all_come;

    a_processor_that_pays_twice:
        ProcessorFlaw::PaysAgain, payment_processor, processor::answers::the_same_key_is_answered_the_same_ever_after;
    a_processor_that_pays_racers_twice:
        ProcessorFlaw::PaysAgain, payment_processor, processor::answers::concurrent_submissions_under_one_key_agree;
    a_processor_that_takes_generations_for_one:
        ProcessorFlaw::OneKeyForAll, payment_processor, processor::answers::generations_are_told_apart;
    a_processor_that_pays_when_asked:
        ProcessorFlaw::LookUpPays, payment_processor, processor::answers::a_key_that_was_never_submitted_is_not_found;
}
