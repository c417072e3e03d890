//! The approvals of a payout: how many it requires, why, and who gave them.

use crate::Timestamp;
use crate::approval::{ApprovalDigest, Person};
use crate::payout::{Actor, PayoutId};

/// The reason why a payout requires approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalReason {
    /// The rules require it for an amount of this size.
    Amount,
    /// Another payout of the same amount to the same recipient was stored shortly before.
    Duplicate(PayoutId),
}

/// The text is not the name of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown reason for an approval")]
pub struct UnknownReason;

impl ApprovalReason {
    /// The name of a reason that is a likely duplicate.
    pub const DUPLICATE: &str = "duplicate";
    /// The name of a reason that is the amount.
    pub const AMOUNT: &str = "amount";

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amount => Self::AMOUNT,
            Self::Duplicate(_) => Self::DUPLICATE,
        }
    }

    /// Returns the text for a store.
    pub fn stored(self) -> String {
        match self {
            Self::Amount => Self::AMOUNT.to_owned(),
            Self::Duplicate(other) => format!("{}:{other}", Self::DUPLICATE),
        }
    }

    /// Reads a reason back from a store.
    ///
    /// # Errors
    /// [`UnknownReason`].
    pub fn restore(text: &str) -> Result<Self, UnknownReason> {
        match text.split_once(':') {
            None if text == Self::AMOUNT => Ok(Self::Amount),
            Some((Self::DUPLICATE, other)) => {
                let other = other.parse().map_err(|_| UnknownReason)?;
                Ok(Self::Duplicate(other))
            }
            None | Some(_) => Err(UnknownReason),
        }
    }
}

/// An approval that a person gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GivenApproval {
    /// The person.
    pub person: Person,
    /// The name of the API key, as the audit trail has it.
    pub by: Actor,
    /// The time, by the repository's clock.
    pub at: Timestamp,
    /// The digest of the payout as the person approved it.
    pub digest: ApprovalDigest,
}

/// The part of a payout that has its approvals. Payouts that were stored while no rules were set have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Approval {
    /// The person who created the payout; absent if that was before any rules were set.
    pub creator: Option<Person>,
    /// The person who last edited or retried it.
    pub editor: Option<Person>,
    /// The number of people who must approve; 0 if none must.
    pub required: u8,
    /// The number of times that the approvals began again: each edit and each retry voids those given before.
    pub round: u32,
    /// The reasons why it requires approval.
    pub reasons: Vec<ApprovalReason>,
    /// The approvals of this round, oldest first.
    pub given: Vec<GivenApproval>,
    /// The digest of what was approved, once every required approval was given.
    pub digest: Option<ApprovalDigest>,
}

/// The reason why a person may not approve a payout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApproverError {
    /// The person created the payout.
    #[error("You created this payout: another person must approve it.")]
    Creator,
    /// The person was the last to edit or retry the payout.
    #[error("You were the last to edit or retry this payout: another person must approve it.")]
    Editor,
    /// The person has approved the payout already.
    #[error("You have approved this payout already: another person must approve it too.")]
    Twice,
    /// The service has no API keys, so that it cannot tell its callers apart.
    #[error(
        "This service has no API keys, so it cannot tell who approves: make a key for each person (`payout keys create`)."
    )]
    Anyone,
}

impl Approval {
    /// Returns whether this person may approve. Where the creator was not recorded, since no rules were set then, the
    /// name of the creator's API key decides.
    ///
    /// # Errors
    /// The reason why not.
    pub fn admits(
        &self,
        person: &Person,
        name: &Actor,
        created_by: Option<&Actor>,
    ) -> Result<(), ApproverError> {
        if person.is_anyone() {
            return Err(ApproverError::Anyone);
        }
        let is_creator = match &self.creator {
            Some(creator) => creator == person,
            None => created_by == Some(name),
        };
        if is_creator {
            return Err(ApproverError::Creator);
        }
        if self.editor.as_ref() == Some(person) {
            return Err(ApproverError::Editor);
        }
        if self.given.iter().any(|given| given.person == *person) {
            return Err(ApproverError::Twice);
        }
        Ok(())
    }

    /// Returns whether the next approval is the last that is required.
    pub(crate) fn lacks_one(&self) -> bool {
        self.given.len() + 1 >= usize::from(self.required)
    }

    /// Voids every approval, since the payout was changed or is to be sent again.
    pub(crate) fn begin_round(&mut self) {
        self.round += 1;
        self.given.clear();
        self.digest = None;
    }

    /// Returns the payout that this one likely duplicates.
    pub fn duplicate_of(&self) -> Option<PayoutId> {
        self.reasons.iter().find_map(|reason| match reason {
            ApprovalReason::Duplicate(other) => Some(*other),
            ApprovalReason::Amount => None,
        })
    }

    /// Returns the number of people who must approve for the amount.
    pub(crate) fn required_by_amount(&self) -> u8 {
        if self.reasons.contains(&ApprovalReason::Amount) {
            self.required
        } else {
            0
        }
    }

    /// Sets the number of people who must approve, and the reasons, from the rules for the amount and from the likely
    /// duplicate.
    pub(crate) fn require(&mut self, by_amount: u8, duplicate: Option<PayoutId>) {
        self.required = by_amount.max(u8::from(duplicate.is_some()));
        let amount = (by_amount > 0).then_some(ApprovalReason::Amount);
        let duplicate = duplicate.map(ApprovalReason::Duplicate);
        self.reasons = amount.into_iter().chain(duplicate).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_back_as_it_is_stored() {
        let other = PayoutId::from(uuid::Uuid::from_u128(7));
        for reason in [ApprovalReason::Amount, ApprovalReason::Duplicate(other)] {
            assert_eq!(ApprovalReason::restore(&reason.stored()), Ok(reason));
        }
        for wrong in ["", "amount:", "duplicate", "duplicate:x", "age"] {
            assert_eq!(ApprovalReason::restore(wrong), Err(UnknownReason), "{wrong}");
        }
    }

    #[test]
    fn a_likely_duplicate_requires_one_person_even_where_the_amount_requires_none() {
        let other = PayoutId::from(uuid::Uuid::from_u128(7));
        let mut approval = Approval::default();
        approval.require(0, Some(other));
        assert_eq!(approval.required, 1);
        assert_eq!(approval.reasons, [ApprovalReason::Duplicate(other)]);
        approval.require(2, Some(other));
        assert_eq!((approval.required, approval.reasons.len()), (2, 2));
        approval.require(0, None);
        assert_eq!((approval.required, approval.reasons.len()), (0, 0));
    }
}
