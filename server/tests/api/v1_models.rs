use axum::http::StatusCode;
use chrono::Utc;
use flotilla::engine::Scripted;
use insta::assert_snapshot;

use crate::{
    pulling::Pulling,
    registry::{MODEL, gguf},
    support::TestServer,
};

#[tokio::test]
async fn the_list_has_openais_shape() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let response = server.get("/v1/models").await;
    assert_eq!(response.status, StatusCode::OK);
    assert_snapshot!(
        response.text(),
        @r#"{"object":"list","data":[{"id":"scripted","object":"model","created":0,"owned_by":"flotilla"}]}"#
    );
}

#[tokio::test]
async fn one_model_is_found_by_its_id() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let response = server.get("/v1/models/scripted").await;
    assert_snapshot!(response.text(), @r#"{"id":"scripted","object":"model","created":0,"owned_by":"flotilla"}"#);
}

#[tokio::test]
async fn a_model_was_created_when_its_file_was_written() {
    let before = Utc::now().timestamp();
    let pulling = Pulling::of(gguf(1000)).await.with_own_engine();
    pulling.pull(MODEL).await;

    let created = pulling.server.get("/v1/models").await.json()["data"][0]["created"].as_i64().unwrap();

    assert!((before - 1..=Utc::now().timestamp()).contains(&created), "{created}");
}

#[tokio::test]
async fn an_id_with_slashes_and_a_colon_is_taken_plain_or_encoded() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    for path in ["/v1/models/hf.co/owner/model:Q4_1", "/v1/models/hf.co%2Fowner%2Fmodel%3AQ4_1"] {
        let response = server.get(path).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND);
        assert_eq!(response.json()["error"]["message"], "model 'hf.co/owner/model:Q4_1' not found");
    }
}

#[tokio::test]
async fn an_unknown_model_is_a_404_with_all_four_keys() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let response = server.get("/v1/models/gpt-5").await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_snapshot!(
        response.text(),
        @r#"{"error":{"message":"model 'gpt-5' not found","type":"not_found_error","param":"model","code":"model_not_found"}}"#
    );
}

#[tokio::test]
async fn an_unknown_path_is_a_404_in_openais_shape() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let response = server.get("/v1/nothing").await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.json()["error"]["type"], "not_found_error");
}

#[tokio::test]
async fn another_method_is_a_405_in_openais_shape() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let response = server.delete("/v1/models").await;
    assert_eq!(response.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers.contains_key("allow"));
    assert_eq!(response.json()["error"]["code"], "method_not_allowed");
}

#[tokio::test]
async fn an_engine_that_is_down_is_a_503_with_retry_after() {
    let server = TestServer::unreachable().await;
    let response = server.get("/v1/models").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers.contains_key("retry-after"));
    assert_eq!(response.json()["error"]["type"], "overloaded_error");
}
