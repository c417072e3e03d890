//! The decision on a claim: from the provider's answer to the verdict that is written.

use crate::attempt::{Claim, Policy, Verdict};
use crate::domain::randomness::Randomness;
use crate::payout::Redaction;
use crate::payout::printable;
use crate::provider::{ProcessorError, ProviderAnswer};

/// The maximum number of characters of an adapter's words in the audit trail.
const WHY_MAX_CHARS: usize = 255;

impl Claim {
    /// Returns the verdict on the provider's answer.
    ///
    /// Only a definite answer ends a payout. Anything that leaves room for a payment keeps the payout processing under
    /// the same key, to be looked up later; when that cannot go on, a person decides. A missing answer never makes a
    /// payout fail.
    ///
    /// Where the provider's words quote the account or the name, they are masked, because they go into the audit trail
    /// and the log.
    pub fn conclude(
        &self,
        said: Result<ProviderAnswer, ProcessorError>,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        self.decide(said, policy, randomness)
            .redacted(&Redaction::of(&self.0.details().recipient))
    }

    /// Returns the verdict on a look-up at the beginning of the claim that got no answer, so that nothing was sent.
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
            // Unreachable: `outcome` never returns this variant.
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

    /// Returns the verdict on an error. `sent` is true if this claim may have sent something.
    ///
    /// *Not now* does not make the outcome unknown: it uses up no attempt and never leads to a review. If an earlier
    /// claim left the outcome of this generation unknown, it stays unknown.
    fn without_answer(
        &self,
        error: &ProcessorError,
        sent: bool,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        let patience = error.retry_after().unwrap_or_default();
        let unsent = !sent && !self.may_have_been_sent_before();
        // A retry looks its key up because the store may have lost the record of an earlier submission. A missing
        // answer does not rule that submission out.
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

    /// Returns the contradiction between the provider's report and this payment, if there is one.
    fn contradicted_by(&self, answer: &ProviderAnswer) -> Option<&'static str> {
        let payment = answer.payment()?;
        let details = self.0.details();
        payment.contradicts(details.money, Some(&details.digest()))
    }

    /// Returns whether no claim may follow this one without an answer. Polls of a payment that the provider has
    /// accepted do not count as attempts: the key window bounds them.
    fn is_spent(&self, policy: &Policy) -> bool {
        if self.is_accepted() {
            self.age() > policy.key_window
        } else {
            self.0.parts().claims >= policy.max_attempts
        }
    }
}
