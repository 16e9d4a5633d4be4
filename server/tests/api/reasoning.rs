//! What a model server behind this one thinks before it answers: passed on, and no part of the answer.

use axum::http::StatusCode;
use flotilla::engine::{Effort, Scripted, Step, Think};
use serde_json::{Value, json};

use crate::{
    mortal::Mortal,
    support::{Response, TestServer},
};

/// A server whose engine thinks twice and then says two words.
async fn server() -> TestServer {
    let thoughts = ["Hm. ", "Well. "].map(|thought| Step::Reasoning(thought.to_owned()));
    let words = ["Yes", "!"].map(|word| Step::Text(word.to_owned()));
    TestServer::new(Scripted::new(thoughts.into_iter().chain(words).collect())).await
}

fn question(fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Is it?" }], "prompt": "Is it?" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// The deltas of a `/v1` stream that ended well.
fn deltas(response: &Response) -> Vec<Value> {
    let text = response.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str::<Value>(data).unwrap()["choices"][0]["delta"].clone()).collect()
}

#[tokio::test]
async fn a_stream_of_openais_tells_it_before_the_answer_in_deltas_of_its_own() {
    let response = server().await.post("/v1/chat/completions", question(json!({ "stream": true }))).await;
    assert_eq!(
        deltas(&response),
        [
            json!({ "role": "assistant", "content": "" }),
            json!({ "reasoning_content": "Hm. " }),
            json!({ "reasoning_content": "Well. " }),
            json!({ "content": "Yes" }),
            json!({ "content": "!" }),
            json!({}),
        ]
    );
}

#[tokio::test]
async fn a_message_of_openais_has_it_beside_its_content_and_its_tokens_are_counted() {
    let answer = server().await.post("/v1/chat/completions", question(json!({}))).await.json();
    let message = &answer["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("Yes!"), &json!("Hm. Well. ")));
    assert_eq!(answer["usage"]["completion_tokens"], 4);
}

#[tokio::test]
async fn forms_without_a_place_for_it_have_the_answer_alone() {
    let server = server().await;
    let completion = server.post("/v1/completions", json!({ "prompt": "Is it?" })).await.json();
    assert_eq!(completion["choices"][0]["text"], "Yes!");
    let response = server.post("/v1/responses", json!({ "input": "Is it?" })).await.json();
    assert_eq!(response["output"].as_array().unwrap().len(), 1);
    assert_eq!(response["output"][0]["content"][0]["text"], "Yes!");
}

#[tokio::test]
async fn ollamas_clients_read_it_as_thinking_streamed_or_not() {
    let server = server().await;
    for (path, place, text) in
        [("/api/chat", "/message/thinking", "/message/content"), ("/api/generate", "/thinking", "/response")]
    {
        let whole = server.post(path, question(json!({ "stream": false }))).await.json();
        assert_eq!((whole.pointer(place), whole.pointer(text)), (Some(&json!("Hm. Well. ")), Some(&json!("Yes!"))));

        let streamed = server.post(path, question(json!({ "stream": true }))).await.text();
        let lines: Vec<Value> = streamed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let thoughts: Vec<_> = lines.iter().map(|line| line.pointer(place)).collect();
        assert_eq!(thoughts, [Some(&json!("Hm. ")), Some(&json!("Well. ")), None, None, None], "{path}");
        assert_eq!((lines[0].pointer(text), lines[2].pointer(text)), (Some(&json!("")), Some(&json!("Yes"))));
    }
}

#[tokio::test]
async fn a_conversation_keeps_the_answer_alone() {
    let server = server().await;
    let id = server.conversation().await;
    let turn = server.turn(&id, None, "Is it?").await;
    let answer = &turn["assistant_message"];
    assert_eq!((&answer["status"], &answer["content"]), (&json!("complete"), &json!("Yes!")));
}

#[tokio::test]
async fn an_engine_that_dies_while_it_thinks_or_later_does_not_mix_two_trains_of_thought() {
    let engine = Mortal::without_tokens(&["?hm", "?well", "one ", "two"], &[1, 3]);
    let server = TestServer::new(Scripted::new(vec![])).await.with_engine(engine.clone());
    let answer = server.post("/v1/chat/completions", question(json!({}))).await.json();
    let message = &answer["choices"][0]["message"];
    assert_eq!((&message["reasoning_content"], &message["content"]), (&json!("hm 1. "), &json!("one two")));
    assert_eq!(engine.asked().len(), 3);
}

#[tokio::test]
async fn whether_to_think_reaches_the_engine_which_refuses_what_it_cannot_do() {
    let server = server().await;
    for (path, wish, think) in [
        ("/api/chat", json!(true), Think::Switch(true)),
        ("/api/chat", json!("low"), Think::Effort(Effort::Low)),
        ("/api/generate", json!("high"), Think::Effort(Effort::High)),
    ] {
        let refused = server.post(path, question(json!({ "think": wish }))).await;
        assert_eq!(server.engine.last_request().unwrap().think, Some(think), "{path}");
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert!(refused.json()["error"].as_str().unwrap().starts_with("think: this engine"), "{}", refused.text());
    }
    for (wish, think) in [(json!(false), Some(Think::Switch(false))), (json!(null), None)] {
        assert_eq!(server.post("/api/chat", question(json!({ "think": wish }))).await.status, StatusCode::OK);
        assert_eq!(server.engine.last_request().unwrap().think, think);
    }
    let refused = server.post("/api/chat", question(json!({ "think": "a lot" }))).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.json()["error"].as_str().unwrap().starts_with("think: "), "{}", refused.text());
}
