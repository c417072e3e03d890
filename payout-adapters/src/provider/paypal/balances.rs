//! The balances of the PayPal account, by the reporting API. PayPal says that they may be three hours old.

use payout_core::provider::{Balance, ProcessorError, exact_number};
use serde::Deserialize;

use crate::outbound::Received;

#[derive(Deserialize)]
struct Account {
    balances: Vec<OfCurrency>,
}

#[derive(Deserialize)]
struct OfCurrency {
    available_balance: Option<Money>,
}

#[derive(Deserialize)]
struct Money {
    currency_code: String,
    value: String,
}

/// Interprets the answer. `None`: the app has no permission for reports. A currency that this service does not know is
/// omitted.
///
/// # Errors
/// [`ProcessorError`] for any other answer than balances.
pub(super) fn read(received: &Received) -> Result<Option<Vec<Balance>>, ProcessorError> {
    let Some(account) = received.told::<Account>()? else {
        return Ok(None);
    };
    let balances = account.balances.into_iter().filter_map(|balance| {
        let money = balance.available_balance?;
        Some(Balance {
            currency: money.currency_code.parse().ok()?,
            available: exact_number(&money.value)?,
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
    fn what_is_available_is_read_and_not_the_total() {
        let body = r#"{"account_id": "A", "balances": [
            {"currency": "USD", "primary": true, "total_balance": {"currency_code": "USD", "value": "300.00"},
             "available_balance": {"currency_code": "USD", "value": "200.50"}},
            {"currency": "EUR", "total_balance": {"currency_code": "EUR", "value": "7.00"}}]}"#;
        let balances = read(&received(200, body)).unwrap().unwrap();
        assert_eq!(balances.len(), 1);
        assert_eq!(balances[0].currency.code(), "USD");
        assert_eq!(balances[0].available.to_string(), "200.50");
    }

    #[test]
    fn an_app_without_the_permission_is_no_error_and_anything_else_is() {
        assert_eq!(read(&received(403, "{}")).unwrap(), None);
        for (status, body) in [(200, "{}"), (400, "{}"), (401, "{}"), (500, "")] {
            assert!(read(&received(status, body)).is_err(), "{status} {body}");
        }
    }
}
