//! Names of the stream's keys, and the parsing of its entries.

use std::str::FromStr;

use bb8_redis::redis::Pipeline;
use payout_core::payout::PayoutId;
use payout_core::ports::{Delivery, Hint, Receipt};

use super::settings::RedisSettings;

/// The entry's field for the payout's id.
pub(super) const FIELD: &str = "payout_id";
/// The entry's field for the trace of the request, if there is one.
pub(super) const TRACE: &str = "traceparent";

/// An entry as Redis returns it: its id, and its fields and values in turn. `None` if it has been deleted since.
pub(super) type Entry = (String, Option<Vec<Vec<u8>>>);

/// The names of the queue's Redis keys, consumer group and consumer.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) stream: String,
    /// The stream to which the readiness probe adds its entries.
    pub(super) probe: String,
    pub(super) group: &'static str,
    pub(super) consumer: String,
}

impl Names {
    /// Makes the names. In a cluster, both keys have the prefix as their hash tag, so that one server has both.
    pub(super) fn new(settings: &RedisSettings, is_cluster: bool) -> Self {
        let prefix = if is_cluster && !settings.prefix.contains('{') {
            format!("{{{}}}", settings.prefix)
        } else {
            settings.prefix.clone()
        };
        Self {
            stream: format!("{prefix}:hints"),
            probe: format!("{prefix}:probe"),
            group: "workers",
            consumer: settings.consumer.clone(),
        }
    }

    /// Builds the pipeline that acknowledges entries and deletes them, in one round trip.
    pub(super) fn forget(&self, ids: &[&str]) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(2);
        pipeline
            .cmd("XACK")
            .arg(&self.stream)
            .arg(self.group)
            .arg(ids)
            .ignore();
        pipeline.cmd("XDEL").arg(&self.stream).arg(ids).ignore();
        pipeline
    }
}

/// Returns whether a text is a valid entry id: two numbers and a dash. A single invalid id makes Redis refuse the whole
/// command.
pub(super) fn is_id(text: &str) -> bool {
    text.split_once('-')
        .is_some_and(|(ms, seq)| ms.parse::<u64>().is_ok() && seq.parse::<u64>().is_ok())
}

/// Entries, split into deliveries and the ids of entries that cannot be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) unreadable: Vec<String>,
}

impl Sorted {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        let mut sorted = Self::default();
        for (id, fields) in entries {
            match fields.as_deref().and_then(hint) {
                Some(hint) => sorted.deliveries.push(Delivery {
                    hint,
                    receipt: Receipt::new(id),
                }),
                None => sorted.unreadable.push(id),
            }
        }
        sorted
    }
}

/// Parses the hint of an entry. Unknown fields are ignored, since later versions may add some. An invalid trace is
/// ignored too: the hint is still delivered.
fn hint(fields: &[Vec<u8>]) -> Option<Hint> {
    Some(Hint {
        payout_id: field::<PayoutId>(fields, FIELD)?,
        trace: field(fields, TRACE),
    })
}

fn field<T: FromStr>(fields: &[Vec<u8>], name: &str) -> Option<T> {
    let value = fields
        .chunks_exact(2)
        .find(|pair| pair[0] == name.as_bytes())
        .map(|pair| &pair[1])?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[&str]) -> Entry {
        (
            "1-0".into(),
            Some(fields.iter().map(|text| text.as_bytes().to_vec()).collect()),
        )
    }

    #[test]
    fn an_entry_names_its_payout_whatever_else_it_says() {
        let id = "0192f0c1-2345-7890-abcd-ef0123456789";
        let sorted = Sorted::new(vec![entry(&["later", "x", FIELD, id])]);
        assert_eq!(sorted.deliveries[0].hint.payout_id.to_string(), id);
        assert!(sorted.unreadable.is_empty());
    }

    #[test]
    fn a_trace_that_is_none_is_left_out() {
        let id = "0192f0c1-2345-7890-abcd-ef0123456789";
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let entries = vec![
            entry(&[FIELD, id, TRACE, trace]),
            entry(&[FIELD, id, TRACE, "00-x"]),
        ];
        let sorted = Sorted::new(entries);
        let traces: Vec<_> = sorted
            .deliveries
            .iter()
            .map(|delivery| delivery.hint.trace)
            .collect();
        assert_eq!(traces, [trace.parse().ok(), None]);
    }

    #[test]
    fn what_names_no_payout_is_unreadable() {
        let entries = vec![
            entry(&[FIELD, "x"]),
            entry(&["x", "y"]),
            entry(&[FIELD]),
            ("1-0".into(), None),
        ];
        let sorted = Sorted::new(entries);
        assert_eq!((sorted.deliveries.len(), sorted.unreadable.len()), (0, 4));
    }

    #[test]
    fn only_two_numbers_and_a_dash_are_an_id() {
        assert!(is_id("1700000000000-12"));
        for text in ["", "1", "-", "1-", "a-1", "1-1-1", "1-99999999999999999999"] {
            assert!(!is_id(text), "{text}");
        }
    }
}
