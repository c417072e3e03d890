//! Cases for storing batches: whole or not at all, and once.

use futures::future::join_all;
use rust_decimal::Decimal;

use super::{Batching, Made, content, external_id};
use crate::batch::Batch;
use crate::contract::{Pair, build, drive};
use crate::payout::{EventKind, NewPayout, PaymentDetails, Status};
use crate::ports::{BatchInsertion, BatchRows, ListedMember, MembersQuery, RepositoryError};

type Repository = Pair<dyn Batching>;

const ALL: MembersQuery = MembersQuery {
    statuses: Vec::new(),
    approvable_by: None,
    after: None,
    limit: 500,
};

/// Reads all payouts of a batch, page by page.
async fn every_member(port: &dyn Batching, batch: &Batch) -> Vec<ListedMember> {
    let mut members: Vec<ListedMember> = Vec::new();
    loop {
        let query = MembersQuery {
            after: members.last().map(ListedMember::id),
            ..ALL
        };
        let page = port.batch_members(batch, &query).await.unwrap();
        if page.is_empty() {
            return members;
        }
        members.extend(page);
    }
}

/// A batch of more payouts than one statement writes is stored whole: each payout with its batch, its event and its
/// provider key, at one time, and in the order of the rows.
pub async fn a_batch_is_stored_with_all_its_payouts(Pair { port, peer }: Repository) {
    let made = Made::of(5_003).named(&external_id("salaries"));
    let batch = made.stored(&*port).await;
    assert_eq!(batch, made.batch.stored_at(batch.created_at));
    assert_eq!(peer.find_batch(batch.id).await.unwrap(), Some(batch.clone()));
    let members = every_member(&*peer, &batch).await;
    let ids: Vec<_> = members.iter().map(ListedMember::id).collect();
    assert_eq!(ids, made.ids());
    for (member, new) in members.iter().zip(&made.payouts).step_by(500) {
        let ListedMember::Payout(payout) = member else {
            panic!("{member:?} can be read")
        };
        assert_eq!(payout.parts(), new.stored_at(batch.created_at).parts());
        assert_eq!(payout.parts().batch, Some(batch.id));
        assert!(payout.parts().provider_key.is_some());
        assert_eq!(drive::found(&*peer, payout.id()).await, *payout);
        assert_eq!(drive::kinds(&*peer, payout.id()).await, [EventKind::Created]);
    }
}

/// Pages of a batch are in the order of the rows, and have the asked statuses only.
pub async fn the_payouts_of_a_batch_are_read_in_pages(Pair { port, .. }: Repository) {
    let (made, other) = (Made::of(5), Made::of(2));
    let batch = made.stored(&*port).await;
    other.stored(&*port).await;
    drive::stored(&*port).await;
    let ids = made.ids();
    let page = |after, limit| MembersQuery { after, limit, ..ALL };
    let read = async |query: MembersQuery| -> Vec<_> {
        let members = port.batch_members(&batch, &query).await.unwrap();
        members.iter().map(ListedMember::id).collect()
    };
    assert_eq!(read(page(None, 2)).await, ids[..2]);
    assert_eq!(read(page(Some(ids[1]), 10)).await, ids[2..]);
    assert_eq!(read(page(Some(ids[4]), 10)).await, []);
    let payout = drive::found(&*port, ids[3]).await;
    drive::apply(&*port, &payout.cancel(build::client()).unwrap()).await;
    let of = |statuses: &[Status]| MembersQuery {
        statuses: statuses.to_vec(),
        ..ALL
    };
    assert_eq!(read(of(&[Status::Cancelled])).await, [ids[3]]);
    assert_eq!(read(of(&[Status::Cancelled, Status::Pending])).await, ids);
    let payout = drive::found(&*port, ids[0]).await;
    drive::apply(&*port, &payout.delete(build::client()).unwrap()).await;
    assert_eq!(read(ALL).await, ids[1..], "a deleted payout is omitted");
}

/// Neither an external id nor a content is stored twice; the batch that has it is returned.
pub async fn a_batch_is_stored_once(Pair { port, peer }: Repository) {
    let name = external_id("salaries");
    let named = Made::of(2).named(&name);
    let batch = named.stored(&*port).await;
    let other_content = Made::of(3).named(&name);
    assert_eq!(
        other_content.store(&*peer).await,
        BatchInsertion::Known(batch.clone())
    );
    let mut same_content = Made::of(1);
    same_content.batch.content = batch.content;
    assert_eq!(
        same_content.store(&*peer).await,
        BatchInsertion::Known(batch.clone())
    );
    for refused in [&other_content, &same_content] {
        assert_eq!(port.find_batch(refused.batch.id).await.unwrap(), None);
        assert_eq!(port.find(refused.ids()[0]).await.unwrap(), None);
    }
    let found = |id: Option<_>, content| {
        let port = port.clone();
        async move { port.find_same_batch(id, &content).await.unwrap() }
    };
    assert_eq!(found(Some(&name), content()).await, Some(batch.clone()));
    assert_eq!(found(None, batch.content).await, Some(batch.clone()));
    let other = external_id("other");
    assert_eq!(found(Some(&other), batch.content).await, Some(batch));
    assert_eq!(found(Some(&other), content()).await, None);
    assert_eq!(found(None, content()).await, None);
}

/// Of many callers that store the same batch at once, one stores it. Nobody gets an error other than that the batch is
/// being stored.
pub async fn callers_racing_with_a_batch_store_it_once(Pair { port, peer }: Repository) {
    let name = external_id("salaries");
    let made: Vec<Made> = (0..8).map(|_| Made::of(50).named(&name)).collect();
    let ports = [&port, &peer];
    let racers = made.iter().zip(0..).map(|(made, number)| {
        let port = ports[number % 2].clone();
        async move { port.store_batch(&made.batch, BatchRows::of(&made.payouts)).await }
    });
    let answers = join_all(racers).await;
    let stored = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(BatchInsertion::Stored(_))));
    assert_eq!(stored.count(), 1);
    let batch = port
        .find_same_batch(Some(&name), &content())
        .await
        .unwrap()
        .unwrap();
    for answer in answers {
        match answer {
            Ok(BatchInsertion::Stored(stored) | BatchInsertion::Known(stored)) => assert_eq!(stored, batch),
            Ok(other) => panic!("{other:?}"),
            Err(error) => assert!(matches!(error, RepositoryError::Locked { .. }), "{error:?}"),
        }
    }
    assert_eq!(port.batch_members(&batch, &ALL).await.unwrap().len(), 50);
}

/// If a payout's external id is taken, nothing of the batch is stored.
pub async fn a_batch_with_a_taken_external_id_is_not_stored(Pair { port, .. }: Repository) {
    let taken = PaymentDetails {
        external_id: Some(external_id("invoice")),
        ..build::details()
    };
    let earlier = drive::store(&*port, build::of_details(taken.clone())).await;
    let free = PaymentDetails {
        external_id: Some(external_id("invoice")),
        ..build::details()
    };
    let mut payouts = vec![build::new_payout(); 3_000];
    payouts.push(build::of_details(free.clone()));
    payouts.push(build::of_details(taken.clone()));
    let made = Made::from(payouts);
    assert_eq!(made.store(&*port).await, BatchInsertion::ExternalIdTaken);
    assert_eq!(port.find_batch(made.batch.id).await.unwrap(), None);
    assert_eq!(port.find_many(&made.ids()).await.unwrap(), []);
    let ids = [taken.external_id.unwrap(), free.external_id.unwrap()];
    let found = port.taken_external_ids(&ids).await.unwrap();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [(ids[0].clone(), earlier.id())]
    );
}

/// A batch whose rows end early, since the task that makes them fails, is not stored.
pub async fn a_batch_whose_rows_end_early_is_not_stored(Pair { port, .. }: Repository) {
    let mut made = Made::of(2_500);
    made.batch.payouts += 1;
    let stored = port.store_batch(&made.batch, BatchRows::of(&made.payouts)).await;
    assert!(matches!(stored, Err(RepositoryError::Refused(_))), "{stored:?}");
    assert_eq!(port.find_batch(made.batch.id).await.unwrap(), None);
    assert_eq!(port.find_many(&made.ids()).await.unwrap(), []);
    made.batch.payouts -= 1;
    made.stored(&*port).await;
}

/// The charges of a batch fit into the daily limit together, or nothing is stored and nothing is charged.
pub async fn a_batch_is_charged_to_the_daily_limit_as_a_whole(Pair { port, .. }: Repository) {
    let key = build::fresh_api_key();
    let of = |count: usize| -> Made {
        Made::from(
            (0..count)
                .map(|_| build::charged("10", "USD", "100", key))
                .collect(),
        )
    };
    assert!(matches!(of(11).store(&*port).await, BatchInsertion::OverLimit(_)));
    of(6).stored(&*port).await;
    let over = of(5);
    assert!(matches!(over.store(&*port).await, BatchInsertion::OverLimit(_)));
    assert_eq!(port.find_many(&over.ids()).await.unwrap(), []);
    of(3).stored(&*port).await;
    drive::store(&*port, build::charged("10", "USD", "100", key)).await;
    let full = port
        .insert(&[build::charged("1", "USD", "100", key)])
        .await
        .unwrap();
    assert!(
        matches!(full[..], [crate::ports::Insertion::OverLimit(_)]),
        "{full:?}"
    );
}

/// The sums of a batch are exact, by status and currency, and omit the payouts of others.
pub async fn a_batch_is_summed_by_status_and_currency(Pair { port, .. }: Repository) {
    let amounts = [
        ("0.10", "USD"),
        ("0.20", "USD"),
        ("9999999999999999.99", "USD"),
        ("7", "JPY"),
    ];
    let of = |(amount, currency): (&str, &str)| build::amounting_to(amount, currency);
    let made = Made::from(amounts.map(of).to_vec());
    let batch = made.stored(&*port).await;
    Made::of(2).stored(&*port).await;
    let payout = drive::found(&*port, made.ids()[1]).await;
    drive::apply(&*port, &payout.cancel(build::client()).unwrap()).await;
    let totals = port.batch_totals(&batch).await.unwrap();
    let shown: Vec<_> = totals
        .iter()
        .map(|total| {
            (
                total.status,
                total.currency.code(),
                total.count,
                total.sum.to_string(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Status::Cancelled, "USD", 1, "0.20".to_owned()),
            (Status::Pending, "JPY", 1, "7".to_owned()),
            (Status::Pending, "USD", 2, "10000000000000000.09".to_owned()),
        ]
    );
    assert!(
        totals
            .iter()
            .all(|total| total.in_review == 0 && total.sum > Decimal::ZERO)
    );
    assert!(totals[0].updated_at >= batch.created_at);
}

/// Lists have the newest batches first, and continue after any of them.
pub async fn batches_are_listed_newest_first(Pair { port, .. }: Repository) {
    let mut batches = Vec::new();
    for _ in 0..3 {
        batches.insert(0, Made::of(1).stored(&*port).await);
    }
    assert_eq!(port.list_batches(None, 10).await.unwrap(), batches);
    assert_eq!(port.list_batches(None, 2).await.unwrap(), batches[..2]);
    assert_eq!(
        port.list_batches(Some(batches[1].id), 2).await.unwrap(),
        batches[2..]
    );
    assert_eq!(port.list_batches(Some(batches[2].id), 2).await.unwrap(), []);
}

/// A payout of a batch whose provider key another payout spent has its id as the base, as any other payout.
pub async fn a_batch_that_names_a_provider_key_keeps_it(Pair { port, .. }: Repository) {
    let new = build::new_payout();
    let made = Made::from(vec![new]);
    made.stored(&*port).await;
    let NewPayout { id, batch, .. } = &made.payouts[0];
    let payout = drive::found(&*port, *id).await;
    assert_eq!(payout.parts().provider_key, batch.map(|place| place.provider_key));
}

/// Likely duplicates are found without storing anything: for each payout that looks for one, the latest.
pub async fn likely_duplicates_are_found_before_a_batch_is_stored(Pair { port, peer }: Repository) {
    let within = std::time::Duration::from_secs(3600);
    let paid = |account: &str, amount: &str| {
        let mut new = build::amounting_to(amount, "USD");
        new.details.recipient = build::recipient_of(account, "Ada");
        new
    };
    let account = build::unique("ACC-");
    drive::store(&*port, paid(&account, "5")).await;
    let latest = drive::store(&*port, paid(&account, "5")).await;
    drive::store(&*port, paid(&account, "6")).await;
    let looking = build::looking_for_duplicates(within, paid(&account, "5"));
    let other = build::looking_for_duplicates(within, paid(&account, "7"));
    let news = [paid(&account, "5"), looking, other];
    let found = peer.likely_duplicates(&news).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(news[1].id, latest.id())]);
    assert_eq!(port.find(news[1].id).await.unwrap(), None, "nothing was stored");
}

/// Daily totals are read as they count today, for the buckets that have one.
pub async fn daily_totals_are_read_without_a_charge(Pair { port, peer }: Repository) {
    let (api_key, other) = (build::fresh_api_key(), build::fresh_api_key());
    drive::store(&*port, build::charged("30", "USD", "100", api_key)).await;
    drive::store(&*port, build::charged("12.50", "USD", "100", api_key)).await;
    let bucket = |api_key| crate::spending::SpendingBucket {
        api_key: Some(api_key),
        currency: "USD".parse().unwrap(),
    };
    for _ in 0..2 {
        let totals = peer
            .daily_totals(&[bucket(api_key), bucket(other)])
            .await
            .unwrap();
        let total = |api_key| totals.of(bucket(api_key)).map(|total| total.total.normalize());
        assert_eq!(total(api_key), Some("42.5".parse().unwrap()));
        assert_eq!(total(other), None);
    }
}
