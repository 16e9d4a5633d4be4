use std::path::PathBuf;

use axum::http::{Method, StatusCode};
use flotilla::engine::Scripted;
use serde_json::json;

use crate::{
    pulling::Pulling,
    registry::{MODEL, MODEL_OF_HUGGING_FACE, gguf},
    support::{TestServer, json_request},
};

#[tokio::test]
async fn the_models_are_listed_with_the_default() {
    let server = TestServer::new(Scripted::new(vec![]).with_context_length(128)).await;
    let models = server.get("/api/models").await.json();
    assert_eq!(models["default"], "scripted");
    assert_eq!(models["models"][0]["id"], "scripted");
    assert_eq!(models["models"][0]["context_length"], 128);
    assert_eq!(models["models"][0]["loaded"], true);
}

#[tokio::test]
async fn an_engine_that_is_down_is_a_503_with_retry_after() {
    let server = TestServer::unreachable().await;
    let response = server.get("/api/models").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers.contains_key("retry-after"));
    assert_eq!(response.json()["error"]["code"], "engine_unavailable");
}

#[tokio::test]
async fn a_pulled_model_is_listed_with_what_its_file_says() {
    let pulling = Pulling::of(gguf(1000)).await.with_own_engine();
    pulling.pull(MODEL).await;

    let models = pulling.server.get("/api/models").await.json();

    let model = &models["models"][0];
    assert_eq!((&model["id"], &models["default"]), (&json!(MODEL), &json!(MODEL)));
    assert_eq!((&model["quantization"], &model["context_length"]), (&json!("Q4_K_M"), &json!(2048)));
    assert_eq!((&model["parameters"], &model["loaded"]), (&json!(250), &json!(false)));
    assert_eq!(model["capabilities"], json!(["completion", "tools"]));
}

#[tokio::test]
async fn a_model_that_does_not_fit_the_memory_is_refused_by_name_in_each_dialect() {
    let pulling = Pulling::with_flags(gguf(1000), &["--max-model-memory", "1MB"]).await.with_own_engine();
    pulling.pull(MODEL).await;
    let messages = json!([{ "role": "user", "content": "Hello" }]);

    let openais = pulling.server.post("/v1/chat/completions", json!({ "model": MODEL, "messages": messages })).await;
    let ollamas = pulling.server.post("/api/chat", json!({ "model": MODEL, "messages": messages })).await;
    let own = pulling.server.post(&format!("/api/models/{MODEL}/load"), json!({})).await;

    let error = &openais.json()["error"];
    assert_eq!((&error["code"], &error["param"]), (&json!("model_too_large"), &json!("model")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(MODEL) && message.contains("MAX_MODEL_MEMORY"), "{message}");
    assert_eq!(ollamas.json()["error"], message);
    assert_eq!(own.json()["error"]["code"], "model_too_large");
    assert_eq!([openais.status, ollamas.status, own.status], [StatusCode::BAD_REQUEST; 3]);
}

#[tokio::test]
async fn a_model_is_deleted_by_its_name_in_either_dialect() {
    let pulling = Pulling::of(gguf(1000)).await.with_own_engine();
    pulling.pull(MODEL).await;
    pulling.pull(MODEL_OF_HUGGING_FACE).await;

    let own = format!("/api/models/{}", MODEL_OF_HUGGING_FACE.replace('/', "%2F"));
    assert_eq!(pulling.server.delete(&own).await.status, StatusCode::NO_CONTENT);
    assert_eq!(pulling.server.delete(&own).await.status, StatusCode::NOT_FOUND);
    let ollamas = || pulling.server.send(json_request(Method::DELETE, "/api/delete", json!({ "model": MODEL })));
    assert_eq!(ollamas().await.status, StatusCode::OK);
    let missing = ollamas().await;
    assert_eq!(
        (missing.status, missing.json()),
        (StatusCode::NOT_FOUND, json!({ "error": "model 'qwen2.5:0.5b' not found" }))
    );

    assert_eq!(pulling.files(), Vec::<PathBuf>::new());
    for outside in ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "..", "qwen2.5%2F..%2F0.5b"] {
        let response = pulling.server.delete(&format!("/api/models/{outside}")).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{outside}");
    }
}
