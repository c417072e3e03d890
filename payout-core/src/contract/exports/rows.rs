//! Cases for the rows of an export: all of a list, in its order, as they are at one moment.

use crate::contract::exports::Exporting;
use crate::contract::{Pair, build, drive};
use crate::payout::{NewPayout, Status};
use crate::ports::{
    Deleted, ExportQuery, ExportedRows, Filter, ListQuery, Listed, Order, PayoutRepository, Position, Search,
};

type Exports = Pair<dyn Exporting>;

/// More payouts than any adapter hands over at once.
const MANY: usize = 2_500;

async fn store_many(port: &dyn PayoutRepository, count: usize) {
    let batch: Vec<NewPayout> = (0..count).map(|_| build::new_payout()).collect();
    for part in batch.chunks(500) {
        port.insert(part).await.unwrap();
    }
}

/// Reads an export to its end.
async fn read(rows: &mut dyn ExportedRows) -> Vec<Listed> {
    let mut read = Vec::new();
    while let Some(rows) = rows.next().await.unwrap() {
        assert!(!rows.is_empty(), "rows that are handed over are at least one");
        read.extend(rows);
    }
    assert!(rows.next().await.unwrap().is_none(), "the end stays the end");
    read
}

async fn exported(port: &dyn Exporting, query: &ExportQuery) -> Vec<Listed> {
    read(&mut *port.export(query).await.unwrap()).await
}

async fn listed(port: &dyn Exporting, query: &ExportQuery) -> Vec<Listed> {
    let ExportQuery { filter, order } = query.clone();
    let all = ListQuery {
        filter,
        order,
        position: Position::Offset(0),
        limit: 10_000,
    };
    port.list(&all).await.unwrap()
}

/// An export has the rows of the list, from the first to the last, in both orders.
pub async fn an_export_has_every_payout_of_its_list_in_order(exports: Exports) {
    let port = &*exports.port;
    store_many(port, MANY).await;
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let query = ExportQuery {
            order,
            ..ExportQuery::default()
        };
        let rows = exported(port, &query).await;
        assert_eq!(rows.len(), MANY);
        assert_eq!(rows, listed(port, &query).await, "{order:?}");
    }
}

/// An export has the rows that a list with the same filter has.
pub async fn an_export_has_the_rows_of_its_filter(exports: Exports) {
    let port = &*exports.port;
    let name = build::unique("Grace");
    drive::store(port, build::amounting_to("7", "EUR")).await;
    let wanted = drive::store(port, build::paid_to(&name)).await;
    drive::stored(port).await;
    drive::declined(port).await;
    let deleted = drive::stored(port).await;
    drive::apply(port, &build::deletion(&deleted)).await;
    let filters = [
        Filter {
            statuses: vec![Status::Failed],
            ..Filter::default()
        },
        Filter {
            statuses: vec![Status::Failed, Status::Pending],
            ..Filter::default()
        },
        Filter {
            currency: Some("EUR".parse().unwrap()),
            ..Filter::default()
        },
        Filter {
            search: Search::new(&name),
            ..Filter::default()
        },
        Filter {
            created_after: Some(wanted.parts().created_at),
            needs_review: Some(false),
            ..Filter::default()
        },
        Filter {
            deleted: Deleted::Only,
            ..Filter::default()
        },
        Filter {
            deleted: Deleted::With,
            ..Filter::default()
        },
    ];
    for filter in filters {
        let query = ExportQuery {
            filter,
            order: Order::NewestFirst,
        };
        let rows = exported(port, &query).await;
        assert!(!rows.is_empty(), "{query:?} finds something");
        assert_eq!(rows, listed(port, &query).await, "{query:?}");
    }
}

/// An export that finds nothing ends without rows.
pub async fn an_export_of_nothing_ends_at_once(exports: Exports) {
    let port = &*exports.port;
    drive::stored(port).await;
    let query = ExportQuery {
        filter: Filter {
            currency: Some("CHF".parse().unwrap()),
            ..Filter::default()
        },
        order: Order::NewestFirst,
    };
    assert_eq!(exported(port, &query).await, []);
}

/// Payouts that are created, changed or deleted after an export began are exported as they were.
pub async fn an_export_sees_one_moment(exports: Exports) {
    let port = &*exports.port;
    store_many(port, MANY).await;
    let query = ExportQuery {
        filter: Filter::default(),
        order: Order::OldestFirst,
    };
    let before = listed(port, &query).await;
    let mut rows = port.export(&query).await.unwrap();
    let mut read_rows = rows.next().await.unwrap().unwrap();
    let Some(Listed::Payout(last)) = before.last() else {
        panic!("a payout")
    };
    drive::apply(port, &build::deletion(last)).await;
    drive::claim_ids(port, &build::sweep(200, build::LONG_LEASE)).await;
    store_many(port, 300).await;
    read_rows.extend(read(&mut *rows).await);
    assert_eq!(read_rows.len(), before.len());
    assert_eq!(read_rows, before);
}

/// An export that is dropped midway ends: any number of them, one after the other, leave room for the next.
pub async fn exports_that_were_dropped_leave_room_for_others(exports: Exports) {
    let port = &*exports.port;
    store_many(port, MANY).await;
    let query = ExportQuery::default();
    for _ in 0..10 {
        let begun = async || port.export(&query).await.ok();
        let mut rows = drive::eventually("an export that may begin", begun).await;
        assert!(rows.next().await.unwrap().is_some());
    }
    let begun = async || port.export(&query).await.ok();
    let mut rows = drive::eventually("an export that may begin", begun).await;
    assert_eq!(read(&mut *rows).await.len(), MANY);
    drive::stored(port).await;
}
