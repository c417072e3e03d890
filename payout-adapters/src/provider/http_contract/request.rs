//! Requests to the provider: their URLs and the body of a submission.

use std::collections::BTreeMap;

use payout_core::payout::{RecipientFields, StatementText};
use payout_core::provider::{Instruction, ProcessorKey};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use url::Url;

use super::settings::HttpSetupError;

/// The characters to escape: all but those that RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The provider's URLs.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    submit: Url,
    balances: Url,
}

impl Endpoints {
    /// Derives the URLs from the provider's base URL.
    ///
    /// A URL with a user is refused, since logs would show the password with the URL. A URL with a query is refused,
    /// since the query would be lost.
    pub(super) fn new(base: &str) -> Result<Self, HttpSetupError> {
        let mut url = Url::parse(base).map_err(|_| HttpSetupError::InvalidUrl)?;
        let reachable = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty() && url.password().is_none();
        if !reachable || !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(HttpSetupError::InvalidUrl);
        }
        let base = url.path().trim_end_matches('/').to_owned();
        let mut balances = url.clone();
        balances.set_path(&format!("{base}/balances"));
        url.set_path(&format!("{base}/payouts"));
        Ok(Self {
            submit: url,
            balances,
        })
    }

    pub(super) fn submit(&self) -> Url {
        self.submit.clone()
    }

    pub(super) fn balances(&self) -> Url {
        self.balances.clone()
    }

    pub(super) fn look_up(&self, key: &ProcessorKey) -> Url {
        let mut url = self.submit.clone();
        let key = utf8_percent_encode(key.as_str(), RESERVED);
        url.set_path(&format!("{}/{key}", self.submit.path()));
        url
    }
}

/// The JSON body of a submission.
#[derive(Serialize)]
pub(super) struct Wire<'a> {
    payout_id: String,
    /// The amount as text: as a JSON number it could pass through a float on either side.
    amount: String,
    currency: &'static str,
    recipient_account: &'a str,
    recipient_name: &'a str,
    /// The parts of a recipient with a type; absent for a plain account.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<Parts>,
    description: &'a str,
    /// The text for the recipient's statement; absent if the payout has no such text.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement_text: Option<&'a str>,
    /// A digest of the amount, the currency, the account, the name, the description and the statement text. The provider
    /// may repeat it in its answers.
    digest: String,
}

/// The parts of a recipient, as an object with an `address` in it.
struct Parts(RecipientFields);

impl Serialize for Parts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (name, text) in self.0.outer() {
            object.serialize_entry(name, text)?;
        }
        let address: BTreeMap<&str, &str> = self.0.of_address().collect();
        if !address.is_empty() {
            object.serialize_entry("address", &address)?;
        }
        object.end()
    }
}

impl<'a> From<&'a Instruction> for Wire<'a> {
    fn from(instruction: &'a Instruction) -> Self {
        let details = &instruction.details;
        Self {
            payout_id: instruction.payout_id.to_string(),
            amount: details.money.amount().to_string(),
            currency: details.money.currency().code(),
            recipient_account: details.recipient.account().as_str(),
            recipient_name: details.recipient.name().as_str(),
            recipient: (!details.recipient.is_plain()).then(|| Parts(details.recipient.fields())),
            description: details.description.as_str(),
            statement_text: details.statement_text.as_ref().map(StatementText::as_str),
            digest: details.digest(),
        }
    }
}

impl Wire<'_> {
    #[expect(clippy::expect_used, reason = "texts under fixed names are always JSON")]
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("JSON")
    }
}

#[cfg(test)]
mod tests {
    use payout_core::money::Money;
    use payout_core::payout::{PaymentDetails, PayoutId, Recipient};
    use serde_json::json;

    use super::*;

    fn look_up(base: &str) -> String {
        let key = ProcessorKey::new(PayoutId::from(uuid::Uuid::nil()), None, 3);
        Endpoints::new(base).unwrap().look_up(&key).to_string()
    }

    fn body(parts: &[(&str, &str)]) -> serde_json::Value {
        sent(parts, None)
    }

    fn sent(parts: &[(&str, &str)], statement_text: Option<&str>) -> serde_json::Value {
        let parts = parts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let recipient = Recipient::parse(&RecipientFields(parts.collect())).unwrap();
        let money = Money::new("10.50".parse().unwrap(), "EUR".parse().unwrap()).unwrap();
        let payout_id = PayoutId::from(uuid::Uuid::nil());
        let instruction = Instruction {
            key: ProcessorKey::new(payout_id, None, 0),
            payout_id,
            details: PaymentDetails {
                statement_text: statement_text.map(|text| StatementText::new(text).unwrap()),
                ..PaymentDetails::new(money, recipient)
            },
        };
        serde_json::from_slice(&Wire::from(&instruction).to_json()).unwrap()
    }

    #[test]
    fn a_recipient_with_a_type_is_sent_in_its_parts_and_in_its_readable_form() {
        let typed = body(&[
            ("type", "gb_bank"),
            ("sort_code", "20-00-00"),
            ("account_number", "55779911"),
            ("name", "Ada Lovelace"),
            ("address.line1", "1 High Street"),
            ("address.city", "London"),
            ("address.country", "GB"),
        ]);
        assert_eq!(typed["recipient_account"], "200000-55779911");
        assert_eq!(
            typed["recipient"],
            json!({"type": "gb_bank", "sort_code": "200000", "account_number": "55779911", "name": "Ada Lovelace",
                "address": {"line1": "1 High Street", "city": "London", "country": "GB"}})
        );
        let plain = body(&[
            ("type", "account"),
            ("account", "200000-55779911"),
            ("name", "Ada Lovelace"),
        ]);
        assert!(plain.get("recipient").is_none());
        assert_eq!(
            plain["digest"], typed["digest"],
            "the digest is of the readable form"
        );
    }

    #[test]
    fn a_statement_text_is_sent_and_in_the_digest_only_where_there_is_one() {
        let plain = [("type", "account"), ("account", "A"), ("name", "N")];
        let without = sent(&plain, None);
        assert!(without.get("statement_text").is_none());
        let with = sent(&plain, Some("Salary"));
        assert_eq!(with["statement_text"], "Salary");
        assert_ne!(with["digest"], without["digest"]);
    }

    #[test]
    fn the_paths_are_added_to_the_url_with_and_without_its_last_slash() {
        const KEY: &str = "00000000-0000-0000-0000-000000000000%3A3";
        for base in ["https://pay.example", "https://pay.example/"] {
            assert_eq!(
                Endpoints::new(base).unwrap().submit().as_str(),
                "https://pay.example/payouts"
            );
            assert_eq!(look_up(base), format!("https://pay.example/payouts/{KEY}"));
            assert_eq!(
                Endpoints::new(base).unwrap().balances().as_str(),
                "https://pay.example/balances"
            );
        }
        assert_eq!(
            look_up("http://[::1]:8443/v1/"),
            format!("http://[::1]:8443/v1/payouts/{KEY}")
        );
    }

    #[test]
    fn a_url_that_no_provider_has_is_refused_without_showing_it() {
        let refused = [
            "",
            "pay.example",
            "/v1",
            "ftp://pay.example",
            "file:///x",
            "data:x",
            "https://",
            "https://u@pay.example",
            "https://u:hunter2@pay.example",
            "https://pay.example?a=hunter2",
            "https://pay.example#hunter2",
        ];
        for base in refused {
            let error = Endpoints::new(base).unwrap_err();
            assert!(matches!(error, HttpSetupError::InvalidUrl), "{base}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
