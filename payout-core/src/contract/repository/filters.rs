//! Cases for the filters of lists and counts.

use std::collections::HashSet;

use crate::contract::{Pair, build, drive};
use crate::payout::{Payout, PayoutId, RecipientAccount, RecipientName, Status};
use crate::ports::{
    Count, Cursor, Deleted, Filter, ListQuery, Listed, Order, PayoutRepository, Position, Search,
};

type Repository = Pair<dyn PayoutRepository>;

async fn listed(repository: &dyn PayoutRepository, filter: &Filter) -> Vec<PayoutId> {
    let (order, position) = (Order::OldestFirst, Position::Offset(0));
    let query = ListQuery {
        filter: filter.clone(),
        order,
        position,
        limit: 200,
    };
    drive::listed(repository, &query)
        .await
        .iter()
        .map(Payout::id)
        .collect()
}

/// Returns the ids that a search finds, without order, because payouts may share their time of creation.
pub(super) async fn found_by(repository: &dyn PayoutRepository, text: &str) -> HashSet<PayoutId> {
    let filter = Filter {
        search: Search::new(text),
        ..Filter::default()
    };
    listed(repository, &filter).await.into_iter().collect()
}

/// Evaluates a filter independently of the repository. No name used here is a prefix of another.
fn matches(filter: &Filter, payout: &Payout) -> bool {
    let parts = payout.parts();
    let is_one_of = filter.statuses.is_empty() || filter.statuses.contains(&parts.status);
    let has_currency = filter
        .currency
        .is_none_or(|currency| parts.details.money.currency() == currency);
    let is_after = filter.created_after.is_none_or(|after| after <= parts.created_at);
    let is_before = filter
        .created_before
        .is_none_or(|before| parts.created_at < before);
    let has_review = filter
        .needs_review
        .is_none_or(|needs_review| parts.needs_review == needs_review);
    let is_found = filter.search.as_ref().is_none_or(|search| {
        let name = Search::fold_name(parts.details.recipient.name().as_str());
        parts.details.recipient.account().as_str() == search.account()
            || name.starts_with(&search.name_prefix())
    });
    is_one_of && has_currency && is_after && is_before && has_review && is_found
}

/// Stores payouts that differ in everything that a filter selects by, oldest first, each at a time of its own.
async fn store_a_mixture(repository: &dyn PayoutRepository) -> Vec<Payout> {
    let mut ids = Vec::new();
    for name in ["Ada", "ADA", "Bob"] {
        for currency in ["USD", "JPY"] {
            for state in 0..5 {
                let mut details = build::details();
                details.money = build::money("10", currency);
                details.recipient = build::recipient_of(details.recipient.account().as_str(), name);
                let payout = drive::store(repository, build::of_details(details)).await;
                let id = payout.id();
                ids.push(id);
                if state == 1 {
                    drive::apply(repository, &payout.cancel(build::client()).unwrap()).await;
                } else if state > 1 {
                    let verdicts = [build::completed("ref-1"), build::failed(), build::review()];
                    let claim = drive::claim_when_due(repository, id, build::LONG_LEASE).await;
                    drive::settled(repository, claim, verdicts[state - 2].clone()).await;
                }
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        }
    }
    let mut payouts = Vec::new();
    for id in ids {
        payouts.push(drive::found(repository, id).await);
    }
    payouts
}

/// Every filter alone, and all of them together, for lists and counts.
pub async fn each_filter_alone_and_all_together(Pair { port, .. }: Repository) {
    let payouts = store_a_mixture(&*port).await;
    let created_at = |n: usize| Some(payouts[n].parts().created_at);
    let bob = payouts[payouts.len() - 1].details().recipient.account().as_str();
    let searches = [None, Search::new("ada"), Search::new(bob)];
    let all_statuses = [
        vec![],
        vec![Status::Pending],
        vec![Status::Processing],
        vec![Status::Completed, Status::Failed, Status::Cancelled],
    ];
    for statuses in &all_statuses {
        for currency in [None, Some("JPY".parse().unwrap())] {
            for (created_after, created_before) in [
                (None, None),
                (created_at(7), None),
                (None, created_at(22)),
                (created_at(7), created_at(22)),
            ] {
                for needs_review in [None, Some(true), Some(false)] {
                    for search in searches.clone() {
                        let statuses = statuses.clone();
                        let filter = Filter {
                            statuses,
                            currency,
                            created_after,
                            created_before,
                            needs_review,
                            search,
                            deleted: Deleted::Without,
                            ..Filter::default()
                        };
                        let expected: Vec<PayoutId> = payouts
                            .iter()
                            .filter(|payout| matches(&filter, payout))
                            .map(Payout::id)
                            .collect();
                        assert_eq!(listed(&*port, &filter).await, expected, "{filter:?}");
                        let count = port.count(&filter, None).await.unwrap();
                        assert_eq!(
                            count,
                            Count {
                                count: expected.len() as u64,
                                exact: true
                            },
                            "{filter:?}"
                        );
                    }
                }
            }
        }
    }
}

/// A count that stops at its bound says so; a count of exactly the bound is exact.
pub async fn a_bounded_count_says_whether_it_is_exact(Pair { port, .. }: Repository) {
    let batch: Vec<_> = (0..12).map(|_| build::new_payout()).collect();
    port.insert(&batch).await.unwrap();
    let all = Filter::default();
    for (at_most, count, exact) in [
        (None, 12, true),
        (Some(100), 12, true),
        (Some(12), 12, true),
        (Some(11), 11, false),
        (Some(1), 1, false),
    ] {
        assert_eq!(
            port.count(&all, at_most).await.unwrap(),
            Count { count, exact },
            "at most {at_most:?}"
        );
    }
    let none = Filter {
        statuses: vec![Status::Completed],
        ..all
    };
    assert_eq!(
        port.count(&none, Some(5)).await.unwrap(),
        Count {
            count: 0,
            exact: true
        }
    );
}

/// After an edit a payout is found by its new texts and no longer by the old ones.
pub async fn a_search_follows_an_edit(Pair { port, .. }: Repository) {
    let payout = drive::store(&*port, build::paid_to("Ada")).await;
    let mut edit = payout.details().clone();
    edit.recipient = edit
        .recipient
        .clone()
        .with_name(RecipientName::new("Ödön").unwrap());
    let account = edit.recipient.account().as_str().to_owned();
    edit.recipient = edit
        .recipient
        .clone()
        .with_account(RecipientAccount::new("HU1").unwrap());
    let id = payout.id();
    drive::apply(&*port, &payout.edit(edit, build::client()).unwrap()).await;
    for (text, expected) in [
        ("ada", vec![]),
        (account.as_str(), vec![]),
        ("öDÖN", vec![id]),
        ("HU1", vec![id]),
    ] {
        assert_eq!(
            found_by(&*port, text).await,
            HashSet::from_iter(expected),
            "{text:?}"
        );
    }
}

/// Deleted payouts are listed, alone or among others, with every other filter and every way of paging. Queries that do
/// not ask for them do not return them.
pub async fn deleted_payouts_are_listed_and_counted_where_they_are_asked_for(Pair { port, .. }: Repository) {
    let mut places: Vec<(Cursor, bool)> = Vec::new();
    let batch: Vec<_> = ["USD", "USD", "JPY", "USD", "JPY", "USD", "USD"]
        .iter()
        .enumerate()
        .map(|(number, currency)| {
            let mut new = build::amounting_to("7", currency);
            new.details.recipient = new
                .details
                .recipient
                .clone()
                .with_name(RecipientName::new(if number < 4 { "Ada" } else { "Bob" }).unwrap());
            new
        })
        .collect();
    for (number, new) in batch.iter().enumerate() {
        let stored = drive::store(&*port, new.clone()).await;
        let deleted = number % 2 == 0;
        if deleted {
            drive::apply(&*port, &build::deletion(&stored)).await;
        }
        places.push((Cursor::of(&stored, Order::OldestFirst), deleted));
    }
    places.sort();
    let of_ada: Vec<PayoutId> = batch[..4].iter().map(|new| new.id).collect();
    let in_yen = [batch[2].id, batch[4].id];
    for deleted in [Deleted::Without, Deleted::Only, Deleted::With] {
        let wanted = |is_deleted: bool| match deleted {
            Deleted::Without => !is_deleted,
            Deleted::Only => is_deleted,
            Deleted::With => true,
        };
        for (search, currency) in [
            (None, None),
            (Some("Ada"), None),
            (None, Some("JPY")),
            (Some("ada"), Some("JPY")),
        ] {
            let filter = Filter {
                search: search.and_then(Search::new),
                currency: currency.map(|code| code.parse().unwrap()),
                deleted,
                ..Filter::default()
            };
            let oldest_first: Vec<(Cursor, bool)> = places
                .iter()
                .filter(|(place, is_deleted)| {
                    wanted(*is_deleted)
                        && (search.is_none() || of_ada.contains(&place.id))
                        && (currency.is_none() || in_yen.contains(&place.id))
                })
                .copied()
                .collect();
            for order in [Order::NewestFirst, Order::OldestFirst] {
                let mut expected = oldest_first.clone();
                if order == Order::NewestFirst {
                    expected.reverse();
                }
                for (name, pages) in drive::pages_of_two(&*port, &filter, order).await {
                    let seen: Vec<(Cursor, bool)> = pages
                        .iter()
                        .map(|row| (row.place(order), matches!(row, Listed::Deleted(_))))
                        .collect();
                    assert_eq!(
                        seen, expected,
                        "{deleted:?} {search:?} {currency:?} {order:?} by {name}"
                    );
                }
            }
            let all = oldest_first.len() as u64;
            let exact = port.count(&filter, None).await.unwrap();
            assert_eq!(
                exact,
                Count {
                    count: all,
                    exact: true
                }
            );
            let bounded = port.count(&filter, Some(1)).await.unwrap();
            let expected = Count {
                count: all.min(1),
                exact: all <= 1,
            };
            assert_eq!(bounded, expected, "{filter:?}");
        }
    }
}

/// An IBAN is found in any spelling, whatever spelling was stored, and is returned as it was given. Any other account
/// is found only as it was given.
pub async fn an_iban_is_found_however_it_is_written(Pair { port, .. }: Repository) {
    let spelled = [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "de89 3704 0044 0532 0130 00",
    ];
    let store = async |account: &str| {
        let mut details = build::details();
        details.recipient = details
            .recipient
            .clone()
            .with_account(RecipientAccount::new(account).unwrap());
        drive::store(&*port, build::of_details(details)).await
    };
    let mut stored = HashSet::new();
    for account in spelled {
        let payout = store(account).await;
        assert_eq!(payout.details().recipient.account().as_str(), account);
        stored.insert(payout.id());
    }
    // One digit is wrong, so this is not an IBAN and is found only as it was given.
    let other = store("DE88 3704 0044 0532 0130 00").await;
    for text in spelled {
        assert_eq!(found_by(&*port, text).await, stored, "{text:?}");
    }
    let given = found_by(&*port, "DE88 3704 0044 0532 0130 00").await;
    assert_eq!(given, HashSet::from([other.id()]));
    assert_eq!(found_by(&*port, "DE88370400440532013000").await, HashSet::new());
}
