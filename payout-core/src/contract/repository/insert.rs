//! Cases for inserting payouts and finding them.

use std::time::Duration;

use crate::contract::build::{self, LONG_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{Description, ExternalId, Metadata, PaymentDetails, PayoutId, StatementText};
use crate::ports::{Insertion, PayoutRepository, RepositoryError};

type Repository = Pair<dyn PayoutRepository>;

/// A text with what has a meaning in SQL, JSON or a pattern.
const AWKWARD: &str = "one\r\ntwo\n\tthree 'quoted' \"twice\" \\ {\"a\": 1} %_";

/// A stored payout is returned and found with every field, even with the longest and the largest values.
pub async fn an_inserted_payout_is_found_with_every_field(Pair { port, .. }: Repository) {
    // Four bytes each, so that 128 characters are 512 bytes.
    let wide = "𝔘".repeat(128);
    let edges = PaymentDetails {
        money: build::money("9999999999999999.99", "USD"),
        recipient: build::recipient_of(&wide, &wide),
        recipient_id: Some(build::fresh_recipient_id()),
        description: Description::new(AWKWARD).unwrap(),
        external_id: Some(ExternalId::new(&format!("{}{}", build::unique("x"), "𝔘".repeat(109))).unwrap()),
        metadata: Metadata::new([
            ("𝔘".repeat(40), "𝔘".repeat(500)),
            ("a'\"{}$.b".to_owned(), AWKWARD.to_owned()),
        ])
        .unwrap(),
        statement_text: Some(StatementText::new(&"x'".repeat(70)).unwrap()),
        scheduled_at: Some(port.now().await.unwrap() + Duration::from_nanos(3_600_000_000_999)),
    };
    let mut of_a_batch = build::of_details(edges);
    of_a_batch.batch = Some(build::place_in_batch());
    let mut batch = vec![build::new_payout(), of_a_batch];
    let longest = PaymentDetails {
        description: Description::new(&"𝔘".repeat(255)).unwrap(),
        ..build::details()
    };
    let empty = PaymentDetails {
        description: Description::new("").unwrap(),
        ..build::details()
    };
    batch.extend([longest, empty].map(build::of_details));
    batch.extend(
        [
            ("999999999999999999", "JPY"),
            ("999999999999999.999", "BHD"),
            ("99999999999999.9999", "CLF"),
        ]
        .into_iter()
        .chain([
            ("1", "JPY"),
            ("0.01", "USD"),
            ("0.001", "BHD"),
            ("0.0001", "CLF"),
            ("100", "EUR"),
        ])
        .map(|(amount, currency)| build::amounting_to(amount, currency)),
    );
    for new in batch {
        let before = port.now().await.unwrap();
        let stored = drive::store(&*port, new.clone()).await;
        let after = port.now().await.unwrap();
        let created_at = stored.parts().created_at;
        assert!(
            before <= created_at && created_at <= after,
            "created_at is the repository's time of the write"
        );
        assert_eq!(stored, new.stored_at(created_at));
        assert_eq!(drive::found(&*port, new.id).await, stored);
    }
    assert_eq!(port.find(build::fresh_id()).await.unwrap(), None);
}

/// A payout with a time in the future is due at that time. No claim, by id or by sweep, gets it before.
pub async fn a_scheduled_payout_is_due_at_its_time_and_not_claimable_before(Pair { port, .. }: Repository) {
    let now = port.now().await.unwrap();
    let mut far = build::new_payout();
    far.details.scheduled_at = Some(now + Duration::from_secs(3600));
    let mut soon = build::new_payout();
    soon.details.scheduled_at = Some(now + Duration::from_millis(400));
    let mut past = build::new_payout();
    past.details.scheduled_at = Some(now - Duration::from_secs(3600));
    let [far, soon, past] = [far, soon, past].map(|new| (new.id, new));
    let stored = drive::store(&*port, far.1.clone()).await;
    assert_eq!(stored.parts().due_at, far.1.details.scheduled_at);
    drive::store(&*port, soon.1.clone()).await;
    let stored = drive::store(&*port, past.1).await;
    assert_eq!(
        stored.parts().due_at,
        Some(stored.parts().created_at),
        "a time that is past means at once"
    );

    let claim = drive::claim_when_due(&*port, soon.0, LONG_LEASE).await;
    assert!(
        claim.payout().parts().claimed_at >= soon.1.details.scheduled_at,
        "claimed before its time"
    );
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&[far.0], LONG_LEASE)).await,
        []
    );
    assert_eq!(
        drive::claim_ids(&*port, &build::sweep(10, LONG_LEASE)).await,
        [past.0]
    );
}

/// Of five hundred payouts in one batch each is stored, and its result is at its place.
pub async fn a_batch_of_five_hundred_is_answered_in_its_order(Pair { port, .. }: Repository) {
    let batch: Vec<_> = (1..=500)
        .map(|n| build::amounting_to(&format!("{n}.25"), "USD"))
        .collect();
    let answers = port.insert(&batch).await.unwrap();
    assert_eq!(answers.len(), batch.len());
    for (new, answer) in batch.iter().zip(answers) {
        let Insertion::Stored(payout) = answer else {
            panic!("a payout without a key was refused")
        };
        assert_eq!(payout, new.stored_at(payout.parts().created_at));
        assert_eq!(drive::found(&*port, new.id).await, payout);
    }
    assert!(port.insert(&[]).await.unwrap().is_empty());
    let ids: Vec<PayoutId> = batch.iter().map(|new| new.id).collect();
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&ids, LONG_LEASE))
            .await
            .len(),
        500
    );
}

/// An insert that is repeated with the same id, because its acknowledgement was lost, stores no second payout and does
/// not change the first, whether its result is stored or refused.
pub async fn a_repeated_insert_makes_no_second_payout(Pair { port, .. }: Repository) {
    let new = build::new_payout();
    drive::store(&*port, new.clone()).await;
    drive::claim_when_due(&*port, new.id, LONG_LEASE).await;
    let witness = drive::Witness::of(&*port, new.id).await;
    let again = port.insert(&[new]).await;
    assert!(
        matches!(
            again.as_deref(),
            Ok([Insertion::Stored(_)]) | Err(RepositoryError::Refused(_))
        ),
        "{again:?}"
    );
    witness.assert_untouched(&*port).await;
}

/// A read of many ids returns the payouts that exist and are not deleted, each as a read of one returns it.
pub async fn many_are_found_at_once_and_what_is_not_there_is_left_out(Pair { port, .. }: Repository) {
    let mut stored = Vec::new();
    for _ in 0..70 {
        stored.push(drive::stored(&*port).await);
    }
    let hidden = stored.pop().unwrap();
    port.apply(&hidden.clone().delete(build::client()).unwrap(), None)
        .await
        .unwrap();
    let mut ids: Vec<PayoutId> = stored.iter().map(|payout| payout.id()).collect();
    ids.extend([hidden.id(), build::fresh_id()]);
    let mut found = port.find_many(&ids).await.unwrap();
    found.sort_by_key(|payout| payout.id());
    stored.sort_by_key(|payout| payout.id());
    assert_eq!(found, stored);
    assert_eq!(port.find_many(&[]).await.unwrap(), []);
}
