//! The balances of the platform's account, of which transfers are made.

use payout_core::provider::{Balance, ProcessorError};
use serde::Deserialize;

use super::currency;
use crate::outbound::Received;

#[derive(Deserialize)]
struct Funds {
    available: Vec<Available>,
}

#[derive(Deserialize)]
struct Available {
    amount: i64,
    currency: String,
}

/// Interprets the answer. `None`: the secret key may not read balances. A currency that this service does not know is
/// omitted.
///
/// # Errors
/// [`ProcessorError`] for any other answer than balances.
pub(super) fn read(received: &Received) -> Result<Option<Vec<Balance>>, ProcessorError> {
    let Some(funds) = received.told::<Funds>()? else {
        return Ok(None);
    };
    let balances = funds.available.into_iter().filter_map(|funds| {
        Some(Balance {
            currency: funds.currency.to_ascii_uppercase().parse().ok()?,
            available: currency::amount(funds.amount, &funds.currency)?,
        })
    });
    Ok(Some(balances.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Body;

    fn read_of(status: u16, body: &str) -> Result<Option<Vec<(String, String)>>, ProcessorError> {
        let received = Received {
            status,
            retry_after: None,
            body: Body::Whole(body.as_bytes().to_vec()),
        };
        let texts = |balance: Balance| (balance.currency.to_string(), balance.available.to_string());
        Ok(read(&received)?.map(|balances| balances.into_iter().map(texts).collect()))
    }

    #[test]
    fn what_is_available_is_read_in_the_main_unit_and_may_be_negative() {
        let body = r#"{"object": "balance", "pending": [{"amount": 5, "currency": "usd"}], "available": [
            {"amount": 123456, "currency": "usd", "source_types": {"card": 123456}},
            {"amount": -500, "currency": "jpy"}, {"amount": 1, "currency": "usdc"}]}"#;
        let expected = [("USD", "1234.56"), ("JPY", "-500")];
        let expected = expected.map(|(code, amount)| (code.to_owned(), amount.to_owned()));
        assert_eq!(read_of(200, body).unwrap().unwrap(), expected);
    }

    #[test]
    fn a_key_that_may_not_read_them_is_no_error_and_anything_else_is() {
        assert_eq!(read_of(403, "{}").unwrap(), None);
        for (status, body) in [
            (200, "[]"),
            (200, r#"{"available": 1}"#),
            (500, "{}"),
            (401, "{}"),
        ] {
            assert!(read_of(status, body).is_err(), "{status} {body}");
        }
    }
}
