//! The spans of a trace: a request, in it the run that it starts, and in either the calls of engines.
//!
//! They hold names, counts and times under the names of OpenTelemetry's semantic conventions
//! (<https://opentelemetry.io/docs/specs/semconv/>), and never a text that a person or a model wrote: no prompt, no
//! answer, no message of an error.

use std::{
    pin::Pin,
    task::{self, Poll},
};

use async_stream::stream;
use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
    response::Response,
};
use futures::StreamExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use opentelemetry::{
    Array, Context, KeyValue, Value,
    propagation::TextMapPropagator,
    trace::{FutureExt, SpanKind, Status, TraceContextExt, TraceId, Tracer, WithContext},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use uuid::Uuid;

use super::traces::tracer;
use crate::engine::{ChatStream, Completion, Delta, EngineError};

/// A span; it ends with its last clone. While traces are off there is none behind it, and all it does is nothing.
#[derive(Clone)]
pub struct Span(Option<Context>);

impl Span {
    /// The span of a request, within the trace that the caller's headers name (W3C Trace Context), or a new one.
    pub fn of_request(headers: &HeaderMap, method: &'static str, route: &str) -> Self {
        let caller = || TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        let attributes = [KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.to_owned())];
        Self::start(caller, SpanKind::Server, || format!("{method} {route}"), attributes)
    }

    /// The span of a run, within the request that starts it; a run that is taken over begins a trace.
    pub fn of_run(run: Uuid, conversation: Uuid) -> Self {
        let attributes = [
            KeyValue::new("flotilla.run.id", run.to_string()),
            KeyValue::new("gen_ai.conversation.id", conversation.to_string()),
        ];
        Self::start(Context::current, SpanKind::Internal, || "run".to_owned(), attributes)
    }

    /// The span of a wait in line.
    pub fn of_queue() -> Self {
        Self::start(Context::current, SpanKind::Internal, || "queue".to_owned(), [])
    }

    fn of_engine_call(model: &str) -> Self {
        let attributes =
            [KeyValue::new("gen_ai.operation.name", "chat"), KeyValue::new("gen_ai.request.model", model.to_owned())];
        Self::start(Context::current, SpanKind::Client, || format!("chat {model}"), attributes)
    }

    fn start<const N: usize>(
        parent: impl FnOnce() -> Context,
        kind: SpanKind,
        name: impl FnOnce() -> String,
        attributes: [KeyValue; N],
    ) -> Self {
        Self(tracer().map(|tracer| {
            let parent = parent();
            let span = tracer.span_builder(name()).with_kind(kind).with_attributes(attributes);
            parent.with_span(span.start_with_context(tracer, &parent))
        }))
    }

    /// No span, for what is not worth one.
    pub fn none() -> Self {
        Self(None)
    }

    /// What `future` does happens in this span.
    pub fn scope<F: Future>(&self, future: F) -> WithContext<F> {
        future.with_context(self.0.clone().unwrap_or_else(Context::current))
    }

    /// For log lines, so that one finds the other.
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|context| context.span().span_context().trace_id())
    }

    /// Note the status of the response, and end when its body has been sent or nobody reads it any more.
    pub fn until_sent(self, response: Response) -> Response {
        let Some(context) = self.0 else { return response };
        let status = response.status();
        context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            context.span().set_attribute(KeyValue::new("error.type", status.as_u16().to_string()));
            context.span().set_status(Status::error(""));
        }
        response.map(|body| Body::new(SpannedBody { body, context }))
    }

    fn set(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// `kind` is one of a few fixed words.
    pub fn fail(&self, kind: &'static str) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new("error.type", kind));
            context.span().set_status(Status::error(""));
        }
    }
}

/// The headers that carry the current span to another server (W3C Trace Context); none while traces are off.
pub fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    if tracer().is_some() {
        TraceContextPropagator::new().inject(&mut HeaderInjector(&mut headers));
    }
    headers
}

/// The same call of an engine in a span of its own, which ends with the answer's stream.
///
/// # Errors
/// The engine's.
pub async fn engine_call(
    model: &str,
    call: impl Future<Output = Result<ChatStream, EngineError>>,
) -> Result<ChatStream, EngineError> {
    let span = Span::of_engine_call(model);
    match span.scope(call).await {
        Ok(answer) if span.0.is_some() => Ok(watched(span, answer)),
        Ok(answer) => Ok(answer),
        Err(error) => {
            span.fail(error.kind());
            Err(error)
        }
    }
}

fn watched(span: Span, mut answer: ChatStream) -> ChatStream {
    stream! {
        let mut has_begun = false;
        while let Some(delta) = span.scope(answer.next()).await {
            match &delta {
                Ok(Delta::Done(completion)) => note(&span, completion),
                Ok(_) if !has_begun => {
                    has_begun = true;
                    if let Some(context) = &span.0 {
                        context.span().add_event("first token", Vec::new());
                    }
                }
                Ok(_) => {}
                Err(error) => span.fail(error.kind()),
            }
            yield delta;
        }
    }
    .boxed()
}

/// What the call has cost. The times are the engine's own; one that is in front of another does not know them all.
fn note(span: &Span, completion: &Completion) {
    let Completion { finish_reason, usage, timings } = completion;
    let reason = serde_json::to_value(finish_reason).ok();
    if let Some(reason) = reason.as_ref().and_then(serde_json::Value::as_str) {
        span.set("gen_ai.response.finish_reasons", Value::Array(Array::String(vec![reason.to_owned().into()])));
    }
    span.set("gen_ai.usage.input_tokens", i64::from(usage.prompt_tokens));
    span.set("gen_ai.usage.cache_read.input_tokens", i64::from(usage.cached_tokens));
    span.set("gen_ai.usage.output_tokens", i64::from(usage.completion_tokens));
    span.set("flotilla.queued_ms", timings.queued_ms);
    span.set("flotilla.prefill_ms", timings.prefill_ms);
    span.set("flotilla.decode_ms", timings.decode_ms);
}

/// A response's body that is made in its request's span.
struct SpannedBody {
    body: Body,
    context: Context,
}

impl HttpBody for SpannedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let _current = self.context.clone().attach();
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
