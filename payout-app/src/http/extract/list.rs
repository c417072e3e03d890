//! Lists in bodies, read one element after the other: what is refused is refused before the rest is kept.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Message;

/// Reads the elements of a list, and stops at the first that is refused.
///
/// # Errors
/// The message of that element, or `no_list` when the value is not a list.
pub(crate) fn each<'a>(
    value: &'a RawValue,
    no_list: &'static str,
    take: impl FnMut(&'a RawValue) -> Result<(), Message>,
) -> Result<(), Message> {
    let mut elements = Elements { take, refused: None };
    let read = serde_json::Deserializer::from_str(value.get()).deserialize_seq(&mut elements);
    read.map_err(|_| elements.refused.unwrap_or(Message::Borrowed(no_list)))
}

struct Elements<F> {
    take: F,
    refused: Option<Message>,
}

impl<'de, F: FnMut(&'de RawValue) -> Result<(), Message>> Visitor<'de> for &mut Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&'de RawValue>()? {
            if let Err(message) = (self.take)(element) {
                self.refused = Some(message);
                return Err(A::Error::custom("an element was refused"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the elements that were read, and the message.
    fn read(json: &str, most: usize) -> (Vec<String>, Result<(), Message>) {
        let value: Box<RawValue> = serde_json::from_str(json).unwrap();
        let mut taken = Vec::new();
        let result = each(&value, "No list.", |element| {
            if taken.len() == most {
                return Err("Too many.".into());
            }
            taken.push(element.get().to_owned());
            Ok(())
        });
        (taken, result)
    }

    #[test]
    fn every_element_is_read_in_its_order() {
        let (taken, result) = read(r#"[1, "a", {"b": [2]}, null]"#, 10);
        assert_eq!(taken, ["1", "\"a\"", "{\"b\": [2]}", "null"]);
        assert_eq!(result, Ok(()));
        assert_eq!(read("[]", 0), (Vec::new(), Ok(())));
    }

    #[test]
    fn nothing_is_kept_of_what_follows_a_refused_element() {
        let (taken, result) = read("[1, 2, 3, 4]", 2);
        assert_eq!(taken, ["1", "2"]);
        assert_eq!(result, Err("Too many.".into()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for json in ["{}", "null", "1", "\"[]\"", "true"] {
            assert_eq!(read(json, 1), (Vec::new(), Err("No list.".into())), "{json}");
        }
    }
}
