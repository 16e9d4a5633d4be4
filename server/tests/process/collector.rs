//! An OpenTelemetry collector on loopback that keeps what it is sent.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;

#[derive(Clone)]
pub struct Collector {
    pub url: String,
    exports: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let exports = Arc::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&exports));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, exports }
    }

    /// The setting that sends a server's traces here.
    pub fn setting(&self) -> (&str, &str) {
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url)
    }

    /// Everything that came, in words.
    pub fn text(&self) -> String {
        format!("{:?}", self.exports.lock().unwrap())
    }

    /// The spans that came.
    pub fn spans(&self) -> Vec<Span> {
        let exports = self.exports.lock().unwrap();
        let resources = exports.iter().flat_map(|export| &export.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The one span with this name.
    #[track_caller]
    pub fn span(&self, name: &str) -> Span {
        let spans = self.spans();
        let mut named = spans.iter().filter(|span| span.name == name);
        let span = named.next().unwrap_or_else(|| panic!("{name} is none of {:?}", names(&spans)));
        assert!(named.next().is_none(), "{name} is there twice: {:?}", names(&spans));
        span.clone()
    }

    /// An attribute of the server that sent the spans.
    pub fn resource_attribute(&self, key: &str) -> Option<Value> {
        let exports = self.exports.lock().unwrap();
        let resource = exports.iter().flat_map(|export| &export.resource_spans).next()?.resource.clone()?;
        find(&resource.attributes, key)
    }
}

pub fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

pub fn attribute(span: &Span, key: &str) -> Option<Value> {
    find(&span.attributes, key)
}

fn find(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

async fn take(
    State(exports): State<Arc<Mutex<Vec<ExportTraceServiceRequest>>>>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    exports.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
    StatusCode::OK
}
