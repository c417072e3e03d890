//! Digests of what was approved.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::payout::{PayoutParts, StatementText};
use crate::provider::ProviderName;

/// The name of the derivation.
const NAMESPACE: &str = "payout: approval, version 1";

/// A digest of exactly what will be sent: the payment, the recipient whole, the schedule, the provider, its
/// key, and the generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApprovalDigest([u8; 32]);

impl ApprovalDigest {
    /// Returns the digest of a payout as it is. A further field is added at the end, by name and only where it is
    /// present, so that digests that are stored stay valid.
    pub fn of(parts: &PayoutParts) -> Self {
        let details = &parts.details;
        let (id, generation) = (parts.id.to_string(), parts.generation.to_string());
        let amount = details.money.amount().to_string();
        let key = parts.provider_key.map(|key| key.to_string()).unwrap_or_default();
        let mut digest = Sha256::new();
        let mut add = |text: &str| digest.update(format!("{}:{text},", text.len()));
        for text in [
            NAMESPACE,
            &id,
            &generation,
            &amount,
            details.money.currency().code(),
            details.recipient.account().as_str(),
            details.recipient.name().as_str(),
            details.description.as_str(),
            parts.provider.as_ref().map_or("", ProviderName::as_str),
            &key,
        ] {
            add(text);
        }
        for (name, text) in details.recipient.details().unwrap_or_default().0 {
            add(&format!("recipient.{name}"));
            add(&text);
        }
        let scheduled_at = details.scheduled_at.map(|at| at.timestamp_micros().to_string());
        for (name, text) in [
            (
                "statement_text",
                details.statement_text.as_ref().map(StatementText::as_str),
            ),
            ("scheduled_at", scheduled_at.as_deref()),
        ] {
            if let Some(text) = text {
                add(name);
                add(text);
            }
        }
        Self(digest.finalize().into())
    }

    /// Returns the bytes, for a store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for ApprovalDigest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ApprovalDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ApprovalDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApprovalDigest({self})")
    }
}
