//! Adyen's minor units, which differ from ISO 4217 for four currencies: CLP, CVE, IDR and ISK.
//!
//! Source: docs.adyen.com, "Currency codes and minor units". A currency that Adyen's table does not name is not paid,
//! since its decimals there are unknown.

use payout_core::money::{Currency, Money};
use rust_decimal::Decimal;

/// The currencies of Adyen's table by their number of decimals there.
const CURRENCIES: [(u32, &str); 3] = [
    (0, "CVE DJF GNF IDR JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"),
    (
        2,
        "AED ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CHF CLP CNY COP CRC CUP CZK \
         DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF ILS INR ISK JMD KES KGS KHR KYD \
         KZT LAK LKR MAD MDL MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR \
         PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SVC SZL THB TOP TRY TTD TWD TZS UAH USD UYU UZS \
         WST XCD XCG YER ZAR ZMW",
    ),
    (3, "BHD IQD JOD KWD LYD OMR TND"),
];

/// Returns the number of decimals of a currency at Adyen; `None` if Adyen's table does not name it.
pub(super) fn decimals(code: &str) -> Option<u32> {
    CURRENCIES
        .iter()
        .find(|(_, codes)| codes.split(' ').any(|known| known == code))
        .map(|(decimals, _)| *decimals)
}

/// Returns the currencies that can be paid.
pub(super) fn currencies() -> Vec<Currency> {
    let codes = CURRENCIES.iter().flat_map(|(_, codes)| codes.split(' '));
    codes.filter_map(|code| code.parse().ok()).collect()
}

/// Returns an amount in Adyen's minor units; `None` if they cannot express it exactly.
pub(super) fn minor_units(money: Money) -> Option<i64> {
    let decimals = decimals(money.currency().code())?;
    let amount = money.amount().normalize();
    let missing = decimals.checked_sub(amount.scale())?;
    let value = amount.mantissa().checked_mul(10_i128.checked_pow(missing)?)?;
    i64::try_from(value).ok().filter(|value| *value > 0)
}

/// Returns the amount of a number of Adyen's minor units; `None` if the currency is not in Adyen's table.
pub(super) fn from_minor_units(value: i64, code: &str) -> Option<Decimal> {
    Decimal::try_from_i128_with_scale(i128::from(value), decimals(code)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money::new(amount.parse().unwrap(), currency.parse().unwrap()).unwrap()
    }

    #[test]
    fn amounts_are_in_adyens_minor_units_where_they_differ_from_the_standard_too() {
        for (amount, currency, value) in [
            ("10.5", "EUR", 1050),
            ("10", "JPY", 10),
            ("1.234", "BHD", 1234),
            ("10", "CLP", 1000),
            ("10", "ISK", 1000),
            ("10.00", "IDR", 10),
            ("10.00", "CVE", 10),
        ] {
            let money = money(amount, currency);
            assert_eq!(minor_units(money), Some(value), "{money}");
            assert_eq!(from_minor_units(value, currency), Some(money.amount()), "{money}");
        }
    }

    #[test]
    fn what_minor_units_cannot_express_is_not_rounded() {
        assert_eq!(minor_units(money("10.50", "IDR")), None);
        assert_eq!(minor_units(money("0.01", "CVE")), None);
        assert_eq!(minor_units(money("999999999999999999", "CLP")), None);
        assert_eq!(minor_units(money("10", "BIF")), None, "not in Adyen's table");
    }

    #[test]
    fn every_currency_is_in_the_table_once_and_payable_here() {
        let codes: Vec<&str> = CURRENCIES
            .iter()
            .flat_map(|(_, codes)| codes.split(' '))
            .collect();
        let distinct: std::collections::HashSet<&str> = codes.iter().copied().collect();
        assert_eq!(distinct.len(), codes.len());
        assert_eq!(currencies().len(), codes.len());
    }

    #[test]
    fn the_decimals_differ_from_the_standard_for_four_currencies_only() {
        let differing = currencies()
            .into_iter()
            .filter(|currency| decimals(currency.code()) != Some(currency.minor_units()));
        let codes: Vec<&str> = differing.map(Currency::code).collect();
        assert_eq!(codes, ["CVE", "IDR", "CLP", "ISK"]);
    }
}
