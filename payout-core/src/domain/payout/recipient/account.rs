//! Typed accounts: what each type consists of, its readable form, and the form that a search finds.

use super::parts::{
    BankAccountNumber, Bic, EmailAddress, GbAccountNumber, Iban, PhoneNumber, ProviderAccountId,
    RoutingNumber, SortCode, digits,
};
use crate::payout::{RecipientAccount, RecipientType};
use crate::provider::ProviderName;

/// An account that is checked for what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TypedAccount {
    /// An IBAN, with the BIC of the bank where the client gave it.
    Iban {
        /// The IBAN.
        iban: Iban,
        /// The BIC.
        bic: Option<Bic>,
    },
    /// A bank account in the United States.
    UsBank {
        /// The ABA routing number.
        routing_number: RoutingNumber,
        /// The account number.
        account_number: BankAccountNumber,
        /// Checking or savings.
        account_type: UsAccountType,
    },
    /// A bank account in the United Kingdom.
    GbBank {
        /// The sort code.
        sort_code: SortCode,
        /// The account number.
        account_number: GbAccountNumber,
    },
    /// An e-mail address.
    Email(EmailAddress),
    /// A phone number.
    Phone(PhoneNumber),
    /// An account at the provider.
    ProviderAccount {
        /// The name of the configured provider, or its kind.
        provider: ProviderName,
        /// The account's id there.
        id: ProviderAccountId,
    },
}

/// The kind of a bank account in the United States.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum UsAccountType {
    /// A checking account.
    Checking,
    /// A savings account.
    Savings,
}

impl UsAccountType {
    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl TypedAccount {
    /// Returns the type.
    pub fn kind(&self) -> RecipientType {
        match self {
            Self::Iban { .. } => RecipientType::Iban,
            Self::UsBank { .. } => RecipientType::UsBank,
            Self::GbBank { .. } => RecipientType::GbBank,
            Self::Email(_) => RecipientType::Email,
            Self::Phone(_) => RecipientType::Phone,
            Self::ProviderAccount { .. } => RecipientType::ProviderAccount,
        }
    }

    /// Returns the readable form: the account that is shown and searched.
    pub fn readable(&self) -> RecipientAccount {
        let text = match self {
            Self::Iban { iban, bic: _ } => iban.as_str().to_owned(),
            Self::UsBank {
                routing_number,
                account_number,
                account_type: _,
            } => format!("{}-{}", routing_number.as_str(), account_number.as_str()),
            Self::GbBank {
                sort_code,
                account_number,
            } => format!("{}-{}", sort_code.as_str(), account_number.as_str()),
            Self::Email(address) => address.as_str().to_owned(),
            Self::Phone(number) => number.as_str().to_owned(),
            Self::ProviderAccount { provider: _, id } => id.as_str().to_owned(),
        };
        RecipientAccount::of_checked(text)
    }
}

/// Returns the readable forms of the typed accounts that the text may name, in whatever spelling. IBANs are not among
/// them: see [`normal_iban`](crate::payout::normal_iban).
pub(crate) fn readable_forms(text: &str) -> Vec<String> {
    let email = EmailAddress::new(text).map(TypedAccount::Email);
    let phone = PhoneNumber::new(text).map(TypedAccount::Phone);
    let forms = [email, phone].into_iter().flatten();
    let forms = forms.map(|account| account.readable().as_str().to_owned());
    forms.chain(bank_forms(text)).collect()
}

/// Returns the bank accounts that a text of two numbers may name. Without a separator it is one number, and no account.
fn bank_forms(text: &str) -> Vec<String> {
    let Some(digits) = digits(text).filter(|_| text.trim().contains([' ', '-'])) else {
        return Vec::new();
    };
    let of = |bank: usize, is_account: fn(&str, &str) -> bool| {
        let (bank, account) = digits.split_at_checked(bank)?;
        is_account(bank, account).then(|| format!("{bank}-{account}"))
    };
    let us = of(9, |bank, account| {
        RoutingNumber::new(bank).is_ok() && BankAccountNumber::new(account).is_ok()
    });
    let gb = of(6, |bank, account| {
        SortCode::new(bank).is_ok() && GbAccountNumber::new(account).is_ok()
    });
    us.into_iter().chain(gb).collect()
}
