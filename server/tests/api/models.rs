use axum::http::StatusCode;
use flotilla::engine::Scripted;

use crate::support::TestServer;

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
