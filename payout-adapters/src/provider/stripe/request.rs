//! Requests to Stripe: their URLs, and the form of a transfer.

use payout_core::payout::ProviderReference;
use payout_core::provider::{Instruction, ProcessorKey, ProviderName};
use url::{Url, form_urlencoded};

use super::KIND;
use super::currency;
use super::settings::StripeSetupError;

/// The longest list of transfers that is asked for. One key has at most one transfer.
const LIST_LIMIT: &str = "3";
/// The fields of `metadata` that the service writes.
pub(super) const ID_FIELD: &str = "payout_id";
pub(super) const DIGEST_FIELD: &str = "payout_digest";

/// The URLs of the API.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    transfers: Url,
    balance: Url,
}

impl Endpoints {
    /// Derives the URLs from the address of the API. A URL with a user is refused, since logs would show the password
    /// with it.
    pub(super) fn new(base: &str) -> Result<Self, StripeSetupError> {
        let mut url = Url::parse(base).map_err(|_| StripeSetupError::InvalidUrl)?;
        let reachable = matches!(url.scheme(), "http" | "https") && url.has_host();
        let bare = url.username().is_empty() && url.password().is_none();
        if !reachable || !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(StripeSetupError::InvalidUrl);
        }
        let base = url.path().trim_end_matches('/').to_owned();
        let mut balance = url.clone();
        balance.set_path(&format!("{base}/v1/balance"));
        url.set_path(&format!("{base}/v1/transfers"));
        Ok(Self {
            transfers: url,
            balance,
        })
    }

    /// Returns the URL to which a transfer is posted.
    pub(super) fn create(&self) -> Url {
        self.transfers.clone()
    }

    /// Returns the URL of the platform's balance.
    pub(super) fn balance(&self) -> Url {
        self.balance.clone()
    }

    /// Returns the URL of the transfers of a key.
    pub(super) fn of_key(&self, key: &ProcessorKey) -> Url {
        let mut url = self.transfers.clone();
        url.query_pairs_mut()
            .append_pair("transfer_group", key.as_str())
            .append_pair("limit", LIST_LIMIT);
        url
    }

    /// Returns the URL of one transfer; `None` if the reference is not the id of a transfer.
    pub(super) fn of_reference(&self, reference: &ProviderReference) -> Option<Url> {
        let id = reference.as_str();
        let is_id = id.strip_prefix("tr_").is_some_and(|rest| {
            !rest.is_empty()
                && rest
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let mut url = self.transfers.clone();
        url.set_path(&format!("{}/{id}", self.transfers.path()));
        is_id.then_some(url)
    }
}

/// A payment that Stripe cannot make, whenever it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Impossible {
    /// The recipient has no account at this provider.
    Recipient,
    /// The amount cannot be written in Stripe's units.
    Amount,
    /// The recipient should see a text, for which a transfer has no field.
    StatementText,
}

/// Writes the form of a transfer. It is identical in every attempt under one key: Stripe compares repeated requests.
pub(super) fn form(instruction: &Instruction, name: &ProviderName) -> Result<String, Impossible> {
    let details = &instruction.details;
    let (provider, account) = details
        .recipient
        .provider_account()
        .ok_or(Impossible::Recipient)?;
    if provider != name.as_str() && provider != KIND {
        return Err(Impossible::Recipient);
    }
    if details.statement_text.is_some() {
        return Err(Impossible::StatementText);
    }
    let amount = currency::smallest_units(details.money).ok_or(Impossible::Amount)?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("amount", &amount.to_string())
        .append_pair("currency", &details.money.currency().code().to_ascii_lowercase())
        .append_pair("destination", account.as_str())
        .append_pair("transfer_group", instruction.key.as_str())
        .append_pair(
            &format!("metadata[{ID_FIELD}]"),
            &instruction.payout_id.to_string(),
        )
        .append_pair(&format!("metadata[{DIGEST_FIELD}]"), &instruction.digest());
    if !details.description.as_str().is_empty() {
        form.append_pair("description", details.description.as_str());
    }
    Ok(form.finish())
}

#[cfg(test)]
mod tests {
    use payout_core::payout::{
        Description, PaymentDetails, PayoutId, ProviderAccountId, Recipient, RecipientAccount, RecipientName,
        StatementText, TypedAccount,
    };

    use super::*;

    fn instruction(provider: &str) -> Instruction {
        let account = TypedAccount::ProviderAccount {
            provider: provider.parse().unwrap(),
            id: ProviderAccountId::new("acct_1").unwrap(),
        };
        let recipient = Recipient::typed(account, RecipientName::new("Ada").unwrap());
        let money = payout_core::money::Money::new("10.50".parse().unwrap(), "USD".parse().unwrap());
        let payout_id = PayoutId::from(uuid::Uuid::nil());
        Instruction {
            key: ProcessorKey::new(payout_id, None, 2),
            payout_id,
            details: PaymentDetails {
                description: Description::new("Invoice 7 & more").unwrap(),
                ..PaymentDetails::new(money.unwrap(), recipient)
            },
        }
    }

    fn name() -> ProviderName {
        "stripe-eu".parse().unwrap()
    }

    #[test]
    fn a_transfer_is_a_form_with_stripes_fields() {
        let instruction = instruction("stripe-eu");
        let form = form(&instruction, &name()).unwrap();
        let fields: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let key = "00000000-0000-0000-0000-000000000000:2";
        let expected = [
            ("amount", "1050"),
            ("currency", "usd"),
            ("destination", "acct_1"),
            ("transfer_group", key),
            ("metadata[payout_id]", "00000000-0000-0000-0000-000000000000"),
            ("metadata[payout_digest]", &instruction.digest()),
            ("description", "Invoice 7 & more"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_text_for_the_statement_is_not_dropped() {
        let mut noted = instruction("stripe-eu");
        noted.details.statement_text = StatementText::new("Salary").ok();
        assert_eq!(form(&noted, &name()), Err(Impossible::StatementText));
    }

    #[test]
    fn only_an_account_at_this_provider_can_be_paid() {
        assert!(form(&instruction("stripe"), &name()).is_ok());
        assert_eq!(
            form(&instruction("stripe-us"), &name()),
            Err(Impossible::Recipient)
        );
        let mut plain = instruction("stripe");
        plain.details.recipient = Recipient::new(
            RecipientAccount::new("acct_1").unwrap(),
            RecipientName::new("Ada").unwrap(),
        );
        assert_eq!(form(&plain, &name()), Err(Impossible::Recipient));
        let mut odd = instruction("stripe");
        odd.details.money =
            payout_core::money::Money::new("5.124".parse().unwrap(), "KWD".parse().unwrap()).unwrap();
        assert_eq!(form(&odd, &name()), Err(Impossible::Amount));
    }

    #[test]
    fn urls_are_derived_from_the_address_with_and_without_its_last_slash() {
        let key = instruction("stripe").key;
        for base in ["https://api.stripe.com", "https://api.stripe.com/"] {
            let endpoints = Endpoints::new(base).unwrap();
            assert_eq!(endpoints.create().as_str(), "https://api.stripe.com/v1/transfers");
            assert_eq!(endpoints.balance().as_str(), "https://api.stripe.com/v1/balance");
            assert_eq!(
                endpoints.of_key(&key).as_str(),
                "https://api.stripe.com/v1/transfers?transfer_group=00000000-0000-0000-0000-000000000000%3A2&limit=3"
            );
            let reference = ProviderReference::new("tr_1Ab").unwrap();
            assert_eq!(
                endpoints.of_reference(&reference).unwrap().as_str(),
                "https://api.stripe.com/v1/transfers/tr_1Ab"
            );
        }
    }

    #[test]
    fn a_reference_that_is_not_the_id_of_a_transfer_has_no_url() {
        let endpoints = Endpoints::new("https://api.stripe.com").unwrap();
        for id in ["po_1", "tr_", "tr_1/reversals", "tr_..", "tr_1?expand=x", "k:0"] {
            let reference = ProviderReference::new(id).unwrap();
            assert_eq!(endpoints.of_reference(&reference), None, "{id}");
        }
    }

    #[test]
    fn an_address_of_another_form_is_refused_without_showing_it() {
        for base in [
            "",
            "api.stripe.com",
            "ftp://x.example",
            "https://u:hunter2@x.example",
            "https://x.example?a=hunter2",
        ] {
            let error = Endpoints::new(base).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
