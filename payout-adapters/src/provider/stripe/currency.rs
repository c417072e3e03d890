//! Amounts in Stripe's smallest units, by Stripe's own table of decimals.
//!
//! The table differs from ISO 4217: MGA has no decimals there, and ISK and UGX are written with two decimals that must be
//! zero. The last digit of a currency with three decimals must be zero. HUF and TWD have two decimals for transfers; only
//! Stripe's own payouts to bank accounts need whole amounts in them. Source: <https://docs.stripe.com/currencies>.

use payout_core::money::{Currency, Money};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// The currencies of Stripe's list, but for those that are withdrawn.
const SUPPORTED: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD \
    CDF CHF CLP CNY COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR \
    ILS INR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK \
    MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SOS \
    SRD SZL THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW";
/// The currencies without decimals.
const WITHOUT_DECIMALS: &str = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";
/// The currencies with three decimals, of which the last is zero.
const THREE_DECIMALS: &str = "BHD JOD KWD OMR TND";
/// The currencies with two decimals that are zero.
const WHOLE: &str = "ISK UGX";

/// Returns the currencies in which transfers can be made.
pub(super) fn supported() -> Vec<Currency> {
    SUPPORTED
        .split_whitespace()
        .filter_map(|code| code.parse().ok())
        .collect()
}

/// Returns an amount in Stripe's smallest unit; `None` if Stripe cannot transfer exactly this amount.
pub(super) fn smallest_units(money: Money) -> Option<u64> {
    let currency = money.currency();
    let units = money.amount().checked_mul(factor(currency.code()))?;
    let step = step(currency.code());
    let whole = units.is_integer() && (units % step).is_zero();
    units.to_u64().filter(|_| whole)
}

/// Returns the amount of a number of smallest units; `None` for a currency that is not supported.
pub(super) fn amount(units: impl Into<Decimal>, code: &str) -> Option<Decimal> {
    let code = code.to_ascii_uppercase();
    listed(SUPPORTED, &code).then(|| units.into() / factor(&code))
}

fn factor(code: &str) -> Decimal {
    if listed(WITHOUT_DECIMALS, code) {
        Decimal::ONE
    } else if listed(THREE_DECIMALS, code) {
        Decimal::ONE_THOUSAND
    } else {
        Decimal::ONE_HUNDRED
    }
}

/// Returns the number of smallest units of which an amount must be a multiple.
fn step(code: &str) -> Decimal {
    if listed(WHOLE, code) {
        Decimal::ONE_HUNDRED
    } else if listed(THREE_DECIMALS, code) {
        Decimal::TEN
    } else {
        Decimal::ONE
    }
}

fn listed(list: &str, code: &str) -> bool {
    list.split(' ').any(|listed| listed == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, code: &str) -> Money {
        Money::new(amount.parse().unwrap(), code.parse().unwrap()).unwrap()
    }

    #[test]
    fn amounts_are_written_by_stripes_table_and_read_back() {
        for (text, code, units) in [
            ("10.50", "USD", 1050),
            ("0.01", "EUR", 1),
            ("500", "JPY", 500),
            ("5", "ISK", 500),
            ("5", "UGX", 500),
            ("10.00", "MGA", 10),
            ("10.45", "HUF", 1045),
            ("800.45", "TWD", 80_045),
            ("5.120", "KWD", 5120),
            ("999999999999999999", "JPY", 999_999_999_999_999_999),
            ("9999999999999999.99", "USD", 999_999_999_999_999_999),
        ] {
            let money = money(text, code);
            assert_eq!(smallest_units(money), Some(units), "{text} {code}");
            assert_eq!(
                amount(units, &code.to_lowercase()),
                Some(money.amount()),
                "{text} {code}"
            );
        }
    }

    #[test]
    fn an_amount_that_cannot_be_written_exactly_has_no_units() {
        for (text, code) in [("10.50", "MGA"), ("5.124", "KWD"), ("0.001", "BHD")] {
            assert_eq!(smallest_units(money(text, code)), None, "{text} {code}");
        }
        // Too many for a number of 64 bits.
        assert_eq!(smallest_units(money("999999999999999999", "UGX")), None);
    }

    #[test]
    fn the_lists_agree_with_each_other_and_every_supported_currency_is_payable() {
        assert_eq!(supported().len(), SUPPORTED.split_whitespace().count());
        for list in [WITHOUT_DECIMALS, THREE_DECIMALS, WHOLE] {
            for code in list.split(' ') {
                assert!(listed(SUPPORTED, code), "{code}");
            }
        }
        // ISO 4217 gives more decimals to no other currency than Stripe has for it.
        for currency in supported() {
            let decimals = 10_u64.pow(currency.minor_units());
            let coarser = factor(currency.code()) < Decimal::from(decimals);
            assert_eq!(coarser, currency.code() == "MGA", "{currency}");
        }
        assert_eq!(amount(1_u64, "iqd"), None);
    }
}
