//! The reader of a recipient's parts: takes each by its name, and collects everything that is wrong.

use crate::payout::mask::MASK;
use crate::payout::recipient::address::is_country;
use crate::payout::recipient::fields::{RecipientError, RecipientFields};
use crate::payout::recipient::parts::{
    BankAccountNumber, Bic, EmailAddress, GbAccountNumber, Iban, PhoneNumber, ProviderAccountId,
    RoutingNumber, SortCode,
};
use crate::payout::{EntityType, RecipientAccount, RecipientName, RecipientType, UsAccountType};
use crate::provider::ProviderName;

/// The origin of the parts. A stored part was checked when it was accepted, by the rules of that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Client,
    Store,
}

/// A value that is read from one part.
pub(super) trait Part: Sized {
    /// Reads the text; the error is the message for the client.
    fn read(text: &str, source: Source) -> Result<Self, String>;
}

/// The parts that are left to read.
pub(super) struct Reader<'a> {
    fields: &'a RecipientFields,
    source: Source,
    known: Vec<&'static str>,
    errors: Vec<RecipientError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(fields: &'a RecipientFields, source: Source) -> Self {
        Self {
            fields,
            source,
            known: Vec::with_capacity(8),
            errors: Vec::new(),
        }
    }

    /// Reads a part; absent if it is missing or wrong.
    pub(super) fn optional<T: Part>(&mut self, name: &'static str) -> Option<T> {
        self.known.push(name);
        let text = self.fields.get(name)?;
        let value = match self.source {
            Source::Client if text.contains(MASK) => Err("This is a mask: send the whole value.".to_owned()),
            Source::Client | Source::Store => T::read(text, self.source),
        };
        value.map_err(|message| self.refuse(name, message)).ok()
    }

    /// Reads a part that must be there.
    pub(super) fn required<T: Part>(&mut self, name: &'static str) -> Option<T> {
        if self.fields.get(name).is_none() {
            self.known.push(name);
            self.refuse(name, "This field is required.");
            return None;
        }
        self.optional(name)
    }

    /// Accepts parts that nothing reads.
    pub(super) fn ignore(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.known.extend(names);
    }

    /// Returns whether a part of this name, or one below it, is given.
    pub(super) fn has_below(&self, prefix: &str) -> bool {
        self.fields.0.keys().any(|name| name.starts_with(prefix))
    }

    pub(super) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(RecipientError {
            field: name.to_owned(),
            message: message.into(),
        });
    }

    /// Refuses the parts that nothing has read, and reports every error.
    pub(super) fn finish(mut self, kind: Option<RecipientType>) -> Result<(), Vec<RecipientError>> {
        let message = kind.map_or_else(
            || "Unknown field.".to_owned(),
            |kind| format!("A recipient of the type {} has no such field.", kind.as_str()),
        );
        for name in self.fields.0.keys() {
            if !self.known.contains(&name.as_str()) {
                self.errors.push(RecipientError {
                    field: name.clone(),
                    message: message.clone(),
                });
            }
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(self.errors)
        }
    }
}

/// Implements [`Part`] for types whose stored form is taken as it is.
macro_rules! parts {
    ($($part:ident),*) => {$(
        impl Part for $part {
            fn read(text: &str, source: Source) -> Result<Self, String> {
                match source {
                    Source::Client => Self::new(text).map_err(|error| error.to_string()),
                    Source::Store => Ok(Self::restore(text)),
                }
            }
        }
    )*};
}
parts!(
    BankAccountNumber,
    Bic,
    EmailAddress,
    GbAccountNumber,
    Iban,
    PhoneNumber,
    ProviderAccountId,
    RoutingNumber,
    SortCode
);

/// Implements [`Part`] for texts, which have a form of their own in the store.
macro_rules! texts {
    ($($text:ident),*) => {$(
        impl Part for $text {
            fn read(text: &str, source: Source) -> Result<Self, String> {
                let value = match source {
                    Source::Client => Self::new(text),
                    Source::Store => Self::restore(text),
                };
                value.map_err(|error| error.to_string())
            }
        }
    )*};
}
texts!(RecipientAccount, RecipientName);

/// Implements [`Part`] for types with a fixed list of words.
macro_rules! words {
    ($($word:ident: $message:literal),*) => {$(
        impl Part for $word {
            fn read(text: &str, _: Source) -> Result<Self, String> {
                text.parse().map_err(|_| $message.to_owned())
            }
        }
    )*};
}
words!(
    RecipientType: "This is not a type: use account, iban, us_bank, gb_bank, email, phone or provider_account.",
    EntityType: "Use individual or business.",
    UsAccountType: "Use checking or savings."
);

impl Part for ProviderName {
    fn read(text: &str, _: Source) -> Result<Self, String> {
        Self::new(text).map_err(|_| {
            "This is not the name of a provider: use 1 to 40 lower-case letters, digits and dashes."
                .to_owned()
        })
    }
}

/// A part of an address, with the bounds of a name.
pub(super) struct Line(pub(super) String);

impl Part for Line {
    fn read(text: &str, source: Source) -> Result<Self, String> {
        RecipientName::read(text, source).map(|line| Self(line.as_str().to_owned()))
    }
}

/// The code of a country, in upper case.
pub(super) struct CountryCode(pub(super) String);

impl Part for CountryCode {
    fn read(text: &str, source: Source) -> Result<Self, String> {
        let code = text.trim().to_ascii_uppercase();
        match source {
            Source::Client if !is_country(&code) => Err(
                "This is not a country: use a code of ISO 3166-1 with two letters, such as DE.".to_owned(),
            ),
            Source::Client | Source::Store => Ok(Self(code)),
        }
    }
}
