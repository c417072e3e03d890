//! The port for traces, which follow a request across processes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::ports::{NoObserver, Observer};

/// The identity of a span, to be passed on to other processes. Its text form is a W3C `traceparent`.
///
/// Source: <https://www.w3.org/TR/trace-context/#traceparent-header>.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// The text is not a `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a traceparent")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// Makes a context. `None` if either id is zero, which the specification reserves for an invalid id.
    pub fn new(trace_id: u128, span_id: u64, flags: u8) -> Option<Self> {
        (trace_id != 0 && span_id != 0).then(|| Self {
            trace_id: trace_id.to_be_bytes(),
            span_id: span_id.to_be_bytes(),
            flags,
        })
    }

    /// Returns the id of the trace.
    pub fn trace_id(self) -> u128 {
        u128::from_be_bytes(self.trace_id)
    }

    /// Returns the id of the span.
    pub fn span_id(self) -> u64 {
        u64::from_be_bytes(self.span_id)
    }

    /// Returns the trace flags; the lowest bit is set if the trace is recorded.
    pub fn flags(self) -> u8 {
        self.flags
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    /// Parses a `traceparent`. From a later version of the format it reads the parts that version 00 has.
    fn from_str(text: &str) -> Result<Self, InvalidTraceContext> {
        let mut parts = text.splitn(5, '-');
        let mut hex = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let is_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            part.bytes()
                .all(is_hex)
                .then(|| u128::from_str_radix(part, 16).ok())?
        };
        let read = (hex(2), hex(32), hex(16), hex(2));
        let (Some(version), Some(trace_id), Some(span_id), Some(flags)) = read else {
            return Err(InvalidTraceContext);
        };
        let more = parts.next().is_some();
        if version == 0xff || (version == 0 && more) {
            return Err(InvalidTraceContext);
        }
        let span_id = u64::try_from(span_id).map_err(|_| InvalidTraceContext)?;
        let flags = u8::try_from(flags).map_err(|_| InvalidTraceContext)?;
        Self::new(trace_id, span_id, flags).ok_or(InvalidTraceContext)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id(),
            self.span_id(),
            self.flags
        )
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The role of a span in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// The span serves a request.
    Server,
    /// The span is work within the process.
    Internal,
    /// The span processes a payout that a hint announced.
    Consumer,
    /// The span is a call to another service.
    Client,
}

/// A timed operation in a trace. It ends when it is dropped.
pub trait Span: Send + Sync {
    /// Returns the span's identity.
    fn context(&self) -> TraceContext;

    /// Changes the span's name.
    fn rename(&mut self, name: String);

    /// Sets an attribute. The value must not contain anything about the recipient.
    fn note(&mut self, name: &'static str, value: &str);

    /// Marks the operation as failed.
    fn fail(&mut self);
}

/// Begins spans.
#[cfg_attr(any(test, feature = "mocks"), mockall::automock)]
pub trait Tracer: Send + Sync {
    /// Begins a span below `parent`, or in a new trace if `parent` is absent. `None`: tracing is off. It must
    /// return without blocking.
    fn begin(
        &self,
        kind: SpanKind,
        name: &'static str,
        parent: Option<TraceContext>,
    ) -> Option<Box<dyn Span>>;
}

/// A tracer that records nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTracer;

impl Tracer for NoTracer {
    fn begin(&self, _: SpanKind, _: &'static str, _: Option<TraceContext>) -> Option<Box<dyn Span>> {
        None
    }
}

/// The observer and the tracer that the use cases and the worker report to. By default both ignore everything.
#[derive(Clone)]
pub struct Telemetry {
    /// The receiver of signals.
    pub observer: Arc<dyn Observer>,
    /// The recorder of traces.
    pub tracer: Arc<dyn Tracer>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            observer: Arc::new(NoObserver),
            tracer: Arc::new(NoTracer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_and_written_as_it_was() {
        let context: TraceContext = W3C.parse().unwrap();
        assert_eq!(context.trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((context.span_id(), context.flags()), (0x00f0_67aa_0ba9_02b7, 1));
        assert_eq!(context.to_string(), W3C);
    }

    #[test]
    fn of_a_version_to_come_only_the_known_parts_are_read() {
        let later = format!("cc{}-what-comes", &W3C[2..]);
        assert_eq!(later.parse::<TraceContext>().unwrap().to_string(), W3C);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        for odd in [
            "",
            "00",
            &W3C[..54],
            &format!("{W3C}-x"),
            &format!("ff{}", &W3C[2..]),
            &W3C.to_uppercase(),
            &W3C.replace("4bf9", "4b 9"),
            &W3C.replace("4bf9", "+bf9"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &W3C.replace('-', "é"),
        ] {
            assert_eq!(odd.parse::<TraceContext>(), Err(InvalidTraceContext), "{odd:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = text.parse::<TraceContext>();
        }
    }
}
