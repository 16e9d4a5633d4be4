use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use flotilla::engine::{EngineError, Role, Scripted, Step};
use futures::StreamExt;
use insta::assert_snapshot;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::Instant};

use crate::{
    endless::endless,
    support::{Response, TestServer, json_request, request},
};

const PATH: &str = "/v1/chat/completions";

/// A request that works, with `fields` on top.
fn asking(fields: Value) -> Value {
    let mut body = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "Say hello" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

async fn ask(fields: Value) -> Response {
    TestServer::answering(&["Hello", " there"]).await.post(PATH, asking(fields)).await
}

/// The data of each event.
fn data(response: &Response) -> Vec<String> {
    let text = response.text();
    let events = text.split_terminator("\n\n");
    events.map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
}

/// The chunks of a stream that ended well, their end mark taken off.
fn chunks(response: &Response) -> Vec<Value> {
    let mut data = data(response);
    assert_eq!(data.pop().as_deref(), Some("[DONE]"));
    data.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect()
}

/// The text with ids and times replaced.
fn redacted(text: &str) -> String {
    let mut parts = text.split("chatcmpl-");
    let mut redacted = parts.next().unwrap().to_owned();
    for part in parts {
        redacted.push_str("chatcmpl-…");
        redacted.push_str(&part[32..]);
    }
    let mut parts = redacted.split(r#""created":"#);
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        result.push_str(r#""created":0"#);
        result.push_str(part.trim_start_matches(|character: char| character.is_ascii_digit()));
    }
    result
}

/// `param`, `code` and status of a refusal, after a look at its shape.
#[track_caller]
fn refusal(response: &Response) -> String {
    let body = response.json();
    let error = &body["error"];
    assert_eq!(error.as_object().unwrap().len(), 4, "{error}");
    assert!(error["message"].is_string());
    format!("{} {} {}", response.status.as_u16(), error["code"].as_str().unwrap(), error["param"])
}

#[tokio::test]
async fn an_answer_has_openais_shape() {
    let response = ask(json!({})).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_snapshot!(
        redacted(&response.text()),
        @r#"{"id":"chatcmpl-…","object":"chat.completion","created":0,"model":"scripted","choices":[{"index":0,"message":{"role":"assistant","content":"Hello there","refusal":null},"finish_reason":"stop","logprobs":null}],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0}}}"#
    );
}

#[tokio::test]
async fn a_stream_is_the_role_the_text_the_reason_and_one_end_mark() {
    let response = ask(json!({ "stream": true })).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_snapshot!(redacted(&response.text()), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":0,"model":"scripted","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":0,"model":"scripted","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":0,"model":"scripted","choices":[{"index":0,"delta":{"content":" there"},"finish_reason":null}]}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":0,"model":"scripted","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

    data: [DONE]
    "#);
}

#[tokio::test]
async fn a_stream_has_the_headers_that_keep_proxies_from_holding_it_back() {
    let server = TestServer::answering(&["Hello", " there"]).await;
    let mut asking = json_request(Method::POST, PATH, asking(json!({ "stream": true })));
    asking.headers_mut().insert(header::ACCEPT_ENCODING, "gzip, br, zstd".parse().unwrap());
    let response = server.send(asking).await;
    assert_eq!(response.headers[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(response.headers[header::CACHE_CONTROL], "no-cache, no-store");
    assert_eq!(response.headers["x-accel-buffering"], "no");
    assert!(!response.headers.contains_key(header::CONTENT_ENCODING));
    assert!(response.text().starts_with("data: {"));
}

#[tokio::test]
async fn a_stream_whose_engine_takes_its_time_has_a_comment_every_15_seconds() {
    let first = Arc::new(Notify::new());
    let script = vec![Step::Wait(first.clone()), Step::Text("late".to_owned())];
    let server = TestServer::new(Scripted::new(script)).await;
    tokio::time::pause();
    let mut events = server.stream(json_request(Method::POST, PATH, asking(json!({ "stream": true })))).await;
    let headers = Instant::now();
    for seconds in [15, 30, 45] {
        assert_eq!(events.next().await.unwrap(), ": ka\n\n");
        assert_eq!(headers.elapsed().as_secs(), seconds);
    }
    first.notify_one();
    assert!(events.next().await.unwrap().contains("assistant"));
    assert!(events.next().await.unwrap().contains("late"));
}

#[tokio::test]
async fn every_chunk_has_the_same_id_and_time() {
    let chunks = chunks(&ask(json!({ "stream": true, "stream_options": { "include_usage": true } })).await);
    assert!(chunks[0]["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["created"] == chunks[0]["created"]));
}

#[tokio::test]
async fn usage_comes_in_a_chunk_of_its_own_before_the_end_when_it_is_asked_for() {
    let chunks = chunks(&ask(json!({ "stream": true, "stream_options": { "include_usage": true } })).await);
    let (usage, others) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["total_tokens"], 4);
    assert_eq!(usage["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    assert!(others.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(others.last().unwrap()["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn no_chunk_is_without_choices_when_usage_is_not_asked_for() {
    for options in [json!(null), json!({}), json!({ "include_usage": false })] {
        let chunks = chunks(&ask(json!({ "stream": true, "stream_options": options })).await);
        assert!(chunks.iter().all(|chunk| chunk["choices"].as_array().unwrap().len() == 1));
    }
}

#[tokio::test]
async fn an_answer_that_was_cut_says_length() {
    let response = ask(json!({ "max_tokens": 1 })).await.json();
    assert_eq!(response["choices"][0]["finish_reason"], "length");
    assert_eq!(response["choices"][0]["message"]["content"], "Hello");
    let streamed = chunks(&ask(json!({ "max_tokens": 1, "stream": true })).await);
    assert_eq!(streamed.last().unwrap()["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn both_names_of_the_token_limit_count_and_the_newer_one_wins() {
    let response = ask(json!({ "max_completion_tokens": 1 })).await.json();
    assert_eq!(response["choices"][0]["finish_reason"], "length");
    let response = ask(json!({ "max_completion_tokens": 1, "max_tokens": 100 })).await.json();
    assert_eq!(response["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn sampling_reaches_the_engine() {
    let server = TestServer::answering(&["Hello"]).await;
    let sampling = json!({
        "temperature": 0.5, "top_p": 0.75, "top_k": 10, "min_p": 0.25, "seed": 7, "max_tokens": 9,
        "repeat_penalty": 1.5, "frequency_penalty": -1.0, "presence_penalty": 1.0, "stop": "END",
    });
    server.post(PATH, asking(sampling.clone())).await;
    let mut expected = sampling;
    expected["stop"] = json!(["END"]);
    assert_eq!(serde_json::to_value(server.engine.last_request().unwrap().parameters).unwrap(), expected);
}

#[tokio::test]
async fn nulls_are_the_same_as_nothing() {
    let nothing = json!({
        "stream": null, "stream_options": null, "temperature": null, "max_tokens": null, "stop": null, "seed": null,
        "n": null, "tools": null, "tool_choice": null, "response_format": null, "logprobs": null, "logit_bias": null,
    });
    assert_eq!(ask(nothing).await.status, StatusCode::OK);
}

#[tokio::test]
async fn wishes_that_change_nothing_and_unknown_fields_are_ignored() {
    let harmless = json!({
        "n": 1, "tools": [], "tool_choice": "auto", "response_format": { "type": "text" }, "logprobs": false,
        "logit_bias": {}, "modalities": ["text"], "user": "somebody", "metadata": { "a": "b" }, "no_such_field": [1],
    });
    assert_eq!(ask(harmless).await.status, StatusCode::OK);
}

#[tokio::test]
async fn wishes_that_cannot_be_met_are_refused_by_name() {
    for (fields, param) in [
        (json!({ "logit_bias": { "50256": -100 } }), "logit_bias"),
        (json!({ "response_format": { "type": "grammar" } }), "response_format.type"),
        (json!({ "modalities": ["text", "audio"] }), "modalities"),
        (json!({ "tools": [{ "type": "custom", "function": { "name": "now" } }] }), "tools[0].type"),
        (json!({ "functions": [{ "name": "now" }] }), "functions"),
    ] {
        assert_eq!(refusal(&ask(fields).await), format!("400 unsupported_parameter \"{param}\""));
    }
}

#[tokio::test]
async fn values_out_of_range_are_refused_by_name() {
    for (fields, param) in [
        (json!({ "temperature": 2.1 }), "temperature"),
        (json!({ "temperature": -0.1 }), "temperature"),
        (json!({ "temperature": 1e300 }), "temperature"),
        (json!({ "top_p": 1.5 }), "top_p"),
        (json!({ "top_k": -1 }), "top_k"),
        (json!({ "frequency_penalty": 3 }), "frequency_penalty"),
        (json!({ "presence_penalty": -3 }), "presence_penalty"),
        (json!({ "max_tokens": -1 }), "max_tokens"),
        (json!({ "max_tokens": 0 }), "max_tokens"),
        (json!({ "max_tokens": 1.5 }), "max_tokens"),
        (json!({ "max_completion_tokens": -5 }), "max_completion_tokens"),
        (json!({ "max_completion_tokens": 0 }), "max_completion_tokens"),
        (json!({ "n": 0 }), "n"),
        (json!({ "n": 9 }), "n"),
        (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs"),
        (json!({ "top_logprobs": 3 }), "top_logprobs"),
        (json!({ "tool_choice": "required" }), "tool_choice"),
        (json!({ "tool_choice": { "type": "function", "function": { "name": "now" } } }), "tool_choice"),
        (json!({ "tools": [{ "type": "function", "function": { "name": "what time?" } }] }), "tools[0].function.name"),
        (json!({ "response_format": { "type": "json_schema" } }), "response_format.json_schema.schema"),
        (json!({ "stop": ["a", "b", "c", "d", "e", "f", "g", "h", "i"] }), "stop"),
        (json!({ "stop": "" }), "stop"),
    ] {
        assert_eq!(refusal(&ask(fields).await), format!("400 invalid_request \"{param}\""));
    }
}

#[tokio::test]
async fn wrong_types_are_refused_by_name() {
    for (fields, param) in [
        (json!({ "model": 5 }), "model"),
        (json!({ "messages": "hello" }), "messages"),
        (json!({ "messages": ["hello"] }), "messages[0]"),
        (json!({ "messages": [{ "content": "hello" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user", "content": 5 }] }), "messages[0].content"),
        (json!({ "stream": "yes" }), "stream"),
        (json!({ "temperature": "warm" }), "temperature"),
        (json!({ "stop": 5 }), "stop"),
        (json!({ "stop": ["END", 5] }), "stop"),
        (json!({ "stream_options": { "include_usage": 1 } }), "stream_options.include_usage"),
    ] {
        assert_eq!(refusal(&ask(fields).await), format!("400 invalid_request \"{param}\""));
    }
}

#[tokio::test]
async fn messages_that_cannot_be_sent_are_refused_by_name() {
    let user = json!({ "role": "user", "content": "hello" });
    let image =
        json!([{ "type": "text", "text": "What is this?" }, { "type": "image_url", "image_url": { "url": "x" } }]);
    for (messages, param) in [
        (json!([]), "messages"),
        (Value::Array(vec![user.clone(); 513]), "messages"),
        (json!([user, { "role": "narrator", "content": "hello" }]), "messages[1].role"),
        (json!([user, { "role": "tool", "content": "12:00" }]), "messages[1].tool_call_id"),
        (json!([{ "role": "user" }]), "messages[0].content"),
        (json!([{ "role": "assistant", "content": null }]), "messages[0].content"),
        (json!([{ "role": "user", "content": " " }]), "messages[0].content"),
        (json!([{ "role": "user", "content": [] }]), "messages[0].content"),
        (json!([{ "role": "user", "content": [{ "type": "text" }] }]), "messages[0].content[0].text"),
    ] {
        assert_eq!(refusal(&ask(json!({ "messages": messages })).await), format!("400 invalid_request \"{param}\""));
    }
    let refused = refusal(&ask(json!({ "messages": [{ "role": "user", "content": image }] })).await);
    assert_eq!(refused, "400 unsupported_parameter \"messages[0].content[1]\"");
}

#[tokio::test]
async fn messages_are_required() {
    let server = TestServer::answering(&["Hello"]).await;
    assert_eq!(refusal(&server.post(PATH, json!({})).await), "400 invalid_request \"messages\"");
}

#[tokio::test]
async fn text_parts_are_one_text_and_a_developer_is_the_system() {
    let server = TestServer::answering(&["Hello"]).await;
    let parts = json!([{ "type": "text", "text": "Say " }, { "type": "text", "text": "hello" }]);
    let messages = json!([{ "role": "developer", "content": "Be brief" }, { "role": "user", "content": parts }]);
    server.post(PATH, asking(json!({ "messages": messages }))).await;
    let sent = server.engine.last_request().unwrap().prompt.messages().to_vec();
    assert_eq!((sent[0].role, sent[0].content.as_str()), (Role::System, "Be brief"));
    assert_eq!((sent[1].role, sent[1].content.as_str()), (Role::User, "Say hello"));
}

#[tokio::test]
async fn without_a_model_the_default_answers() {
    let response = ask(json!({ "model": null })).await.json();
    assert_eq!(response["model"], "scripted");
}

#[tokio::test]
async fn an_unknown_model_is_a_404_streamed_or_not() {
    for stream in [false, true] {
        let response = ask(json!({ "model": "gpt-5", "stream": stream })).await;
        assert_eq!(refusal(&response), "404 model_not_found \"model\"");
    }
}

#[tokio::test]
async fn a_conversation_that_does_not_fit_is_refused_and_never_shortened() {
    let server = TestServer::new(Scripted::new(vec![]).with_context_length(2)).await;
    for stream in [false, true] {
        let messages = json!([{ "role": "user", "content": "one two" }, { "role": "user", "content": "three four" }]);
        let response = server.post(PATH, asking(json!({ "messages": messages, "stream": stream }))).await;
        assert_eq!(refusal(&response), "400 context_length_exceeded \"messages\"");
    }
}

#[tokio::test]
async fn malformed_json_is_refused_with_line_and_column() {
    let server = TestServer::answering(&["Hello"]).await;
    let mut broken = request(Method::POST, PATH, Body::from("{\"model\": \"scripted\",\n \"messages\": [}"));
    broken.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let response = server.send(broken).await;
    assert_eq!(refusal(&response), "400 invalid_request null");
    assert_snapshot!(
        response.json()["error"]["message"].as_str().unwrap(),
        @"the body is not valid JSON: expected value at line 2 column 15"
    );
}

#[tokio::test]
async fn a_form_is_refused() {
    let server = TestServer::answering(&["Hello"]).await;
    let mut form = request(Method::POST, PATH, Body::from("model=scripted"));
    form.headers_mut().insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    assert_eq!(refusal(&server.send(form).await), "415 invalid_request null");
}

#[tokio::test]
async fn ten_megabytes_are_refused() {
    let response = ask(json!({ "user": "x".repeat(10 * 1024 * 1024) })).await;
    assert_eq!(refusal(&response), "413 payload_too_large null");
}

#[tokio::test]
async fn an_engine_that_is_down_is_a_503_with_retry_after() {
    let server = TestServer::unreachable().await;
    for stream in [false, true] {
        let response = server.post(PATH, asking(json!({ "stream": stream }))).await;
        assert_eq!(refusal(&response), "503 engine_unavailable null");
        assert!(response.headers.contains_key(header::RETRY_AFTER));
    }
}

#[tokio::test]
async fn an_engine_that_fails_before_its_first_word_is_an_error_with_a_status() {
    for (failure, expected) in [
        ((|| EngineError::Timeout) as fn() -> EngineError, "504 engine_timeout null"),
        (|| EngineError::Internal(std::io::Error::other("secret").into()), "500 engine_failed null"),
    ] {
        let server = TestServer::new(Scripted::new(vec![Step::Fail(failure)])).await;
        for stream in [false, true] {
            let response = server.post(PATH, asking(json!({ "stream": stream }))).await;
            assert_eq!(refusal(&response), expected);
            assert!(!response.text().contains("secret"));
        }
    }
}

#[tokio::test]
async fn an_engine_that_dies_in_the_middle_is_one_error_event_and_no_end_mark() {
    let script = vec![Step::Text("Hel".to_owned()), Step::Fail(|| EngineError::Interrupted)];
    let server = TestServer::new(Scripted::new(script)).await;
    let response = server.post(PATH, asking(json!({ "stream": true }))).await;
    assert_eq!(response.status, StatusCode::OK);
    let data = data(&response);
    assert_eq!(data.len(), 3, "role, text, error: {data:?}");
    assert_snapshot!(
        data[2],
        @r#"{"error":{"message":"the engine stopped in the middle of the answer","type":"server_error","param":null,"code":"engine_interrupted"}}"#
    );
}

#[tokio::test]
async fn an_engine_that_dies_in_the_middle_is_an_error_when_nothing_was_streamed() {
    let script = vec![Step::Text("Hel".to_owned()), Step::Fail(|| EngineError::Interrupted)];
    let server = TestServer::new(Scripted::new(script)).await;
    assert_eq!(refusal(&server.post(PATH, asking(json!({}))).await), "502 engine_interrupted null");
}

#[tokio::test]
async fn each_word_is_sent_when_it_comes() {
    let next = Arc::new(Notify::new());
    let script = vec![Step::Text("one".to_owned()), Step::Wait(next.clone()), Step::Text("two".to_owned())];
    let server = TestServer::new(Scripted::new(script)).await;
    let mut events = server.stream(json_request(Method::POST, PATH, asking(json!({ "stream": true })))).await;
    assert!(events.next().await.unwrap().contains("assistant"));
    assert!(events.next().await.unwrap().contains("one"));
    next.notify_one();
    assert!(events.next().await.unwrap().contains("two"));
    assert!(events.next().await.unwrap().contains(r#""finish_reason":"stop""#));
    assert_eq!(events.next().await.unwrap(), "data: [DONE]\n\n");
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn the_engine_stops_when_the_client_leaves() {
    let (engine, stopped) = endless();
    let server = TestServer::new(Scripted::new(vec![])).await.with_engine(engine);
    let mut events = server.stream(json_request(Method::POST, PATH, asking(json!({ "stream": true })))).await;
    events.next().await.unwrap();
    drop(events);
    stopped.notified().await;
}
