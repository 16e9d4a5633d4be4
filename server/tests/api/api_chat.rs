use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use flotilla::engine::{EngineError, Scripted, Step};
use futures::StreamExt;
use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    endless::endless,
    support::{Response, TestServer, json_request, request},
};

const PATH: &str = "/api/chat";

/// A request that works, with `fields` on top.
fn asking(fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Say hello" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

async fn ask(fields: Value) -> Response {
    TestServer::answering(&["Hello", " there"]).await.post(PATH, asking(fields)).await
}

fn asking_for_events(fields: Value) -> Request<Body> {
    let mut request = json_request(Method::POST, PATH, asking(fields));
    request.headers_mut().insert(header::ACCEPT, "text/event-stream".parse().unwrap());
    request
}

/// The objects of a stream of lines.
fn lines(response: &Response) -> Vec<Value> {
    response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The objects of an event stream.
fn events(response: &Response) -> Vec<Value> {
    let text = response.text();
    let events = text.split_terminator("\n\n");
    events.map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

/// The body of a refusal, which is one text.
#[track_caller]
fn refusal(response: &Response) -> String {
    let body = response.json();
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    format!("{} {}", response.status.as_u16(), body["error"].as_str().unwrap())
}

#[tokio::test]
async fn without_stream_the_answer_is_one_object_with_the_fields_of_ollama_and_the_context() {
    let response = ask(json!({})).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers[header::CONTENT_TYPE], "application/json");
    let mut answer = response.json();
    for measured in ["created_at", "total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        answer[measured] = json!("[measured]");
    }
    assert_json_snapshot!(answer, @r#"
    {
      "model": "scripted",
      "created_at": "[measured]",
      "message": {
        "role": "assistant",
        "content": "Hello there"
      },
      "done": true,
      "done_reason": "stop",
      "total_duration": "[measured]",
      "load_duration": "[measured]",
      "prompt_eval_count": 2,
      "prompt_eval_duration": "[measured]",
      "eval_count": 2,
      "eval_duration": "[measured]",
      "context": {
        "messages_sent": 1,
        "messages_left_out": 0,
        "context_length": null,
        "max_messages": 20
      }
    }
    "#);
}

#[tokio::test]
async fn times_are_rfc_3339_and_durations_are_whole_nanoseconds() {
    let answer = ask(json!({})).await.json();
    chrono::DateTime::parse_from_rfc3339(answer["created_at"].as_str().unwrap()).unwrap();
    let total = answer["total_duration"].as_u64().unwrap();
    assert!(total > 0 && answer["prompt_eval_duration"].is_u64() && answer["eval_duration"].is_u64());
}

#[tokio::test]
async fn with_stream_the_answer_is_lines_and_the_last_one_is_done() {
    let response = ask(json!({ "stream": true })).await;
    assert_eq!(response.headers[header::CONTENT_TYPE], "application/x-ndjson");
    let lines = lines(&response);
    let texts: Vec<_> = lines.iter().map(|line| line["message"]["content"].as_str().unwrap()).collect();
    assert_eq!(texts, ["Hello", " there", ""]);
    assert!(lines.iter().all(|line| line["model"] == "scripted" && line["message"]["role"] == "assistant"));
    assert_eq!(lines.iter().map(|line| &line["done"]).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(lines[2]["done_reason"], "stop");
    assert_eq!(lines[2]["eval_count"], 2);
    assert_eq!(lines[2]["context"]["messages_sent"], 1);
    assert!(lines[0].get("done_reason").is_none() && lines[0].get("context").is_none());
}

#[tokio::test]
async fn a_client_that_accepts_events_gets_the_same_objects_as_events() {
    let server = TestServer::answering(&["Hello", " there"]).await;
    for stream in [json!(null), json!(true)] {
        let response = server.send(asking_for_events(json!({ "stream": stream }))).await;
        assert_eq!(response.headers[header::CONTENT_TYPE], "text/event-stream");
        let events = events(&response);
        assert_eq!(events.len(), 3);
        assert_eq!(events[0]["message"]["content"], "Hello");
        assert_eq!(events.iter().filter(|event| event["done"] == true).count(), 1);
        assert_eq!(events[2]["done_reason"], "stop");
    }
}

#[tokio::test]
async fn an_explicit_no_to_streaming_counts_more_than_the_accept_header() {
    let server = TestServer::answering(&["Hello", " there"]).await;
    let response = server.send(asking_for_events(json!({ "stream": false }))).await;
    assert_eq!(response.json()["message"]["content"], "Hello there");
}

#[tokio::test]
async fn a_long_conversation_loses_its_oldest_messages_and_the_answer_tells() {
    let server =
        TestServer::with_flags(Scripted::new(vec![Step::Text("Hello".to_owned())]), &["--max-context-messages", "2"])
            .await;
    let mut messages = vec![json!({ "role": "system", "content": "Be brief" })];
    for number in 0..3 {
        messages.push(json!({ "role": "user", "content": format!("question {number}") }));
        messages.push(json!({ "role": "assistant", "content": format!("answer {number}") }));
    }
    messages.push(json!({ "role": "user", "content": "the last" }));
    let answer = server.post(PATH, asking(json!({ "messages": messages }))).await.json();
    let sent = server.engine.last_request().unwrap().prompt.messages().to_vec();
    assert_eq!(sent.first().unwrap().content, "Be brief");
    assert_eq!(sent.last().unwrap().content, "the last");
    let left_out = answer["context"]["messages_left_out"].as_u64().unwrap();
    assert_eq!(left_out + answer["context"]["messages_sent"].as_u64().unwrap(), 7);
    assert!(left_out >= 5);
}

#[tokio::test]
async fn a_client_that_forbids_leaving_out_gets_an_error_instead() {
    let server = TestServer::new(Scripted::new(vec![]).with_context_length(2)).await;
    let messages = json!([{ "role": "user", "content": "one two" }, { "role": "user", "content": "three four" }]);
    let response = server.post(PATH, asking(json!({ "messages": messages, "truncate": false }))).await;
    assert_eq!(refusal(&response), "400 the conversation is longer than the model's context");
}

#[tokio::test]
async fn options_reach_the_engine_under_our_names() {
    let server = TestServer::answering(&["Hello"]).await;
    let options = json!({
        "temperature": 0.5, "top_p": 0.75, "top_k": 10, "min_p": 0.25, "seed": 7, "num_predict": 9,
        "repeat_penalty": 1.5, "frequency_penalty": -1.0, "presence_penalty": 1.0, "stop": ["END"], "num_ctx": 8192,
    });
    server.post(PATH, asking(json!({ "options": options, "keep_alive": "5m" }))).await;
    let mut expected = options;
    let fields = expected.as_object_mut().unwrap();
    fields.remove("num_ctx");
    let num_predict = fields.remove("num_predict").unwrap();
    fields.insert("max_tokens".to_owned(), num_predict);
    assert_eq!(serde_json::to_value(server.engine.last_request().unwrap().parameters).unwrap(), expected);
}

#[tokio::test]
async fn ollamas_ways_to_say_no_limit_and_no_seed_are_understood() {
    let server = TestServer::answering(&["Hello"]).await;
    for num_predict in [-1, -2] {
        server.post(PATH, asking(json!({ "options": { "num_predict": num_predict, "seed": -1 } }))).await;
        let parameters = server.engine.last_request().unwrap().parameters;
        assert_eq!((parameters.max_tokens, parameters.seed), (None, None));
    }
}

#[tokio::test]
async fn bad_requests_are_a_400_whose_text_names_the_field() {
    let server = TestServer::answering(&["Hello"]).await;
    for (fields, field) in [
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": "hello" }), "messages"),
        (json!({ "messages": [{ "role": "narrator", "content": "x" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user" }] }), "messages[0].content"),
        (json!({ "messages": [{ "role": "user", "content": "" }] }), "messages[0].content"),
        (json!({ "messages": [{ "role": "user", "content": "x", "images": ["aGk="] }] }), "messages[0].images"),
        (json!({ "stream": "yes" }), "stream"),
        (json!({ "options": { "temperature": 3 } }), "temperature"),
        (json!({ "options": { "num_predict": -3 } }), "options.num_predict"),
        (json!({ "options": { "num_predict": 0 } }), "options.num_predict"),
        (json!({ "options": { "stop": 5 } }), "options.stop"),
        (json!({ "tools": [{ "type": "function" }] }), "tools[0].function"),
        (json!({ "format": "xml" }), "format"),
        (json!({ "think": true }), "think"),
        (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs"),
    ] {
        let refusal = refusal(&server.post(PATH, asking(fields)).await);
        assert!(refusal.starts_with("400 ") && refusal.contains(field), "{refusal}");
    }
}

#[tokio::test]
async fn wishes_that_change_nothing_are_ignored() {
    let harmless = json!({ "tools": [], "format": "", "think": false, "keep_alive": 0, "no_such_field": 1 });
    assert_eq!(ask(harmless).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_unknown_model_is_a_404_with_ollamas_text() {
    for stream in [false, true] {
        let response = ask(json!({ "model": "qwen", "stream": stream })).await;
        assert_eq!(refusal(&response), "404 model 'qwen' not found");
    }
}

#[tokio::test]
async fn malformed_json_is_refused_with_line_and_column() {
    let server = TestServer::answering(&["Hello"]).await;
    let response = server.send(request(Method::POST, PATH, Body::from("{"))).await;
    assert_snapshot!(
        refusal(&response),
        @"400 the body is not valid JSON: EOF while parsing an object at line 1 column 1"
    );
}

#[tokio::test]
async fn ten_megabytes_are_refused() {
    let response = ask(json!({ "keep_alive": "x".repeat(10 * 1024 * 1024) })).await;
    assert_eq!(refusal(&response), "413 the body is too large");
}

#[tokio::test]
async fn an_engine_that_is_down_is_a_503_with_retry_after_in_all_three_forms() {
    let server = TestServer::unreachable().await;
    let forms = [
        json_request(Method::POST, PATH, asking(json!({}))),
        json_request(Method::POST, PATH, asking(json!({ "stream": true }))),
        asking_for_events(json!({})),
    ];
    for form in forms {
        let response = server.send(form).await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers.contains_key(header::RETRY_AFTER));
        refusal(&response);
    }
}

#[tokio::test]
async fn an_engine_that_is_too_slow_is_a_504() {
    let server = TestServer::new(Scripted::new(vec![Step::Fail(|| EngineError::Timeout)])).await;
    assert_eq!(refusal(&server.post(PATH, asking(json!({}))).await), "504 the engine took too long");
}

#[tokio::test]
async fn an_engine_that_dies_in_the_middle_is_one_last_error() {
    let script = vec![Step::Text("Hel".to_owned()), Step::Fail(|| EngineError::Interrupted)];
    let server = TestServer::new(Scripted::new(script)).await;
    let error = json!({ "error": "the engine stopped in the middle of the answer" });
    let response = server.post(PATH, asking(json!({ "stream": true }))).await;
    assert_eq!((response.status, &lines(&response)[1..]), (StatusCode::OK, std::slice::from_ref(&error)));
    let response = server.send(asking_for_events(json!({}))).await;
    assert_eq!((response.status, &events(&response)[1..]), (StatusCode::OK, std::slice::from_ref(&error)));
}

#[tokio::test]
async fn each_line_is_sent_when_it_comes() {
    let next = Arc::new(Notify::new());
    let script = vec![Step::Text("one".to_owned()), Step::Wait(next.clone()), Step::Text("two".to_owned())];
    let server = TestServer::new(Scripted::new(script)).await;
    let mut lines = server.stream(json_request(Method::POST, PATH, asking(json!({ "stream": true })))).await;
    assert!(lines.next().await.unwrap().contains("one"));
    next.notify_one();
    assert!(lines.next().await.unwrap().contains("two"));
    assert!(lines.next().await.unwrap().contains(r#""done":true"#));
    assert_eq!(lines.next().await, None);
}

#[tokio::test]
async fn the_engine_stops_when_the_client_leaves() {
    let (engine, stopped) = endless();
    let server = TestServer::new(Scripted::new(vec![])).await.with_engine(engine);
    let mut lines = server.stream(json_request(Method::POST, PATH, asking(json!({ "stream": true })))).await;
    lines.next().await.unwrap();
    drop(lines);
    stopped.notified().await;
}
