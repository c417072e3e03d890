//! Unicode's rules for texts: invisible characters, normalization, and comparison without regard to case.
//!
//! Sources: UAX #44 (properties), UAX #15 (normalization), the Unicode Standard §3.13 (default caseless matching). The
//! tables are those of ICU4X.

use std::borrow::Cow;

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::props::{
    DefaultIgnorableCodePoint, ExtendedPictographic, GeneralCategory, NoncharacterCodePoint, WhiteSpace,
};
use icu_properties::{CodePointMapData, CodePointSetData};

const CASES: CaseMapperBorrowed<'static> = CaseMapper::new();

/// Characters that are drawn blank, although no property says so: the object replacement character, the empty Braille
/// pattern, the Khitan filler, the blanks of Egyptian quadrats and the musical null notehead.
const BLANK: [char; 6] = [
    '\u{fffc}',
    '\u{2800}',
    '\u{16fe4}',
    '\u{13441}',
    '\u{13442}',
    '\u{1d159}',
];

/// Returns the text in Normalization Form C, which is equal for all canonically equivalent texts.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// Returns the text in Normalization Form D, which some systems send.
pub(crate) fn nfd(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return text.into();
    }
    DecomposingNormalizerBorrowed::new_nfd().normalize(text)
}

/// Returns the text for a comparison without regard to case: with full case folding, every white space as a plain
/// space, in Form C.
///
/// ```
/// use payout_core::text::fold;
/// assert_eq!(fold("ΟΔΥΣΣΕΥΣ"), fold("οδυσσευς"));
/// assert_eq!(fold("STRASSE"), fold("Straße"));
/// assert_eq!(fold("Jose\u{301}"), fold("JOS\u{c9}"));
/// ```
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = CASES.fold_string(&nfd(text)).into_owned();
    let spaced: String = folded
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    nfc(&spaced).into_owned()
}

/// Returns one character folded and in Form D, for texts that are compared character by character.
pub(crate) fn fold_char(c: char) -> String {
    if c.is_ascii() {
        return c.to_ascii_lowercase().to_string();
    }
    let mut buffer = [0; 4];
    let decomposed = nfd(c.encode_utf8(&mut buffer)).into_owned();
    nfd(&CASES.fold_string(&decomposed)).into_owned()
}

/// Returns whether a character is invisible, or has no defined appearance. These are default ignorable characters
/// (joiners, fillers, variation selectors), format characters (directional marks), separators of lines and paragraphs,
/// noncharacters, characters for private use, and the blank ones that no property marks. Control characters do not
/// count.
pub fn is_invisible(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    matches!(
        category,
        GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
    ) || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
        || BLANK.contains(&c)
}

/// Returns the first invisible character of a text. Within an emoji sequence (UTS #51) two invisible characters are
/// allowed, since they change how their neighbours are drawn: a joiner between two pictographs, and the variation
/// selector after one.
pub(crate) fn first_invisible(text: &str) -> Option<char> {
    let mut after_pictograph = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_seen = match c {
            '\u{200d}' => after_pictograph && chars.peek().copied().is_some_and(is_pictograph),
            '\u{fe0f}' => after_pictograph,
            _ => !is_invisible(c),
        };
        if !is_seen {
            return Some(c);
        }
        // The selector and a skin tone belong to the preceding pictograph.
        let goes_on = after_pictograph && (c == '\u{fe0f}' || is_skin_colour(c));
        after_pictograph = is_pictograph(c) || goes_on;
    }
    None
}

/// Returns whether the character is a pictograph, such as an emoji (UTS #51).
pub fn is_pictograph(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c)
}

/// Returns whether the character is a skin tone, which modifies the preceding pictograph.
pub fn is_skin_colour(c: char) -> bool {
    matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Returns whether the character is white space other than the plain space. It looks like a space, but would make
/// another account.
pub(crate) fn is_odd_space(c: char) -> bool {
    c != ' ' && CodePointSetData::new::<WhiteSpace>().contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_known_by_its_properties() {
        for c in [
            // Default ignorable: fillers, joiners, selectors, tags and unassigned ones.
            '\u{3164}',
            '\u{115f}',
            '\u{1160}',
            '\u{ffa0}',
            '\u{34f}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{e0041}',
            '\u{180e}',
            '\u{17b4}',
            '\u{2065}',
            '\u{feff}',
            '\u{ad}',
            '\u{e0fff}',
            // Format: directional marks, annotations, number signs.
            '\u{61c}',
            '\u{200e}',
            '\u{202a}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{fff9}',
            '\u{600}',
            '\u{110bd}',
            // Separators.
            '\u{2028}',
            '\u{2029}', // No characters, and private ones.
            '\u{fdd0}',
            '\u{fffe}',
            '\u{ffff}',
            '\u{10ffff}',
            '\u{e000}',
            '\u{100000}',
            // Drawn blank.
            '\u{2800}',
            '\u{fffc}',
            '\u{1d159}',
        ] {
            assert!(is_invisible(c), "{:x}", u32::from(c));
        }
        for c in [
            'a', ' ', 'é', 'ß', 'ё', '王', 'ا', 'क', '\u{301}', '•', '€', '☕', '🙂', '\u{3000}', '\u{a0}',
        ] {
            assert!(!is_invisible(c), "{c}");
        }
    }

    #[test]
    fn a_joiner_is_seen_between_pictographs_alone() {
        for text in [
            "plain",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦",
            "❤\u{fe0f}\u{200d}🔥",
            "👩🏽\u{200d}🚀",
            "☕\u{fe0f}",
        ] {
            assert_eq!(first_invisible(text), None, "{text}");
        }
        for text in [
            "Ada\u{200d}Lovelace",
            "👩\u{200d}",
            "\u{200d}👩",
            "👩\u{200d}a",
            "👩\u{200d}\u{200d}👩",
            "👩 \u{200d}👩",
        ] {
            assert_eq!(first_invisible(text), Some('\u{200d}'), "{text:?}");
        }
        for text in ["Ada\u{fe0f}", "\u{fe0f}", "☕\u{fe0f}\u{fe0f}a\u{fe0f}"] {
            assert_eq!(first_invisible(text), Some('\u{fe0f}'), "{text:?}");
        }
    }

    #[test]
    fn odd_spaces_are_all_but_the_space() {
        for c in [
            '\u{a0}', '\u{1680}', '\u{2000}', '\u{2009}', '\u{202f}', '\u{205f}', '\u{3000}', '\t', '\u{85}',
        ] {
            assert!(is_odd_space(c), "{:x}", u32::from(c));
        }
        assert!(!is_odd_space(' ') && !is_odd_space('x'));
    }

    #[test]
    fn equal_texts_become_equal() {
        for (one, other) in [
            ("Jose\u{301}", "Jos\u{e9}"),
            ("\u{212b}ngstro\u{308}m", "\u{c5}ngstr\u{f6}m"),
            ("\u{1100}\u{1161}", "\u{ac00}"),
            ("q\u{307}\u{323}", "q\u{323}\u{307}"),
        ] {
            assert_eq!(nfc(one), nfc(other));
        }
        assert_eq!(nfc("plain"), "plain");
    }

    #[test]
    fn case_is_folded_whole() {
        for (one, other) in [
            ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
            ("STRASSE", "straße"),
            ("STRAẞE", "straße"),
            ("ﬁn", "FIN"),
            ("JOSE\u{301}", "jos\u{e9}"),
            ("ᾼ", "αι"),
            ("Ⅷ", "ⅷ"),
            ("Ꭰ", "ꭰ"),
            ("山田\u{3000}太郎", "山田 太郎"),
        ] {
            assert_eq!(fold(one), fold(other), "{one}");
        }
        assert!(fold("ΟΔΥΣΣΕΥΣ").starts_with(&fold("ΟΔΥΣ")));
        assert_ne!(fold("e"), fold("é"));
    }

    proptest::proptest! {
        #[test]
        fn folding_and_composing_twice_changes_nothing(text in "\\PC{0,24}") {
            let once = fold(&text);
            proptest::prop_assert_eq!(fold(&once), once);
            proptest::prop_assert_eq!(fold(&nfd(&text)), fold(&nfc(&text)));
            let composed = nfc(&text).into_owned();
            proptest::prop_assert_eq!(&*nfc(&composed), &*composed);
        }
    }
}
