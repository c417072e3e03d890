//! The cost of lists by the fields of a payout beside its payment, on a table with many rows; see `costs`.

use payout_adapters::storage::admin::StorageAdmin;
use payout_adapters::storage::postgres::PostgresRepository;
use payout_core::batch::BatchId;
use payout_core::contract::{build, drive};
use payout_core::payout::{ExternalId, MetadataEntry, NewPayout};
use payout_core::ports::{Cursor, Filter, ListQuery, Order, PayoutRepository, Position};
use uuid::Uuid;

use crate::costs::{Table, page};

/// One batch of 5,000 payouts, 60 with a rare entry among 25,000 with a common one, and 2,000 with a schedule.
const FIELDS: &str = "
    UPDATE payout_details SET
        batch_id = CASE WHEN n % 10 = 0 THEN '00000000-0000-0000-0000-000000000007'::uuid END,
        metadata = CASE WHEN n % 2 = 0 THEN jsonb_build_object(
            'team', 'common', 'kind', CASE WHEN n % 800 = 0 THEN 'rare' ELSE 'usual' END, 'number', n::text) END,
        scheduled_at = CASE WHEN n % 25 = 0 THEN now() + (n * 7919 % 50000) * interval '1 second' END
    FROM (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM payout_details) AS numbered
    WHERE numbered.id = payout_details.id AND n <= 50000";

fn tagged(name: &str, value: &str) -> Filter {
    Filter {
        metadata: vec![MetadataEntry::new(name, value).unwrap()],
        ..Filter::default()
    }
}

#[tokio::test]
async fn lists_by_further_fields_cost_the_rows_that_they_show() {
    let table = Table::with_many_rows().await;
    for statement in [FIELDS, "VACUUM ANALYZE payout_details"] {
        sqlx::raw_sql(statement).execute(&table.pool).await.unwrap();
    }
    let external_id = ExternalId::new("salary-7").unwrap();
    let mut named: NewPayout = build::new_payout();
    named.details.external_id = Some(external_id.clone());
    let repository = table.repository();
    drive::store(&repository, named).await;
    let of_batch = Filter {
        batch: Some(BatchId::from(Uuid::from_u128(7))),
        ..Filter::default()
    };
    let of_id = Filter {
        external_id: Some(external_id),
        ..Filter::default()
    };
    let deep = async |filter: &Filter, order| {
        let query = page(filter.clone(), order, Position::Offset(1_500));
        let row = repository.list(&query).await.unwrap().remove(0);
        row.place(order)
    };
    let in_batch = deep(&of_batch, Order::NewestFirst).await;
    let scheduled = deep(&Filter::default(), Order::SoonestFirst).await;
    repository.close().await;
    let (first, after) = (Position::Offset(0), |place: Cursor| Position::After(place));
    let (newest, soonest) = (Order::NewestFirst, Order::SoonestFirst);
    let pages: [(&str, i64, ListQuery); 9] = [
        ("an external id", 4, page(of_id.clone(), newest, first)),
        ("a batch", 45, page(of_batch.clone(), newest, first)),
        (
            "a deep page of a batch",
            45,
            page(of_batch.clone(), newest, after(in_batch)),
        ),
        ("by schedule", 45, page(Filter::default(), soonest, first)),
        (
            "deep by schedule",
            45,
            page(Filter::default(), soonest, after(scheduled)),
        ),
        (
            "latest first",
            45,
            page(Filter::default(), Order::LatestFirst, first),
        ),
        ("rare metadata", 200, page(tagged("kind", "rare"), newest, first)),
        // The 4,000 newest payouts have none and are passed over: fewer than the 25,000 that the index would find.
        (
            "common metadata",
            4_200,
            page(tagged("team", "common"), newest, first),
        ),
        (
            "unknown metadata",
            5,
            page(tagged("team", "nobody"), newest, first),
        ),
    ];
    for (what, at_most, query) in pages {
        let listed = async |repository: &PostgresRepository, _| {
            assert!(repository.list(&query).await.unwrap().len() <= 20);
        };
        table.costs(what, at_most, listed).await;
    }
    for (what, at_most, filter) in [
        ("a count of an external id", 2, of_id),
        ("a count of a batch", 1_010, of_batch),
        ("a count of rare metadata", 150, tagged("kind", "rare")),
    ] {
        let counted = async |repository: &PostgresRepository, _| {
            repository.count(&filter, Some(1_000)).await.unwrap();
        };
        table.costs(what, at_most, counted).await;
    }
}
