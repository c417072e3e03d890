//! Runs one claimed payout: looks the key up, sends the payment, concludes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use crate::attempt::{Claim, UnreadableClaim, Verdict};
use crate::crash::{self, Point};
use crate::ports::{Randomness, Signal, Span, SpanKind, TraceContext};
use crate::provider::{Instruction, ProcessorError, ProcessorKey, ProviderAnswer};
use crate::request_context::RequestContext;
use crate::worker::Shared;
use crate::worker::settle::Concluded;

/// Reports that too little of the lease is left to begin another call; the payout's next claim continues.
struct PastDeadline;

impl Shared {
    /// Carries one claim through to its settlement. `deadline` is on the monotonic clock.
    pub(super) async fn attempt(
        self: Arc<Self>,
        claim: Claim,
        deadline: Duration,
        slot: Option<OwnedSemaphorePermit>,
        trace: Option<TraceContext>,
    ) {
        let id = claim.payout().id();
        let mut span = self.tracer.begin(SpanKind::Consumer, "attempt payout", trace);
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
            Ok(verdict) => {
                let verdict = verdict.naming(&claim.key());
                let concluded = Concluded {
                    settlement: claim.settle(verdict),
                    request_context,
                    span,
                };
                let _ = self.settlements.send(concluded).await;
            }
            Err(PastDeadline) => {
                if let Some(span) = &mut span {
                    span.fail();
                }
                self.observer.observe(&Signal::Abandoned);
            }
        }
        drop(slot);
    }

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

    async fn verdict(&self, claim: &Claim, deadline: Duration) -> Result<Verdict, PastDeadline> {
        let policy = &self.settings.policy;
        let conclude = |said| claim.conclude(said, policy, &*self.environment as &dyn Randomness);
        if claim.looks_up_first() {
            match self.look_up(claim, deadline).await? {
                Ok(Some(answer)) => return Ok(conclude(Ok(answer))),
                Ok(None) => self.pace.call_again(),
                Err(error) => {
                    let randomness = &*self.environment as &dyn Randomness;
                    return Ok(claim.conclude_look_up(&error, policy, randomness));
                }
            }
        }
        if let Err(review) = claim.may_send(policy) {
            return Ok(review);
        }
        Ok(conclude(self.submit(claim, deadline).await?))
    }

    async fn look_up(
        &self,
        claim: &Claim,
        deadline: Duration,
    ) -> Result<Result<Option<ProviderAnswer>, ProcessorError>, PastDeadline> {
        let (processor, key) = (self.processor.clone(), claim.key());
        let call = async move { processor.look_up(&key).await };
        let begun = self.begin_call(deadline)?;
        let mut span = self.begin_span("look up payment");
        crash::pass(Point::BeforeLookUp);
        let said = self.bounded(call, span.as_deref()).await;
        crash::pass(Point::AfterLookUp);
        let outcome = found(&said);
        end_span(&mut span, outcome, said.is_err());
        let took = self.heard(claim, begun, said.as_ref().err());
        self.observer.observe(&Signal::Called {
            call: "look_up",
            outcome,
            took,
        });
        Ok(said)
    }

    /// Reports to the pace how a call ended; returns how long the call took.
    fn heard(&self, claim: &Claim, begun: Duration, error: Option<&ProcessorError>) -> Duration {
        let now = self.environment.monotonic();
        let (took, chance) = (now.saturating_sub(begun), &*self.environment as &dyn Randomness);
        match error {
            None => self.pace.worked(now, took, chance),
            Some(error) => self.pace.failed(now, error, claim.key(), chance),
        }
        took
    }

    /// Asks an absent provider for a payment, to find out whether it is back. Sends no payment and writes nothing.
    pub(super) async fn probe(self: Arc<Self>, key: ProcessorKey) {
        let processor = self.processor.clone();
        let begun = self.environment.monotonic();
        let call = async move { processor.look_up(&key).await };
        let said = self.bounded(call, None).await;
        let now = self.environment.monotonic();
        self.pace.probed(now, said.as_ref().map(|_| ()));
        self.observer.observe(&Signal::Called {
            call: "look_up",
            outcome: found(&said),
            took: now.saturating_sub(begun),
        });
    }

    async fn submit(
        &self,
        claim: &Claim,
        deadline: Duration,
    ) -> Result<Result<ProviderAnswer, ProcessorError>, PastDeadline> {
        let (processor, instruction) = (self.processor.clone(), Instruction::from(claim));
        let call = async move { processor.submit(&instruction).await };
        let begun = self.begin_call(deadline)?;
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
        self.observer.observe(&Signal::Called {
            call: "submit",
            outcome,
            took,
        });
        Ok(said)
    }

    /// Begins the span of a call, as a child of the attempt's span.
    fn begin_span(&self, name: &'static str) -> Option<Box<dyn Span>> {
        self.tracer
            .begin(SpanKind::Client, name, RequestContext::current().trace)
    }

    /// Checks the clock a last time before a call. A process that slept past its lease stops here.
    fn begin_call(&self, deadline: Duration) -> Result<Duration, PastDeadline> {
        let now = self.environment.monotonic();
        if now > deadline {
            Err(PastDeadline)
        } else {
            self.pace.begun(now);
            Ok(now)
        }
    }

    /// Runs a call in a task of its own, for no longer than the call timeout. A panic of the call is an unknown outcome
    /// like any other.
    async fn bounded<T: Send + 'static>(
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
        match tokio::time::timeout(self.settings.call_timeout, &mut task).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => unknown("the processor panicked"),
            Err(_) => {
                task.abort();
                unknown("the call timed out")
            }
        }
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

fn found(said: &Result<Option<ProviderAnswer>, ProcessorError>) -> &'static str {
    match said {
        Ok(Some(answer)) => name(answer),
        Ok(None) => "not_found",
        Err(error) => name_of(error),
    }
}

fn name(answer: &ProviderAnswer) -> &'static str {
    match answer {
        ProviderAnswer::Paid { .. } => "paid",
        ProviderAnswer::Accepted { .. } => "accepted",
        ProviderAnswer::Declined(_) => "declined",
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
