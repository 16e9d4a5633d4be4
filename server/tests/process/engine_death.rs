//! The engine process of the starter model is killed, or stands still, in the middle of an answer. The answer goes on as if it
//! had not been.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Server, text_of};

const QUESTION: &str = "Tell me a long story about a lighthouse.";
const TOKENS: u32 = 120;

fn request(stream: bool) -> Value {
    json!({
        "messages": [{ "role": "user", "content": QUESTION }],
        "stream": stream,
        "stream_options": { "include_usage": true },
        "temperature": 0,
        "max_tokens": TOKENS,
    })
}

/// The same answer without an interruption.
async fn whole_answer(server: &Server) -> String {
    let (status, answer) = server.post("/v1/chat/completions", request(false)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["usage"]["completion_tokens"], TOKENS);
    answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// Read a streamed answer and kill the engine twice on the way: after the 20th piece of its body, and after the 60th.
async fn interrupted(server: &Server, path: &str, body: Value) -> String {
    let mut response = server.client.post(format!("{}{path}", server.url)).json(&body).send().await.unwrap();
    let mut text = String::new();
    let mut pieces = 0;
    while let Some(piece) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&piece).unwrap());
        pieces += 1;
        if pieces == 20 || pieces == 60 {
            server.signal_engines("KILL").await;
        }
    }
    assert!(pieces > 60, "{text}");
    text
}

fn lines(body: &str) -> Vec<Value> {
    let data = body.lines().map(|line| line.strip_prefix("data: ").unwrap_or(line));
    data.filter(|data| data.starts_with('{')).map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn a_stream_of_openais_goes_on_to_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_starter_model(&folder.path().join("data"));
    let whole = whole_answer(&server).await;

    let chunks = lines(&interrupted(&server, "/v1/chat/completions", request(true)).await);

    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, whole);
    assert_eq!(chunks.last().unwrap()["usage"]["completion_tokens"], TOKENS);
}

#[tokio::test]
async fn a_stream_of_ollamas_goes_on_to_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_starter_model(&folder.path().join("data"));
    let whole = whole_answer(&server).await;
    let body = json!({
        "model": "smollm2:135m",
        "messages": [{ "role": "user", "content": QUESTION }],
        "stream": true,
        "options": { "temperature": 0, "num_predict": TOKENS },
    });

    let lines = lines(&interrupted(&server, "/api/chat", body).await);

    let text: String = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    assert_eq!(text, whole);
    assert_eq!(lines.last().unwrap()["eval_count"], TOKENS);
}

#[tokio::test]
async fn a_run_goes_on_to_the_same_text() {
    assert_a_run_goes_on_after("KILL", &[]).await;
}

#[tokio::test]
async fn a_run_goes_on_to_the_same_text_when_its_engine_stands_still() {
    assert_a_run_goes_on_after("STOP", &[("TOKEN_TIMEOUT", "1")]).await;
}

async fn assert_a_run_goes_on_after(signal: &str, settings: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_starter_model_and(settings, &folder.path().join("data"));
    let whole = whole_answer(&server).await;
    let parameters = json!({ "temperature": 0, "max_tokens": TOKENS });
    let (_, conversation) = server.post("/api/conversations", json!({ "parameters": parameters })).await;
    let path = format!("/api/conversations/{}/messages", conversation["id"].as_str().unwrap());
    let (_, turn) = server.post(&path, json!({ "content": QUESTION })).await;
    let mut follower = server.follow(&turn["run_id"], 0).await;

    let mut events = follower.until("id: 20\n").await;
    server.signal_engines(signal).await;
    events.extend(follower.rest().await);

    assert_eq!(text_of(&events), whole);
    let message = &events.last().unwrap().1["message"];
    assert_eq!((&message["status"], &message["content"]), (&json!("complete"), &json!(whole)));
    assert_eq!(message["details"]["completion_tokens"], TOKENS);
}

#[tokio::test]
async fn an_engine_that_stands_still_before_it_answers_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_starter_model_and(&[("FIRST_TOKEN_TIMEOUT", "5")], &folder.path().join("data"));
    let ask = async || server.post("/api/chat", json!({ "messages": [{ "role": "user", "content": "Hi" }] })).await.0;
    while ask().await != StatusCode::OK {}

    server.signal_engines("STOP").await;

    assert_eq!(ask().await, StatusCode::GATEWAY_TIMEOUT);
    while ask().await != StatusCode::OK {}
}
