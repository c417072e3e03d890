//! The idempotency key of a payment at the provider.

use std::fmt;

use crate::payout::{PayoutId, ProviderKey};

/// The idempotency key under which the provider pays at most once: `{base}:{generation}`, at most 47 characters that
/// need no escaping in a URL or a header.
///
/// The base is the payout's [`ProviderKey`] if its client sent an idempotency key, else the payout's id. Both are
/// UUIDs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessorKey(String);

impl ProcessorKey {
    /// Builds the key of a generation. Every attempt of the generation has this key, and no other generation has it.
    pub fn new(id: PayoutId, provider_key: Option<ProviderKey>, generation: u32) -> Self {
        let base = provider_key.map_or(id.as_uuid(), ProviderKey::as_uuid);
        Self(format!("{base}:{generation}"))
    }

    /// Returns the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
