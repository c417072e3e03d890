//! Runs one claimed payout: looks the key up, sends the payment, concludes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::attempt::{Claim, UnreadableClaim, Verdict};
use crate::crash::{self, Point};
use crate::ports::{Randomness, Signal, Span, SpanKind, TraceContext};
use crate::provider::{Instruction, LookUp, LookUpAnswer, ProcessorError, ProviderAnswer};
use crate::request_context::RequestContext;
use crate::worker::Shared;
use crate::worker::lane::Lane;
use crate::worker::settle::Concluded;

/// Reports that too little of the lease is left to begin another call; the payout's next claim continues.
pub(super) struct PastDeadline;

impl Lane {
    /// Carries one claim through to its settlement. `deadline` is on the monotonic clock.
    pub(super) async fn attempt(
        self: Arc<Self>,
        claim: Claim,
        deadline: Duration,
        slot: Option<OwnedSemaphorePermit>,
        trace: Option<TraceContext>,
    ) {
        let id = claim.payout().id();
        let mut span = self
            .shared
            .tracer
            .begin(SpanKind::Consumer, "attempt payout", trace);
        if let Some(span) = &mut span {
            span.note("payout.id", &id.to_string());
            span.note("payout.key", claim.key().as_str());
        }
        let request_context = RequestContext {
            payout_id: Some(id),
            ..RequestContext::default()
        }
        .within(span.as_deref());
        match request_context
            .clone()
            .around(self.verdict(&claim, deadline))
            .await
        {
            // The channel has capacity for every slot, so the send does not wait, and the slot is freed before the
            // write: the next claim and this settlement overlap.
            Ok(Verdict::KeySpent {
                why,
                after,
                waiting_for,
            }) => {
                let change = claim.renew(&why, after, waiting_for, &self.shared.settings.name);
                request_context.around(self.begin_generation(change)).await;
            }
            Ok(verdict) => {
                let verdict = verdict.naming(&claim.key());
                let concluded = Concluded {
                    settlement: claim.settle(verdict),
                    request_context,
                    span,
                };
                let _ = self.shared.settlements.send(concluded).await;
            }
            Err(PastDeadline) => {
                if let Some(span) = &mut span {
                    span.fail();
                }
                self.shared.observer.observe(&Signal::Abandoned);
            }
        }
        drop(slot);
    }

    async fn verdict(&self, claim: &Claim, deadline: Duration) -> Result<Verdict, PastDeadline> {
        let policy = &self.policy;
        let randomness = &*self.shared.environment as &dyn Randomness;
        // Before any call: nothing is asked and nothing is sent for a payout that is not what was approved.
        if let Err(review) = claim.as_approved() {
            return Ok(review);
        }
        if claim.is_provably_unsent()
            && let Some(verdict) = self.rerouted(claim)
        {
            return Ok(verdict);
        }
        if let Some(verdict) = self.known_elsewhere(claim, deadline).await? {
            return Ok(verdict);
        }
        if claim.looks_up_first() {
            match self.look_up(claim, deadline).await? {
                Ok(LookUpAnswer::Found(answer)) => return Ok(claim.conclude(Ok(answer), policy, randomness)),
                Ok(LookUpAnswer::Absent) => match self.rerouted(claim) {
                    Some(verdict) => return Ok(verdict),
                    None => self.pace.call_again(),
                },
                Ok(LookUpAnswer::CannotTell { why }) => match claim.conclude_unknown(&why, policy) {
                    Some(review) => return Ok(review),
                    None => self.pace.call_again(),
                },
                Err(error) => {
                    let verdict = claim.conclude_look_up(&error, policy, randomness);
                    let may_move =
                        claim.is_provably_unsent() && matches!(error, ProcessorError::NeverSent { .. });
                    return Ok(if may_move {
                        self.moved_on(claim, verdict)
                    } else {
                        verdict
                    });
                }
            }
            self.throttle.owe(self.shared.environment.monotonic());
        }
        if let Err(review) = claim.may_send(policy) {
            return Ok(review);
        }
        match self.submit(claim, deadline).await? {
            Ok(answer) => Ok(claim.conclude(Ok(answer), policy, randomness)),
            Err(error) => {
                let never_sent = matches!(error, ProcessorError::NeverSent { .. });
                let verdict = claim.conclude(Err(error), policy, randomness);
                Ok(if never_sent {
                    self.moved_on(claim, verdict)
                } else {
                    verdict
                })
            }
        }
    }

    async fn look_up(
        &self,
        claim: &Claim,
        deadline: Duration,
    ) -> Result<Result<LookUpAnswer, ProcessorError>, PastDeadline> {
        let (processor, question) = (self.processor.clone(), LookUp::from(claim));
        let call = async move { processor.look_up(&question).await };
        let begun = self.begin_call(deadline).await?;
        let mut span = self.begin_span("look up payment");
        crash::pass(Point::BeforeLookUp);
        let said = self.bounded(call, span.as_deref()).await;
        crash::pass(Point::AfterLookUp);
        let outcome = found(&said);
        end_span(&mut span, outcome, said.is_err());
        let took = match &said {
            // It may not even have reached the provider.
            Ok(LookUpAnswer::CannotTell { .. }) => self.shared.environment.monotonic().saturating_sub(begun),
            Ok(LookUpAnswer::Found(_) | LookUpAnswer::Absent) => self.heard(claim, begun, None),
            Err(error) => self.heard(claim, begun, Some(error)),
        };
        self.called("look_up", outcome, said.is_err(), took);
        Ok(said)
    }

    /// Reports to the pace how a call ended; returns how long the call took.
    pub(super) fn heard(
        &self,
        payment: impl Into<LookUp>,
        begun: Duration,
        error: Option<&ProcessorError>,
    ) -> Duration {
        let now = self.shared.environment.monotonic();
        let (took, chance) = (
            now.saturating_sub(begun),
            &*self.shared.environment as &dyn Randomness,
        );
        match error {
            None => self.pace.worked(now, took, || payment.into().payout_id, chance),
            Some(error) => self.pace.failed(now, error, payment.into(), chance),
        }
        took
    }

    /// Asks an absent provider for a payment, to find out whether it is back. Sends no payment and writes nothing.
    pub(super) async fn probe(self: Arc<Self>, look_up: LookUp) {
        let processor = self.processor.clone();
        let asked_at = self.shared.environment.monotonic();
        self.throttle.owe(asked_at);
        tokio::time::sleep(self.throttle.turn(asked_at)).await;
        let begun = self.shared.environment.monotonic();
        let call = async move { processor.look_up(&look_up).await };
        let said = self.bounded(call, None).await;
        let now = self.shared.environment.monotonic();
        self.pace.probed(now, said.as_ref().map(|_| ()));
        self.called("look_up", found(&said), said.is_err(), now.saturating_sub(begun));
    }

    async fn submit(
        &self,
        claim: &Claim,
        deadline: Duration,
    ) -> Result<Result<ProviderAnswer, ProcessorError>, PastDeadline> {
        let (processor, instruction) = (self.processor.clone(), Instruction::from(claim));
        let call = async move { processor.submit(&instruction).await };
        let begun = self.begin_call(deadline).await?;
        let mut span = self.begin_span("submit payment");
        crash::pass(Point::BeforeSubmit);
        let said = self.bounded(call, span.as_deref()).await;
        crash::pass(Point::AfterSubmit);
        let outcome = match &said {
            Ok(answer) => name(answer),
            Err(error) => name_of(error),
        };
        end_span(&mut span, outcome, said.is_err());
        let took = self.heard(claim, begun, said.as_ref().err());
        self.called("submit", outcome, said.is_err(), took);
        Ok(said)
    }

    /// Begins the span of a call, as a child of the attempt's span.
    fn begin_span(&self, name: &'static str) -> Option<Box<dyn Span>> {
        self.shared
            .tracer
            .begin(SpanKind::Client, name, RequestContext::current().trace)
    }

    /// Waits for the call's turn within the provider's rate, and checks the clock a last time before the call. A process
    /// that slept past its lease stops here.
    pub(super) async fn begin_call(&self, deadline: Duration) -> Result<Duration, PastDeadline> {
        let asked_at = self.shared.environment.monotonic();
        let wait = self.throttle.turn(asked_at);
        if asked_at + wait > deadline {
            return Err(PastDeadline);
        }
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let now = self.shared.environment.monotonic();
        if now > deadline {
            Err(PastDeadline)
        } else {
            self.pace.begun(now);
            Ok(now)
        }
    }

    /// Runs a call in a task of its own, for no longer than the call timeout. A panic of the call is an unknown outcome
    /// like any other.
    pub(super) async fn bounded<T: Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, ProcessorError>> + Send + 'static,
        span: Option<&dyn Span>,
    ) -> Result<T, ProcessorError> {
        let unknown = |why: &str| {
            Err(ProcessorError::Unknown {
                why: why.to_owned(),
                retry_after: None,
            })
        };
        let mut task = tokio::spawn(RequestContext::current().within(span).around(call));
        match tokio::time::timeout(self.call_timeout, &mut task).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => unknown("the processor panicked"),
            Err(_) => {
                task.abort();
                unknown("the call timed out")
            }
        }
    }
}

impl Shared {
    /// Settles the claim of a payout that cannot be read.
    pub(super) async fn put_aside(
        self: Arc<Self>,
        claim: UnreadableClaim,
        slot: Option<OwnedSemaphorePermit>,
    ) {
        let concluded = Concluded {
            settlement: claim.settle(&self.settings.policy, &*self.environment as &dyn Randomness),
            request_context: RequestContext {
                payout_id: Some(claim.id),
                ..RequestContext::default()
            },
            span: None,
        };
        let _ = self.settlements.send(concluded).await;
        drop(slot);
    }
}

fn end_span(span: &mut Option<Box<dyn Span>>, outcome: &str, failed: bool) {
    if let Some(mut span) = span.take() {
        span.note("payout.outcome", outcome);
        if failed {
            span.fail();
        }
    }
}

pub(super) fn found(said: &Result<LookUpAnswer, ProcessorError>) -> &'static str {
    match said {
        Ok(LookUpAnswer::Found(answer)) => name(answer),
        Ok(LookUpAnswer::Absent) => "not_found",
        Ok(LookUpAnswer::CannotTell { .. }) => "cannot_tell",
        Err(error) => name_of(error),
    }
}

fn name(answer: &ProviderAnswer) -> &'static str {
    match answer {
        ProviderAnswer::Paid { .. } => "paid",
        ProviderAnswer::Accepted { .. } => "accepted",
        ProviderAnswer::Declined(_) => "declined",
        ProviderAnswer::Returned(_) => "returned",
        ProviderAnswer::Waiting { .. } => "waiting",
        ProviderAnswer::Reported { answer, .. } => name(answer),
    }
}

fn name_of(error: &ProcessorError) -> &'static str {
    match error {
        ProcessorError::NeverSent { .. } => "never_sent",
        ProcessorError::Unknown { .. } => "unknown",
        ProcessorError::Refused { .. } => "refused",
        ProcessorError::Overloaded { .. } => "overloaded",
    }
}
