//! What Ollama's clients ask about models, and what they look for before that.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use flotilla::engine::{Scripted, Step, ToolCall};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    pulling::Pulling,
    registry::{MODEL, digest, gguf},
    support::{TestServer, request},
};

async fn server() -> TestServer {
    TestServer::new(Scripted::new(vec![]).with_context_length(2048)).await
}

#[tokio::test]
async fn the_version_is_a_number_that_clients_can_compare() {
    let version = server().await.get("/api/version").await.json();
    let parts: Vec<u32> = version["version"].as_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(parts.len(), 3);
    assert!(parts > vec![0, 6, 4], "Visual Studio Code wants at least this");
}

#[tokio::test]
async fn the_list_has_ollamas_shape() {
    assert_snapshot!(
        server().await.get("/api/tags").await.text(),
        @r#"{"models":[{"name":"scripted","model":"scripted","modified_at":null,"size":0,"digest":"b51c5593064df99b1cc7c2bdc8e785ef30278bfb00af4f3b59be87c432ae230c","details":{"parent_model":"","format":"gguf","family":"","families":[],"parameter_size":"","quantization_level":""}}]}"#
    );
}

/// Of the only model in the list.
async fn listed_digest(server: &TestServer) -> String {
    server.get("/api/tags").await.json()["models"][0]["digest"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_that_was_pulled_has_the_digest_that_was_verified_at_once() {
    let file = gguf(1000);
    let pulling = Pulling::of(file.clone()).await.with_own_engine();
    pulling.pull(MODEL).await;

    assert_eq!(format!("sha256:{}", listed_digest(&pulling.server).await), digest(&file));
    let own = pulling.server.get("/api/models").await.json();
    assert_eq!(own["models"][0]["digest"], digest(&file));
}

#[tokio::test]
async fn a_file_that_somebody_put_there_has_an_id_at_once_and_its_digest_as_soon_as_it_was_read() {
    let file = gguf(1000);
    let pulling = Pulling::of(file.clone()).await.with_own_engine();
    pulling.put("mine/1b.gguf", &file);

    let first = listed_digest(&pulling.server).await;
    assert!(first.len() == 64 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    while format!("sha256:{}", listed_digest(&pulling.server).await) != digest(&file) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_model_in_memory_says_until_when_and_with_what_context() {
    let list = server().await.get("/api/ps").await.json();
    let model = &list["models"][0];
    assert_eq!(
        (&model["name"], &model["context_length"], &model["size_vram"]),
        (&json!("scripted"), &json!(2048), &json!(0))
    );
    assert_eq!(model["digest"].as_str().unwrap().len(), 64);
    chrono::DateTime::parse_from_rfc3339(model["expires_at"].as_str().unwrap()).unwrap();
}

#[tokio::test]
async fn a_model_tells_its_context_and_that_it_may_call_tools() {
    let server = server().await;
    for body in [json!({ "model": "scripted" }), json!({ "name": "scripted", "verbose": false })] {
        let shown = server.post("/api/show", body).await.json();
        let facts = json!({ "general.architecture": "unknown", "unknown.context_length": 2048 });
        assert_eq!(shown["model_info"], facts);
        assert_eq!(shown["capabilities"], json!(["completion", "tools"]));
    }
}

#[tokio::test]
async fn an_unknown_model_is_a_404_with_ollamas_text() {
    let response = server().await.post("/api/show", json!({ "model": "qwen" })).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_snapshot!(response.text(), @r#"{"error":"model 'qwen' not found"}"#);
}

#[tokio::test]
async fn a_model_without_a_name_is_a_400() {
    let response = server().await.post("/api/show", json!({})).await;
    assert_eq!(
        (response.status, response.text().as_str()),
        (StatusCode::BAD_REQUEST, r#"{"error":"model must name a model"}"#)
    );
}

#[tokio::test]
async fn the_root_says_what_ollamas_own_client_looks_for() {
    let server = server().await;
    assert_eq!(server.get("/").await.text(), "Ollama is running");
    assert_eq!(server.send(request(Method::HEAD, "/", Body::empty())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_method_is_a_405_in_ollamas_shape() {
    let response = server().await.delete("/api/tags").await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.json()["error"].is_string());
}

#[tokio::test]
async fn an_engine_that_is_down_is_a_503_in_ollamas_shape() {
    let server = TestServer::unreachable().await;
    for path in ["/api/tags", "/api/ps"] {
        let response = server.get(path).await;
        assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.json()["error"].is_string());
    }
}

#[tokio::test]
async fn a_call_of_a_tool_has_an_object_for_arguments_and_no_id() {
    let call = ToolCall { id: "call_a".into(), name: "now".into(), arguments: r#"{"zone":"UTC"}"#.into() };
    let server = TestServer::new(Scripted::new(vec![Step::Call(call)])).await;
    let tools = json!([{ "type": "function", "function": { "name": "now" } }]);
    let messages = json!([
        { "role": "user", "content": "What time is it?" },
        { "role": "assistant", "content": "", "tool_calls": [{ "function": { "name": "now", "arguments": { "zone": "CET" } } }] },
        { "role": "tool", "content": "13:00", "tool_name": "now" },
        { "role": "user", "content": "And in London?" },
    ]);
    let answer = server.post("/api/chat", json!({ "messages": messages, "tools": tools })).await.json();
    assert_snapshot!(
        answer["message"],
        @r#"{"role":"assistant","content":"","tool_calls":[{"function":{"name":"now","arguments":{"zone":"UTC"}}}]}"#
    );
    let sent = server.engine.last_request().unwrap().prompt.messages().to_vec();
    assert_eq!(sent[1].tool_calls[0].arguments, r#"{"zone":"CET"}"#);
    assert_eq!(sent[2].tool_call_id.as_ref(), Some(&sent[1].tool_calls[0].id));
}

#[tokio::test]
async fn a_schema_reaches_the_engine_and_a_wrong_one_is_refused() {
    let server = TestServer::answering(&["{}"]).await;
    let ask = async |format: Value| {
        let messages = json!([{ "role": "user", "content": "hello" }]);
        server.post("/api/chat", json!({ "messages": messages, "format": format })).await
    };
    let schema = json!({ "type": "object", "required": ["name"] });
    ask(schema.clone()).await;
    assert_eq!(server.engine.last_request().unwrap().output.schema.unwrap().schema, schema);
    let deep = (0..40).fold(json!({}), |inner, _| json!({ "items": inner }));
    let response = ask(deep).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert!(response.json()["error"].as_str().unwrap().starts_with("format"));
}
