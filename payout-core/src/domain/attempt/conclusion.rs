//! The decision of a claim: from what the provider said to the verdict that is written.

use crate::attempt::{Claim, Policy, Verdict};
use crate::domain::randomness::Randomness;
use crate::payout::Redaction;
use crate::payout::printable;
use crate::provider::{ProcessorError, ProviderAnswer};

/// How much of an adapter's words the audit trail keeps.
const WHY_MAX_CHARS: usize = 255;

impl Claim {
    /// What to write, given what the processor said.
    ///
    /// Only a definite answer ends a payout. Whatever leaves room for a payment keeps it processing under the same
    /// key, to be looked up later; when that cannot go on, a person decides. It never fails for lack of an answer.
    ///
    /// Where the provider's words quote the account or the name, they are masked: they go into the audit trail and the log.
    pub fn conclude(
        &self,
        said: Result<ProviderAnswer, ProcessorError>,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        self.decide(said, policy, randomness)
            .redacted(&Redaction::of(&self.0.details().recipient))
    }

    /// What to write, given that the look-up which this claim began with brought no answer, so that nothing was sent.
    pub fn conclude_look_up(
        &self,
        error: &ProcessorError,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        self.without_answer(error, false, policy, randomness)
            .redacted(&Redaction::of(&self.0.details().recipient))
    }

    fn decide(
        &self,
        said: Result<ProviderAnswer, ProcessorError>,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        let said = match said {
            Ok(answer) => match self.contradicted_by(&answer) {
                Some(what) => {
                    return Verdict::Review {
                        why: format!("The provider's answer to this key is of another payment: {what}."),
                    };
                }
                None => Ok(answer.outcome().clone()),
            },
            Err(error) => Err(error),
        };
        match said {
            // The outcome of an answer is none of these.
            Ok(ProviderAnswer::Reported { answer, .. }) => self.decide(Ok(*answer), policy, randomness),
            Ok(ProviderAnswer::Paid { reference }) => Verdict::Completed { reference },
            Ok(ProviderAnswer::Declined(failure)) => Verdict::Failed(failure),
            Ok(ProviderAnswer::Accepted { .. }) if self.age() > policy.key_window => Verdict::Review {
                why: "The provider accepted the payment and has not settled it in time.".into(),
            },
            Ok(ProviderAnswer::Accepted { reference }) => Verdict::Accepted {
                reference,
                after: policy.backoff(self.0.parts().claims, randomness),
            },
            Err(error) => self.without_answer(&error, error.may_have_arrived(), policy, randomness),
        }
    }

    /// What an error means. `sent`: whether this claim may have sent something.
    ///
    /// *Not now* is none of an unknown outcome: it uses up no attempt, and never ends in a review. Whatever else happened to
    /// this generation stays as unknown as it was.
    fn without_answer(
        &self,
        error: &ProcessorError,
        sent: bool,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        let patience = error.retry_after().unwrap_or_default();
        let unsent = !sent && !self.may_have_been_sent_before();
        // A retry looks its key up since the store may have forgotten that it was sent; silence says nothing of that.
        if error.is_not_now() || (unsent && self.0.generation() == 0) {
            let why = printable(&error.to_string(), WHY_MAX_CHARS);
            let after = policy
                .pause(self.given_back().saturating_add(1), randomness)
                .max(patience);
            return if unsent {
                Verdict::Released { why, after }
            } else {
                Verdict::Postponed {
                    why,
                    after,
                    uses_attempt: false,
                }
            };
        }
        if self.is_spent(policy) {
            return Verdict::Review {
                why: printable(
                    &format!("The attempts are used up; the last said: {error}"),
                    WHY_MAX_CHARS,
                ),
            };
        }
        Verdict::Postponed {
            why: printable(&error.to_string(), WHY_MAX_CHARS),
            after: policy.backoff(self.0.parts().claims, randomness).max(patience),
            uses_attempt: true,
        }
    }

    /// What the provider says of the payment that is not so of this one.
    fn contradicted_by(&self, answer: &ProviderAnswer) -> Option<&'static str> {
        let payment = answer.payment()?;
        let details = self.0.details();
        payment.contradicts(details.money, Some(&details.digest()))
    }

    /// Whether no claim may follow this one without an answer. The polls of a payment that the provider has accepted
    /// are no attempts: the key's window bounds them.
    fn is_spent(&self, policy: &Policy) -> bool {
        if self.is_accepted() {
            self.age() > policy.key_window
        } else {
            self.0.parts().claims >= policy.max_attempts
        }
    }
}
