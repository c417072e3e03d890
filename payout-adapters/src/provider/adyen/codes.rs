//! Adyen's reasons for transfers that were not paid or came back, and the meaning of each here.

use payout_core::provider::{DeclineCode, WaitReason};

/// The meaning of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The payment cannot be made.
    Final(DeclineCode),
    /// The payment cannot be made now. Another transfer may succeed later.
    NotNow(WaitReason),
    /// The reason leaves room for a payment, so that a person must look.
    Unclear,
}

/// Returns the meaning of a reason. One that is unknown is final for the transfer that has it, since the transfer's
/// status is.
pub fn meaning(reason: &str) -> Meaning {
    match reason {
        "counterpartyAccountClosed" => Meaning::Final(DeclineCode::AccountClosed),
        "counterpartyAccountNotFound"
        | "noCheckingAccount"
        | "noSavingsAccount"
        | "transferInstrumentDoesNotExist" => Meaning::Final(DeclineCode::AccountNotFound),
        "invalidAccount" | "invalidToAccount" | "counterpartyAddressRequired" | "formatError" => {
            Meaning::Final(DeclineCode::InvalidAccount)
        }
        "refusedByCounterpartyBank" | "refusedByCustomer" | "notSupported" => {
            Meaning::Final(DeclineCode::RecipientRefused)
        }
        "amountLimitExceeded" | "invalidAmount" | "withdrawalAmountExceeded" | "withdrawalCountExceeded" => {
            Meaning::Final(DeclineCode::AmountLimit)
        }
        "counterpartyAccountBlocked" => Meaning::Final(DeclineCode::Blocked),
        "declinedByTransactionRule"
        | "declinedByBapValidation"
        | "fraud"
        | "fraudCancelled"
        | "securityViolation"
        | "transactionNotPermitted" => Meaning::Final(DeclineCode::Compliance),
        "notEnoughBalance" => Meaning::NotNow(WaitReason::Funds),
        "balanceAccountTemporarilyBlockedByTransactionRule" => Meaning::NotNow(WaitReason::ProviderLimit),
        "counterpartyBankUnavailable"
        | "counterpartyBankTimedOut"
        | "routeNotFound"
        | "unableToRouteTransaction"
        | "accountHierarchyNotActive" => Meaning::NotNow(WaitReason::Provider),
        // Another transmission may have paid.
        "duplicateTransmissionDetected" => Meaning::Unclear,
        _ => Meaning::Final(DeclineCode::Other),
    }
}

/// Returns the service's code for the return of a payment.
pub fn of_return(reason: &str) -> DeclineCode {
    match meaning(reason) {
        Meaning::Final(code) => code,
        Meaning::NotNow(_) | Meaning::Unclear => DeclineCode::Other,
    }
}
