//! Currencies: payable ones, and those that were payable once.

use std::fmt;
use std::str::FromStr;

/// A currency of ISO 4217.
///
/// A currency that is parsed from a client's text is payable today: it is in the standard's current list, and is not
/// withdrawn, a fund, a unit of account, a metal or a code for tests. [`recorded`](Self::recorded) also reads
/// currencies that were stored before they were withdrawn.
///
/// ```
/// use payout_core::money::Currency;
/// assert_eq!("jpy".parse::<Currency>().unwrap().minor_units(), 0);
/// assert!("РУБ".parse::<Currency>().is_err());
/// assert!("BGN".parse::<Currency>().is_err(), "Bulgaria pays in euro since 2026");
/// assert_eq!(Currency::recorded("BGN").unwrap().code(), "BGN");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Takes the code of a currency from a row, a record or a filter, in upper or lower case. The currency need not be
    /// payable today.
    ///
    /// # Errors
    /// [`UnknownCurrency`] when no payout can ever have been made in it.
    pub fn recorded(code: &str) -> Result<Self, UnknownCurrency> {
        if code.len() != 3 {
            return Err(UnknownCurrency);
        }
        let currency =
            iso_currency::Currency::from_code(&code.to_ascii_uppercase()).ok_or(UnknownCurrency)?;
        if currency.exponent().is_none() || currency.is_special() {
            return Err(UnknownCurrency);
        }
        Ok(Self(currency))
    }

    /// Iterates over all currencies that are payable or once were, ordered by code.
    pub fn all() -> impl Iterator<Item = Self> {
        let letters = || (b'A'..=b'Z').map(char::from);
        let codes = letters().flat_map(move |first| {
            letters().flat_map(move |second| letters().map(move |third| [first, second, third]))
        });
        codes.filter_map(|code| Self::recorded(&String::from_iter(code)).ok())
    }

    /// Returns whether the currency is payable today.
    pub fn is_payable(self) -> bool {
        // The bolívar has had two codes in the standard's current list since 2021; the library's table marks the first
        // as superseded.
        let withdrawn = self.0.is_superseded().is_some() && self.0 != iso_currency::Currency::VES;
        !(withdrawn || self.0.is_fund() || self.0.is_special())
    }

    /// Returns the code: three upper-case letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Returns the number of decimals of the currency: 2 for USD, 0 for JPY, 3 for BHD.
    pub fn minor_units(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

/// The text is not the code of a currency in which payouts can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This is not an ISO 4217 currency code that payouts can be made in.")]
pub struct UnknownCurrency;

impl FromStr for Currency {
    type Err = UnknownCurrency;

    /// Takes the code in upper or lower case.
    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        Self::recorded(code).and_then(|currency| {
            if currency.is_payable() {
                Ok(currency)
            } else {
                Err(UnknownCurrency)
            }
        })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ISO 4217, list one (the current codes), without funds, units of account, metals and codes for tests, by number
    /// of decimals. Transcribed from the standard, independently of the table that the code uses.
    const PAYABLE: [(u32, &str); 3] = [
        (
            0,
            "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
        ),
        (
            2,
            "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC \
             CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR \
             JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD \
             NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN \
             SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
        ),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
    ];

    #[test]
    fn of_all_codes_those_are_taken_that_somebody_can_be_paid_in_with_their_decimals() {
        let payable: std::collections::BTreeMap<&str, u32> = PAYABLE
            .iter()
            .flat_map(|(decimals, codes)| codes.split_whitespace().map(move |code| (code, *decimals)))
            .collect();
        assert_eq!(payable.len(), 155);
        let letters = || (b'A'..=b'Z').map(char::from);
        for first in letters() {
            for second in letters() {
                for third in letters() {
                    let code: String = [first, second, third].iter().collect();
                    let taken = code.parse::<Currency>().ok().map(Currency::minor_units);
                    assert_eq!(taken, payable.get(&*code).copied(), "{code}");
                }
            }
        }
    }

    #[test]
    fn what_nobody_is_paid_in_is_refused() {
        for code in [
            // Withdrawn.
            "BGN",
            "HRK",
            "CUC",
            "SLL",
            "ZWL",
            "ANG",
            "DEM",
            "LTL",
            // Funds and units of account.
            "BOV",
            "CHE",
            "CHW",
            "CLF",
            "COU",
            "MXV",
            "USN",
            "UYI",
            "UYW",
            "XAD",
            "XDR",
            "XSU",
            "XUA",
            "XBA",
            "XBB",
            "XBC",
            "XBD", // Metals, tests, nothing.
            "XAG",
            "XAU",
            "XPD",
            "XPT",
            "XTS",
            "XXX", // No codes.
            "ZZZ",
            "US",
            "USDD",
            "",
            "РУБ",
            "U\u{17f}D",
        ] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn what_was_stored_before_it_was_withdrawn_is_read() {
        for code in ["BGN", "hrk", "CUC", "SLL", "ZWL", "CLF", "USN", "UYW"] {
            let currency = Currency::recorded(code).unwrap();
            assert!(!currency.is_payable(), "{code}");
        }
        assert!(Currency::recorded("EUR").unwrap().is_payable());
        for code in ["XAU", "XDR", "XXX", "ANG", "usdd", ""] {
            assert_eq!(Currency::recorded(code), Err(UnknownCurrency), "{code}");
        }
    }
}
