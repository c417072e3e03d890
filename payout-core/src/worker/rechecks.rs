//! Rechecks of completed payments, for as long as the provider may return them.
//!
//! A recheck is a look-up: it pays nothing. A worker leases it by moving its time to the end of a lease, so that it is
//! made once; made twice, it does no harm.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::attempt::{Recheck, RecheckFinding, later};
use crate::payout::Payout;
use crate::ports::{RecheckRepository, RepositoryError, Signal};
use crate::provider::{LookUp, LookUpAnswer, ProviderName, ReturnWindow};
use crate::request_context::RequestContext;
use crate::worker::attempt::{PastDeadline, found};
use crate::worker::lane::Lane;

/// The most rechecks at the same time, so that payouts have the provider mostly for themselves.
const AT_ONCE: usize = 32;
/// The number of sweeps between two rechecks while the provider is slowed down.
const SLOWED: u32 = 4;

impl Lane {
    /// Rechecks what is due about every sweep, and repeats at once while there is more.
    pub(super) async fn recheck(self: Arc<Self>) {
        let Some(rechecks) = self.shared.rechecks.clone() else {
            return;
        };
        if self.policy.returns == ReturnWindow::Never {
            return;
        }
        let mut pause = Duration::ZERO;
        while !self.shared.shut_down_within(pause).await {
            pause = self.shared.about(self.shared.settings.sweep_every);
            for provider in self.served() {
                let now = self.shared.environment.monotonic();
                let most = self.rechecks_at_once(now);
                if most < AT_ONCE {
                    pause = self.shared.about(self.shared.settings.sweep_every * SLOWED);
                }
                if most == 0 {
                    continue;
                }
                let allowed = match self.recheck_throttle.take(now, most) {
                    Ok(allowed) => allowed,
                    Err(wait) => {
                        pause = pause.min(wait);
                        continue;
                    }
                };
                let made = self.recheck_of(&*rechecks, provider, allowed).await;
                let unused = allowed.saturating_sub(made.as_ref().map_or(0, |made| *made));
                self.recheck_throttle.give_back(unused);
                if most < AT_ONCE {
                    self.pace.give_back(unused);
                }
                match made {
                    Ok(made) if made >= allowed && most == AT_ONCE => pause = Duration::ZERO,
                    Ok(_) => (),
                    // The sweep reports that the store is unavailable. A finding that the store refuses is reported by
                    // itself.
                    Err(error) => tracing::debug!(
                        error = %crate::Causes(&error),
                        "completed payments could not be rechecked"
                    ),
                }
            }
        }
    }

    /// Returns the most rechecks that may begin now: one while the provider is slowed down, within its rate.
    fn rechecks_at_once(&self, now: Duration) -> usize {
        if self.is_open() {
            AT_ONCE
        } else if self.is_paused() || self.pace.is_away() {
            0
        } else {
            self.pace.take(now, 1)
        }
    }

    /// Rechecks one batch of up to `most`; returns its size.
    async fn recheck_of(
        self: &Arc<Self>,
        rechecks: &dyn RecheckRepository,
        provider: Option<ProviderName>,
        most: usize,
    ) -> Result<usize, RepositoryError> {
        let lease = self.shared.settings.lease;
        let limit = u32::try_from(most).unwrap_or(u32::MAX);
        let asked_at = self.shared.environment.monotonic();
        let due = rechecks.claim_rechecks(provider, limit, lease).await?;
        let count = due.len();
        let deadline = asked_at + lease.saturating_sub(self.call_timeout);
        let mut running = JoinSet::new();
        for payout in due {
            running.spawn(self.clone().recheck_one(payout, deadline));
        }
        let mut findings = Vec::new();
        while let Some(found) = running.join_next().await {
            // A recheck that panicked, or that came too late for its lease, is made again when its lease ends.
            findings.extend(found.ok().flatten());
        }
        if !findings.is_empty() {
            self.settle_findings(rechecks, &findings).await?;
        }
        Ok(count)
    }

    /// Writes the findings of a batch. When the store refuses the batch, writes one by one, so that one impossible
    /// finding delays no other.
    async fn settle_findings(
        &self,
        rechecks: &dyn RecheckRepository,
        findings: &[Recheck],
    ) -> Result<(), RepositoryError> {
        let batch = self.write_findings(rechecks, findings).await;
        let Err(RepositoryError::Refused(_)) = batch else {
            return batch;
        };
        for recheck in findings {
            match self.write_findings(rechecks, std::slice::from_ref(recheck)).await {
                Err(error @ RepositoryError::Refused(_)) => tracing::warn!(
                    payout_id = %recheck.id, provider = self.provider(), error = %crate::Causes(&error),
                    "the finding of a recheck could not be written; the payment is rechecked when the lease ends"
                ),
                written => written?,
            }
        }
        Ok(())
    }

    async fn write_findings(
        &self,
        rechecks: &dyn RecheckRepository,
        findings: &[Recheck],
    ) -> Result<(), RepositoryError> {
        let written = rechecks
            .settle_rechecks(findings, &self.shared.settings.name)
            .await?;
        for (recheck, written) in findings.iter().zip(written) {
            self.report(recheck, written);
        }
        Ok(())
    }

    async fn recheck_one(self: Arc<Self>, payout: Payout, deadline: Duration) -> Option<Recheck> {
        let request_context = RequestContext {
            payout_id: Some(payout.id()),
            ..RequestContext::default()
        };
        self.throttle.owe(self.shared.environment.monotonic());
        let begun = match self.begin_call(deadline).await {
            Ok(begun) => begun,
            Err(PastDeadline) => return None,
        };
        let (processor, question) = (self.processor.clone(), LookUp::from(&payout));
        let call = async move { processor.look_up(&question).await };
        let said = request_context.around(self.bounded(call, None)).await;
        let took = self.heard(&payout, begun, said.as_ref().err());
        self.called("look_up", found(&said), said.is_err(), took);
        // The claim set the time of the next recheck to the end of the lease, by the repository's clock.
        let lease = chrono::TimeDelta::from_std(self.shared.settings.lease).unwrap_or_default();
        let now = later(payout.parts().recheck_at? - lease, took);
        if let Ok(LookUpAnswer::Found(answer)) = &said
            && let Some(doubt) = payout.doubt_about(answer)
        {
            tracing::error!(
                payout_id = %payout.id(), provider = self.provider(), reported = doubt,
                "the provider reports a return that cannot be of this payment, which stays completed"
            );
        }
        Some(payout.conclude_recheck(said, &self.policy, now))
    }

    fn report(&self, recheck: &Recheck, written: bool) {
        let RecheckFinding::Returned(returned) = &recheck.finding else {
            return;
        };
        if written {
            self.shared.observer.observe(&Signal::Returned {
                provider: self.provider(),
            });
            tracing::warn!(
                payout_id = %recheck.id, provider = self.provider(), code = returned.reason.code(),
                "a payment came back"
            );
        } else {
            tracing::warn!(
                payout_id = %recheck.id,
                "a payment came back, and the payout has changed since: it is in another state or generation"
            );
        }
    }
}
