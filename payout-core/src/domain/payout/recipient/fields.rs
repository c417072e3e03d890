//! A recipient as named texts: one form for requests, files, the store and the provider contract.

use std::collections::BTreeMap;

use super::Details;
use super::address::Address;
use super::parts::{EmailAddress, Iban};
use super::reader::{CountryCode, Line, Reader, Source};
use crate::payout::{
    EntityType, Recipient, RecipientAccount, RecipientName, RecipientType, TypedAccount, UsAccountType,
};

/// The prefix of an address's parts.
const ADDRESS: &str = "address.";

/// The parts of a recipient by name, such as `type`, `iban` and `address.city`.
///
/// Every recipient has a `type` and a `name`, and the [parts of its account](RecipientType::account_fields). It may
/// have an `address.*`, an `entity` and an `email` for messages; where the account itself is an e-mail address, `email`
/// is the account.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RecipientFields(pub BTreeMap<String, String>);

/// Personal data stays out of logs.
impl std::fmt::Debug for RecipientFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A wrong, missing or unknown part of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientError {
    /// The part's name, such as `iban`.
    pub field: String,
    /// The message for the client.
    pub message: String,
}

/// The name of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipientField {
    /// The name.
    pub name: &'static str,
    /// A mark of a part that must be given.
    pub required: bool,
}

const fn required(name: &'static str) -> RecipientField {
    RecipientField { name, required: true }
}

const fn optional(name: &'static str) -> RecipientField {
    RecipientField {
        name,
        required: false,
    }
}

impl RecipientType {
    /// Returns the parts of an account of this type.
    pub fn account_fields(self) -> &'static [RecipientField] {
        match self {
            Self::Account => const { &[required("account")] },
            Self::Iban => const { &[required("iban"), optional("bic")] },
            Self::UsBank => {
                const {
                    &[
                        required("routing_number"),
                        required("account_number"),
                        required("account_type"),
                    ]
                }
            }
            Self::GbBank => const { &[required("sort_code"), required("account_number")] },
            Self::Email => const { &[required("email")] },
            Self::Phone => const { &[required("phone")] },
            Self::ProviderAccount => const { &[required("provider"), required("id")] },
        }
    }
}

impl Address {
    /// The parts of an address, whose names follow `address.`.
    pub const FIELDS: [RecipientField; 6] = [
        required("line1"),
        optional("line2"),
        required("city"),
        optional("postal_code"),
        optional("region"),
        required("country"),
    ];
}

impl RecipientFields {
    /// Returns the text of a part.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn set(&mut self, name: &str, text: impl Into<String>) {
        self.0.insert(name.to_owned(), text.into());
    }

    /// Adds a part, if there is one.
    fn set_some(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.set(name, text);
        }
    }

    /// Returns the parts without those of the address, in the order of their names.
    pub fn outer(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter(|(name, _)| !name.starts_with(ADDRESS))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Returns the parts of the address, in the order of their names.
    pub fn of_address(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|(name, text)| Some((name.strip_prefix(ADDRESS)?, text.as_str())))
    }
}

/// An account as it is read: plain or typed.
enum Account {
    Plain(RecipientAccount),
    Typed(TypedAccount),
}

impl Recipient {
    /// Parses a client's recipient.
    ///
    /// ```
    /// use payout_core::payout::{Recipient, RecipientFields};
    ///
    /// let fields = [("type", "iban"), ("iban", "de89 3704 0044 0532 0130 00"), ("name", "Ada Lovelace")];
    /// let fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned()));
    /// let recipient = Recipient::parse(&RecipientFields(fields.into())).unwrap();
    /// assert_eq!(recipient.account().as_str(), "DE89370400440532013000");
    /// ```
    ///
    /// # Errors
    /// Every part that is wrong, missing or unknown, at once.
    pub fn parse(fields: &RecipientFields) -> Result<Self, Vec<RecipientError>> {
        read(fields, Source::Client)
    }

    /// Restores a stored recipient from its readable account, its name and its [details](Self::details).
    ///
    /// # Errors
    /// The parts that no recipient can have. One of them is an account that is not the details' own.
    pub fn restore(
        account: RecipientAccount,
        name: RecipientName,
        details: &RecipientFields,
    ) -> Result<Self, Vec<RecipientError>> {
        let mut fields = details.clone();
        fields.set("name", name.as_str());
        if fields.get("type") == Some(RecipientType::Account.as_str()) {
            fields.set("account", account.as_str());
        }
        let recipient = read(&fields, Source::Store)?;
        if recipient.account == account {
            Ok(recipient)
        } else {
            Err(vec![RecipientError {
                field: "account".to_owned(),
                message: "The account differs from its details.".to_owned(),
            }])
        }
    }

    /// Returns every part, in its normal form.
    pub fn fields(&self) -> RecipientFields {
        let mut fields = RecipientFields::default();
        fields.set("type", self.kind().as_str());
        fields.set("name", self.name.as_str());
        match self.typed_account() {
            None => fields.set("account", self.account.as_str()),
            Some(account) => account.write(&mut fields),
        }
        fields.set_some("email", self.email().map(EmailAddress::as_str));
        fields.set_some("entity", self.entity().map(EntityType::as_str));
        if let Some(address) = self.address() {
            address.write(&mut fields);
        }
        fields
    }

    /// Returns the parts besides the name and a plain account. Absent for a plain account without further parts.
    pub fn details(&self) -> Option<RecipientFields> {
        self.details.as_ref()?;
        let mut fields = self.fields();
        fields.0.remove("name");
        if self.typed_account().is_none() {
            fields.0.remove("account");
        }
        Some(fields)
    }
}

impl TypedAccount {
    fn write(&self, fields: &mut RecipientFields) {
        match self {
            Self::Iban { iban, bic } => {
                fields.set("iban", iban.as_str());
                fields.set_some("bic", bic.as_ref().map(|bic| bic.as_str()));
            }
            Self::UsBank {
                routing_number,
                account_number,
                account_type,
            } => {
                fields.set("routing_number", routing_number.as_str());
                fields.set("account_number", account_number.as_str());
                fields.set("account_type", account_type.as_str());
            }
            Self::GbBank {
                sort_code,
                account_number,
            } => {
                fields.set("sort_code", sort_code.as_str());
                fields.set("account_number", account_number.as_str());
            }
            Self::Email(address) => fields.set("email", address.as_str()),
            Self::Phone(number) => fields.set("phone", number.as_str()),
            Self::ProviderAccount { provider, id } => {
                fields.set("provider", provider.as_str());
                fields.set("id", id.as_str());
            }
        }
    }
}

impl Address {
    fn write(&self, fields: &mut RecipientFields) {
        fields.set("address.line1", self.line1.as_str());
        fields.set_some("address.line2", self.line2.as_deref());
        fields.set("address.city", self.city.as_str());
        fields.set_some("address.postal_code", self.postal_code.as_deref());
        fields.set_some("address.region", self.region.as_deref());
        fields.set("address.country", self.country.as_str());
    }
}

fn read(fields: &RecipientFields, source: Source) -> Result<Recipient, Vec<RecipientError>> {
    let mut reader = Reader::new(fields, source);
    let kind = reader.required::<RecipientType>("type");
    let name = reader.required::<RecipientName>("name");
    let account = match kind {
        Some(kind) => read_account(&mut reader, kind, source),
        None => {
            let parts = RecipientType::ALL.iter().flat_map(|kind| kind.account_fields());
            reader.ignore(parts.map(|part| part.name));
            None
        }
    };
    let email = match kind {
        Some(RecipientType::Email) | None => None,
        Some(_) => reader.optional::<EmailAddress>("email"),
    };
    let entity = reader.optional::<EntityType>("entity");
    let address = read_address(&mut reader);
    reader.finish(kind)?;
    let (Some(name), Some(account)) = (name, account) else {
        return Err(Vec::new());
    };
    let (account, typed) = match account {
        Account::Plain(account) => (account, None),
        Account::Typed(typed) => (typed.readable(), Some(typed)),
    };
    let is_plain = typed.is_none() && address.is_none() && email.is_none() && entity.is_none();
    let details = Details {
        typed,
        address,
        email,
        entity,
    };
    Ok(Recipient {
        account,
        name,
        details: (!is_plain).then(|| Box::new(details)),
    })
}

fn read_account(reader: &mut Reader<'_>, kind: RecipientType, source: Source) -> Option<Account> {
    Some(Account::Typed(match kind {
        RecipientType::Account => return reader.required("account").map(Account::Plain),
        RecipientType::Iban => {
            let (iban, bic) = (reader.required::<Iban>("iban"), reader.optional("bic"));
            if let (Some(iban), Some(bic), Source::Client) = (&iban, &bic, source)
                && !iban.agrees_with(bic)
            {
                reader.refuse("bic", "The BIC and the IBAN name different countries.");
            }
            TypedAccount::Iban { iban: iban?, bic }
        }
        RecipientType::UsBank => {
            let routing_number = reader.required("routing_number");
            let account_number = reader.required("account_number");
            let account_type = reader.required::<UsAccountType>("account_type");
            TypedAccount::UsBank {
                routing_number: routing_number?,
                account_number: account_number?,
                account_type: account_type?,
            }
        }
        RecipientType::GbBank => {
            let (sort_code, account_number) =
                (reader.required("sort_code"), reader.required("account_number"));
            TypedAccount::GbBank {
                sort_code: sort_code?,
                account_number: account_number?,
            }
        }
        RecipientType::Email => TypedAccount::Email(reader.required("email")?),
        RecipientType::Phone => TypedAccount::Phone(reader.required("phone")?),
        RecipientType::ProviderAccount => {
            let (provider, id) = (reader.required("provider"), reader.required("id"));
            TypedAccount::ProviderAccount {
                provider: provider?,
                id: id?,
            }
        }
    }))
}

fn read_address(reader: &mut Reader<'_>) -> Option<Address> {
    if !reader.has_below(ADDRESS) {
        return None;
    }
    let line1 = reader.required::<Line>("address.line1");
    let line2 = reader.optional::<Line>("address.line2");
    let city = reader.required::<Line>("address.city");
    let postal_code = reader.optional::<Line>("address.postal_code");
    let region = reader.optional::<Line>("address.region");
    let country = reader.required::<CountryCode>("address.country");
    Some(Address {
        line1: line1?.0,
        line2: line2.map(|line| line.0),
        city: city?.0,
        postal_code: postal_code.map(|line| line.0),
        region: region.map(|line| line.0),
        country: country?.0,
    })
}
