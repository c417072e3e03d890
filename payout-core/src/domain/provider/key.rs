//! The idempotency key of a payment at the provider.

use std::fmt;

use crate::payout::{PayoutId, ProviderKey};

/// The key under which the provider pays at most once: `{base}:{generation}`, of at most 47 characters that a URL and a
/// header take as they are. The base is the payout's [`ProviderKey`] where its client gave an idempotency key, else its id;
/// both are UUIDs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessorKey(String);

impl ProcessorKey {
    /// Every attempt of one generation has the same key, and no two generations share one.
    pub fn new(id: PayoutId, provider_key: Option<ProviderKey>, generation: u32) -> Self {
        let base = provider_key.map_or(id.as_uuid(), ProviderKey::as_uuid);
        Self(format!("{base}:{generation}"))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProcessorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
