use axum::http::{StatusCode, header};
use flotilla::engine::{EngineError, Prompt, Role, Scripted, Step};
use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const PATH: &str = "/api/generate";

async fn ask(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "model": "scripted", "prompt": "Say hello" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post(PATH, body).await
}

async fn server() -> TestServer {
    TestServer::answering(&["Hello", " there"]).await
}

fn lines(response: &Response) -> Vec<Value> {
    response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_answer_is_streamed_unless_that_is_forbidden_as_in_ollama() {
    for stream in [json!(null), json!(true)] {
        let response = ask(&server().await, json!({ "stream": stream })).await;
        assert_eq!(response.headers[header::CONTENT_TYPE], "application/x-ndjson");
        let lines = lines(&response);
        let texts: Vec<_> = lines.iter().map(|line| line["response"].as_str().unwrap()).collect();
        assert_eq!(texts, ["Hello", " there", ""]);
        assert_eq!(lines.iter().map(|line| &line["done"]).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!((&lines[2]["done_reason"], &lines[2]["eval_count"]), (&json!("stop"), &json!(2)));
    }
}

#[tokio::test]
async fn without_streaming_the_answer_is_one_object() {
    let response = ask(&server().await, json!({ "stream": false })).await;
    assert_eq!(response.headers[header::CONTENT_TYPE], "application/json");
    let answer = response.json();
    assert_eq!((&answer["response"], &answer["done"]), (&json!("Hello there"), &json!(true)));
    assert!(answer["total_duration"].as_u64().unwrap() > 0);
    // Ollama's clients read tokens there.
    assert_eq!(answer.get("context"), None);
    assert_eq!(answer.get("message"), None);
}

#[tokio::test]
async fn a_system_prompt_comes_before_the_prompt() {
    let server = server().await;
    ask(&server, json!({ "system": "Be brief" })).await;
    let sent = server.engine.last_request().unwrap().prompt.messages().to_vec();
    assert_eq!((sent[0].role, sent[0].content.as_str()), (Role::System, "Be brief"));
    assert_eq!((sent[1].role, sent[1].content.as_str()), (Role::User, "Say hello"));
}

#[tokio::test]
async fn a_raw_prompt_is_continued_as_it_is() {
    let server = server().await;
    ask(&server, json!({ "raw": true, "options": { "temperature": 0 } })).await;
    let asked = server.engine.last_request().unwrap();
    assert_eq!((asked.prompt, asked.parameters.temperature), (Prompt::Text("Say hello".to_owned()), Some(0.0)));
}

#[tokio::test]
async fn without_a_prompt_the_model_is_loaded() {
    let server = server().await;
    for prompt in [json!(null), json!("")] {
        let loaded = lines(&ask(&server, json!({ "prompt": prompt })).await);
        assert_eq!((&loaded[0]["done_reason"], &loaded[0]["response"]), (&json!("load"), &json!("")));
        let loaded = ask(&server, json!({ "prompt": prompt, "stream": false })).await.json();
        assert_eq!(loaded["done"], true);
    }
    let response = ask(&server, json!({ "prompt": "", "model": "qwen" })).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn bad_requests_are_a_400_whose_text_names_the_field() {
    let server = server().await;
    for (fields, field) in [
        (json!({ "suffix": "x" }), "suffix"),
        (json!({ "template": "{{ .Prompt }}" }), "template"),
        (json!({ "context": [1] }), "context"),
        (json!({ "images": ["aGk="] }), "images"),
        (json!({ "think": true }), "think"),
        (json!({ "format": "xml" }), "format"),
        (json!({ "format": { "anyOf": "x".repeat(70_000) } }), "format"),
        (json!({ "options": { "temperature": 3 } }), "temperature"),
        (json!({ "prompt": 5 }), "prompt"),
        (json!({ "stream": "no" }), "stream"),
    ] {
        let response = ask(&server, fields).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert!(response.json()["error"].as_str().unwrap().contains(field), "{}", response.text());
    }
}

#[tokio::test]
async fn fields_that_change_nothing_are_ignored() {
    let harmless =
        json!({ "suffix": "", "template": "", "context": [], "images": [], "think": false, "keep_alive": 0 });
    assert_eq!(ask(&server().await, harmless).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_form_of_the_answer_and_probabilities_reach_the_engine() {
    let server = server().await;
    let lines = lines(&ask(&server, json!({ "format": "json", "logprobs": true, "top_logprobs": 2 })).await);
    assert_eq!(lines[0]["logprobs"][0]["token"], "Hello");
    assert_eq!(lines[0]["logprobs"][0]["top_logprobs"].as_array().unwrap().len(), 2);
    let output = server.engine.last_request().unwrap().output;
    assert_eq!((output.schema.unwrap().schema, output.logprobs), (json!({ "type": "object" }), Some(2)));
}

#[tokio::test]
async fn an_engine_that_dies_in_the_middle_is_one_last_line_with_the_error() {
    let script = vec![Step::Text("Hel".to_owned()), Step::Fail(|| EngineError::Interrupted)];
    let response = ask(&TestServer::new(Scripted::new(script)).await, json!({})).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(lines(&response)[1], json!({ "error": "the engine stopped in the middle of the answer" }));
}

#[tokio::test]
async fn an_engine_that_is_down_is_a_503_in_ollamas_shape() {
    let response = ask(&TestServer::unreachable().await, json!({})).await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.json()["error"].is_string());
}
