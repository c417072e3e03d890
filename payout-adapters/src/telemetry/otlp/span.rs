//! The OpenTelemetry implementation of the core's [`Span`].

use opentelemetry::trace::{Span as _, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{KeyValue, trace};
use opentelemetry_sdk::trace::Span as SdkSpan;
use payout_core::ports::{Span, TraceContext};

/// A running span; it ends when it is dropped.
pub(super) struct OtlpSpan {
    span: SdkSpan,
    context: TraceContext,
}

impl OtlpSpan {
    pub(super) fn new(span: SdkSpan) -> Option<Self> {
        let context = trace::Span::span_context(&span);
        let context = TraceContext::new(
            u128::from_be_bytes(context.trace_id().to_bytes()),
            u64::from_be_bytes(context.span_id().to_bytes()),
            context.trace_flags().to_u8(),
        )?;
        Some(Self { span, context })
    }
}

impl Span for OtlpSpan {
    fn context(&self) -> TraceContext {
        self.context
    }

    fn rename(&mut self, name: String) {
        self.span.update_name(name);
    }

    fn note(&mut self, name: &'static str, value: &str) {
        if self.span.is_recording() {
            self.span.set_attribute(KeyValue::new(name, value.to_owned()));
        }
    }

    fn fail(&mut self) {
        self.span.set_status(Status::error(""));
    }
}

/// Converts a trace context that was received from another process.
pub(super) fn remote(context: TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id().to_be_bytes()),
        SpanId::from_bytes(context.span_id().to_be_bytes()),
        TraceFlags::new(context.flags()),
        true,
        TraceState::default(),
    )
}
