//! Masked recipients, as callers without permission to see them receive them.

use crate::payout::mask::{MASK, beginning, ending};
use crate::payout::{EmailAddress, Recipient, RecipientFields, TypedAccount};

/// The parts that are shown in full: they name a kind, a bank, a provider or a country, and not a person.
const SHOWN: [&str; 7] = [
    "type",
    "bic",
    "routing_number",
    "account_type",
    "sort_code",
    "provider",
    "entity",
];

impl Recipient {
    /// Returns the masked account, as in `••••3000` and `a•••@e•••.com`. Of two numbers, only the account's own is
    /// hinted at.
    pub fn masked_account(&self) -> String {
        match self.typed_account() {
            None | Some(TypedAccount::Iban { .. } | TypedAccount::Phone(_)) => {
                ending(self.account().as_str())
            }
            Some(TypedAccount::UsBank { account_number, .. }) => ending(account_number.as_str()),
            Some(TypedAccount::GbBank { account_number, .. }) => ending(account_number.as_str()),
            Some(TypedAccount::Email(address)) => address.masked(),
            Some(TypedAccount::ProviderAccount { provider: _, id }) => ending(id.as_str()),
        }
    }

    /// Returns the parts with masks. Of an address, only the country is left.
    pub fn masked_fields(&self) -> RecipientFields {
        let mut fields = self.fields();
        fields
            .0
            .retain(|name, _| !name.starts_with("address.") || name == "address.country");
        for (name, text) in &mut fields.0 {
            match name.as_str() {
                "name" => *text = self.name().masked(),
                "email" => {
                    let contact = self.email().map(EmailAddress::masked);
                    *text = contact.unwrap_or_else(|| self.masked_account());
                }
                "account" | "iban" | "account_number" | "phone" | "id" => *text = self.masked_account(),
                "address.country" => (),
                name if SHOWN.contains(&name) => (),
                // A part that somebody adds is hidden until it is known to be harmless.
                _ => MASK.clone_into(text),
            }
        }
        fields
    }
}

impl EmailAddress {
    /// Returns the masked address, as in `a•••@e•••.com`: the first letters and the last part of the domain.
    pub fn masked(&self) -> String {
        let (local, domain) = self.as_str().rsplit_once('@').unwrap_or_default();
        let (host, last) = domain.rsplit_once('.').unwrap_or_default();
        format!("{}@{}.{last}", beginning(local), beginning(host))
    }
}
