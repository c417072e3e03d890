//! Cases for the records: every payout occurs once, deleted ones included.

use chrono::TimeDelta;

use super::Reconcilable;
use crate::Timestamp;
use crate::contract::{Pair, build, drive};
use crate::payout::{NewPayout, Payout};
use crate::ports::{Cursor, Insertion, ReconciliationQuery, Record};

type Repository = Pair<dyn Reconcilable>;

fn all() -> ReconciliationQuery {
    ReconciliationQuery {
        after: None,
        since: Timestamp::UNIX_EPOCH,
        until: Timestamp::MAX_UTC,
        limit: 100,
    }
}

fn place(record: &Record) -> Cursor {
    Cursor {
        at: record.created_at,
        id: record.id,
    }
}

fn expected(payout: &Payout, deleted: bool) -> Record {
    let parts = payout.parts();
    Record {
        id: parts.id,
        money: parts.details.money,
        digest: Some(parts.details.digest()),
        status: parts.status,
        needs_review: parts.needs_review,
        deleted,
        provider_key: parts.provider_key,
        provider: parts.provider.clone(),
        generation: parts.generation,
        version: parts.version,
        provider_reference: parts.provider_reference.clone(),
        first_submitted_at: parts.first_submitted_at,
        created_at: parts.created_at,
    }
}

/// A record has the values of the payout's row.
pub async fn a_record_has_every_field(repository: Repository) {
    let port = &*repository.port;
    let pending = drive::store(port, build::keyed(&build::fresh_key())).await;
    let failed = drive::declined(port).await;
    let reviewed = drive::under_review(port).await;
    let paid = {
        let claim = drive::claimed(port).await;
        drive::settled(port, claim, build::completed("ref-1")).await
    };
    let expected: Vec<Record> = [&pending, &failed, &reviewed, &paid]
        .into_iter()
        .map(|payout| expected(payout, false))
        .collect();
    assert_eq!(port.records(&all()).await.unwrap(), expected);
}

/// Payouts that other reads hide are among the records, marked as deleted.
pub async fn the_books_hold_deleted_payouts(repository: Repository) {
    let port = &*repository.port;
    let pending = drive::stored(port).await;
    let failed = drive::declined(port).await;
    for payout in [pending.clone(), failed.clone()] {
        drive::apply(port, &build::deletion(&payout)).await;
    }
    let kept = drive::stored(port).await;
    let records = port.records(&all()).await.unwrap();
    let found: Vec<_> = records.iter().map(|record| (record.id, record.deleted)).collect();
    assert_eq!(
        found,
        [(pending.id(), true), (failed.id(), true), (kept.id(), false)]
    );
}

/// The pages are in the order of creation and then of ids.
pub async fn pages_hold_every_payout_once_oldest_first(repository: Repository) {
    let port = &*repository.port;
    let mut stored = Vec::new();
    for _ in 0..4 {
        let batch: Vec<NewPayout> = (0..9).map(|_| build::new_payout()).collect();
        for (number, answer) in port.insert(&batch).await.unwrap().into_iter().enumerate() {
            let Insertion::Stored(payout) = answer else {
                panic!("KeyTaken without a key")
            };
            stored.push(place(&expected(&payout, false)));
            if number % 3 == 0 {
                drive::apply(port, &payout.delete(build::client()).unwrap()).await;
            }
        }
    }
    stored.sort();
    let mut query = ReconciliationQuery { limit: 5, ..all() };
    let mut walked = Vec::new();
    for _ in 0..20 {
        let page = port.records(&query).await.unwrap();
        assert!(page.len() <= 5);
        query.after = page.last().map(place).or(query.after);
        walked.extend(page.iter().map(place));
    }
    assert_eq!(walked, stored);
}

/// A period includes its start and excludes its end.
pub async fn a_period_has_its_first_moment_and_not_its_last(repository: Repository) {
    let port = &*repository.port;
    let payout = drive::stored(port).await;
    let at = payout.parts().created_at;
    let tick = TimeDelta::microseconds(1);
    for (since, until, count) in [
        (at, at + tick, 1),
        (at - tick, at, 0),
        (at + tick, Timestamp::MAX_UTC, 0),
        (at, at, 0),
    ] {
        let query = ReconciliationQuery {
            since,
            until,
            ..all()
        };
        assert_eq!(
            port.records(&query).await.unwrap().len(),
            count,
            "{since} to {until}"
        );
    }
}
