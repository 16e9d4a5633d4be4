use opentelemetry_proto::tonic::{
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use serde_json::json;

use crate::{
    collector::{Collector, attribute, names},
    support::Server,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_child(span: &Span, parent: &Span) -> bool {
    span.trace_id == parent.trace_id && span.parent_span_id == parent.span_id
}

async fn end(server: Server) {
    server.terminate();
    assert!(server.ended().await.success());
}

/// A chat from within the trace of its caller.
async fn chat(server: &Server, model: &str) {
    let request = json!({ "model": model, "messages": [{ "role": "user", "content": "count" }] });
    let request = server.client.post(format!("{}/v1/chat/completions", server.url)).json(&request);
    let answer = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await.unwrap();
    answer.text().await.unwrap();
}

#[tokio::test]
async fn a_chat_is_traced_from_its_caller_to_the_engine_and_the_last_spans_leave_before_the_server_does() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let settings = [collector.setting(), ("POD_NAME", "backend-7f6d")];
    let server = Server::start_with(&settings, &folder.path().join("data"), "one two three");
    server.get("/health").await;
    chat(&server, "scripted").await;
    end(server).await;

    let request = collector.span("POST /v1/chat/completions");
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), CALLER.to_owned()));
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(attribute(&request, "http.response.status_code"), Some(Value::IntValue(200)));
    assert!(is_child(&collector.span("queue"), &request));
    let call = collector.span("chat scripted");
    assert!(is_child(&call, &request), "{call:?}");
    assert_eq!(attribute(&call, "gen_ai.usage.input_tokens"), Some(Value::IntValue(1)));
    assert_eq!(attribute(&call, "gen_ai.usage.output_tokens"), Some(Value::IntValue(3)));
    assert!(matches!(attribute(&call, "flotilla.prefill_ms"), Some(Value::DoubleValue(_))));
    assert!(matches!(attribute(&call, "flotilla.decode_ms"), Some(Value::DoubleValue(_))));
    assert_eq!(call.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["first token"]);
    assert_eq!(collector.resource_attribute("service.name"), Some(Value::StringValue("flotilla".to_owned())));
    assert_eq!(collector.resource_attribute("k8s.pod.name"), Some(Value::StringValue("backend-7f6d".to_owned())));
    let spans = collector.spans();
    assert!(!names(&spans).iter().any(|name| name.contains("/health")), "{:?}", names(&spans));
}

#[tokio::test]
async fn a_run_stands_between_its_request_and_the_call_of_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let server = Server::start_with(&[collector.setting()], &folder.path().join("data"), "one two three");
    let (_, turn) = server.send("count").await;
    server.read_until(&turn["run_id"], "\"type\":\"finished\"").await;
    end(server).await;

    let run = collector.span("run");
    assert!(is_child(&run, &collector.span("POST /api/conversations/{id}/messages")));
    assert!(is_child(&collector.span("queue"), &run));
    assert!(is_child(&collector.span("chat scripted"), &run));
    let id = turn["run_id"].as_str().unwrap().to_owned();
    assert_eq!(attribute(&run, "flotilla.run.id"), Some(Value::StringValue(id)));
}

#[tokio::test]
async fn the_trace_goes_on_in_the_server_that_we_are_in_front_of() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (Collector::start().await, Collector::start().await);
    let upstream = Server::start_with(&[there.setting()], &folder.path().join("upstream"), "one two three");
    let server = Server::in_front_of(&upstream.url, &[here.setting()], &folder.path().join("data"));
    chat(&server, "scripted").await;
    end(server).await;
    end(upstream).await;

    let request = there.span("POST /v1/chat/completions");
    assert_eq!(hex(&request.trace_id), TRACE);
    assert!(is_child(&request, &here.span("chat scripted")));
}

#[tokio::test]
async fn a_call_that_fails_says_so_with_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let server = Server::start_with(&[collector.setting()], &folder.path().join("data"), "one two three");
    chat(&server, "unheard-of").await;
    end(server).await;

    let call = collector.span("chat unheard-of");
    assert_eq!(call.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(attribute(&call, "error.type"), Some(Value::StringValue("unknown_model".to_owned())));
    let request = collector.span("POST /v1/chat/completions");
    assert_eq!(attribute(&request, "http.response.status_code"), Some(Value::IntValue(404)));
}

#[tokio::test]
async fn a_collector_that_is_away_costs_neither_an_answer_nor_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    // Port 9 is discard, which nobody listens on.
    let away = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")];
    let server = Server::start_with(&away, &folder.path().join("data"), "one two three");
    let request = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "count" }] });
    let (_, answer) = server.post("/v1/chat/completions", request).await;
    assert_eq!(answer["choices"][0]["message"]["content"], "one two three");
    end(server).await;
}
