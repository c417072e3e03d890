//! Traces sent to a collector by OTLP over HTTP.
//!
//! A separate thread collects spans and sends them in batches. A slow or unreachable collector delays nothing, and
//! spans that exceed the buffer are dropped. If a request says whether to record its trace, that decision applies;
//! otherwise `OTEL_TRACES_SAMPLER` decides.

mod client;
mod span;

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer as _, TracerProvider as _};
use opentelemetry::{Key, KeyValue, trace};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::ResourceBuilder;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use payout_core::ports::{Span, SpanKind, TraceContext, Tracer};
use tokio::runtime::Handle;

use self::client::Client;
use self::span::{OtlpSpan, remote};

/// Settings of the trace exporter.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// The collector's base URL; `/v1/traces` is appended to it.
    pub endpoint: String,
    /// The service's version, sent as `service.version`.
    pub version: &'static str,
    /// The name of this process, unique among the service's processes; sent as `service.instance.id`.
    pub instance: String,
}

/// An invalid setup of the trace exporter.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent like this")]
pub struct OtlpSetupError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// A [`Tracer`] that sends spans to a collector.
pub struct OtlpTracer {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl OtlpTracer {
    /// Creates the tracer without connecting to the collector.
    ///
    /// Must be called within a tokio runtime; the tracer sends its spans on that runtime.
    ///
    /// # Errors
    /// [`OtlpSetupError`] when the endpoint cannot be used.
    pub fn new(settings: &OtlpSettings) -> Result<Self, OtlpSetupError> {
        let client = Client::new(Handle::current()).map_err(|error| OtlpSetupError(Box::new(error)))?;
        let endpoint = format!("{}/v1/traces", settings.endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| OtlpSetupError(Box::new(error)))?;
        let resource = resource_of_the_environment()
            .with_attribute(KeyValue::new("service.version", settings.version))
            .with_attribute(KeyValue::new("service.instance.id", settings.instance.clone()))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        let tracer = provider.tracer("payout");
        Ok(Self { provider, tracer })
    }

    /// Sends the collected spans, then stops. Waits for the collector's answer for a limited time.
    pub async fn close(&self) {
        let provider = self.provider.clone();
        let closed = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = closed {
            tracing::debug!(
                error = %payout_core::Causes(&error),
                "the last traces were not sent"
            );
        }
    }
}

/// Returns the resource of the environment. The service is called `payout`, unless `OTEL_SERVICE_NAME` or
/// `OTEL_RESOURCE_ATTRIBUTES` names it.
fn resource_of_the_environment() -> ResourceBuilder {
    let named = Resource::builder()
        .build()
        .get(&Key::from_static_str("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named {
        Resource::builder()
    } else {
        Resource::builder().with_service_name("payout")
    }
}

impl Tracer for OtlpTracer {
    fn begin(
        &self,
        kind: SpanKind,
        name: &'static str,
        parent: Option<TraceContext>,
    ) -> Option<Box<dyn Span>> {
        let kind = match kind {
            SpanKind::Server => trace::SpanKind::Server,
            SpanKind::Internal => trace::SpanKind::Internal,
            SpanKind::Consumer => trace::SpanKind::Consumer,
            SpanKind::Client => trace::SpanKind::Client,
        };
        let parent = match parent {
            Some(parent) => Context::new().with_remote_span_context(remote(parent)),
            None => Context::new(),
        };
        let builder = self.tracer.span_builder(name).with_kind(kind);
        let span = self.tracer.build_with_context(builder, &parent);
        OtlpSpan::new(span).map(|span| Box::new(span) as Box<dyn Span>)
    }
}

impl fmt::Debug for OtlpTracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpTracer").finish_non_exhaustive()
    }
}
