//! Approvals in both databases, beyond the contract: rows that somebody changes past the service, and what the schema
//! refuses whatever the program does. Each test takes a database of its own.

use payout_core::attempt::Verdict;
use payout_core::contract::build::{self, LONG_LEASE};
use payout_core::contract::drive;
use payout_core::payout::{Caller, NewPayout, Payout};
use payout_core::ports::{ClaimRequest, PayoutRepository};
use payout_core::provider::ProviderName;

use crate::sealed::{Sealable, keys};

fn person(name: &str) -> Caller {
    Caller::named(name).with_owner(Some(name.parse().unwrap()))
}

fn provider(name: &str) -> ProviderName {
    ProviderName::new(name).unwrap()
}

/// Stores a payout that requires the approval of one other person.
async fn held(repository: &dyn PayoutRepository) -> Payout {
    let new = NewPayout {
        provider: Some(provider("a")),
        ..build::held(1, &person("creator"))
    };
    drive::store(repository, new).await
}

/// Stores a payout that one other person has approved.
async fn approved(repository: &dyn PayoutRepository) -> Payout {
    let change = held(repository).await.approve(person("approver")).unwrap();
    drive::apply(repository, &change).await
}

/// A row that is changed between the approval and the claim, in any column of what is sent, ends in review.
pub(crate) async fn a_row_that_was_changed_since_it_was_approved_is_not_sent<S: Sealable>(store: S) {
    let repository = store.with(keys(""));
    for (table, change) in [
        ("payout_details", "amount = '99.50'"),
        ("payout_details", "currency = 'EUR'"),
        ("payout_details", "recipient_account = 'ACC-EVE'"),
        ("payout_details", "recipient_name = 'Eve'"),
        ("payout_details", "description = 'Another invoice'"),
        ("payout_details", "statement_text = 'salary'"),
        ("payout_details", "scheduled_at = created_at"),
        ("payout_states", "provider = 'b'"),
        ("payout_states", "generation = 1"),
        // The digest of another payout, the first.
        (
            "payout_states",
            "approved_digest = (SELECT digest FROM payout_approvals ORDER BY at LIMIT 1)",
        ),
    ] {
        let payout = approved(&repository).await;
        let change_row = format!(
            "UPDATE {table} SET {change} WHERE lower(hex(id)) = '{}'",
            hex(&payout)
        );
        store.execute(&change_row).await;
        let request = ClaimRequest {
            provider: Some(provider(if change.contains("provider") { "b" } else { "a" })),
            ..build::only(&[payout.id()], LONG_LEASE)
        };
        let claim = repository.claim(&request).await.unwrap().won.pop();
        let claim = claim.unwrap_or_else(|| panic!("{change}: not claimed"));
        let review = claim.as_approved();
        assert!(
            matches!(review, Err(Verdict::Review { .. })),
            "{change}: {review:?}"
        );
        if let Err(review) = review {
            let after = drive::settled(&repository, claim, review).await;
            assert!(after.needs_review(), "{change}");
        }
    }
}

fn hex(payout: &Payout) -> String {
    payout.id().as_uuid().simple().to_string()
}

/// Returns whether the database refuses a statement.
async fn is_refused<S: Sealable>(store: &S, statement: &str) -> bool {
    store.texts(statement).await == ["refused"]
}

/// The schema refuses approvals by people who may not approve, and payouts that lack approvals, whatever a program
/// writes.
pub(crate) async fn the_schema_refuses_what_lacks_approval<S: Sealable>(store: S) {
    let repository = store.with(keys(""));
    let payout = held(&repository).await;
    let edited = {
        let mut details = payout.details().clone();
        details.money = build::money("11", "USD");
        payout.edit(details, person("editor")).unwrap().requiring(1)
    };
    let payout = drive::apply(&repository, &edited).await;
    let approve = |person: &str| {
        format!(
            "INSERT INTO payout_approvals (payout_id, round, person, name, at, digest)
            SELECT id, approval_round, '{person}', 'name', updated_at,
                (SELECT digest FROM payout_approvals LIMIT 1) FROM payout_states
            WHERE lower(hex(id)) = '{}'",
            hex(&payout)
        )
    };
    let release = format!(
        "UPDATE payout_states SET status = 'pending', due_at = updated_at,
            approved_digest = (SELECT digest FROM payout_approvals LIMIT 1) WHERE lower(hex(id)) = '{}'",
        hex(&payout)
    );
    // Another payout's, so that there is a digest to copy.
    approved(&repository).await;
    for refused in [
        approve("owner:creator"),
        approve("owner:editor"),
        approve("open"),
        release.clone(),
        "UPDATE payout_approvals SET person = 'owner:other'".to_owned(),
        "DELETE FROM payout_approvals".to_owned(),
        format!(
            "UPDATE payout_details SET created_person = 'owner:other' WHERE lower(hex(id)) = '{}'",
            hex(&payout)
        ),
        format!(
            "UPDATE payout_states SET approvals_required = 0 WHERE lower(hex(id)) = '{}'",
            hex(&payout)
        ),
    ] {
        assert!(is_refused(&store, &refused).await, "{refused}");
    }
    assert!(!is_refused(&store, &approve("owner:other")).await);
    assert!(
        is_refused(&store, &approve("owner:other")).await,
        "a person counts once"
    );
    assert!(!is_refused(&store, &release).await, "it has what it requires");
}

macro_rules! approval_cases {
    ($make:expr) => {
        #[tokio::test]
        async fn a_row_that_was_changed_since_it_was_approved_is_not_sent() {
            crate::approvals::a_row_that_was_changed_since_it_was_approved_is_not_sent($make.await).await;
        }

        #[tokio::test]
        async fn the_schema_refuses_what_lacks_approval() {
            crate::approvals::the_schema_refuses_what_lacks_approval($make.await).await;
        }
    };
}
pub(crate) use approval_cases;
