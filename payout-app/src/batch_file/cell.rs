//! Cells that a spreadsheet changes: amounts, numbers in scientific notation, and formulas.

use std::borrow::Cow;

use payout_core::money::Amount;

/// The sign between the whole and the fraction of an amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum DecimalSign {
    /// `1234.50`
    #[default]
    Point,
    /// `1234,50`
    Comma,
}

/// Reads an amount. Thousands separators are refused, since `1.234` may mean two amounts, and so is every exponent.
pub(super) fn amount(cell: &str, decimal: DecimalSign) -> Result<Amount, Cow<'static, str>> {
    const SCIENTIFIC: &str = "This number is in scientific notation, in which a spreadsheet may have dropped digits: format the column as a \
         number with decimals.";
    const SEPARATED: &str = "Thousands separators are not allowed.";
    const NAMES_CURRENCY: &str = "Write the number alone: the currency has a column of its own.";
    if has_exponent(cell) {
        return Err(SCIENTIFIC.into());
    }
    if names_currency(cell) {
        return Err(NAMES_CURRENCY.into());
    }
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '\'' | '’' | '_');
    if cell.starts_with(|c: char| c.is_ascii_digit()) && cell.contains(is_separator) {
        return Err(SEPARATED.into());
    }
    let text: Cow<'_, str> = match (decimal, cell.contains('.'), cell.contains(',')) {
        (_, true, true) => return Err(SEPARATED.into()),
        (DecimalSign::Point, _, true) => {
            return Err(
                "The amount has a comma. Write 1234.50; or send the file with decimal=comma, if all its amounts have \
                 decimal commas."
                    .into(),
            );
        }
        (DecimalSign::Comma, true, _) => {
            return Err(
                "The amount has a point, and the file is read with decimal=comma: write 1234,50.".into(),
            );
        }
        (DecimalSign::Comma, false, true) => cell.replacen(',', ".", 1).into(),
        (DecimalSign::Point | DecimalSign::Comma, _, false) => cell.into(),
    };
    // The format of the column chooses the number of trailing zeros, the same for every currency.
    text.parse()
        .map(Amount::by_value)
        .map_err(|error: payout_core::money::AmountError| error.to_string().into())
}

/// Refuses a text that a spreadsheet has changed, or would run.
pub(super) fn text(cell: &str) -> Result<&str, Cow<'static, str>> {
    if is_scientific(cell) {
        let message = "A spreadsheet has made this a number in scientific notation and may have dropped digits: format the \
                       column as text.";
        return Err(message.into());
    }
    if is_formula(cell) {
        let message = "A spreadsheet would run this as a formula: begin it with another character.";
        return Err(message.into());
    }
    if cell.contains('\0') {
        return Err("NUL characters are not allowed.".into());
    }
    Ok(cell)
}

/// Returns whether the text is a number as a spreadsheet shortens it, such as `3.70400440532013E+17` or `370.4E+15`.
fn is_scientific(text: &str) -> bool {
    // `12E3` may be an account or a reference; a spreadsheet writes a sign, or a fraction.
    has_exponent(text) && text.contains(['.', ',', '+', '-'])
}

/// Returns whether the text is a number with an exponent, such as `1e3` or `12,5E-3`.
fn has_exponent(text: &str) -> bool {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return false;
    };
    let mantissa = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    is_digits(whole) && is_digits(fraction) && is_digits(exponent)
}

/// Returns whether the text is a number with the name or the sign of a currency before or behind it.
fn names_currency(text: &str) -> bool {
    let is_currency =
        |c: char| c.is_alphabetic() || matches!(c, '$' | '\u{a2}'..='\u{a5}' | '\u{20a0}'..='\u{20cf}');
    let number = text.trim_matches(|c: char| c.is_whitespace() || is_currency(c));
    number.len() < text.len()
        && number.starts_with(|c: char| c.is_ascii_digit())
        && !number.contains(is_currency)
}

/// Returns whether a spreadsheet would run the text. A number with a sign is harmless.
fn is_formula(text: &str) -> bool {
    let is_number = |rest: &str| {
        rest.chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.' | ','))
    };
    match text.split_at_checked(1) {
        Some(("=" | "@", _)) => true,
        Some(("+" | "-", rest)) => !rest.is_empty() && !is_number(rest),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cell: &str, decimal: DecimalSign) -> Result<String, String> {
        let read = amount(cell, decimal).map_err(Cow::into_owned)?;
        Ok(read.number().to_string())
    }

    #[test]
    fn an_amount_has_a_point_or_as_the_file_says_a_comma() {
        assert_eq!(read("1234.50", DecimalSign::Point).unwrap(), "1234.5");
        assert_eq!(read("1234,50", DecimalSign::Comma).unwrap(), "1234.5");
        assert_eq!(
            read("500.00", DecimalSign::Point).unwrap(),
            "500",
            "zeros of the column's format"
        );
        assert!(
            read("1234,50", DecimalSign::Point)
                .unwrap_err()
                .contains("decimal=comma")
        );
        assert!(
            read("1234.50", DecimalSign::Comma)
                .unwrap_err()
                .contains("has a point")
        );
    }

    #[test]
    fn thousands_separators_are_refused_in_every_form() {
        for cell in [
            "1,234.50",
            "1.234,50",
            "1 234.50",
            "1\u{a0}234",
            "1'234.50",
            "1’234",
        ] {
            for decimal in [DecimalSign::Point, DecimalSign::Comma] {
                assert!(
                    read(cell, decimal).unwrap_err().contains("Thousands"),
                    "{cell} {decimal:?}"
                );
            }
        }
        assert!(read("1,234,567", DecimalSign::Comma).is_err());
    }

    #[test]
    fn a_number_whose_digits_may_be_lost_is_refused() {
        for cell in [
            "1.23457E+15",
            "1E+05",
            "1,5e+3",
            "12.3E+3",
            "123,4E+3",
            "1e3",
            "12E3",
            "1.5E-3",
            "-1E5",
        ] {
            for decimal in [DecimalSign::Point, DecimalSign::Comma] {
                let refused = read(cell, decimal).unwrap_err();
                assert!(refused.contains("scientific notation"), "{cell}: {refused}");
            }
        }
        for cell in [
            "3.70400440532013E+17",
            "4E+11",
            "370.4E+15",
            "370,4E15",
            "37E+16",
            "12.5E-3",
            "-1.5E3",
        ] {
            assert!(text(cell).unwrap_err().contains("scientific notation"), "{cell}");
        }
        for taken in [
            "1E5",
            "12E3",
            "4711e0815",
            "E+7",
            "DE89",
            "12.5E+3x",
            "12.E+3",
            "1.2.3E+4",
            "Invoice 1.5e+3",
            "2026-E-11",
        ] {
            assert!(text(taken).is_ok(), "{taken}");
        }
    }

    #[test]
    fn a_currency_beside_an_amount_is_named_as_such() {
        for cell in [
            "12.50 EUR",
            "EUR 12.50",
            "12,50€",
            "$12",
            "US$ 1,234.50",
            "12.50\u{a0}\u{20b9}",
            "12Fr",
        ] {
            for decimal in [DecimalSign::Point, DecimalSign::Comma] {
                let refused = read(cell, decimal).unwrap_err();
                assert!(refused.contains("column of its own"), "{cell}: {refused}");
            }
        }
        for cell in ["EUR", "", "-12", "5%", "1a2"] {
            let refused = read(cell, DecimalSign::Point).unwrap_err();
            assert!(!refused.contains("column"), "{cell}: {refused}");
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_refused() {
        for formula in [
            "=1+1",
            "=\"0123\"",
            "@SUM(A1)",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "- see invoice 7",
            "=",
        ] {
            assert!(text(formula).unwrap_err().contains("formula"), "{formula}");
        }
        for harmless in ["-5", "+49 30 123456", "-", "a=b", "Ada", "", "1-2"] {
            assert!(text(harmless).is_ok(), "{harmless}");
        }
    }
}
