//! A hint as a message: its payout's id is the body, and its trace a header.

use payout_core::payout::PayoutId;
use payout_core::ports::Hint;

/// The header with the trace of the request, if there is one.
pub(crate) const TRACE: &str = "traceparent";

/// Parses a message. An invalid trace is ignored: the hint is still delivered.
pub(crate) fn hint(body: &[u8], trace: Option<&str>) -> Option<Hint> {
    let payout_id: PayoutId = std::str::from_utf8(body).ok()?.parse().ok()?;
    Some(Hint {
        payout_id,
        trace: trace.and_then(|trace| trace.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0192f0c1-2345-7890-abcd-ef0123456789";

    #[test]
    fn a_message_names_its_payout_and_its_trace() {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let found = hint(ID.as_bytes(), Some(trace)).unwrap();
        assert_eq!(
            (found.payout_id.to_string(), found.trace),
            (ID.to_owned(), trace.parse().ok())
        );
        assert_eq!(hint(ID.as_bytes(), Some("00-x")).unwrap().trace, None);
    }

    #[test]
    fn what_names_no_payout_is_no_hint() {
        for body in ["", "x", "0192f0c1"] {
            assert_eq!(hint(body.as_bytes(), None), None, "{body}");
        }
        assert_eq!(hint(b"\xff", None), None);
    }
}
