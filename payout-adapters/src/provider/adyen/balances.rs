//! The balances of the balance account that pays, by Adyen's Configuration API.

use payout_core::provider::{Balance, ProcessorError};
use serde::Deserialize;

use super::amount;
use crate::outbound::Received;

#[derive(Deserialize)]
struct Account {
    balances: Vec<OfCurrency>,
}

#[derive(Deserialize)]
struct OfCurrency {
    available: i64,
    currency: String,
}

/// Interprets the answer. `None`: the API key has no role for it. A currency that this service does not know is omitted.
///
/// # Errors
/// [`ProcessorError`] for any other answer than a balance account.
pub(super) fn read(received: &Received) -> Result<Option<Vec<Balance>>, ProcessorError> {
    let Some(account) = received.told::<Account>()? else {
        return Ok(None);
    };
    let balances = account.balances.into_iter().filter_map(|balance| {
        Some(Balance {
            currency: balance.currency.parse().ok()?,
            available: amount::from_minor_units(balance.available, &balance.currency)?,
        })
    });
    Ok(Some(balances.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Body;

    fn received(status: u16, body: &str) -> Received {
        Received {
            status,
            retry_after: None,
            body: Body::Whole(body.as_bytes().to_vec()),
        }
    }

    #[test]
    fn what_is_available_is_read_in_adyens_minor_units() {
        let body = r#"{"id": "BA1", "balances": [
            {"available": 1050, "balance": 2000, "currency": "EUR", "pending": 0, "reserved": 950},
            {"available": -1000, "balance": 0, "currency": "CLP"}]}"#;
        let balances = read(&received(200, body)).unwrap().unwrap();
        let texts: Vec<String> = balances
            .iter()
            .map(|balance| format!("{} {}", balance.available, balance.currency))
            .collect();
        assert_eq!(texts, ["10.50 EUR", "-10.00 CLP"]);
    }

    #[test]
    fn a_key_without_the_role_is_no_error_and_anything_else_is() {
        assert_eq!(read(&received(403, "{}")).unwrap(), None);
        for (status, body) in [(200, "{}"), (422, "{}"), (401, "{}"), (500, "")] {
            assert!(read(&received(status, body)).is_err(), "{status} {body}");
        }
    }
}
