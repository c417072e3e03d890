//! Magic recipients: accounts that lead to one outcome each, so that a client can test every ending of a payout.
//!
//! Each outcome has a name and a number. The name is in a plain account, an account at the provider or an e-mail
//! address; the number is in a bank account or a phone number that nobody has. docs/providers/simulated.md lists them.

use std::time::Duration;

use payout_core::payout::{PaymentDetails, Recipient};
use payout_core::provider::{DeclineCode, ReturnWindow, WaitReason};

/// The time that a temporary state lasts: accepted, refused for now, waiting, or paid before a return.
pub const A_WHILE: Duration = Duration::from_secs(5);
/// The time for which a payment to a magic recipient may be returned, where its outcome is a return.
const RETURN_WINDOW: Duration = Duration::from_secs(60);

/// The capability of the simulated processor: only magic recipients return payments.
pub(super) const RETURNS: ReturnWindow = ReturnWindow::Depends(return_window);

/// An outcome that a magic recipient leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The payment is declined.
    Declined(DeclineCode),
    /// The payment is paid and comes back after a while; `partly` means that one unit of the currency comes back.
    Returned { partly: bool },
    /// The payment is accepted and ends in another way after a while.
    Accepted(Ending),
    /// No answer ever comes, and nothing was received.
    Hangs,
    /// The payment is paid, but the answer never comes.
    PaidUnanswered,
    /// The payment waits for a while and is then paid.
    Waits(WaitReason),
    /// The refusal for lack of funds is kept under the key: only a new generation is paid.
    KeySpent,
    /// The balance never suffices.
    WaitsForever,
    /// Calls are refused for a while, and the payment is then paid.
    Refused,
    /// The answer is unclear, and a look-up cannot tell whether the payment was received.
    CannotTell,
}

/// The ending of an accepted payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Paid,
    Declined,
    Returned,
    Never,
}

/// Every outcome with its number and its name.
const OUTCOMES: &[(u8, &str, Outcome)] = &[
    (
        1,
        "decline:account_closed",
        Outcome::Declined(DeclineCode::AccountClosed),
    ),
    (
        2,
        "decline:account_not_found",
        Outcome::Declined(DeclineCode::AccountNotFound),
    ),
    (
        3,
        "decline:invalid_account",
        Outcome::Declined(DeclineCode::InvalidAccount),
    ),
    (
        4,
        "decline:recipient_refused",
        Outcome::Declined(DeclineCode::RecipientRefused),
    ),
    (
        5,
        "decline:amount_limit",
        Outcome::Declined(DeclineCode::AmountLimit),
    ),
    (6, "decline:blocked", Outcome::Declined(DeclineCode::Blocked)),
    (
        7,
        "decline:compliance",
        Outcome::Declined(DeclineCode::Compliance),
    ),
    (8, "decline:other", Outcome::Declined(DeclineCode::Other)),
    (11, "return", Outcome::Returned { partly: false }),
    (12, "return:partly", Outcome::Returned { partly: true }),
    (21, "accept", Outcome::Accepted(Ending::Paid)),
    (22, "accept:decline", Outcome::Accepted(Ending::Declined)),
    (23, "accept:return", Outcome::Accepted(Ending::Returned)),
    (24, "accept:never", Outcome::Accepted(Ending::Never)),
    (31, "timeout", Outcome::Hangs),
    (32, "timeout:paid", Outcome::PaidUnanswered),
    (41, "funds", Outcome::Waits(WaitReason::Funds)),
    (42, "funds:key_spent", Outcome::KeySpent),
    (43, "funds:never", Outcome::WaitsForever),
    (44, "limit", Outcome::Waits(WaitReason::ProviderLimit)),
    (51, "refuse", Outcome::Refused),
    (52, "cannot_tell", Outcome::CannotTell),
];

/// An outcome under its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Magic {
    pub(super) number: u8,
    pub(super) outcome: Outcome,
}

impl Magic {
    /// Returns the outcome that a recipient leads to; `None` for an ordinary recipient.
    pub(super) fn of(recipient: &Recipient) -> Option<Self> {
        let account = recipient.account().as_str();
        if let Some(name) = account.strip_prefix("magic:") {
            return Self::named(name);
        }
        if let Some(name) = account.strip_suffix("@magic.example") {
            return Self::named(&name.replacen('.', ":", 1));
        }
        Self::numbered(number(account)?.parse().ok()?)
    }

    /// Returns the outcome with this number.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::find(|(other, _, _)| *other == number)
    }

    fn named(name: &str) -> Option<Self> {
        Self::find(|(_, other, _)| *other == name)
    }

    fn find(wanted: impl Fn(&(u8, &str, Outcome)) -> bool) -> Option<Self> {
        let (number, _, outcome) = *OUTCOMES.iter().find(|outcome| wanted(outcome))?;
        Some(Self { number, outcome })
    }
}

/// Returns the two digits of a number that nobody has: of a German bank code that is not assigned, of the test routing
/// number of the United States' test accounts, of a sort code that is not assigned, of a country code that is not
/// assigned.
fn number(account: &str) -> Option<&str> {
    let iban = account
        .strip_prefix("DE")
        .and_then(|rest| rest.get(2..))
        .and_then(|rest| rest.strip_prefix("0000000000009990"));
    iban.or_else(|| account.strip_prefix("110000000-0000009990"))
        .or_else(|| account.strip_prefix("000000-009990"))
        .or_else(|| account.strip_prefix("+9990009990"))
        .filter(|digits| digits.len() == 2)
}

fn return_window(details: &PaymentDetails) -> Option<Duration> {
    match Magic::of(&details.recipient)?.outcome {
        Outcome::Returned { .. } | Outcome::Accepted(Ending::Returned) => Some(RETURN_WINDOW),
        Outcome::Declined(_)
        | Outcome::Accepted(Ending::Paid | Ending::Declined | Ending::Never)
        | Outcome::Hangs
        | Outcome::PaidUnanswered
        | Outcome::Waits(_)
        | Outcome::KeySpent
        | Outcome::WaitsForever
        | Outcome::Refused
        | Outcome::CannotTell => None,
    }
}

#[cfg(test)]
mod tests {
    use payout_core::payout::{
        BankAccountNumber, EmailAddress, GbAccountNumber, Iban, PhoneNumber, RecipientAccount, RecipientName,
        RoutingNumber, SortCode, TypedAccount, UsAccountType,
    };

    use super::*;

    const PAGE: &str = include_str!("../../../../docs/providers/simulated.md");

    fn plain(account: &str) -> Recipient {
        Recipient::new(
            RecipientAccount::new(account).unwrap(),
            RecipientName::new("Ada").unwrap(),
        )
    }

    fn typed(account: TypedAccount) -> Recipient {
        Recipient::typed(account, RecipientName::new("Ada").unwrap())
    }

    fn number_of(recipient: &Recipient) -> Option<u8> {
        Magic::of(recipient).map(|magic| magic.number)
    }

    /// Reads the cells of the page's table of outcomes.
    fn rows() -> Vec<Vec<String>> {
        let cells = |line: &str| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        };
        let lines = PAGE.lines().filter(|line| line.starts_with("| `"));
        lines
            .map(cells)
            .filter(|row: &Vec<String>| row.len() == 4)
            .collect()
    }

    #[test]
    fn the_page_lists_every_outcome_under_its_name_its_number_and_a_valid_iban() {
        let rows = rows();
        assert_eq!(rows.len(), OUTCOMES.len());
        for (row, (number, name, _)) in rows.iter().zip(OUTCOMES) {
            assert_eq!((&row[0], &row[1]), (&(*name).to_owned(), &format!("{number:02}")));
            let iban = Iban::new(&row[2]).expect("a valid IBAN");
            assert_eq!(
                number_of(&typed(TypedAccount::Iban { iban, bic: None })),
                Some(*number)
            );
        }
    }

    #[test]
    fn every_type_of_recipient_reaches_every_outcome() {
        for (number, name, _) in OUTCOMES {
            let recipients = [
                plain(&format!("magic:{name}")),
                typed(TypedAccount::Email(
                    EmailAddress::new(&format!("{}@magic.example", name.replace(':', "."))).unwrap(),
                )),
                typed(TypedAccount::UsBank {
                    routing_number: RoutingNumber::new("110000000").unwrap(),
                    account_number: BankAccountNumber::new(&format!("0000009990{number:02}")).unwrap(),
                    account_type: UsAccountType::Checking,
                }),
                typed(TypedAccount::GbBank {
                    sort_code: SortCode::new("00-00-00").unwrap(),
                    account_number: GbAccountNumber::new(&format!("009990{number:02}")).unwrap(),
                }),
                typed(TypedAccount::Phone(
                    PhoneNumber::new(&format!("+999 000 9990 {number:02}")).unwrap(),
                )),
            ];
            for recipient in recipients {
                assert_eq!(number_of(&recipient), Some(*number), "{name}");
            }
        }
    }

    #[test]
    fn an_ordinary_recipient_has_no_outcome_of_its_own() {
        for account in [
            "DE89370400440532013000",
            "magic:nothing",
            "magic:",
            "ada@example.com",
            "110000000-000123456789",
            "DE51000000000000999099",
            "110000000-00000099900",
            "+4420794600009990",
        ] {
            assert_eq!(Magic::of(&plain(account)), None, "{account}");
        }
    }
}
