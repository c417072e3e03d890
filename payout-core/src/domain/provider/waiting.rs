//! Reasons why a payout waits that are not about the payout itself.

/// The reason why a payout waits.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum WaitReason {
    /// The balance at the provider is too low.
    Funds,
    /// A limit of the provider is reached for now.
    ProviderLimit,
    /// The provider is unavailable, or refuses calls for now.
    Provider,
    /// An operator has paused the provider.
    ProviderPaused,
    /// The provider is not configured any more.
    ProviderMissing,
}

impl WaitReason {
    /// Every reason.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
