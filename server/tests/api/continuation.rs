//! An engine that dies in the middle of an answer is a pause in it.

use std::sync::Arc;

use axum::http::StatusCode;
use flotilla::engine::{EngineError, Scripted, Step};
use serde_json::{Value, json};

use crate::{mortal::Mortal, support::TestServer};

const WORDS: &[&str] = &["one ", "two ", "three ", "four"];

async fn server(engine: Arc<Mortal>) -> TestServer {
    TestServer::new(Scripted::new(vec![])).await.with_engine(engine)
}

fn question() -> Value {
    json!({ "messages": [{ "role": "user", "content": "count" }] })
}

/// The data of each event of a `/v1` stream.
fn chunks(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn a_run_goes_on_with_every_character_once() {
    let server = server(Mortal::new(WORDS, &[2, 1])).await;
    let id = server.conversation().await;

    let turn = server.turn(&id, None, "count").await;

    let answer = &turn["assistant_message"];
    assert_eq!((&answer["status"], &answer["content"]), (&json!("complete"), &json!("one two three four")));
    assert_eq!(answer["details"]["completion_tokens"], 4);
    let events = server.run_events(turn["run_id"].as_str().unwrap(), 0).await;
    let numbers: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn the_engine_is_told_what_it_said_and_asked_the_same() {
    let engine = Mortal::new(WORDS, &[2]);
    let server = server(engine.clone()).await;
    let id = server.conversation().await;

    server.turn(&id, None, "count").await;

    let [first, second] = &engine.asked()[..] else { panic!("it dies once") };
    assert_eq!(second.answer_so_far.text, "one two ");
    assert_eq!(second.answer_so_far.tokens, [0, 1]);
    assert_eq!((&second.prompt, second.default_seed), (&first.prompt, first.default_seed));
}

#[tokio::test]
async fn a_stream_of_openais_goes_on() {
    let server = server(Mortal::new(WORDS, &[1, 2])).await;
    let mut body = question();
    body["stream"] = json!(true);
    body["stream_options"] = json!({ "include_usage": true });

    let response = server.post("/v1/chat/completions", body).await;

    let chunks = chunks(&response.text());
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "one two three four");
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], 4);
    assert!(response.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn an_answer_of_openais_in_one_piece_goes_on() {
    let server = server(Mortal::new(WORDS, &[3])).await;

    let answer = server.post("/v1/chat/completions", question()).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], "one two three four");
    assert_eq!(answer["usage"]["completion_tokens"], 4);
}

#[tokio::test]
async fn a_stream_of_ollamas_goes_on() {
    let server = server(Mortal::new(WORDS, &[2])).await;
    let mut body = question();
    body["stream"] = json!(true);

    let response = server.post("/api/chat", body).await;

    let lines: Vec<Value> = response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!(text, "one two three four");
    assert_eq!(lines.last().unwrap()["eval_count"], 4);
}

#[tokio::test]
async fn a_text_that_is_continued_goes_on() {
    let engine = Mortal::new(WORDS, &[2]);
    let server = server(engine.clone()).await;

    let answer = server.post("/v1/completions", json!({ "prompt": "zero ", "max_tokens": 9 })).await.json();

    assert_eq!(answer["choices"][0]["text"], "one two three four");
    assert_eq!(engine.asked().len(), 2);
}

#[tokio::test]
async fn an_engine_that_says_a_word_and_dies_is_not_asked_for_ever() {
    let engine = Mortal::new(&["one ", "two ", "three ", "four ", "five ", "six ", "seven ", "eight"], &[1; 9]);
    let server = server(engine.clone()).await;

    let mut body = question();
    body["stream"] = json!(true);
    let response = server.post("/v1/chat/completions", body).await;

    assert_eq!(chunks(&response.text()).last().unwrap()["error"]["code"], "engine_interrupted");
    assert_eq!(engine.asked().len(), 7);
}

#[tokio::test]
async fn an_engine_that_keeps_falling_silent_is_not_asked_for_ever() {
    let steps = vec![Step::Text("one ".to_owned()), Step::Fail(|| EngineError::Timeout)];
    let server = TestServer::new(Scripted::new(steps)).await;
    let id = server.conversation().await;

    let turn = server.turn(&id, None, "count").await;

    let answer = &turn["assistant_message"];
    assert_eq!((&answer["status"], &answer["content"]), (&json!("interrupted"), &json!("one ")));
    assert_eq!(answer["error"]["code"], "engine_interrupted");
}

/// Offers functions and returns what is called, and the text before it.
async fn called(server: &TestServer) -> (Vec<Value>, Value) {
    let mut body = question();
    body["tools"] = json!([{ "type": "function", "function": { "name": "now" } }]);
    let answer = server.post("/v1/chat/completions", body).await.json();
    let message = &answer["choices"][0]["message"];
    (message["tool_calls"].as_array().cloned().unwrap_or_default(), message["content"].clone())
}

fn names(calls: &[Value]) -> Vec<&str> {
    calls.iter().map(|call| call["function"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn calls_around_a_death_are_told_once() {
    const CALLING: &[&str] = &["Let ", "me see.", "@now", "@day", "@month"];
    for death in 1..=5 {
        let server = server(Mortal::new(CALLING, &[death, 1])).await;

        let (calls, text) = called(&server).await;

        assert_eq!((names(&calls), &text), (vec!["now", "day", "month"], &json!("Let me see.")), "after {death}");
        assert!(calls[0]["id"] != calls[1]["id"] && calls[1]["id"] != calls[2]["id"]);
    }
}

#[tokio::test]
async fn text_behind_a_call_goes_on_behind_it() {
    let server = server(Mortal::new(&["@now", "It is ", "late."], &[2])).await;

    let (calls, text) = called(&server).await;

    assert_eq!((names(&calls), text), (vec!["now"], json!("It is late.")));
}

#[tokio::test]
async fn an_answer_that_would_call_otherwise_breaks_off_and_is_not_mixed_of_two() {
    let server = server(Mortal::new(&["@", "@day"], &[1])).await;
    let mut body = question();
    body["tools"] = json!([{ "type": "function", "function": { "name": "now" } }]);
    body["stream"] = json!(true);

    let response = server.post("/v1/chat/completions", body).await;

    let chunks = chunks(&response.text());
    assert_eq!(chunks.last().unwrap()["error"]["code"], "engine_interrupted");
    let calls = chunks.iter().filter(|chunk| chunk["choices"][0]["delta"]["tool_calls"][0]["id"].is_string());
    assert_eq!(calls.count(), 1);
}

#[tokio::test]
async fn json_is_continued_only_where_the_form_goes_on_with_it() {
    const JSON: &[&str] = &["{", "}"];
    for (engine, status) in
        [(Mortal::new(JSON, &[1]), StatusCode::OK), (Mortal::without_tokens(JSON, &[1]), StatusCode::BAD_GATEWAY)]
    {
        let server = server(engine).await;
        let mut body = question();
        body["response_format"] = json!({ "type": "json_object" });

        let answer = server.post("/v1/chat/completions", body).await;

        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn each_tokens_probability_is_told_once() {
    for death in 1..=7 {
        let server = server(Mortal::new(WORDS, &[death])).await;
        let mut body = question();
        body["logprobs"] = json!(true);

        let answer = server.post("/v1/chat/completions", body).await.json();

        let tokens = answer["choices"][0]["logprobs"]["content"].as_array().unwrap().iter();
        assert_eq!(tokens.map(|token| token["token"].as_str().unwrap()).collect::<Vec<_>>(), WORDS, "after {death}");
    }
}

#[tokio::test]
async fn an_engine_that_dies_before_its_first_word_is_asked_again() {
    let server = server(Mortal::new(WORDS, &[0])).await;

    let answer = server.post("/v1/chat/completions", question()).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], "one two three four");
}

#[tokio::test]
async fn max_tokens_counts_what_was_said_before() {
    for engine in [Mortal::new(WORDS, &[2]), Mortal::without_tokens(WORDS, &[2])] {
        let server = server(engine).await;
        let mut body = question();
        body["max_tokens"] = json!(3);

        let answer = server.post("/v1/chat/completions", body).await.json();

        assert_eq!(answer["choices"][0]["message"]["content"], "one two three ");
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["completion_tokens"]), (&json!(10), &json!(3)));
    }
}

#[tokio::test]
async fn an_engine_that_tells_no_tokens_is_not_asked_for_more_of_them_than_were_wanted() {
    let engine = Mortal::without_tokens(WORDS, &[2]);
    let server = server(engine.clone()).await;
    let mut body = question();
    body["max_tokens"] = json!(2);

    let answer = server.post("/v1/chat/completions", body).await.json();

    assert_eq!(answer["choices"][0]["message"]["content"], "one two ");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(engine.asked().len(), 1);
}

#[tokio::test]
async fn a_prompt_that_kills_every_engine_ends_after_three_tries() {
    let engine = Mortal::new(WORDS, &[0; 9]);
    let server = server(engine.clone()).await;

    let answer = server.post("/v1/chat/completions", question()).await;

    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(engine.asked().len(), 3);
}

#[tokio::test]
async fn an_answer_that_cannot_be_continued_keeps_its_text_and_says_that_it_broke_off() {
    let engine = Mortal::new(WORDS, &[2, 0, 0, 0, 0, 0, 0]);
    let server = server(engine.clone()).await;
    let id = server.conversation().await;

    let turn = server.turn(&id, None, "count").await;

    let answer = &turn["assistant_message"];
    assert_eq!((&answer["status"], &answer["content"]), (&json!("interrupted"), &json!("one two ")));
    assert_eq!(answer["error"]["code"], "engine_interrupted");
    assert_eq!(engine.asked().len(), 7);
}

#[tokio::test]
async fn answers_that_went_on_are_counted_and_the_series_are_there_before() {
    let server = server(Mortal::new(WORDS, &[2])).await;
    let before = server.get("/metrics").await.text();

    server.post("/v1/chat/completions", question()).await;

    let after = server.get("/metrics").await.text();
    for line in
        [r#"flotilla_answers_resumed_total{cause="engine"} 0"#, r#"flotilla_answers_resumed_total{cause="server"} 0"#]
    {
        assert!(before.contains(line), "{before}");
    }
    assert!(after.contains(r#"flotilla_answers_resumed_total{cause="engine"} 1"#), "{after}");
    assert!(after.contains(r#"flotilla_answers_total{model="scripted",outcome="complete"} 1"#), "{after}");
}
