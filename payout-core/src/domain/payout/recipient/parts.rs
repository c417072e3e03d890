//! The parts of typed accounts. Each is valid once it exists.

use std::fmt;

use super::address::is_country;

/// The text is not what its field asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPart(&'static str);

macro_rules! part {
    ($(#[$doc:meta])* $name:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text in any usual spelling.
            ///
            /// # Errors
            /// [`InvalidPart`], with a message for the client that does not repeat the text.
            pub fn new(text: &str) -> Result<Self, InvalidPart> {
                let parse: fn(&str) -> Result<String, InvalidPart> = $parse;
                parse(text).map(Self)
            }

            /// Takes a stored text as it is: an earlier release may have accepted what is refused today.
            pub(crate) fn restore(text: &str) -> Self {
                Self(text.to_owned())
            }

            /// Returns the normal form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({} characters)"), self.0.len())
            }
        }
    };
}

part!(
    /// An IBAN in its normal form: without spaces, in upper case, with the length of its country and valid check digits.
    Iban, iban
);
part!(
    /// A BIC (ISO 9362) in upper case: 8 or 11 characters.
    Bic, bic
);
part!(
    /// An ABA routing number: nine digits with a valid check digit.
    RoutingNumber, routing_number
);
part!(
    /// An account number at a bank in the United States: 4–17 digits.
    BankAccountNumber, us_account_number
);
part!(
    /// A sort code: six digits.
    SortCode, sort_code
);
part!(
    /// An account number at a bank in the United Kingdom: eight digits.
    GbAccountNumber, gb_account_number
);
part!(
    /// An e-mail address.
    EmailAddress, email
);
part!(
    /// A phone number in E.164 form: `+` and 7–15 digits.
    PhoneNumber, phone
);
part!(
    /// An account's id at the provider: 1–128 visible ASCII characters.
    ProviderAccountId, provider_account_id
);

impl PhoneNumber {
    /// Returns the spellings of the number without its `+`: with the country code, with the prefix of calls abroad,
    /// and as within its country, where a zero takes the place of a country code of one to three digits.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let digits = self.0.trim_start_matches('+');
        let mut spellings = vec![digits.to_owned(), format!("00{digits}")];
        for length in 1..=3 {
            if let Some((country, rest)) = digits.split_at_checked(length) {
                spellings.push(format!("{country}0{rest}"));
                spellings.push(format!("0{rest}"));
            }
        }
        spellings
    }
}

impl Iban {
    /// Returns whether the bank of this BIC can keep the account: both name the same country, or the BIC a territory
    /// whose accounts have IBANs of that country.
    pub(crate) fn agrees_with(&self, bic: &Bic) -> bool {
        let country = self.0.get(..2).unwrap_or_default();
        let bank = bic.0.get(4..6).unwrap_or_default();
        country == bank || territories(country).contains(&bank)
    }
}

/// Returns the territories that use the IBANs of a country (SEPA scheme, EPC409-09).
fn territories(country: &str) -> &'static [&'static str] {
    match country {
        "FR" => &[
            "BL", "GF", "GP", "MF", "MQ", "NC", "PF", "PM", "RE", "TF", "WF", "YT",
        ],
        "GB" => &["GG", "IM", "JE"],
        "FI" => &["AX"],
        _ => &[],
    }
}

/// Returns the text without spaces and the dashes between its digits, or `None` if anything else than digits is left. A
/// dash before or after them is a sign, which no number of an account has.
pub(super) fn digits(text: &str) -> Option<String> {
    let text = text.trim_matches(' ');
    if text.starts_with('-') || text.ends_with('-') {
        return None;
    }
    let kept: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    kept.bytes().all(|byte| byte.is_ascii_digit()).then_some(kept)
}

fn iban(text: &str) -> Result<String, InvalidPart> {
    let compact: String = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| c.to_ascii_uppercase())
        .collect();
    match compact.parse::<iban::Iban>() {
        Ok(iban) => Ok(iban.to_string().replace(' ', "")),
        Err(_) => Err(InvalidPart(
            "This is not a valid IBAN: check its country, its length and its digits.",
        )),
    }
}

fn bic(text: &str) -> Result<String, InvalidPart> {
    let bic = text.trim().to_ascii_uppercase();
    let bytes = bic.as_bytes();
    let valid = matches!(bytes.len(), 8 | 11)
        && bytes[..4].iter().all(u8::is_ascii_alphanumeric)
        && bytes[4..6].iter().all(u8::is_ascii_uppercase)
        && bytes[6..].iter().all(u8::is_ascii_alphanumeric)
        && is_bank_country(&bic[4..6]);
    if valid {
        Ok(bic)
    } else {
        Err(InvalidPart(
            "This is not a valid BIC: use 8 or 11 letters and digits.",
        ))
    }
}

/// Returns whether a BIC may name this country: one of ISO 3166, or Kosovo, which has no code there.
fn is_bank_country(code: &str) -> bool {
    code == "XK" || is_country(code)
}

fn routing_number(text: &str) -> Result<String, InvalidPart> {
    let invalid = InvalidPart(
        "This is not a valid routing number: use nine digits, the last of which is a check digit.",
    );
    let number = digits(text).filter(|number| number.len() == 9).ok_or(invalid)?;
    let weights = [3, 7, 1].into_iter().cycle();
    let sum: u32 = number
        .bytes()
        .zip(weights)
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    if sum.is_multiple_of(10) && sum > 0 {
        Ok(number)
    } else {
        Err(invalid)
    }
}

fn us_account_number(text: &str) -> Result<String, InvalidPart> {
    digits(text)
        .filter(|number| (4..=17).contains(&number.len()))
        .ok_or(InvalidPart(
            "This is not a valid account number: use 4 to 17 digits.",
        ))
}

fn sort_code(text: &str) -> Result<String, InvalidPart> {
    digits(text)
        .filter(|code| code.len() == 6)
        .ok_or(InvalidPart("This is not a valid sort code: use six digits."))
}

fn gb_account_number(text: &str) -> Result<String, InvalidPart> {
    digits(text).filter(|number| number.len() == 8).ok_or(InvalidPart(
        "This is not a valid account number: use eight digits.",
    ))
}

fn email(text: &str) -> Result<String, InvalidPart> {
    let invalid = InvalidPart("This is not a valid e-mail address.");
    let address = text.trim();
    let (local, domain) = address.rsplit_once('@').ok_or(invalid)?;
    let local_is_valid = (1..=64).contains(&local.len())
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-.".contains(&byte))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label_is_valid = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let domain_is_valid = domain.contains('.') && domain.split('.').all(label_is_valid);
    if address.len() <= 127 && local_is_valid && domain_is_valid {
        Ok(format!("{local}@{}", domain.to_ascii_lowercase()))
    } else {
        Err(invalid)
    }
}

fn phone(text: &str) -> Result<String, InvalidPart> {
    let invalid = InvalidPart(
        "This is not a valid phone number: use + and the country code, such as +44 20 7946 0000.",
    );
    if has_national_prefix(text) {
        return Err(InvalidPart(
            "A zero in parentheses is dialled within a country only: send the number as it is dialled from abroad, \
             such as +44 20 7946 0000.",
        ));
    }
    let compact: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.'))
        .collect();
    let number = compact.strip_prefix('+').ok_or(invalid)?;
    let valid = (7..=15).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0');
    if valid { Ok(compact) } else { Err(invalid) }
}

/// Returns whether parentheses begin with a zero, as in `+49 (0)30`: most countries leave it out in calls from abroad,
/// and with it the number is another one.
fn has_national_prefix(text: &str) -> bool {
    let mut groups = text.split('(').skip(1);
    groups.any(|group| {
        group
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .starts_with('0')
    })
}

fn provider_account_id(text: &str) -> Result<String, InvalidPart> {
    let id = text.trim();
    let valid = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if valid {
        Ok(id.to_owned())
    } else {
        Err(InvalidPart("Use 1 to 128 visible ASCII characters."))
    }
}
