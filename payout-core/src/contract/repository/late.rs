//! Cases for settlements whose guard does not match: they leave evidence and change nothing.

use std::time::Duration;

use crate::attempt::{Claim, Settlement, Verdict};
use crate::contract::build::{self, LONG_LEASE, SHORT_LEASE};
use crate::contract::{Pair, drive};
use crate::payout::{EventKind, Resolution, Status};
use crate::ports::{PayoutRepository, Settled};

type Repository = Pair<dyn PayoutRepository>;

/// Settles a claim that must be late. The result must have this status and generation, and the only write must be a
/// `late_outcome` event with the claim and the reported outcome.
async fn assert_late(
    repository: &dyn PayoutRepository,
    settlement: Settlement,
    status: Status,
    generation: u32,
) {
    let witness = drive::Witness::of(repository, settlement.id).await;
    let answers = repository
        .settle(std::slice::from_ref(&settlement))
        .await
        .unwrap();
    assert_eq!(
        answers,
        [Settled::Late {
            status,
            generation,
            deleted: false
        }],
        "{settlement:?}"
    );
    let event = witness.assert_only_events(repository, 1).await.remove(0);
    assert_eq!((event.kind, event.status), (EventKind::LateOutcome, status));
    assert_eq!(
        (event.fence, event.generation),
        (settlement.fence, settlement.generation)
    );
    let learnt = settlement.verdict.row().detail.unwrap_or_default();
    assert!(
        event.detail.unwrap_or_default().contains(learnt),
        "the evidence says {learnt:?}"
    );
}

/// A worker that lost its lease to another settles nothing, whatever it reports.
pub async fn a_stale_fence_changes_nothing(Pair { port, .. }: Repository) {
    let id = drive::stored(&*port).await.id();
    let stale = drive::claim_when_due(&*port, id, SHORT_LEASE).await;
    let current = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    let report = |verdict: Verdict| stale.clone().settle(verdict);
    for verdict in [
        build::completed("ref-late"),
        build::failed(),
        build::accepted("ref-late", Duration::ZERO),
        build::postponed(Duration::ZERO),
        build::released(Duration::ZERO),
        build::review(),
    ] {
        assert_late(&*port, report(verdict), Status::Processing, 0).await;
    }
    drive::settled(&*port, current, build::completed("ref-1")).await;
    assert_late(&*port, report(build::failed()), Status::Completed, 0).await;
}

/// A fence that was not issued yet settles nothing either.
pub async fn a_fence_from_the_future_changes_nothing(Pair { port, .. }: Repository) {
    let mut settlement = drive::claimed(&*port).await.settle(build::completed("ref-1"));
    settlement.fence += 1;
    assert_late(&*port, settlement, Status::Processing, 0).await;
}

/// A report for an earlier generation does not apply to the current one, even with the right fence.
pub async fn a_stale_generation_changes_nothing(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    let old = claim.clone().settle(build::completed("ref-old"));
    let failed = drive::settled(&*port, claim, build::failed()).await;
    let retry = failed
        .retry(port.now().await.unwrap(), build::operator("again"))
        .unwrap();
    drive::apply(&*port, &retry).await;
    assert_late(&*port, old.clone(), Status::Pending, 1).await;
    let current = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    assert_late(&*port, old.clone(), Status::Processing, 1).await;
    let forged = Settlement {
        fence: current.payout().fence(),
        ..old
    };
    assert_late(&*port, forged, Status::Processing, 1).await;
    drive::settled(&*port, current, build::completed("ref-new")).await;
}

/// A payout that is no longer processing accepts only the repetition of its settlement.
pub async fn a_payout_that_is_not_processing_is_not_settled(Pair { port, .. }: Repository) {
    let end = async |verdict: Verdict| -> Claim {
        let claim = drive::claimed(&*port).await;
        drive::settled(&*port, claim.clone(), verdict).await;
        claim
    };
    let claim = end(build::completed("ref-1")).await;
    assert_late(
        &*port,
        claim.clone().settle(build::completed("ref-2")),
        Status::Completed,
        0,
    )
    .await;
    assert_late(
        &*port,
        claim.clone().settle(build::failed()),
        Status::Completed,
        0,
    )
    .await;
    assert_late(
        &*port,
        claim.settle(build::postponed(Duration::ZERO)),
        Status::Completed,
        0,
    )
    .await;

    let claim = end(build::failed()).await;
    assert_late(&*port, claim.settle(build::completed("ref-1")), Status::Failed, 0).await;

    let claim = end(build::released(LONG_LEASE)).await;
    assert_late(
        &*port,
        claim.settle(build::completed("ref-1")),
        Status::Pending,
        0,
    )
    .await;

    let claim = end(build::released(LONG_LEASE)).await;
    let pending = drive::found(&*port, claim.payout().id()).await;
    drive::apply(&*port, &pending.cancel(build::client()).unwrap()).await;
    assert_late(
        &*port,
        claim.settle(build::completed("ref-1")),
        Status::Cancelled,
        0,
    )
    .await;

    let claim = end(build::review()).await;
    let reviewed = drive::found(&*port, claim.payout().id()).await;
    drive::apply(
        &*port,
        &reviewed.resolve(Resolution::Failed, build::client()).unwrap(),
    )
    .await;
    assert_late(&*port, claim.settle(build::completed("ref-1")), Status::Failed, 0).await;
}

/// Another worker's report of the same outcome is late too: it is not a repetition.
pub async fn the_same_outcome_under_another_fence_is_no_repetition(Pair { port, .. }: Repository) {
    let id = drive::stored(&*port).await.id();
    let stale = drive::claim_when_due(&*port, id, SHORT_LEASE).await;
    let current = drive::claim_when_due(&*port, id, LONG_LEASE).await;
    drive::settled(&*port, current, build::completed("ref-1")).await;
    assert_late(
        &*port,
        stale.settle(build::completed("ref-1")),
        Status::Completed,
        0,
    )
    .await;
}

/// The result of a late report about a deleted payout says that it is deleted; the payout stays hidden.
pub async fn a_late_report_tells_of_a_deletion(Pair { port, .. }: Repository) {
    let claim = drive::claimed(&*port).await;
    let id = claim.payout().id();
    let pending = drive::settled(&*port, claim.clone(), build::released(LONG_LEASE)).await;
    drive::apply(&*port, &build::deletion(&pending)).await;
    let late = drive::settle(&*port, claim, build::completed("ref-1")).await;
    assert_eq!(
        late,
        Settled::Late {
            status: Status::Pending,
            generation: 0,
            deleted: true
        }
    );
    assert_eq!(port.find(id).await.unwrap(), None);
    assert_eq!(
        drive::claim_ids(&*port, &build::only(&[id], LONG_LEASE)).await,
        []
    );
}
