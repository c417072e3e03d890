//! Postal addresses.

use std::fmt;

use iso_currency::Country;

/// A postal address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// Street and house number.
    pub line1: String,
    /// Further parts, such as a floor.
    pub line2: Option<String>,
    /// The city.
    pub city: String,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The state or province.
    pub region: Option<String>,
    /// The country, as an ISO 3166-1 alpha-2 code in upper case.
    pub country: String,
}

/// Personal data stays out of logs.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("country", &self.country)
            .finish_non_exhaustive()
    }
}

/// Returns whether the text is the code of a country in ISO 3166-1, alpha-2, in upper case.
pub(super) fn is_country(code: &str) -> bool {
    code.len() == 2 && code.parse::<Country>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_an_assigned_code_of_iso_3166() {
        let letters = || 'A'..='Z';
        let codes = letters().flat_map(|one| letters().map(move |other| format!("{one}{other}")));
        assert_eq!(codes.filter(|code| is_country(code)).count(), 249);
        for code in ["DE", "SS", "CW", "AX", "GG"] {
            assert!(is_country(code), "{code}");
        }
        for code in ["", "de", "D", "DEU", "UK", "EU", "XK", "ＤＥ", "ZZ"] {
            assert!(!is_country(code), "{code}");
        }
    }

    #[test]
    fn debug_output_shows_only_the_country() {
        let address = Address {
            line1: "1 High Street".to_owned(),
            line2: None,
            city: "London".to_owned(),
            postal_code: Some("N1 9GU".to_owned()),
            region: None,
            country: "GB".to_owned(),
        };
        assert_eq!(format!("{address:?}"), "Address { country: \"GB\", .. }");
    }
}
