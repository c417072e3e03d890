//! Adds the request context to each JSON log line: the request's id, the payout's id and the trace.

use std::fmt;

use payout_core::request_context::RequestContext;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Wraps a format whose lines end with a JSON object, and adds members to that object.
pub(super) struct WithErrand<F>(pub(super) F);

impl<S, N, F> FormatEvent<S, N> for WithErrand<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let request_context = RequestContext::current();
        if request_context == RequestContext::default() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(512);
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(open) = line.trim_end().strip_suffix('}') else {
            return writer.write_str(&line);
        };
        writer.write_str(open)?;
        // The event's own fields take precedence: a member must not occur twice.
        let says = |name| event.metadata().fields().field(name).is_some();
        if let Some(id) = request_context.request_id.filter(|_| !says("request_id")) {
            write!(writer, ",\"request_id\":{}", serde_json::Value::from(&*id))?;
        }
        if let Some(id) = request_context.payout_id.filter(|_| !says("payout_id")) {
            write!(writer, ",\"payout_id\":\"{id}\"")?;
        }
        if let Some(trace) = request_context.trace {
            write!(writer, ",\"trace_id\":\"{:032x}\"", trace.trace_id())?;
        }
        writer.write_str("}\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use payout_core::ports::TraceContext;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the lines that `work` logs, parsed.
    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .json()
            .flatten_event(true)
            .map_event_format(WithErrand)
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_says_for_whom_and_nothing_twice() {
        let request_context = RequestContext {
            request_id: Some("r\"1".into()),
            payout_id: Some("0192f0c1-2345-7890-abcd-ef0123456789".parse().unwrap()),
            trace: TraceContext::new(0xabc, 1, 1),
        };
        let lines = logged(|| {
            tracing::info!("before");
            request_context.enter(|| {
                tracing::info!(took = 3, "{}", "in }\r\n between");
                tracing::info!(payout_id = "its own", "again");
            });
        });
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].get("request_id"), None);
        assert_eq!(lines[1]["message"], "in }\r\n between");
        assert_eq!(lines[1]["took"], 3);
        assert_eq!(lines[1]["request_id"], "r\"1");
        assert_eq!(lines[1]["payout_id"], "0192f0c1-2345-7890-abcd-ef0123456789");
        assert_eq!(lines[1]["trace_id"], "00000000000000000000000000000abc");
        assert_eq!(lines[2]["payout_id"], json!("its own"));
    }
}
