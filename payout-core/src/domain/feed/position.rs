//! Positions in the feed.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::payout::PayoutId;

/// The position of an event in the feed. Later events have greater positions.
///
/// The numbers mean something only to the repository that gave them. The text form keeps the order: of two positions,
/// the greater one has the greater text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedPosition {
    /// The first number, which decides.
    pub major: u64,
    /// The second number, which decides between positions with one first number.
    pub minor: u64,
    /// The payout, which decides between creations with the same numbers; absent for every other event.
    pub created: Option<PayoutId>,
    /// True for the event that a change tells besides its own, right after it.
    pub is_second: bool,
}

/// The text is not a position in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position in the feed")]
pub struct InvalidPosition;

impl FeedPosition {
    /// The position before the first event.
    pub const START: Self = Self {
        major: 0,
        minor: 0,
        created: None,
        is_second: false,
    };

    /// Returns the position of the event that the change at this one tells besides its own.
    #[must_use]
    pub fn second(self) -> Self {
        Self {
            is_second: true,
            ..self
        }
    }
}

/// The end of the text of a second event. It is less than any digit, so that the texts keep the order.
const SECOND: &str = "-2";

/// The largest number: stores have signed numbers of 64 bits.
const LARGEST: u64 = i64::MAX.cast_unsigned();

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.major, self.minor)?;
        if let Some(id) = self.created {
            write!(f, "{:x}", id.as_uuid().as_simple())?;
        }
        f.write_str(if self.is_second { SECOND } else { "" })
    }
}

impl FromStr for FeedPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (text, is_second) = match text.strip_suffix(SECOND) {
            Some(first) => (first, true),
            None => (text, false),
        };
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || !matches!(text.len(), 32 | 64) {
            return Err(InvalidPosition);
        }
        let number = |text: &str| {
            let number = u64::from_str_radix(text, 16).ok();
            number.filter(|number| *number <= LARGEST).ok_or(InvalidPosition)
        };
        let created = match &text[32..] {
            "" => None,
            id => Some(Uuid::try_parse(id).map_err(|_| InvalidPosition)?),
        };
        Ok(Self {
            major: number(&text[..16])?,
            minor: number(&text[16..32])?,
            created: created.map(PayoutId::from),
            is_second,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn positions() -> impl Strategy<Value = FeedPosition> {
        let small_or_any = prop_oneof![0..3_u64, 0..=LARGEST];
        let created = proptest::option::of(prop_oneof![0..3_u128, any::<u128>()]);
        let position = (small_or_any.clone(), small_or_any, created, any::<bool>());
        position.prop_map(|(major, minor, id, is_second)| FeedPosition {
            major,
            minor,
            created: id.map(|id| PayoutId::from(Uuid::from_u128(id))),
            is_second,
        })
    }

    proptest! {
        #[test]
        fn a_position_reads_back(position in positions()) {
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn texts_have_the_order_of_their_positions(one in positions(), other in positions()) {
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,70}") {
            let _ = text.parse::<FeedPosition>();
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let start = FeedPosition::START.to_string();
        assert_eq!(start, "00000000000000000000000000000000");
        for text in [
            "",
            "0",
            &start[1..],
            &start.replace('0', "F"),
            &start.replace('0', "f"),
            &format!("{start}-1"),
            &format!("{start}-2-2"),
        ] {
            assert_eq!(text.parse::<FeedPosition>(), Err(InvalidPosition), "{text}");
        }
    }
}
