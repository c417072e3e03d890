//! PayPal's error names, and their meaning in the service's own codes.

use payout_core::payout::Failure;
use payout_core::provider::{DeclineCode, WaitReason};

/// Returns the service's own code for the error of a payment that was declined or returned.
pub(super) fn decline_code(name: &str) -> DeclineCode {
    match name {
        "RECEIVER_UNREGISTERED" => DeclineCode::AccountNotFound,
        "INVALID_EMAIL_ID" | "RECEIVER_ACCOUNT_INVALID" | "RECEIVER_UNCONFIRMED" | "SELF_PAY_NOT_ALLOWED" => {
            DeclineCode::InvalidAccount
        }
        "REFUSED_RECEIVER_REFUSED"
        | "RECEIVER_REFUSED"
        | "CURRENCY_NOT_SUPPORTED_FOR_RECEIVER"
        | "UNVERIFIED_RECIPIENT_NOT_SUPPORTED" => DeclineCode::RecipientRefused,
        "RECEIVING_LIMIT_EXCEEDED" | "TRANSACTION_LIMIT_EXCEEDED" | "ZERO_AMOUNT" => DeclineCode::AmountLimit,
        "RECEIVER_ACCOUNT_LOCKED" | "ACCOUNT_RESTRICTED" | "RISK_DECLINE" => DeclineCode::Blocked,
        "CLOSED_MARKET"
        | "CURRENCY_COMPLIANCE"
        | "GAMER_FAILED_COUNTRY_OF_RESIDENCE_CHECK"
        | "GAMING_INVALID_PAYMENT_FLOW"
        | "RECEIVER_COUNTRY_NOT_ALLOWED"
        | "RECEIVER_STATE_RESTRICTED"
        | "RECEIVER_YOUTH_ACCOUNT"
        | "REGULATORY_BLOCKED"
        | "TRANSACTION_DECLINED_BY_TRAVEL_RULE" => DeclineCode::Compliance,
        _ => DeclineCode::Other,
    }
}

/// Returns the reason to wait, if the error is about the sender's account at this time and not about the payment.
pub(super) fn wait_reason(name: &str) -> Option<WaitReason> {
    match name {
        "INSUFFICIENT_FUNDS" | "NEGATIVE_BALANCE" | "NON_HOLDING_CURRENCY" => Some(WaitReason::Funds),
        "SPENDING_LIMIT_EXCEEDED" | "POS_LIMIT_EXCEEDED" => Some(WaitReason::ProviderLimit),
        _ => None,
    }
}

/// Builds a failure from PayPal's error name and message, with the service's own code.
pub(super) fn failure(name: &str, message: &str) -> Failure {
    Failure::new(name, message).because(decline_code(name))
}
