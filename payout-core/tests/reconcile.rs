//! Reconciliation of the store with the provider: the table of states that agree, and the walk through all records.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use payout_core::Timestamp;
use payout_core::contract::build;
use payout_core::payout::{Failure, ProviderReference, Status};
use payout_core::ports::{
    MockPayoutRepository, MockReconciliationReader, Processor, ReconciliationReader, Record,
};
use payout_core::provider::{
    Instruction, LookUp, LookUpAnswer, PaymentReturn, ProcessorError, ProviderAnswer, WaitReason,
};
use payout_core::usecase::reconciliation::{
    Disagreement, Finding, Kind, Period, ProviderReport, ProviderStatus, ReconciledProvider, Reconciliation,
    Step, Tally, compare, generations,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn reference(name: &str) -> ProviderReference {
    ProviderReference::new(name).unwrap()
}

fn record(status: Status) -> Record {
    Record {
        id: build::fresh_id(),
        money: build::money("10.50", "USD"),
        digest: Some("ab".to_owned()),
        status,
        needs_review: false,
        deleted: false,
        provider_key: None,
        provider: None,
        generation: 0,
        version: 1,
        provider_reference: matches!(status, Status::Completed | Status::Returned).then(|| reference("ref")),
        first_submitted_at: Some(at(0)),
        created_at: at(0),
    }
}

fn answer(there: ProviderStatus) -> Option<ProviderAnswer> {
    match there {
        ProviderStatus::Paid => Some(ProviderAnswer::Paid {
            reference: reference("ref"),
        }),
        ProviderStatus::Accepted => Some(ProviderAnswer::Accepted {
            reference: reference("ref"),
            look_again: None,
        }),
        ProviderStatus::Declined => Some(ProviderAnswer::Declined(Failure::new("closed", "Closed."))),
        ProviderStatus::Returned => Some(ProviderAnswer::Returned(PaymentReturn {
            reference: Some(reference("ref")),
            reason: Failure::new("closed", "Closed."),
            at: None,
            amount: None,
        })),
        ProviderStatus::Waiting => Some(ProviderAnswer::Waiting {
            reason: WaitReason::Funds,
            why: "too little balance".to_owned(),
            key_is_spent: false,
        }),
        ProviderStatus::Unknown => None,
    }
}

fn said(generation: u32, there: ProviderStatus) -> ProviderReport {
    ProviderReport {
        provider: None,
        owns: true,
        generation,
        answer: answer(there),
    }
}

fn kinds(record: &Record, said: &[ProviderReport], now: Timestamp) -> Vec<Kind> {
    let found = compare(record, said, now, HOUR);
    found.into_iter().map(|found| found.kind).collect()
}

#[test]
fn a_payment_at_a_provider_that_should_not_have_it_is_found() {
    let completed = record(Status::Completed);
    let elsewhere = |there| ProviderReport {
        owns: false,
        ..said(0, there)
    };
    let of = |there| {
        kinds(
            &completed,
            &[said(0, ProviderStatus::Paid), elsewhere(there)],
            at(1),
        )
    };
    assert_eq!(of(ProviderStatus::Unknown), []);
    assert_eq!(of(ProviderStatus::Declined), []);
    assert_eq!(of(ProviderStatus::Returned), []);
    assert_eq!(of(ProviderStatus::Accepted), [Kind::AcceptedThere]);
    assert_eq!(of(ProviderStatus::Paid), [Kind::PaidThere, Kind::PaidTwice]);
}

#[test]
fn the_table_of_what_agrees() {
    use Kind::{AcceptedThere, DeclinedThere, PaidNotReturnedThere, PaidThere, ReturnedThere, UnknownThere};
    let not_paid = [PaidThere, AcceptedThere, ReturnedThere].map(Some);
    let of = |[paid, accepted, returned]: [Option<Kind>; 3], declined, waiting, unknown| {
        [paid, accepted, returned, declined, waiting, unknown]
    };
    // Columns: paid, accepted and returned, then declined, waiting and unknown.
    let rows: [(Status, [Option<Kind>; 6]); 6] = [
        (Status::Pending, of(not_paid, Some(DeclinedThere), None, None)),
        (Status::Processing, of([None; 3], None, None, None)),
        (
            Status::Completed,
            of(
                [None, Some(AcceptedThere), Some(ReturnedThere)],
                Some(DeclinedThere),
                Some(UnknownThere),
                Some(UnknownThere),
            ),
        ),
        (
            Status::Returned,
            of(
                [Some(PaidNotReturnedThere), Some(AcceptedThere), None],
                None,
                None,
                None,
            ),
        ),
        (Status::Failed, of(not_paid, None, None, None)),
        (Status::Cancelled, of(not_paid, Some(DeclinedThere), None, None)),
    ];
    for (status, expected) in rows {
        let there = [
            ProviderStatus::Paid,
            ProviderStatus::Accepted,
            ProviderStatus::Returned,
            ProviderStatus::Declined,
            ProviderStatus::Waiting,
            ProviderStatus::Unknown,
        ];
        for (there, expected) in there.into_iter().zip(expected) {
            for deleted in [false, true] {
                let record = Record {
                    deleted,
                    ..record(status)
                };
                let found = kinds(&record, &[said(0, there)], at(1));
                assert_eq!(
                    found,
                    expected.into_iter().collect::<Vec<_>>(),
                    "{status} and {}",
                    there.as_str()
                );
            }
        }
    }
}

#[test]
fn what_waits_for_a_person_is_not_settled_by_a_worker() {
    let reviewed = Record {
        needs_review: true,
        ..record(Status::Processing)
    };
    assert_eq!(
        kinds(&reviewed, &[said(0, ProviderStatus::Paid)], at(1)),
        [Kind::PaidThere]
    );
    assert_eq!(
        kinds(&reviewed, &[said(0, ProviderStatus::Declined)], at(1)),
        [Kind::DeclinedThere]
    );
    assert_eq!(kinds(&reviewed, &[said(0, ProviderStatus::Unknown)], at(1)), []);
    assert_eq!(
        kinds(&reviewed, &[said(0, ProviderStatus::Unknown)], at(61)),
        [Kind::ProcessingTooLong]
    );
}

#[test]
fn processing_is_told_once_it_takes_too_long() {
    let processing = record(Status::Processing);
    for there in [
        ProviderStatus::Paid,
        ProviderStatus::Accepted,
        ProviderStatus::Declined,
        ProviderStatus::Unknown,
    ] {
        assert_eq!(kinds(&processing, &[said(0, there)], at(60)), []);
        assert_eq!(
            kinds(&processing, &[said(0, there)], at(61)),
            [Kind::ProcessingTooLong]
        );
    }
}

#[test]
fn another_reference_is_told_but_not_where_a_person_resolved_it() {
    let completed = record(Status::Completed);
    let other = ProviderReport {
        provider: None,
        owns: true,
        generation: 0,
        answer: Some(ProviderAnswer::Paid {
            reference: reference("other"),
        }),
    };
    let found = compare(&completed, std::slice::from_ref(&other), at(1), HOUR);
    assert_eq!(
        found,
        [Disagreement {
            kind: Kind::OtherReference,
            generation: 0,
            provider: None,
            there: ProviderStatus::Paid,
            reference: Some(reference("other")),
        }]
    );
    let resolved = Record {
        provider_reference: None,
        ..completed
    };
    assert_eq!(kinds(&resolved, &[other], at(1)), []);
}

#[test]
fn an_earlier_attempt_that_was_paid_is_told_and_two_payments_above_all() {
    let retried = Record {
        generation: 1,
        ..record(Status::Completed)
    };
    assert_eq!(
        kinds(
            &retried,
            &[said(0, ProviderStatus::Declined), said(1, ProviderStatus::Paid)],
            at(1)
        ),
        []
    );
    assert_eq!(
        kinds(
            &retried,
            &[said(0, ProviderStatus::Unknown), said(1, ProviderStatus::Paid)],
            at(1)
        ),
        []
    );
    assert_eq!(
        kinds(
            &retried,
            &[said(0, ProviderStatus::Accepted), said(1, ProviderStatus::Paid)],
            at(1)
        ),
        [Kind::AcceptedThere]
    );
    assert_eq!(
        kinds(
            &retried,
            &[said(0, ProviderStatus::Paid), said(1, ProviderStatus::Paid)],
            at(1)
        ),
        [Kind::PaidThere, Kind::PaidTwice]
    );
}

#[test]
fn a_retry_that_the_store_has_forgotten_is_looked_for_and_told() {
    let failed = record(Status::Failed);
    assert_eq!(generations(&failed).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(generations(&record(Status::Completed)).collect::<Vec<_>>(), [0]);
    for there in [
        ProviderStatus::Paid,
        ProviderStatus::Accepted,
        ProviderStatus::Declined,
    ] {
        let found = kinds(
            &failed,
            &[said(0, ProviderStatus::Declined), said(1, there)],
            at(1),
        );
        assert_eq!(found, [Kind::LaterAttemptThere]);
    }
    assert_eq!(
        kinds(
            &failed,
            &[
                said(0, ProviderStatus::Declined),
                said(1, ProviderStatus::Unknown)
            ],
            at(1)
        ),
        []
    );
}

/// A ledger by key; a key that is not in it was never received. It records how many calls run at the same time.
#[derive(Default)]
struct Ledger {
    answers: HashMap<String, ProviderStatus>,
    silent: Vec<String>,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Processor for Ledger {
    async fn submit(&self, _: &Instruction) -> Result<ProviderAnswer, ProcessorError> {
        panic!("a reconciliation sends nothing")
    }

    async fn look_up(&self, look_up: &LookUp) -> Result<LookUpAnswer, ProcessorError> {
        let key = &look_up.key;
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        if self.silent.iter().any(|silent| silent == key.as_str()) {
            return Err(ProcessorError::Unknown {
                why: "reset".into(),
                retry_after: None,
            });
        }
        let found = self.answers.get(key.as_str()).copied().and_then(answer);
        Ok(found.map_or(LookUpAnswer::Absent, LookUpAnswer::Found))
    }
}

impl Ledger {
    fn knows(mut self, record: &Record, generation: u32, there: ProviderStatus) -> Self {
        let key = record.key(generation);
        self.answers.insert(key.as_str().to_owned(), there);
        self
    }
}

/// Returns a reconciliation read over these records, page by page.
fn reader(records: Vec<Record>) -> Arc<dyn ReconciliationReader> {
    let mut reader = MockReconciliationReader::new();
    reader.expect_records().returning(move |query| {
        let rest = records.iter().filter(|record| {
            query
                .after
                .is_none_or(|after| (record.created_at, record.id) > (after.at, after.id))
        });
        Ok(rest.take(query.limit as usize).cloned().collect())
    });
    Arc::new(reader)
}

fn period() -> Period {
    Period {
        since: at(0),
        until: at(1_000_000),
        concurrency: 8,
        call_timeout: Duration::from_secs(5),
        too_long: HOUR,
    }
}

async fn reconcile(
    records: Vec<Record>,
    repository: MockPayoutRepository,
    ledger: Arc<Ledger>,
) -> (Tally, Vec<Finding>) {
    let reconciliation = Reconciliation {
        repository: Arc::new(repository),
        reader: reader(records),
        providers: vec![ReconciledProvider::only(ledger)],
    };
    let mut found = Vec::new();
    let tally = reconciliation
        .run(&period(), |step| match step {
            Step::LookedUp => (),
            Step::Found(finding) => found.push(finding),
        })
        .await;
    (tally.unwrap(), found)
}

fn unmoved() -> MockPayoutRepository {
    let mut repository = MockPayoutRepository::new();
    repository.expect_now().returning(|| Ok(at(120)));
    repository
}

#[tokio::test(start_paused = true)]
async fn every_page_is_walked_in_order_with_no_more_calls_at_a_time_than_allowed() {
    let mut records: Vec<Record> = (0..1_203).map(|_| record(Status::Completed)).collect();
    records.sort_by_key(|record| (record.created_at, record.id));
    // All but three are paid. Only those three are found, in the order of the records.
    let missing = [7, 600, 1_202];
    let ledger = records
        .iter()
        .enumerate()
        .fold(Ledger::default(), |ledger, (number, record)| {
            let there = if missing.contains(&number) {
                ProviderStatus::Unknown
            } else {
                ProviderStatus::Paid
            };
            ledger.knows(record, 0, there)
        });
    let ledger = Arc::new(ledger);
    let mut repository = unmoved();
    let stored = build::new_payout().stored_at(at(0));
    assert_eq!(stored.version(), record(Status::Completed).version);
    repository
        .expect_find()
        .times(missing.len())
        .returning(move |_| Ok(Some(stored.clone())));
    let (tally, found) = reconcile(records.clone(), repository, ledger.clone()).await;
    let expected = Tally {
        payouts: 1_203,
        disagreements: 3,
        unanswered: 0,
    };
    assert_eq!(tally, expected);
    let ids: Vec<_> = found
        .iter()
        .map(|finding| match finding {
            Finding::Disagree(record, found) => (record.id, found.kind),
            Finding::NoAnswer { .. } => panic!("{finding:?}"),
        })
        .collect();
    assert_eq!(
        ids,
        missing.map(|number| (records[number].id, Kind::UnknownThere))
    );
    assert_eq!(ledger.most.load(Ordering::SeqCst), 8);
}

#[tokio::test(start_paused = true)]
async fn a_payout_that_is_written_meanwhile_is_no_disagreement() {
    // The record said pending; before the look-up, a worker had claimed the payout and paid it.
    let pending = record(Status::Pending);
    let ledger = Arc::new(Ledger::default().knows(&pending, 0, ProviderStatus::Paid));
    let mut moved = unmoved();
    moved.expect_find().returning(|_| Ok(None));
    let (tally, found) = reconcile(vec![pending], moved, ledger).await;
    assert_eq!((tally.disagreements, found.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_does_not_answer_is_asked_again_and_then_told() {
    let completed = record(Status::Completed);
    let key = completed.key(0);
    let ledger = Arc::new(Ledger {
        silent: vec![key.as_str().to_owned()],
        ..Ledger::default()
    });
    let (tally, found) = reconcile(vec![completed.clone()], unmoved(), ledger).await;
    assert_eq!((tally.payouts, tally.unanswered, tally.disagreements), (1, 1, 0));
    let [
        Finding::NoAnswer {
            record,
            generation,
            why,
        },
    ] = found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!((record, *generation), (&completed, 0));
    assert_eq!(why, "no answer to rely on: reset");
}

#[test]
fn an_answer_about_another_payment_is_told_in_every_state() {
    use payout_core::provider::ReportedPayment;

    let about = |amount: &str, digest: &str| {
        let payment = ReportedPayment::new(Some(amount), Some("USD"), Some(digest)).unwrap();
        let paid = answer(ProviderStatus::Paid).unwrap().of_payment(payment);
        ProviderReport {
            provider: None,
            owns: true,
            generation: 0,
            answer: Some(paid),
        }
    };
    for status in [
        Status::Completed,
        Status::Pending,
        Status::Processing,
        Status::Failed,
    ] {
        let told =
            |said: ProviderReport| kinds(&record(status), &[said], at(1)).contains(&Kind::OtherPayment);
        assert!(!told(about("10.5", "AB")), "{status}");
        assert!(told(about("10.51", "ab")), "{status}");
        assert!(told(about("10.5", "ac")), "{status}");
    }
    let retried = Record {
        generation: 1,
        ..record(Status::Pending)
    };
    let found = kinds(&retried, &[about("11", "ac")], at(1));
    assert!(!found.contains(&Kind::OtherPayment), "edited since: {found:?}");
}
