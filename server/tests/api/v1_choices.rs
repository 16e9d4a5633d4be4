//! Several answers at once, and how likely their tokens were: in chat completions and in text completions.

use axum::http::StatusCode;
use flotilla::engine::{EngineError, Prompt, Scripted, Step};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Response, TestServer};

async fn ask(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Say hello" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post("/v1/chat/completions", body).await
}

/// The chunks of a stream that ended well, their end mark taken off.
fn chunks(response: &Response) -> Vec<Value> {
    let text = response.text();
    let mut data: Vec<_> = text.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
    assert_eq!(data.pop(), Some("[DONE]"));
    data.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect()
}

#[tokio::test]
async fn each_of_several_answers_has_its_index_and_the_prompt_counts_once() {
    let server = TestServer::answering(&["Hello", " there"]).await;
    let answer = ask(&server, json!({ "n": 3 })).await.json();
    let choices = answer["choices"].as_array().unwrap();
    assert_eq!(choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(choices.iter().all(|choice| choice["message"]["content"] == "Hello there"));
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 6);
}

#[tokio::test]
async fn each_of_several_streamed_answers_begins_and_ends_under_its_index() {
    let server = TestServer::answering(&["Hello", " there"]).await;
    let options = json!({ "n": 2, "stream": true, "stream_options": { "include_usage": true } });
    let chunks = chunks(&ask(&server, options).await);
    for index in [0, 1] {
        let of_one: Vec<_> = chunks.iter().filter(|chunk| chunk["choices"][0]["index"] == index).collect();
        assert_eq!(of_one[0]["choices"][0]["delta"]["role"], "assistant");
        let text: String = of_one.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, "Hello there");
        assert_eq!(of_one.last().unwrap()["choices"][0]["finish_reason"], "stop");
    }
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 4);
}

#[tokio::test]
async fn with_a_seed_each_of_several_answers_has_another_one() {
    let server = TestServer::answering(&["Hello"]).await;
    ask(&server, json!({ "n": 2, "seed": 7 })).await;
    assert_eq!(server.engine.last_request().unwrap().parameters.seed, Some(8));
}

#[tokio::test]
async fn one_of_several_streamed_answers_that_dies_is_the_last_event() {
    let script = vec![Step::Text("Hel".to_owned()), Step::Fail(|| EngineError::Interrupted)];
    let server = TestServer::new(Scripted::new(script)).await;
    let text = ask(&server, json!({ "n": 2, "stream": true })).await.text();
    assert_eq!(text.matches(r#"{"error":"#).count(), 1);
    assert!(text.trim_end().lines().last().unwrap().starts_with(r#"data: {"error":"#), "{text}");
}

#[tokio::test]
async fn log_probabilities_have_token_bytes_and_alternatives() {
    let server = TestServer::answering(&["Hé"]).await;
    let answer = ask(&server, json!({ "logprobs": true, "top_logprobs": 1 })).await.json();
    assert_snapshot!(
        answer["choices"][0]["logprobs"],
        @r#"{"content":[{"token":"Hé","logprob":0.0,"bytes":[72,195,169],"top_logprobs":[{"token":"Hé","logprob":0.0,"bytes":[72,195,169]}]}],"refusal":null}"#
    );
}

#[tokio::test]
async fn streamed_log_probabilities_come_with_their_text() {
    let server = TestServer::answering(&["Hello", " there"]).await;
    let chunks = chunks(&ask(&server, json!({ "logprobs": true, "stream": true })).await);
    let tokens: Vec<_> = chunks
        .iter()
        .map(|chunk| {
            (&chunk["choices"][0]["delta"]["content"], &chunk["choices"][0]["logprobs"]["content"][0]["token"])
        })
        .filter(|(_, token)| token.is_string())
        .collect();
    assert_eq!(tokens, [(&json!("Hello"), &json!("Hello")), (&json!(" there"), &json!(" there"))]);
}

#[tokio::test]
async fn without_being_asked_for_there_are_no_log_probabilities() {
    let server = TestServer::answering(&["Hello"]).await;
    assert_eq!(ask(&server, json!({ "logprobs": false })).await.json()["choices"][0]["logprobs"], Value::Null);
    assert_eq!(server.engine.last_request().unwrap().output.logprobs, None);
}

async fn complete(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "prompt": "Once upon" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post("/v1/completions", body).await
}

#[tokio::test]
async fn a_text_is_continued_without_a_chat_template() {
    let server = TestServer::answering(&[" a", " time"]).await;
    let mut answer = complete(&server, json!({})).await.json();
    assert!(answer["id"].as_str().unwrap().starts_with("cmpl-"));
    answer["id"] = json!("cmpl-…");
    answer["created"] = json!(0);
    assert_snapshot!(
        answer,
        @r#"{"id":"cmpl-…","object":"text_completion","created":0,"model":"scripted","choices":[{"index":0,"text":" a time","logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":2,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0}}}"#
    );
    let asked = server.engine.last_request().unwrap();
    assert_eq!((asked.prompt, asked.parameters.max_tokens), (Prompt::Text("Once upon".to_owned()), Some(16)));
}

#[tokio::test]
async fn a_streamed_text_is_pieces_then_the_reason_then_the_end_mark() {
    let server = TestServer::answering(&[" a", " time"]).await;
    let chunks = chunks(&complete(&server, json!({ "stream": true })).await);
    let pieces: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(pieces, [" a", " time", ""]);
    let reasons: Vec<_> = chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    assert_eq!(reasons, [&Value::Null, &Value::Null, &json!("stop")]);
    assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk.get("usage").is_none()));
}

#[tokio::test]
async fn several_texts_are_continued_so_many_times_each() {
    let server = TestServer::answering(&[" a"]).await;
    let answer = complete(&server, json!({ "prompt": ["one", "one two"], "n": 2 })).await.json();
    let indices: Vec<_> = answer["choices"].as_array().unwrap().iter().map(|choice| &choice["index"]).collect();
    assert_eq!(indices, [&json!(0), &json!(1), &json!(2), &json!(3)]);
    assert_eq!(answer["usage"]["prompt_tokens"], 3, "each prompt counts once");
    assert_eq!(answer["usage"]["completion_tokens"], 4);
}

#[tokio::test]
async fn usage_of_a_streamed_text_comes_when_it_is_asked_for() {
    let server = TestServer::answering(&[" a"]).await;
    let options = json!({ "stream": true, "stream_options": { "include_usage": true } });
    let chunks = chunks(&complete(&server, options).await);
    let last = chunks.last().unwrap();
    assert_eq!((&last["choices"], &last["usage"]["total_tokens"]), (&json!([]), &json!(3)));
}

#[tokio::test]
async fn log_probabilities_of_a_text_are_columns() {
    let server = TestServer::answering(&[" é", " time"]).await;
    let answer = complete(&server, json!({ "logprobs": 1 })).await.json();
    assert_snapshot!(
        answer["choices"][0]["logprobs"],
        @r#"{"tokens":[" é"," time"],"token_logprobs":[0.0,0.0],"top_logprobs":[{" é":0.0},{" time":0.0}],"text_offset":[0,2]}"#
    );
}

#[tokio::test]
async fn wishes_for_a_text_that_cannot_be_met_are_refused_by_name() {
    let server = TestServer::answering(&[" a"]).await;
    for (fields, code, param) in [
        (json!({ "echo": true }), "unsupported_parameter", "echo"),
        (json!({ "suffix": "the end" }), "unsupported_parameter", "suffix"),
        (json!({ "best_of": 2 }), "unsupported_parameter", "best_of"),
        (json!({ "logit_bias": { "1": 1 } }), "unsupported_parameter", "logit_bias"),
        (json!({ "prompt": "" }), "invalid_request", "prompt"),
        (json!({ "prompt": [] }), "invalid_request", "prompt"),
        (json!({ "prompt": [1, 2] }), "invalid_request", "prompt"),
        (json!({ "prompt": vec!["x"; 17] }), "invalid_request", "prompt"),
        (json!({ "logprobs": 21 }), "invalid_request", "logprobs"),
        (json!({ "n": 0 }), "invalid_request", "n"),
        (json!({ "temperature": 3 }), "invalid_request", "temperature"),
    ] {
        let response = complete(&server, fields).await;
        let error = &response.json()["error"];
        assert_eq!(
            (response.status, &error["code"], &error["param"]),
            (StatusCode::BAD_REQUEST, &json!(code), &json!(param))
        );
    }
}
