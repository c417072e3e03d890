//! Cases for callers who take steps with one batch at the same time.

use std::sync::Arc;

use super::Batching;
use super::approvals::{approvals, held, person};
use crate::batch::Batch;
use crate::contract::repository::approvals::assert_approved;
use crate::contract::{Pair, build, drive};
use crate::payout::{PayoutId, Status};
use crate::ports::RepositoryError;

type Repository = Pair<dyn Batching>;

/// However many approve, reject, edit, cancel and claim a batch at the same time: a worker gets nothing but what the
/// required number of other people have approved as it is.
pub async fn sixty_four_callers_of_a_batch_send_nothing_that_lacks_approval(Pair { port, peer }: Repository) {
    for round in 0..3 {
        let (batch, ids) = held(&*port, &[2; 6]).await;
        let racers = (0..64_usize).map(|caller| {
            let repository = Arc::clone(if caller % 2 == 0 { &port } else { &peer });
            let (batch, ids) = (batch.clone(), ids.clone());
            async move {
                for turn in 0..4 {
                    act(
                        &*repository,
                        &batch,
                        ids[(caller + turn) % ids.len()],
                        caller,
                        round,
                    )
                    .await;
                }
            }
        });
        drive::race(racers).await;
        claim_some(&*port).await;
        for id in ids {
            let left = drive::found(&*port, id).await;
            assert_ne!(left.status(), Status::Pending, "what is approved is due");
        }
    }
}

/// Claims what is due, and checks each claim.
async fn claim_some(port: &dyn Batching) {
    let claimed = port.claim(&build::sweep(100, build::LONG_LEASE)).await.unwrap();
    for claim in claimed.won {
        assert_eq!(claim.as_approved(), Ok(()));
        assert_approved(claim.payout());
    }
}

/// Takes one step. That another caller was quicker is no error.
async fn act(port: &dyn Batching, batch: &Batch, id: PayoutId, caller: usize, round: usize) {
    let who = person(&format!("person-{}", caller / 4));
    let done = match caller % 8 {
        0..=2 => {
            let changes = approvals(port, batch, &who).await;
            port.approve_members(batch, &changes).await.map(drop)
        }
        3 if round == 1 => port.reject_members(batch, &who.because("No."), 1).await.map(drop),
        4 if round == 2 => port.cancel_members(batch, &who, 1).await.map(drop),
        5 => {
            let payout = drive::found(port, id).await;
            let mut details = payout.details().clone();
            details.money = build::money(&format!("{}.50", 10 + caller), "USD");
            match payout.edit(details, who) {
                Ok(change) => port.apply(&change.requiring(2), None).await.map(drop),
                Err(_) => Ok(()),
            }
        }
        _ => {
            claim_some(port).await;
            Ok(())
        }
    };
    match done {
        Ok(()) | Err(RepositoryError::VersionConflict | RepositoryError::Locked { .. }) => (),
        Err(error) => panic!("{error:?}"),
    }
}
