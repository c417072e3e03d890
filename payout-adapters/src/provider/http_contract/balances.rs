//! The balances that a provider may tell: `GET /balances` of the contract, which is optional.

use payout_core::provider::{Balance, ProcessorError, exact_number};
use serde::Deserialize;

use crate::outbound::Received;

#[derive(Deserialize)]
struct Balances {
    balances: Vec<OfCurrency>,
}

#[derive(Deserialize)]
struct OfCurrency {
    currency: String,
    available: String,
}

/// Interprets the answer. `None`: the provider has no such endpoint. A balance that cannot be read is omitted.
///
/// # Errors
/// [`ProcessorError`] for any other answer than balances.
pub(super) fn read(received: &Received) -> Result<Option<Vec<Balance>>, ProcessorError> {
    let Some(told) = received.told::<Balances>()? else {
        return Ok(None);
    };
    let balances = told.balances.into_iter().filter_map(|balance| {
        Some(Balance {
            currency: balance.currency.parse().ok()?,
            available: exact_number(&balance.available)?,
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
    fn balances_are_texts_by_currency() {
        let body = r#"{"balances": [{"currency": "EUR", "available": "-1200.50"},
            {"currency": "ZZZ", "available": "1"}, {"currency": "USD", "available": "much"},
            {"currency": "GBP", "available": "1_000"}]}"#;
        let balances = read(&received(200, body)).unwrap().unwrap();
        assert_eq!(balances.len(), 1);
        assert_eq!(balances[0].available.to_string(), "-1200.50");
    }

    #[test]
    fn a_provider_without_the_endpoint_is_no_error_and_anything_else_is() {
        for status in [403, 404, 405, 501] {
            assert_eq!(read(&received(status, "")).unwrap(), None);
        }
        for (status, body) in [(200, ""), (200, "{}"), (401, ""), (429, ""), (503, "")] {
            assert!(read(&received(status, body)).is_err(), "{status} {body}");
        }
    }
}
