//! Suggestions for unknown names.

/// Returns the known name most similar to `name`, regardless of case and of the way in which its words are joined.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = bare(name);
    // A short word differs from many others by one letter.
    let within = (given.len().saturating_sub(1) / 2).min(3);
    known
        .into_iter()
        .map(|known| (distance(&given, &bare(known)), known))
        .filter(|(distance, _)| *distance <= within)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Returns the distance between two words; a word that begins with the other is near.
fn distance(given: &str, known: &str) -> usize {
    let begins = given.len() > 2 && known.starts_with(given)
        || given.starts_with(known) && given.len() <= known.len() + 2;
    let apart = strsim::osa_distance(given, known);
    if begins { apart.min(1) } else { apart }
}

fn bare(name: &str) -> String {
    // Longer texts are not similar to any name.
    let letters = name.chars().filter(|c| c.is_alphanumeric()).take(64);
    letters.flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_is_near_and_another_word_is_not() {
        let known = [
            "status",
            "currency",
            "created_after",
            "page_size",
            "page",
            "ordering",
        ];
        for (name, meant) in [
            ("state", Some("status")),
            ("curency", Some("currency")),
            ("Currency", Some("currency")),
            ("createdAfter", Some("created_after")),
            ("page-size", Some("page_size")),
            ("pagesize", Some("page_size")),
            ("order", Some("ordering")),
            ("statuses", Some("status")),
            ("name", None),
            ("limit", None),
            ("", None),
            ("\u{0}", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        assert_eq!(nearest(&"status".repeat(100_000), known), None);
    }
}
