//! Cases for external ids: one payout has each, unless it is deleted.

use std::sync::Arc;

use crate::contract::{Pair, build, drive};
use crate::payout::{ExternalId, NewPayout, PaymentDetails, Payout, PayoutId};
use crate::ports::{Count, Filter, Insertion, PayoutRepository, RepositoryError};

type Repository = Pair<dyn PayoutRepository>;

fn fresh() -> ExternalId {
    ExternalId::new(&build::unique("salary")).unwrap()
}

fn named(external_id: &ExternalId) -> NewPayout {
    build::of_details(named_details(external_id))
}

fn named_details(external_id: &ExternalId) -> PaymentDetails {
    PaymentDetails {
        external_id: Some(external_id.clone()),
        ..build::details()
    }
}

/// Returns the payout's id of each stored one, or the id of the payout that has its external id.
fn holder(answer: &Insertion) -> PayoutId {
    match answer {
        Insertion::Stored(payout) => payout.id(),
        Insertion::ExternalIdTaken(holder) => *holder,
        other @ (Insertion::KeyTaken | Insertion::OverLimit(_)) => panic!("{other:?}"),
    }
}

async fn counted(port: &dyn PayoutRepository) -> u64 {
    let Count { count, .. } = port.count(&Filter::default(), None).await.unwrap();
    count
}

/// Edits only the external id.
async fn edited(
    port: &dyn PayoutRepository,
    payout: &Payout,
    external_id: &ExternalId,
) -> Result<Payout, RepositoryError> {
    let details = PaymentDetails {
        external_id: Some(external_id.clone()),
        ..payout.details().clone()
    };
    let change = payout.clone().edit(details, build::client()).unwrap();
    port.apply(&change, None).await
}

/// A payout whose external id another has is not written: neither it, nor its idempotency record, nor its charge. The
/// answer names the other payout.
pub async fn a_payout_under_a_taken_external_id_is_not_written(Pair { port, .. }: Repository) {
    let external_id = fresh();
    let first = drive::store(&*port, named(&external_id)).await;
    let plain = named(&external_id);
    let key = build::fresh_key();
    let keyed = build::under(&key, named(&external_id));
    let api_key = build::fresh_api_key();
    let charged = |details: PaymentDetails| NewPayout {
        details: PaymentDetails {
            money: build::money("60", "USD"),
            ..details
        },
        ..build::charged("60", "USD", "100", api_key)
    };
    let refused = charged(named_details(&external_id));
    let batch = [plain, keyed, refused];
    let taken = Insertion::ExternalIdTaken(first.id());
    for batch in [&batch[..], &batch[..2], &batch[..1], &batch[1..2]] {
        for answer in port.insert(batch).await.unwrap() {
            assert_eq!(answer, taken);
        }
    }
    for new in &batch {
        assert_eq!(port.find(new.id).await.unwrap(), None);
    }
    assert_eq!(port.find_answer(&key).await.unwrap(), None);
    assert_eq!(counted(&*port).await, 1);
    // The key and the day's total are as they were.
    drive::store(&*port, build::under(&key, build::new_payout())).await;
    drive::store(&*port, charged(build::details())).await;
}

/// Of two payouts of a batch with one external id, the first that is stored has it.
pub async fn of_one_external_id_in_a_batch_the_first_is_stored(Pair { port, .. }: Repository) {
    let (one, other) = (fresh(), fresh());
    let batch = [
        named(&one),
        build::new_payout(),
        named(&one),
        named(&other),
        named(&one),
    ];
    let answers = port.insert(&batch).await.unwrap();
    let holders: Vec<PayoutId> = answers.iter().map(holder).collect();
    let first = batch[0].id;
    assert_eq!(holders, [first, batch[1].id, first, batch[3].id, first]);
    assert_eq!(counted(&*port).await, 3);

    // The first is refused for its key, so the second is stored.
    let (external_id, key) = (fresh(), build::fresh_key());
    drive::store(&*port, build::keyed(&key)).await;
    let batch = [build::under(&key, named(&external_id)), named(&external_id)];
    let answers = port.insert(&batch).await.unwrap();
    assert_eq!(answers[0], Insertion::KeyTaken);
    assert_eq!(holder(&answers[1]), batch[1].id);

    // The first is beyond its limit, so the second is stored, and the third is not.
    let (external_id, api_key) = (fresh(), build::fresh_api_key());
    let mut batch = [
        build::charged("60", "USD", "50", api_key),
        build::charged("40", "USD", "50", api_key),
        build::charged("1", "USD", "50", api_key),
    ];
    for new in &mut batch {
        new.details.external_id = Some(external_id.clone());
    }
    let answers = port.insert(&batch).await.unwrap();
    assert!(matches!(answers[0], Insertion::OverLimit(_)), "{answers:?}");
    assert_eq!(holder(&answers[1]), batch[1].id);
    assert_eq!(answers[2], Insertion::ExternalIdTaken(batch[1].id));
}

/// A request whose key has a record is answered by that, although its payout's external id is taken: by its own.
pub async fn a_repeated_request_is_answered_by_its_record(Pair { port, .. }: Repository) {
    let (external_id, key) = (fresh(), build::fresh_key());
    let first = drive::store(&*port, build::under(&key, named(&external_id))).await;
    let again = build::under(&key, named(&external_id));
    assert_eq!(port.insert(&[again]).await.unwrap(), [Insertion::KeyTaken]);
    let answer = port.find_answer(&key).await.unwrap().unwrap();
    assert_eq!(answer.payout, first);
}

/// Sixty-four callers that create a payout with one external id at the same time store one; every other caller
/// learns which.
pub async fn sixty_four_callers_racing_for_an_external_id_store_one_payout(Pair { port, peer }: Repository) {
    let external_id = fresh();
    let racers = (0..64).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let new = named(&external_id);
        let new = if n % 4 < 2 {
            new
        } else {
            build::under(&build::fresh_key(), new)
        };
        async move { repository.insert(&[new]).await.unwrap().remove(0) }
    });
    let answers = drive::race(racers).await;
    let winner = holder(&answers[0]);
    assert!(
        answers.iter().all(|answer| holder(answer) == winner),
        "{answers:?}"
    );
    let stored = answers
        .iter()
        .filter(|answer| matches!(answer, Insertion::Stored(_)));
    assert_eq!(stored.count(), 1);
    assert_eq!(counted(&*port).await, 1);
    assert_eq!(
        drive::found(&*port, winner).await.details().external_id,
        Some(external_id)
    );
}

/// Concurrent batches with the same external ids in different orders do not fail: each is stored once.
pub async fn batches_with_the_same_external_ids_in_different_orders_do_not_deadlock(
    Pair { port, peer }: Repository,
) {
    let ids: Vec<ExternalId> = (0..20).map(|_| fresh()).collect();
    let racers = (0..16).map(|n| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let mut batch: Vec<NewPayout> = ids.iter().map(named).collect();
        batch.rotate_left(n);
        if n % 4 < 2 {
            batch.reverse();
        }
        async move { repository.insert(&batch).await.unwrap() }
    });
    let answers = drive::race(racers).await.concat();
    let stored = answers
        .iter()
        .filter(|answer| matches!(answer, Insertion::Stored(_)));
    assert_eq!(stored.count(), ids.len());
    assert_eq!(counted(&*port).await, ids.len() as u64);
}

/// A payout that is deleted gives its external id up, to a new payout or to an edited one.
pub async fn a_deleted_payout_gives_its_external_id_up(Pair { port, .. }: Repository) {
    let external_id = fresh();
    let first = drive::store(&*port, named(&external_id)).await;
    drive::apply(&*port, &build::deletion(&first)).await;
    let second = drive::store(&*port, named(&external_id)).await;
    let third = port.insert(&[named(&external_id)]).await.unwrap();
    assert_eq!(third, [Insertion::ExternalIdTaken(second.id())]);
    drive::apply(&*port, &build::deletion(&second)).await;
    let plain = drive::stored(&*port).await;
    edited(&*port, &plain, &external_id).await.unwrap();
    let deleted = port.find_deleted(first.id()).await.unwrap().unwrap();
    assert_eq!(
        deleted.payout.details().external_id,
        Some(external_id),
        "it is still told"
    );
}

/// An edit sets an external id that is free. One that another payout has is refused: nothing is written, and the answer
/// names the other payout. Of two edits at once, one wins.
pub async fn an_edit_sets_an_external_id_that_is_free(Pair { port, peer }: Repository) {
    let taken = fresh();
    let first = drive::store(&*port, named(&taken)).await;
    let plain = drive::stored(&*port).await;
    let witness = drive::Witness::of(&*port, plain.id()).await;
    let refused = edited(&*port, &plain, &taken).await;
    assert!(
        matches!(refused, Err(RepositoryError::ExternalIdTaken(holder)) if holder == first.id()),
        "{refused:?}"
    );
    witness.assert_untouched(&*port).await;
    let free = fresh();
    let after = edited(&*port, &plain, &free).await.unwrap();
    assert_eq!(drive::found(&*port, plain.id()).await, after);
    let late = port.insert(&[named(&free)]).await.unwrap();
    assert_eq!(late, [Insertion::ExternalIdTaken(plain.id())]);

    let contested = fresh();
    let mut pending = Vec::new();
    for _ in 0..16 {
        pending.push(drive::stored(&*port).await);
    }
    let racers = pending.iter().enumerate().map(|(n, payout)| {
        let repository = Arc::clone(if n % 2 == 0 { &port } else { &peer });
        let (payout, contested) = (payout.clone(), contested.clone());
        async move {
            match edited(&*repository, &payout, &contested).await {
                Ok(after) => (true, after.id()),
                Err(RepositoryError::ExternalIdTaken(holder)) => (false, holder),
                Err(other) => panic!("{other:?}"),
            }
        }
    });
    let answers = drive::race(racers).await;
    assert_eq!(answers.iter().filter(|(won, _)| *won).count(), 1);
    assert!(
        answers.iter().all(|(_, holder)| *holder == answers[0].1),
        "{answers:?}"
    );
}
