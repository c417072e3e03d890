//! International bank account numbers (IBAN, ISO 13616) in a normal form for comparison.
//!
//! Different spellings of an IBAN name the same account. A payout keeps the spelling that its client sent; the normal
//! form serves to search for it.

/// The lengths that an IBAN can have.
const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;
/// The size of the groups in which an IBAN is printed.
const GROUP: usize = 4;

/// Returns the normal form of an IBAN, without spaces and in upper case. Returns `None` if the account is not an IBAN
/// with valid check digits.
pub fn normal_iban(account: &str) -> Option<String> {
    let mut normal = String::with_capacity(account.len());
    for c in account.chars().filter(|c| *c != ' ') {
        if !c.is_ascii_alphanumeric() || normal.len() == *LENGTHS.end() {
            return None;
        }
        normal.push(c.to_ascii_uppercase());
    }
    let bytes = normal.as_bytes();
    let begins = bytes.len() >= GROUP
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..GROUP].iter().all(u8::is_ascii_digit);
    (begins && LENGTHS.contains(&bytes.len()) && is_checked(bytes)).then_some(normal)
}

/// Returns whether the check digits are valid (ISO 7064, MOD 97-10): the country code and the check digits move to the
/// end, and letters count as numbers from 10.
fn is_checked(normal: &[u8]) -> bool {
    let (front, rest) = normal.split_at(GROUP);
    let remainder = rest
        .iter()
        .chain(front)
        .fold(0_u32, |remainder, byte| match byte {
            b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
            letter => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
        });
    remainder == 1
}

/// Returns the usual spellings of an IBAN in its normal form.
pub(crate) fn spellings(normal: &str) -> [String; 4] {
    let mut grouped = String::with_capacity(normal.len() * 5 / 4);
    for (place, c) in normal.chars().enumerate() {
        if place > 0 && place % GROUP == 0 {
            grouped.push(' ');
        }
        grouped.push(c);
    }
    let (lower, lower_grouped) = (normal.to_ascii_lowercase(), grouped.to_ascii_lowercase());
    [normal.to_owned(), grouped, lower, lower_grouped]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_is_the_same_however_it_is_written() {
        for written in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "de89 3704 0044 0532 0130 00",
            " De8937040044 0532013000 ",
        ] {
            assert_eq!(
                normal_iban(written).as_deref(),
                Some("DE89370400440532013000"),
                "{written}"
            );
        }
        let norway = normal_iban("NO93 8601 1117 947");
        assert_eq!(norway.as_deref(), Some("NO9386011117947"));
        assert!(normal_iban("MT84MALT011000012345MTLCAST001S").is_some());
    }

    #[test]
    fn what_is_none_has_no_normal_form() {
        for account in [
            "",
            "ACC-1",
            "DE88370400440532013000",
            "DE89370400440532013001",
            "DE8937040044053201300",
            "89DE370400440532013000",
            "DE89\u{a0}370400440532013000",
            "ＤＥ89370400440532013000",
            "DE89-3704-0044-0532-0130-00",
            &"D".repeat(4000),
        ] {
            assert_eq!(normal_iban(account), None, "{account}");
        }
    }

    #[test]
    fn the_usual_spellings_are_of_the_same_account() {
        let spelled = spellings("DE89370400440532013000");
        assert_eq!(spelled[1], "DE89 3704 0044 0532 0130 00");
        for text in &spelled {
            assert_eq!(normal_iban(text).as_deref(), Some(spelled[0].as_str()), "{text}");
        }
    }
}
