//! Stripe's error codes, and what each means for a transfer.
//!
//! Only a code of this table decides anything: it is about this payment, and Stripe refused the transfer instead of
//! creating it. Every other code leaves the outcome unknown. Source: <https://docs.stripe.com/error-codes>.

use payout_core::provider::{DeclineCode, WaitReason};

/// The meaning of an error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The transfer is declined.
    Declined(DeclineCode),
    /// The transfer is refused for now, and Stripe keeps the refusal under the key.
    Waiting(WaitReason),
    /// The request was refused before it was executed, for a reason that is not about this payment.
    NotNow,
}

/// The codes that are definite whatever parameter they name.
const CODES: &[(&str, Meaning)] = &[
    ("balance_insufficient", Meaning::Waiting(WaitReason::Funds)),
    ("insufficient_funds", Meaning::Waiting(WaitReason::Funds)),
    ("account_closed", Meaning::Declined(DeclineCode::AccountClosed)),
    ("account_invalid", Meaning::Declined(DeclineCode::InvalidAccount)),
    ("no_account", Meaning::Declined(DeclineCode::AccountNotFound)),
    (
        "insufficient_capabilities_for_transfer",
        Meaning::Declined(DeclineCode::RecipientRefused),
    ),
    ("transfers_not_allowed", Meaning::Declined(DeclineCode::Blocked)),
    ("amount_too_large", Meaning::Declined(DeclineCode::AmountLimit)),
    ("amount_too_small", Meaning::Declined(DeclineCode::AmountLimit)),
    ("rate_limit", Meaning::NotNow),
    ("lock_timeout", Meaning::NotNow),
    ("api_key_expired", Meaning::NotNow),
    ("platform_api_key_expired", Meaning::NotNow),
    ("secret_key_required", Meaning::NotNow),
    ("livemode_mismatch", Meaning::NotNow),
    ("tls_version_unsupported", Meaning::NotNow),
];

/// The codes that are definite only for one parameter.
const CODES_OF_PARAMETERS: &[(&str, &str, DeclineCode)] = &[
    ("resource_missing", "destination", DeclineCode::AccountNotFound),
    (
        "parameter_invalid_string_empty",
        "destination",
        DeclineCode::InvalidAccount,
    ),
    (
        "parameter_invalid_empty",
        "destination",
        DeclineCode::InvalidAccount,
    ),
    ("parameter_invalid_integer", "amount", DeclineCode::AmountLimit),
];

/// Returns the meaning of a code; `None` if it decides nothing.
pub(super) fn meaning(code: &str, parameter: Option<&str>) -> Option<Meaning> {
    let of_any = CODES.iter().find(|(known, _)| *known == code);
    let of_parameter = || {
        let known = |(known, of, _): &&(&str, &str, DeclineCode)| *known == code && Some(*of) == parameter;
        let (_, _, reason) = CODES_OF_PARAMETERS.iter().find(known)?;
        Some(Meaning::Declined(*reason))
    };
    of_any.map(|(_, meaning)| *meaning).or_else(of_parameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/providers/stripe.md");

    /// The words of the page for a meaning.
    fn words(meaning: Meaning) -> String {
        match meaning {
            Meaning::Declined(reason) => format!("declined: `{}`", reason.as_str()),
            Meaning::Waiting(reason) => format!("waiting: `{}`, in a new generation", reason.as_str()),
            Meaning::NotNow => "not now".to_owned(),
        }
    }

    #[test]
    fn the_page_lists_every_code_with_its_meaning() {
        for (code, meaning) in CODES {
            let row = format!("| `{code}` | {} |", words(*meaning));
            assert!(PAGE.contains(&row), "{row}");
        }
        for (code, parameter, reason) in CODES_OF_PARAMETERS {
            let row = format!("| `{code}` of `{parameter}` | declined: `{}` |", reason.as_str());
            assert!(PAGE.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_code_of_another_parameter_decides_nothing() {
        assert_eq!(
            meaning("resource_missing", Some("destination")),
            Some(Meaning::Declined(DeclineCode::AccountNotFound))
        );
        for parameter in [None, Some("source_transaction")] {
            assert_eq!(meaning("resource_missing", parameter), None);
        }
        assert_eq!(meaning("parameter_unknown", Some("destination")), None);
    }
}
