//! The columns of a payout's approvals.

use payout_core::Timestamp;
use payout_core::approval::{
    Approval, ApprovalDigest, ApprovalReason, ApprovalRequest, GivenApproval, Person,
};
use payout_core::payout::{Actor, NewApproval, NewPayout, PayoutParts, Status};
use payout_core::ports::RepositoryError;
use serde::{Deserialize, Serialize};

use super::error::refused;
use super::row::broken;

/// The columns as they are read.
pub(crate) struct StoredApproval<'a> {
    pub(crate) created_person: Option<&'a str>,
    pub(crate) edited_person: Option<&'a str>,
    pub(crate) required: i16,
    pub(crate) round: i32,
    pub(crate) reasons: Option<&'a str>,
    pub(crate) given: Option<&'a str>,
    pub(crate) digest: Option<&'a [u8]>,
}

/// An approval in the JSON array of a state.
#[derive(Debug, Serialize, Deserialize)]
struct Given {
    person: String,
    by: String,
    digest: String,
    /// In microseconds since 1970. Where the server writes the time, it is absent in the program's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
}

impl StoredApproval<'_> {
    /// Restores the approvals; `None` if the payout has never had anything to do with any.
    pub(crate) fn restore(&self) -> Result<Option<Box<Approval>>, RepositoryError> {
        let is_known = self.created_person.is_some() || self.edited_person.is_some() || self.required > 0;
        if !is_known {
            return Ok(None);
        }
        Ok(Some(Box::new(Approval {
            creator: self.created_person.map(Person::restore),
            editor: self.edited_person.map(Person::restore),
            required: u8::try_from(self.required).map_err(broken("approvals_required"))?,
            round: u32::try_from(self.round).map_err(broken("approval_round"))?,
            reasons: reasons(self.reasons)?,
            given: given(self.given)?,
            digest: self.digest.map(digest).transpose()?,
        })))
    }
}

fn reasons(text: Option<&str>) -> Result<Vec<ApprovalReason>, RepositoryError> {
    let reasons = text.unwrap_or_default().split_ascii_whitespace();
    let reasons = reasons.map(ApprovalReason::restore).collect::<Result<_, _>>();
    reasons.map_err(broken("approval_reasons"))
}

fn digest(bytes: &[u8]) -> Result<ApprovalDigest, RepositoryError> {
    let bytes: [u8; 32] = bytes.try_into().map_err(broken("approved_digest"))?;
    Ok(ApprovalDigest::from(bytes))
}

fn given(json: Option<&str>) -> Result<Vec<GivenApproval>, RepositoryError> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let given: Vec<Given> = serde_json::from_str(json).map_err(broken("approvals_given"))?;
    given.into_iter().map(Given::restore).collect()
}

impl Given {
    fn restore(self) -> Result<GivenApproval, RepositoryError> {
        let at = self.at.and_then(Timestamp::from_timestamp_micros);
        Ok(GivenApproval {
            person: Person::restore(&self.person),
            by: Actor::new(&self.by),
            at: at.ok_or_else(|| broken("approvals_given")("no time"))?,
            digest: unhex(&self.digest).ok_or_else(|| broken("approvals_given")("no digest"))?,
        })
    }
}

fn unhex(hex: &str) -> Option<ApprovalDigest> {
    let mut bytes = [0_u8; 32];
    if hex.len() != 64 {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(ApprovalDigest::from(bytes))
}

/// The columns of a payout's approvals as they are written.
#[derive(Debug, Default)]
pub(crate) struct ApprovalColumns {
    pub(crate) created_person: Option<String>,
    pub(crate) edited_person: Option<String>,
    pub(crate) required: i16,
    pub(crate) round: i32,
    pub(crate) reasons: Option<String>,
    /// The approvals that were given, as a JSON array.
    pub(crate) given: Option<String>,
    pub(crate) digest: Option<[u8; 32]>,
}

impl ApprovalColumns {
    pub(crate) fn of(parts: &PayoutParts) -> Result<Self, RepositoryError> {
        let Some(approval) = &parts.approval else {
            return Ok(Self::default());
        };
        let given = approval.given.iter().map(|given| Given {
            person: given.person.as_str().to_owned(),
            by: given.by.as_str().to_owned(),
            digest: given.digest.to_string(),
            at: Some(given.at.timestamp_micros()),
        });
        let given: Vec<Given> = given.collect();
        let given = (!given.is_empty()).then(|| serde_json::to_string(&given));
        Ok(Self {
            created_person: text(approval.creator.as_ref()),
            edited_person: text(approval.editor.as_ref()),
            required: i16::from(approval.required),
            round: i32::try_from(approval.round).map_err(broken("approval_round"))?,
            reasons: written(&approval.reasons),
            given: given.transpose().map_err(refused)?,
            digest: approval.digest.map(|digest| *digest.as_bytes()),
        })
    }

    /// Returns the columns of a new payout, which nobody has approved yet.
    pub(crate) fn of_new(new: &NewPayout) -> Result<Self, RepositoryError> {
        let Some(request) = &new.approval else {
            return Ok(Self::default());
        };
        let ApprovalRequest { creator, .. } = &**request;
        let stored = new.stored_at(Timestamp::UNIX_EPOCH);
        Ok(Self {
            created_person: Some(creator.as_str().to_owned()),
            ..Self::of(stored.parts())?
        })
    }
}

fn text(person: Option<&Person>) -> Option<String> {
    person.map(|person| person.as_str().to_owned())
}

fn written(reasons: &[ApprovalReason]) -> Option<String> {
    let texts: Vec<String> = reasons.iter().map(|reason| reason.stored()).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}

/// Returns the status of a new payout's creation, where it is not pending.
pub(crate) fn created_status(required: i16) -> Option<&'static str> {
    (required > 0).then(|| Status::AwaitingApproval.as_str())
}

/// Writes an approval for the JSON array, without its time, which the server adds.
#[cfg(feature = "postgres")]
pub(crate) fn without_time(new: &NewApproval, by: &Actor) -> Result<String, RepositoryError> {
    let given = Given {
        person: new.person.as_str().to_owned(),
        by: by.as_str().to_owned(),
        digest: new.digest.to_string(),
        at: None,
    };
    serde_json::to_string(&given).map_err(refused)
}
