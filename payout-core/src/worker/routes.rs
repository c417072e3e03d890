//! Routes in the worker: which provider a claimed payout is for, and which is next when provably nothing was sent.
//!
//! A payout's provider is planned when it is stored. It is fixed once something of its generation may have been sent;
//! until then the worker follows the routes as they are now.

use std::sync::Arc;
use std::time::Duration;

use crate::attempt::{Claim, Verdict};
use crate::concurrency::outage::Outage;
use crate::ports::{ClaimRequest, Claims, Signal};
use crate::provider::{LookUp, LookUpAnswer, ProviderName, WaitReason};
use crate::request_context::RequestContext;
use crate::worker::Shared;
use crate::worker::attempt::PastDeadline;
use crate::worker::lane::Lane;
use crate::worker::settle::Concluded;

/// The wait of a payout for which no configured provider is known.
const MISSING: Duration = Duration::from_secs(60);
/// The interval at which payouts of providers that are not configured are looked for.
const STRAYS_EVERY: Duration = Duration::from_secs(5);

impl Lane {
    /// Returns the name for signals.
    pub(super) fn provider(&self) -> Option<&str> {
        self.name.as_ref().map(ProviderName::as_str)
    }

    /// Returns the verdict on a claim that is not this provider's: nothing of its generation was sent, and the routes
    /// name other providers. `None` if the claim stays here. Of a retry, only a look-up here proves that nothing was
    /// sent.
    pub(super) fn rerouted(&self, claim: &Claim) -> Option<Verdict> {
        let (routes, name) = (self.shared.routes.as_ref()?, self.name.as_ref()?);
        if claim.may_have_been_sent_before() {
            return None;
        }
        match routes.of(claim.payout().details()) {
            Ok(able) if able.contains(&name) => None,
            Ok(able) => {
                let first = able.first().map(|first| (*first).clone());
                Some(released("It has another route now.", Duration::ZERO, None, first))
            }
            Err(no_route) => {
                let why = no_route.to_string();
                Some(released(&why, MISSING, Some(WaitReason::ProviderMissing), None))
            }
        }
    }

    /// Hands a payout of which provably nothing was sent to the next provider of its route.
    pub(super) fn moved_on(&self, claim: &Claim, verdict: Verdict) -> Verdict {
        let Verdict::Released {
            why,
            after,
            waiting_for,
            provider: None,
        } = verdict
        else {
            return verdict;
        };
        let next = self.next_for(claim);
        let after = if next.is_some() { Duration::ZERO } else { after };
        Verdict::Released {
            why,
            after,
            waiting_for: waiting_for.filter(|_| next.is_none()),
            provider: next,
        }
    }

    /// Returns the next provider of the payout's route that can be called now.
    fn next_for(&self, claim: &Claim) -> Option<ProviderName> {
        let (routes, name) = (self.shared.routes.as_ref()?, self.name.as_ref()?);
        let able = routes.of(claim.payout().details()).ok()?;
        let place = able.iter().position(|able| *able == name)?;
        let others = able.iter().skip(place + 1).chain(able.iter().take(place));
        let mut others = others.filter(|other| self.shared.is_well(other));
        others.next().map(|other| (*other).clone())
    }

    /// Asks the other providers of a payout's route for its key, in a store that was restored from a backup: after the
    /// backup, the payout may have gone on to one of them. Returns the verdict if one knows it, or does not say.
    pub(super) async fn known_elsewhere(
        &self,
        claim: &Claim,
        deadline: Duration,
    ) -> Result<Option<Verdict>, PastDeadline> {
        let (true, true, Some(routes)) = (
            self.shared.restored,
            !claim.is_provably_unsent(),
            self.shared.routes.as_ref(),
        ) else {
            return Ok(None);
        };
        let able = routes.of(claim.payout().details()).unwrap_or_default();
        for other in able.into_iter().filter(|able| Some(*able) != self.name.as_ref()) {
            let Some(lane) = self.shared.lane(other) else {
                continue;
            };
            let question = LookUp {
                reference: None,
                ..LookUp::from(claim)
            };
            lane.throttle.owe(self.shared.environment.monotonic());
            let begun = lane.begin_call(deadline).await?;
            let processor = lane.processor.clone();
            let said = lane
                .bounded(async move { processor.look_up(&question).await }, None)
                .await;
            lane.heard(claim, begun, said.as_ref().err());
            let why = match said {
                Ok(LookUpAnswer::Absent) => continue,
                Ok(LookUpAnswer::Found(_)) => format!("The provider {other} knows this payment."),
                Ok(LookUpAnswer::CannotTell { why }) => {
                    format!("The provider {other} cannot tell whether it has this payment: {why}")
                }
                Err(error) => {
                    return Ok(Some(Verdict::Postponed {
                        why: format!("{other}: {error}"),
                        after: self.wait_of(claim),
                        uses_attempt: false,
                        waiting_for: Some(WaitReason::Provider),
                    }));
                }
            };
            return Ok(Some(Verdict::Review {
                why: format!("The store was restored from a backup. {why}"),
            }));
        }
        Ok(None)
    }

    /// Returns the wait of a payout whose provider did not answer.
    fn wait_of(&self, claim: &Claim) -> Duration {
        claim.pause(&self.policy, &*self.shared.environment)
    }

    /// Hands the unsent payouts of a provider that is away to the next providers of their routes, for as long as it is
    /// away.
    pub(super) async fn fail_over(self: Arc<Self>) {
        let (Some(_), Some(name)) = (&self.shared.routes, self.name.clone()) else {
            return;
        };
        let every = self.shared.settings.sweep_every;
        while !self.shared.shut_down_within(self.shared.about(every)).await {
            if !self.pace.is_away() || !self.shared.any_other_is_well(&name) {
                continue;
            }
            let request = ClaimRequest {
                provider: Some(name.clone()),
                unsent_only: true,
                limit: u32::try_from(self.shared.settings.batch).unwrap_or(u32::MAX),
                ..self.shared.claim_request()
            };
            // The sweep reports that the store is unavailable.
            let Ok(Claims { won, unreadable }) = self.shared.repository.claim(&request).await else {
                continue;
            };
            let count = won.len();
            for claim in won {
                // Its provider may be back at any moment, so a payout that no other can take waits as after *not now*.
                let verdict = released(
                    "Its provider is away.",
                    self.wait_of(&claim),
                    Some(WaitReason::Provider),
                    None,
                );
                let verdict = if claim.is_provably_unsent() {
                    self.moved_on(&claim, verdict)
                } else {
                    verdict
                };
                self.shared.conclude(claim, verdict).await;
            }
            for claim in unreadable {
                self.shared.clone().put_aside(claim, None).await;
            }
            if count > 0 {
                self.shared.observer.observe(&Signal::FailedOver {
                    provider: self.provider(),
                    count,
                });
            }
        }
    }
}

impl Shared {
    /// Returns whether a provider is configured and can be called now.
    fn is_well(&self, name: &ProviderName) -> bool {
        self.lane(name)
            .is_some_and(|lane| !lane.is_paused() && !lane.pace.is_away())
    }

    /// Returns the lane of a provider.
    fn lane(&self, name: &ProviderName) -> Option<Arc<Lane>> {
        let mut lanes = self
            .lanes
            .get()
            .into_iter()
            .flatten()
            .filter_map(std::sync::Weak::upgrade);
        lanes.find(|lane| lane.name.as_ref() == Some(name))
    }

    fn any_other_is_well(&self, name: &ProviderName) -> bool {
        let lanes = self
            .lanes
            .get()
            .into_iter()
            .flatten()
            .filter_map(std::sync::Weak::upgrade);
        let mut others = lanes.filter(|lane| lane.name.as_ref() != Some(name));
        others.any(|lane| !lane.is_paused() && !lane.pace.is_away())
    }

    /// Sends the verdict on a claim that was not attempted to the settling tasks.
    async fn conclude(&self, claim: Claim, verdict: Verdict) {
        let request_context = RequestContext {
            payout_id: Some(claim.payout().id()),
            ..RequestContext::default()
        };
        let concluded = Concluded {
            settlement: claim.settle(verdict),
            request_context,
            span: None,
        };
        let _ = self.settlements.send(concluded).await;
    }

    /// Looks for due payouts of providers that are not configured. Those of which nothing was sent follow the routes;
    /// the others wait until an operator configures their provider again.
    pub(super) async fn follow_strays(self: Arc<Self>, lanes: Arc<[Arc<Lane>]>) {
        let Some(states) = self.provider_states.clone() else {
            return;
        };
        let mut outage = Outage::default();
        while !self.shut_down_within(self.about(STRAYS_EVERY)).await {
            let due = match states.due_providers().await {
                Ok(due) => due,
                Err(_) => continue,
            };
            let is_stray = |name: Option<&ProviderName>| !lanes.iter().any(|lane| lane.serves(name));
            let strays: Vec<_> = due
                .into_iter()
                .filter(|due| is_stray(due.name.as_ref()))
                .collect();
            if strays.is_empty() {
                outage.ends();
            } else if outage.begins() {
                let names = strays
                    .iter()
                    .map(|due| due.name.as_ref().map_or("(none)", ProviderName::as_str));
                tracing::warn!(
                    providers = names.collect::<Vec<_>>().join(", "),
                    "payouts are due for providers that are not configured"
                );
            }
            for stray in strays {
                self.release_strays(stray.name).await;
            }
        }
    }

    async fn release_strays(self: &Arc<Self>, provider: Option<ProviderName>) {
        let request = ClaimRequest {
            provider,
            limit: u32::try_from(self.settings.batch).unwrap_or(u32::MAX),
            ..self.claim_request()
        };
        let Ok(Claims { won, unreadable }) = self.repository.claim(&request).await else {
            return;
        };
        for claim in won {
            let verdict = self.stray(&claim);
            self.conclude(claim, verdict).await;
        }
        for claim in unreadable {
            self.clone().put_aside(claim, None).await;
        }
    }

    fn stray(&self, claim: &Claim) -> Verdict {
        let why = "Its provider is not configured.";
        let waiting_for = Some(WaitReason::ProviderMissing);
        if claim.may_have_been_sent_before() {
            return Verdict::Postponed {
                why: why.to_owned(),
                after: MISSING,
                uses_attempt: false,
                waiting_for,
            };
        }
        let routes = self.routes.as_ref().filter(|_| claim.is_provably_unsent());
        let able = routes.and_then(|routes| routes.of(claim.payout().details()).ok());
        match able.as_ref().and_then(|able| able.first()) {
            Some(first) => released(why, Duration::ZERO, None, Some((*first).clone())),
            None => released(why, MISSING, waiting_for, None),
        }
    }
}

fn released(
    why: &str,
    after: Duration,
    waiting_for: Option<WaitReason>,
    provider: Option<ProviderName>,
) -> Verdict {
    Verdict::Released {
        why: why.to_owned(),
        after,
        waiting_for,
        provider,
    }
}
