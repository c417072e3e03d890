//! Cases for the payouts that an import stores, and for those that it does not change.

use chrono::TimeDelta;

use super::Importing;
use crate::contract::{Pair, build, drive};
use crate::payout::{EventKind, ForeignPayout, Resolution, Standing, Status};
use crate::ports::Imported;

type Repository = Pair<dyn Importing>;

fn standings() -> [Standing; 5] {
    [
        Standing::Pending,
        Standing::UnderReview,
        Standing::Completed(crate::payout::ProviderReference::new("old-1")),
        Standing::Failed(crate::payout::Failure::new("old", "No such account.")),
        Standing::Cancelled,
    ]
}

async fn one_of_each(repository: &Repository) -> Vec<ForeignPayout> {
    let now = repository.port.now().await.unwrap();
    standings()
        .into_iter()
        .map(|standing| build::foreign(standing, now - TimeDelta::days(3)))
        .collect()
}

/// Each payout has the state, the times and the id that it had, and one event.
pub async fn an_imported_payout_is_stored_as_it_was(repository: Repository) {
    let batch = one_of_each(&repository).await;
    let port = &*repository.port;
    assert_eq!(port.import(&batch).await.unwrap(), [Imported::Stored; 5]);
    for foreign in &batch {
        let payout = drive::found(port, foreign.id).await;
        let mut expected = foreign.stored_at(port.now().await.unwrap()).parts().clone();
        // The repository's time of the import.
        expected.due_at = payout.parts().due_at;
        assert_eq!(payout.parts(), &expected);
        assert_eq!(payout.parts().created_at, foreign.created_at);
        assert_eq!(
            payout.needs_review(),
            foreign.standing == Standing::UnderReview,
            "{payout:?}"
        );
        assert_eq!(
            payout.parts().due_at.is_some(),
            payout.status() == Status::Pending,
            "{payout:?}"
        );
        let events = drive::trail(port, foreign.id).await;
        let [event] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((event.kind, event.status), (EventKind::Imported, payout.status()));
        assert_eq!(event.actor, foreign.actor);
        assert_eq!(event.detail.as_deref(), Some(foreign.detail.as_str()));
        assert_eq!(event.fence, payout.fence());
    }
}

/// A second import finds the payouts that the first stored, even if they have changed here since.
pub async fn a_repeated_import_writes_nothing(repository: Repository) {
    let batch = one_of_each(&repository).await;
    let port = &*repository.port;
    port.import(&batch).await.unwrap();
    let [pending, reviewed, ..] = &batch[..] else {
        panic!("five standings")
    };
    let payout = drive::found(port, pending.id).await;
    drive::apply(port, &payout.delete(build::client()).unwrap()).await;
    let payout = drive::found(port, reviewed.id).await;
    let resolved = payout.resolve(Resolution::Completed, build::client()).unwrap();
    drive::apply(port, &resolved).await;
    let before = drive::found(port, reviewed.id).await;
    assert_eq!(
        repository.peer.import(&batch).await.unwrap(),
        [Imported::Known; 5]
    );
    assert_eq!(drive::found(port, reviewed.id).await, before);
    assert_eq!(drive::trail(port, reviewed.id).await.len(), 2);
    assert_eq!(port.find(pending.id).await.unwrap(), None);
}

/// Only pending payouts are ever claimed: one that may have been sent is not sent again.
pub async fn only_an_imported_pending_payout_is_claimed(repository: Repository) {
    let batch = one_of_each(&repository).await;
    let port = &*repository.port;
    port.import(&batch).await.unwrap();
    let claimed = drive::claim_ids(port, &build::sweep(100, build::LONG_LEASE)).await;
    assert_eq!(claimed, [batch[0].id]);
    let all: Vec<_> = batch.iter().map(|foreign| foreign.id).collect();
    assert_eq!(
        drive::claim_ids(port, &build::only(&all, build::LONG_LEASE)).await,
        []
    );
}

/// An id that occurs twice in a batch is stored once. An empty batch is allowed.
pub async fn an_id_is_taken_once_in_a_batch(repository: Repository) {
    let port = &*repository.port;
    let foreign = build::foreign(Standing::Cancelled, port.now().await.unwrap());
    let other = build::foreign(Standing::Cancelled, port.now().await.unwrap());
    let batch = [foreign.clone(), other, foreign.clone()];
    assert_eq!(
        port.import(&batch).await.unwrap(),
        [Imported::Stored, Imported::Stored, Imported::Known]
    );
    assert_eq!(drive::trail(port, foreign.id).await.len(), 1);
    assert_eq!(port.import(&[]).await.unwrap(), []);
}

/// Two concurrent imports of the same payouts store each of them once.
pub async fn imports_at_once_store_each_payout_once(repository: Repository) {
    let now = repository.port.now().await.unwrap();
    let batch: Vec<ForeignPayout> = (0..50).map(|_| build::foreign(Standing::Pending, now)).collect();
    let mut backwards = batch.clone();
    backwards.reverse();
    let (one, other) = futures::join!(repository.port.import(&batch), repository.peer.import(&backwards));
    let (one, mut other) = (one.unwrap(), other.unwrap());
    other.reverse();
    for (foreign, answers) in batch.iter().zip(one.into_iter().zip(other)) {
        assert!(
            matches!(
                answers,
                (Imported::Stored, Imported::Known) | (Imported::Known, Imported::Stored)
            ),
            "{answers:?}"
        );
        assert_eq!(drive::trail(&*repository.port, foreign.id).await.len(), 1);
    }
}
