//! Fuzzes amounts: a valid amount of a currency keeps its exact value when it is written, and other text is refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use payout_core::money::{Amount, Currency, MAX_DIGITS, Money};

fuzz_target!(|text: &str| {
    // Input: `amount currency`.
    let (amount, currency) = text.split_once(' ').unwrap_or((text, "BHD"));
    let currency = currency.parse::<Currency>();
    if let Ok(currency) = &currency {
        assert_eq!(currency.code().parse(), Ok(*currency));
        assert_eq!(currency.code(), currency.code().to_uppercase());
    }
    let Ok(amount) = amount.parse::<Amount>() else {
        return;
    };
    let Ok(currency) = currency else { return };
    let Ok(money) = Money::new(amount, currency) else {
        return;
    };
    let written = money.amount().to_string();
    let digits = written.bytes().filter(u8::is_ascii_digit).count();
    assert!(
        written.bytes().any(|byte| (b'1'..=b'9').contains(&byte)),
        "{written}"
    );
    assert!(digits <= MAX_DIGITS.max(currency.minor_units() + 1) as usize, "{written}");
    let decimals = written.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    assert_eq!(decimals, currency.minor_units() as usize, "{written}");

    assert_eq!(Money::restore(money.amount(), currency), Ok(money));
    assert_eq!(Money::restore(money.amount().normalize(), currency), Ok(money));
    // An amount in an answer can be sent back.
    assert_eq!(
        written.parse().and_then(|amount| Money::new(amount, currency)),
        Ok(money)
    );
    let json = serde_json::to_string(&money).unwrap();
    assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
});
