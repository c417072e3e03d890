//! Cases for likely duplicates: the write itself looks for them, so that of two creates at once one is held.

use std::sync::Arc;
use std::time::Duration;

use crate::approval::ApprovalReason;
use crate::contract::{Pair, build, drive};
use crate::payout::{NewPayout, Payout, PayoutId, Recipient, RecipientAccount, Status};
use crate::ports::{Insertion, PayoutRepository, RepositoryError};

type Repository = Pair<dyn PayoutRepository>;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn looking(amount: &str, currency: &str, recipient: &Recipient) -> NewPayout {
    let new = build::amounting_to(amount, currency);
    let mut new = build::looking_for_duplicates(DAY, new);
    new.details.recipient = recipient.clone();
    new
}

async fn store(port: &dyn PayoutRepository, recipient: &Recipient) -> Payout {
    drive::store(port, looking("10.50", "USD", recipient)).await
}

fn duplicate_of(payout: &Payout) -> Option<PayoutId> {
    payout.parts().approval.as_deref()?.duplicate_of()
}

/// The second payout of one amount to one account is held for one approval, and names the first.
pub async fn a_likely_duplicate_is_held_and_names_the_other(Pair { port, peer }: Repository) {
    let recipient = build::recipient();
    let first = store(&*port, &recipient).await;
    assert_eq!((first.status(), duplicate_of(&first)), (Status::Pending, None));
    let second = store(&*peer, &recipient).await;
    assert_eq!(second.status(), Status::AwaitingApproval);
    let approval = second.parts().approval.as_deref().unwrap();
    assert_eq!(approval.reasons, [ApprovalReason::Duplicate(first.id())]);
    assert_eq!(approval.required, 1);
    assert_eq!(drive::found(&*port, second.id()).await, second);
    let trail = drive::trail(&*port, second.id()).await;
    assert!(
        trail[0]
            .detail
            .as_ref()
            .unwrap()
            .contains(&first.id().to_string())
    );
}

/// Another amount, another currency or another account is no duplicate, nor is what a request allows.
pub async fn what_differs_or_is_allowed_is_not_held(Pair { port, .. }: Repository) {
    let recipient = build::recipient();
    store(&*port, &recipient).await;
    for new in [
        looking("10.51", "USD", &recipient),
        looking("10.50", "EUR", &recipient),
        looking("10.50", "USD", &build::recipient()),
        {
            let mut allowed = looking("10.50", "USD", &recipient);
            allowed.approval.as_mut().unwrap().duplicates_within = None;
            allowed
        },
    ] {
        assert_eq!(drive::store(&*port, new).await.status(), Status::Pending);
    }
}

/// A payout that was cancelled, failed or deleted is not duplicated; one that awaits approval is.
pub async fn what_will_not_be_paid_is_not_duplicated(Pair { port, .. }: Repository) {
    let recipient = build::recipient();
    let first = store(&*port, &recipient).await;
    let held = store(&*port, &recipient).await;
    assert_eq!(held.status(), Status::AwaitingApproval);
    drive::apply(&*port, &first.cancel(build::client()).unwrap()).await;
    let third = store(&*port, &recipient).await;
    assert_eq!(
        duplicate_of(&third),
        Some(held.id()),
        "the held one may still be paid"
    );
    for payout in [held, third] {
        drive::apply(&*port, &payout.reject(build::operator("No.")).unwrap()).await;
    }
    let fourth = store(&*port, &recipient).await;
    assert_eq!(fourth.status(), Status::Pending);
    let claim = drive::claim_when_due(&*port, fourth.id(), build::LONG_LEASE).await;
    drive::settled(&*port, claim, build::failed()).await;
    let fifth = store(&*port, &recipient).await;
    assert_eq!(fifth.status(), Status::Pending);
    drive::apply(&*port, &fifth.delete(build::client()).unwrap()).await;
    assert_eq!(store(&*port, &recipient).await.status(), Status::Pending);
}

/// A payout from before the window is not duplicated.
pub async fn what_is_older_than_the_window_is_not_duplicated(Pair { port, .. }: Repository) {
    let recipient = build::recipient();
    store(&*port, &recipient).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let mut new = looking("10.50", "USD", &recipient);
    new.approval.as_mut().unwrap().duplicates_within = Some(Duration::from_millis(10));
    assert_eq!(drive::store(&*port, new).await.status(), Status::Pending);
}

/// An IBAN is the same account however it is written.
pub async fn an_iban_is_one_account_in_every_spelling(Pair { port, .. }: Repository) {
    let name = build::recipient().name().clone();
    let of = |account: &str| Recipient::new(RecipientAccount::new(account).unwrap(), name.clone());
    let first = store(&*port, &of("DE89370400440532013000")).await;
    let second = store(&*port, &of("DE89 3704 0044 0532 0130 00")).await;
    assert_eq!(duplicate_of(&second), Some(first.id()));
}

/// An edit that makes a payout a likely duplicate of another is held, and names the other. A payout is no duplicate of
/// itself.
pub async fn an_edit_into_a_likely_duplicate_is_held(Pair { port, peer }: Repository) {
    let recipient = build::recipient();
    let edited = async |port: &dyn PayoutRepository, payout: Payout, amount: &str| {
        let mut details = payout.details().clone();
        details.money = build::money(amount, "USD");
        let change = payout.edit(details, build::client()).unwrap();
        drive::apply(port, &change.looking_for_duplicates(DAY)).await
    };
    let first = store(&*port, &recipient).await;
    let other = drive::store(&*port, looking("10.55", "USD", &recipient)).await;
    let held = edited(&*peer, other, "10.50").await;
    assert_eq!(
        (held.status(), duplicate_of(&held)),
        (Status::AwaitingApproval, Some(first.id()))
    );
    assert_eq!(held.parts().due_at, None);
    assert_eq!(drive::found(&*port, held.id()).await, held);
    let trail = drive::trail(&*port, held.id()).await;
    let words = trail.last().unwrap().detail.as_ref().unwrap();
    assert!(words.contains(&first.id().to_string()), "{words}");
    let alone = drive::store(&*port, looking("7", "USD", &recipient)).await;
    let same = edited(&*port, alone, "7.00").await;
    assert_eq!((same.status(), duplicate_of(&same)), (Status::Pending, None));
}

/// A retry of a payout whose payment was made again meanwhile is held.
pub async fn a_retry_of_what_was_paid_anew_is_held(Pair { port, .. }: Repository) {
    let recipient = build::recipient();
    let first = store(&*port, &recipient).await;
    let claim = drive::claim_when_due(&*port, first.id(), build::LONG_LEASE).await;
    let failed = drive::settled(&*port, claim, build::failed()).await;
    let retry = failed
        .clone()
        .retry(failed.parts().updated_at, build::client())
        .unwrap();
    let anew = store(&*port, &recipient).await;
    assert_eq!(anew.status(), Status::Pending, "the first was not paid");
    let held = drive::apply(&*port, &retry.looking_for_duplicates(DAY)).await;
    assert_eq!(
        (held.status(), duplicate_of(&held)),
        (Status::AwaitingApproval, Some(anew.id()))
    );
}

/// Of several in one batch the first is stored, and the others are held.
pub async fn of_a_batch_the_first_is_stored_and_the_others_are_held(Pair { port, .. }: Repository) {
    let recipient = build::recipient();
    let batch: Vec<_> = (0..5).map(|_| looking("10.50", "USD", &recipient)).collect();
    let stored = port.insert(&batch).await.unwrap();
    let held: Vec<_> = stored
        .iter()
        .map(|insertion| match insertion {
            Insertion::Stored(payout) => duplicate_of(payout),
            refused @ (Insertion::KeyTaken | Insertion::ExternalIdTaken(_) | Insertion::OverLimit(_)) => {
                panic!("{refused:?}")
            }
        })
        .collect();
    assert_eq!(held[0], None);
    assert!(held[1..].iter().all(Option::is_some), "{held:?}");
    let swept = port.claim(&build::sweep(100, build::LONG_LEASE)).await.unwrap();
    assert_eq!(swept.won.len(), 1);
}

/// A create that is repeated under its idempotency key is answered as before, and is not its own duplicate.
pub async fn a_repeated_create_is_not_its_own_duplicate(Pair { port, .. }: Repository) {
    let key = build::fresh_key();
    let new = build::under(&key, looking("10.50", "USD", &build::recipient()));
    let first = drive::store(&*port, new.clone()).await;
    assert_eq!(first.status(), Status::Pending);
    let again = NewPayout {
        id: build::fresh_id(),
        ..new
    };
    assert_eq!(port.insert(&[again]).await.unwrap(), [Insertion::KeyTaken]);
    assert_eq!(port.find_answer(&key).await.unwrap().unwrap().payout, first);
}

/// Stores a payout, and tries again while another session decides about the same account.
async fn store_in_turn(port: &dyn PayoutRepository, new: &NewPayout) -> Payout {
    loop {
        match port.insert(std::slice::from_ref(new)).await {
            Ok(mut stored) => match stored.remove(0) {
                Insertion::Stored(payout) => return payout,
                refused @ (Insertion::KeyTaken | Insertion::ExternalIdTaken(_) | Insertion::OverLimit(_)) => {
                    panic!("{refused:?}")
                }
            },
            Err(RepositoryError::Locked { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// However many are created at once, one is sent without approval.
pub async fn of_sixty_four_at_once_one_is_not_held(Pair { port, peer }: Repository) {
    let recipient = build::recipient();
    let racers = (0..64).map(|caller| {
        let repository = Arc::clone(if caller % 2 == 0 { &port } else { &peer });
        let new = looking("10.50", "USD", &recipient);
        async move { store_in_turn(&*repository, &new).await }
    });
    let stored = drive::race(racers).await;
    let free = stored.iter().filter(|payout| payout.status() == Status::Pending);
    assert_eq!(free.count(), 1);
    let swept = port.claim(&build::sweep(100, build::LONG_LEASE)).await.unwrap();
    assert_eq!(swept.won.len(), 1);
}
