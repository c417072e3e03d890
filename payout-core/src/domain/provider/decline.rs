//! The service's own codes for declined and returned payments.

/// The reason why a provider declined or returned a payment, in one vocabulary for all providers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum DeclineCode {
    /// The account is closed.
    AccountClosed,
    /// The account does not exist.
    AccountNotFound,
    /// The account's details are invalid.
    InvalidAccount,
    /// The recipient, or the recipient's bank, refused the payment.
    RecipientRefused,
    /// The amount is outside the provider's limits for this payment.
    AmountLimit,
    /// The account or the recipient is blocked.
    Blocked,
    /// A legal or compliance check refused the payment.
    Compliance,
    /// Any other reason.
    Other,
}

impl DeclineCode {
    /// Every code.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
