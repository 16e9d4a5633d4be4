use axum::http::StatusCode;
use flotilla::engine::Scripted;
use serde_json::json;

use crate::{
    model_server::{Manner, ModelServer},
    replicas::in_front_of,
    support::TestServer,
};

#[tokio::test]
async fn health_says_that_the_process_answers() {
    let server = TestServer::answering(&["hi"]).await;
    assert_eq!(server.get("/health").await.json(), json!({ "status": "ok" }));
}

#[tokio::test]
async fn a_server_with_a_model_and_a_database_is_ready() {
    let server = TestServer::answering(&["hi"]).await;
    let response = server.get("/readyz").await;
    assert_eq!((response.status, response.json()), (StatusCode::OK, json!({ "status": "ready" })));
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_named_by_readyz_and_does_not_touch_health() {
    let server = TestServer::unreachable().await;
    let response = server.get("/readyz").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.json()["status"], "unready");
    assert!(response.json()["reason"].as_str().unwrap().contains("Ollama"), "{}", response.text());
    assert_eq!(server.get("/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_count_answers_and_tokens_and_hold_no_prompt() {
    let server = TestServer::answering(&["one ", "two"]).await;
    let id = server.conversation().await;
    server.turn(&id, None, "canary-prompt").await;
    let text = server.get("/metrics").await.text();
    assert!(text.contains(r#"flotilla_answers_total{model="scripted",outcome="complete"} 1"#), "{text}");
    assert!(text.contains(r#"flotilla_tokens_total{model="scripted",kind="completion"} 2"#), "{text}");
    assert!(text.contains("flotilla_time_to_first_token_seconds_count 1"), "{text}");
    assert!(text.contains("flotilla_inter_token_seconds_count 1"), "{text}");
    // What has not happened yet is counted as zero, so that its first time is seen as an increase.
    assert!(text.contains(r#"flotilla_answers_total{model="scripted",outcome="failed"} 0"#), "{text}");
    assert!(text.contains(r#"flotilla_tokens_total{model="scripted",kind="cached"} 0"#), "{text}");
    assert!(text.contains("flotilla_draining 0"), "{text}");
    assert!(text.contains("flotilla_answers_in_flight 0"), "{text}");
    assert!(text.contains("flotilla_answers_waiting 0"), "{text}");
    assert!(text.contains(r#"route="/api/conversations/{id}/messages",status="202""#), "{text}");
    assert!(!text.contains("canary-prompt"));
}

#[tokio::test]
async fn metrics_count_the_part_of_a_prompt_that_was_in_the_engines_cache() {
    let upstream = [ModelServer::start(Manner::Well).await];
    let server = in_front_of(&upstream).await;
    let question = json!({ "model": "model", "messages": [{ "role": "user", "content": "hi" }] });
    server.post("/v1/chat/completions", question).await;
    let text = server.get("/metrics").await.text();
    assert!(text.contains(r#"flotilla_tokens_total{model="model",kind="prompt"} 9"#), "{text}");
    assert!(text.contains(r#"flotilla_tokens_total{model="model",kind="cached"} 4"#), "{text}");
}

#[tokio::test]
async fn made_up_methods_make_no_series_of_their_own() {
    let server = TestServer::answering(&["hi"]).await;
    for method in ["BREW", "WHEN"] {
        let method = axum::http::Method::from_bytes(method.as_bytes()).unwrap();
        server.send(crate::support::request(method, "/api/models", axum::body::Body::empty())).await;
    }
    let text = server.get("/metrics").await.text();
    assert!(text.contains(r#"method="OTHER",route="/api/models",status="405"} 2"#), "{text}");
    assert!(!text.contains("BREW"), "{text}");
}

#[tokio::test]
async fn every_answer_carries_a_request_id_the_clients_own_when_it_sends_one() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    assert!(!server.get("/health").await.headers["x-request-id"].is_empty());
    let mut request = crate::support::request(axum::http::Method::GET, "/api/nothing", axum::body::Body::empty());
    request.headers_mut().insert("x-request-id", "mine".parse().unwrap());
    let response = server.send(request).await;
    assert_eq!(response.headers["x-request-id"], "mine");
    assert_eq!(response.json()["error"]["request_id"], "mine");
}

#[tokio::test]
async fn a_model_name_that_is_not_installed_is_unready_and_no_other_model_answers_instead() {
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--model-name", "absent"]).await;
    let response = server.get("/readyz").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.json()["reason"].as_str().unwrap().contains("absent"), "{}", response.text());
    let question = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    for path in ["/v1/chat/completions", "/api/chat"] {
        let answer = server.post(path, question.clone()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text().contains("model 'absent' not found"), "{}", answer.text());
    }
    assert_eq!(server.get("/api/models").await.json()["default"], json!(null));
}
