//! Traces, sent over OTLP to a collector. [`super::spans`] says what is in them.

use std::{sync::OnceLock, time::Duration};

use anyhow::Context;
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    resource::EnvResourceDetector,
    trace::{SdkTracer, SdkTracerProvider},
};
use reqwest::Url;
use uuid::Uuid;

use super::otlp_client::OtlpClient;
use crate::config::Config;

/// What makes the spans of this process; nothing while traces are off.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// How long a collector that is away may hold up the end of the program.
const LAST_EXPORT: Duration = Duration::from_secs(3);

pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// The export of this process's spans, which goes on in the background.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begin to export where the configuration names a place for it. Has to be called on a Tokio runtime.
    ///
    /// # Errors
    /// When that place is no URL.
    pub fn start(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = config.traces.endpoint() else { return Ok(None) };
        let url = Url::parse(&endpoint).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
        let url = url.context("OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://")?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(OtlpClient::new()?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource(config)).build();
        TRACER.get_or_init(|| provider.tracer("flotilla"));
        Ok(Some(Self { provider }))
    }

    /// Send what has not been sent yet, and end.
    pub async fn flush(self) {
        // It waits without a Tokio runtime.
        let flushing = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(LAST_EXPORT));
        if let Ok(Err(error)) = flushing.await {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Who sends the spans. What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say comes first.
fn resource(config: &Config) -> Resource {
    let pod = config.pod_name.clone().map(|name| KeyValue::new("k8s.pod.name", name));
    let own = [
        KeyValue::new("service.name", "flotilla"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
    ];
    let service_name = config.traces.otel_service_name.clone().map(|name| KeyValue::new("service.name", name));
    Resource::builder_empty()
        .with_attributes(own.into_iter().chain(pod))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(service_name)
        .build()
}
