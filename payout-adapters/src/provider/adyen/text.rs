//! Texts for Adyen, which supports few characters: letters lose their diacritics, a description is cut, and whatever
//! else is not supported is refused. No character is replaced by one of another meaning.

use icu_normalizer::DecomposingNormalizerBorrowed;

/// A character that Adyen does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) char);

/// The characters that a field supports besides letters, digits and the space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charset(&'static str);

impl Charset {
    /// The name of the account's holder.
    pub(super) const NAME: Self = Self(",.;:-—/\\+&!?@()\"'");
    /// A line of an address, or a city.
    pub(super) const ADDRESS: Self = Self(".-—/#,’°():;[]&\\|");
    /// A postal code.
    pub(super) const POSTAL_CODE: Self = Self("");
    /// A description.
    pub(super) const DESCRIPTION: Self = Self("/-?:().,'+");
    /// The description of a regular or fast transfer to the United States.
    pub(super) const US_DESCRIPTION: Self = Self("&$%#@~=+-_'\"!?");

    fn supports(self, c: char) -> bool {
        c.is_ascii_alphanumeric() || c == ' ' || self.0.contains(c)
    }
}

/// Writes a text in the supported characters.
///
/// Letters lose their diacritics (`ë` becomes `e`), letters that have no other decomposition are written as usual in
/// payments (`ß` becomes `ss`), typographic quotation marks and dashes become plain, and white space becomes a space.
pub(super) fn write(text: &str, charset: Charset) -> Result<String, Unsupported> {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        if charset.supports(c) {
            written.push(c);
            continue;
        }
        for part in DecomposingNormalizerBorrowed::new_nfd()
            .normalize(c.encode_utf8(&mut [0; 4]))
            .chars()
        {
            match plain(part) {
                Some(plain) if plain.chars().all(|c| charset.supports(c)) => written.push_str(plain),
                None if charset.supports(part) => written.push(part),
                Some(_) | None => return Err(Unsupported(c)),
            }
        }
    }
    Ok(written)
}

/// Returns the plain form of a character that has one; empty for a combining mark.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        '\u{300}'..='\u{36F}' => "",
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "AE",
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' => "th",
        'Þ' => "Th",
        'ı' => "i",
        '‘' | '’' => "'",
        '“' | '”' | '„' => "\"",
        '–' | '‐' | '‑' => "-",
        '\n' | '\r' | '\t' | '\u{A0}' => " ",
        _ => return None,
    })
}

/// Cuts a text to a number of characters.
pub(super) fn cut(text: &str, longest: usize) -> &str {
    let end = text
        .char_indices()
        .nth(longest)
        .map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_their_diacritics_and_nothing_else_changes() {
        for (text, expected) in [
            ("Zoë Ångström", "Zoe Angstrom"),
            ("Łukasz Żółć", "Lukasz Zolc"),
            ("Straße", "Strasse"),
            ("O’Neill & Søn", "O'Neill & Son"),
            ("Nguyễn", "Nguyen"),
            ("Ada Lovelace", "Ada Lovelace"),
        ] {
            assert_eq!(write(text, Charset::NAME).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_has_no_plain_form_is_refused() {
        for (text, charset, refused) in [
            ("Иван", Charset::NAME, 'И'),
            ("李", Charset::NAME, '李'),
            ("a*b", Charset::NAME, '*'),
            ("Invoice #7", Charset::DESCRIPTION, '#'),
            ("Invoice (7)", Charset::US_DESCRIPTION, '('),
            ("50 €", Charset::DESCRIPTION, '€'),
            ("½", Charset::DESCRIPTION, '½'),
        ] {
            assert_eq!(write(text, charset), Err(Unsupported(refused)), "{text}");
        }
    }

    #[test]
    fn line_breaks_become_spaces_and_a_cut_counts_characters() {
        assert_eq!(write("a\r\nb\tc", Charset::DESCRIPTION).as_deref(), Ok("a  b c"));
        assert_eq!(cut("abc def", 4), "abc");
        assert_eq!(cut("abc", 4), "abc");
    }
}
