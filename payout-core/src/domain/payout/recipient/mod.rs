//! The receiver of a payout: a typed account, a name, and further details.
//!
//! An account is plain text (the type `account`), or has a [type](RecipientType) whose parts are checked. Every account
//! has a readable form, [`Recipient::account`], which is searched and shown; a plain account is its own readable form.

mod account;
mod address;
mod fields;
mod masks;
mod parts;
mod reader;

use std::fmt;

pub(crate) use account::readable_forms;
pub use account::{TypedAccount, UsAccountType};
pub use address::Address;
pub use fields::{RecipientError, RecipientField, RecipientFields};
pub use parts::{
    BankAccountNumber, Bic, EmailAddress, GbAccountNumber, Iban, InvalidPart, PhoneNumber, ProviderAccountId,
    RoutingNumber, SortCode,
};

use crate::payout::{RecipientAccount, RecipientName};

/// The type of a recipient's account.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum RecipientType {
    /// Any text, which is not checked.
    Account,
    /// An IBAN, with or without a BIC.
    Iban,
    /// A bank account in the United States: a routing number and an account number.
    UsBank,
    /// A bank account in the United Kingdom: a sort code and an account number.
    GbBank,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// An account at the provider.
    ProviderAccount,
}

impl RecipientType {
    /// Every type.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The legal form of a recipient.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum EntityType {
    /// A person.
    Individual,
    /// A company or another organisation.
    Business,
}

impl EntityType {
    /// Returns the name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The receiver of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Recipient {
    account: RecipientAccount,
    name: RecipientName,
    /// Absent for a plain account without further details.
    details: Option<Box<Details>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Details {
    typed: Option<TypedAccount>,
    address: Option<Address>,
    email: Option<EmailAddress>,
    entity: Option<EntityType>,
}

/// Personal data stays out of logs.
impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Details")
            .field("type", &self.typed.as_ref().map(TypedAccount::kind))
            .finish_non_exhaustive()
    }
}

impl Recipient {
    /// Builds a recipient with a plain account.
    pub fn new(account: RecipientAccount, name: RecipientName) -> Self {
        Self {
            account,
            name,
            details: None,
        }
    }

    /// Builds a recipient with a typed account.
    pub fn typed(typed: TypedAccount, name: RecipientName) -> Self {
        Self {
            account: typed.readable(),
            name,
            details: Some(Box::new(Details {
                typed: Some(typed),
                address: None,
                email: None,
                entity: None,
            })),
        }
    }

    /// Returns the recipient with another plain account.
    #[must_use]
    pub fn with_account(self, account: RecipientAccount) -> Self {
        self.edited(Some(account), None)
    }

    /// Returns the recipient with another name.
    #[must_use]
    pub fn with_name(self, name: RecipientName) -> Self {
        self.edited(None, Some(name))
    }

    /// Returns the account in its readable form.
    pub fn account(&self) -> &RecipientAccount {
        &self.account
    }

    /// Returns the recipient's name.
    pub fn name(&self) -> &RecipientName {
        &self.name
    }

    /// Returns the type of the account.
    pub fn kind(&self) -> RecipientType {
        self.typed_account()
            .map_or(RecipientType::Account, TypedAccount::kind)
    }

    /// Returns whether the recipient has nothing besides a plain account and a name.
    pub fn is_plain(&self) -> bool {
        self.details.is_none()
    }

    /// Returns the typed account; `None` for a plain one.
    pub fn typed_account(&self) -> Option<&TypedAccount> {
        self.details.as_ref()?.typed.as_ref()
    }

    /// Returns the postal address.
    pub fn address(&self) -> Option<&Address> {
        self.details.as_ref()?.address.as_ref()
    }

    /// Returns the e-mail address for messages to the recipient.
    pub fn email(&self) -> Option<&EmailAddress> {
        self.details.as_ref()?.email.as_ref()
    }

    /// Returns the legal form.
    pub fn entity(&self) -> Option<EntityType> {
        self.details.as_ref()?.entity
    }

    /// Returns the provider and the account's id there, if the account is at a provider.
    pub fn provider_account(&self) -> Option<(&str, &ProviderAccountId)> {
        match self.typed_account()? {
            TypedAccount::ProviderAccount { provider, id } => Some((provider.as_str(), id)),
            TypedAccount::Iban { .. }
            | TypedAccount::UsBank { .. }
            | TypedAccount::GbBank { .. }
            | TypedAccount::Email(_)
            | TypedAccount::Phone(_) => None,
        }
    }

    /// Returns the recipient with another name, and with another plain account in place of its account.
    #[must_use]
    pub(crate) fn edited(&self, account: Option<RecipientAccount>, name: Option<RecipientName>) -> Self {
        Self {
            details: if account.is_some() {
                None
            } else {
                self.details.clone()
            },
            account: account.unwrap_or_else(|| self.account.clone()),
            name: name.unwrap_or_else(|| self.name.clone()),
        }
    }

    /// Returns whether both are the same recipient: equal, but for canonically equivalent texts.
    pub(crate) fn is_equivalent(&self, other: &Self) -> bool {
        self.account.is_equivalent(&other.account)
            && self.name.is_equivalent(&other.name)
            && self.details == other.details
    }

    /// Returns the recipient with its texts in Normalization Form C.
    #[must_use]
    pub(crate) fn normalized(&self) -> Self {
        Self {
            account: self.account.normalized(),
            name: self.name.normalized(),
            details: self.details.clone(),
        }
    }
}
