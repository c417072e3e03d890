//! The limits of money.

use payout_core::limits::MoneyLimits;

use super::ConfigError;
use super::parse::Reader;
use super::table::section;

section! {
    /// The row of the limits of money.
    pub(super) struct MoneyRow in SECTION, titled "Limits of money", read by Api {
        /// The money that may be paid out, comma-separated by currency: the maximum of one payout, and after a slash that of a day
        /// and API key, either of them omitted where there is none: `USD=1000/50000,EUR=500,JPY=/2000000,*=100/1000`, where `*`
        /// is every other currency. A retry counts too.
        pub(super) limits: Option<MoneyLimits> = "PAYOUT_LIMITS" {
            option: "limits", value: "LIMITS", unset: "no limit", see: "Limits of money",
        } => optional(limits),
    }
}

fn limits(text: Reader<'_>) -> Result<MoneyLimits, ConfigError> {
    text.text.parse().map_err(|error| text.error(error))
}
