//! The decision on a claim: from the provider's answer to the verdict that is written.

use std::time::Duration;

use crate::attempt::{Claim, Policy, Verdict, jittered, recheck};
use crate::domain::randomness::Randomness;
use crate::payout::{ProviderReference, Redaction, printable};
use crate::provider::{PaymentReturn, ProcessorError, ProviderAnswer, WaitReason};

/// The maximum number of characters of an adapter's words in the audit trail.
const WHY_MAX_CHARS: usize = 255;
/// The longest pause of a payout that waits for the provider, such as for funds.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

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
            Ok(ProviderAnswer::Paid { reference }) => Verdict::Completed {
                reference,
                recheck_in: recheck::first(policy, self.0.details()),
            },
            // A payment comes back only after it was paid: the payout is completed first, and rechecked at once.
            Ok(ProviderAnswer::Returned(PaymentReturn { reference, .. })) => Verdict::Completed {
                reference: reference.unwrap_or_else(|| self.reference()),
                recheck_in: Some(Duration::ZERO),
            },
            Ok(ProviderAnswer::Declined(failure)) => Verdict::Failed(failure),
            Ok(ProviderAnswer::Waiting {
                reason,
                why,
                key_is_spent,
            }) => self.wait_for(reason, &why, key_is_spent, policy, randomness),
            Ok(ProviderAnswer::Accepted { .. }) if self.age() > policy.settlement_limit() => {
                Verdict::Review {
                    why: "The provider accepted the payment and has not settled it in time.".into(),
                }
            }
            Ok(ProviderAnswer::Accepted {
                reference,
                look_again,
            }) => Verdict::Accepted {
                reference,
                after: look_again
                    .unwrap_or_else(|| policy.backoff(self.0.parts().claims, randomness))
                    .max(policy.poll_interval),
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
            let after = self.pause(policy, randomness).max(patience);
            return if unsent {
                Verdict::Released {
                    why,
                    after,
                    waiting_for: error.is_not_now().then_some(WaitReason::Provider),
                    provider: None,
                }
            } else {
                Verdict::Postponed {
                    why,
                    after,
                    uses_attempt: false,
                    waiting_for: Some(WaitReason::Provider),
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
            waiting_for: None,
        }
    }

    /// Returns the verdict on the provider's definite refusal for now, which proves that nothing of this key was paid.
    ///
    /// If the provider keeps the refusal under the key, only another key can be paid. A worker of an earlier claim that
    /// is still asleep can at most receive that refusal once more; the new generation waits for it nevertheless.
    fn wait_for(
        &self,
        reason: WaitReason,
        why: &str,
        key_is_spent: bool,
        policy: &Policy,
        randomness: &dyn Randomness,
    ) -> Verdict {
        let parts = self.0.parts();
        let waits_for = parts.waiting_since.filter(|_| parts.waiting_for == Some(reason));
        let waited = waits_for.map_or(Duration::ZERO, |since| {
            (parts.updated_at - since).to_std().unwrap_or_default()
        });
        let why = printable(why, WHY_MAX_CHARS);
        if waited > policy.waits_within {
            return Verdict::Review {
                why: printable(&format!("It has waited for too long: {why}"), WHY_MAX_CHARS),
            };
        }
        // The longer it has waited, the longer it waits: funds arrive within hours, not within seconds.
        let after = jittered(waited.clamp(policy.backoff_base, LONGEST_PAUSE), randomness)
            .max(waited.min(LONGEST_PAUSE) / 2);
        if key_is_spent {
            let others = if parts.claims > 1 {
                parts
                    .calls_end_at
                    .and_then(|end| (end - parts.updated_at).to_std().ok())
                    .unwrap_or_default()
            } else {
                Duration::ZERO
            };
            return Verdict::KeySpent {
                why,
                after: after.max(others),
                waiting_for: reason,
            };
        }
        Verdict::Postponed {
            why,
            after,
            uses_attempt: false,
            waiting_for: Some(reason),
        }
    }

    /// Returns the verdict on a look-up that cannot tell whether the provider has received the key; `None` if the key
    /// may be submitted.
    pub fn conclude_unknown(&self, why: &str, policy: &Policy) -> Option<Verdict> {
        let may_have_been_sent = self.may_have_been_sent_before() || self.0.generation() > 0;
        if policy.repeat_is_safe || !may_have_been_sent {
            return None;
        }
        Some(Verdict::Review {
            why: printable(
                &format!("The provider cannot tell whether it received the payment: {why}"),
                WHY_MAX_CHARS,
            ),
        })
    }

    /// Returns the reference that stands for a payment of which the provider gave none: its key.
    fn reference(&self) -> ProviderReference {
        let stored = self.0.parts().provider_reference.clone();
        stored.unwrap_or_else(|| ProviderReference::of_key(&self.key()))
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
            self.age() > policy.settlement_limit()
        } else {
            self.0.parts().claims >= policy.max_attempts
        }
    }
}
