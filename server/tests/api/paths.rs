//! Paths that are not here: each is a 404 that its clients can read, also where every other path is a page of the UI.

use std::fs;

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use flotilla::engine::{Scripted, Step};
use tempfile::TempDir;

use crate::support::{TestServer, request};

/// A server with a UI of one page.
async fn with_ui() -> (TestServer, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.html"), "the page").unwrap();
    let engine = Scripted::new(vec![Step::Text("Hello".to_owned())]);
    (TestServer::with_flags(engine, &["--ui-dir", folder.path().to_str().unwrap()]).await, folder)
}

/// What engines do for whoever reaches them: take files, send them elsewhere (CVE-2026-7482 sent what it had read of the memory
/// away through `/api/push`), and show their state, in which others' prompts are.
const OF_ENGINES: [&str; 26] = [
    "/api/create",
    "/api/copy",
    "/api/push",
    "/api/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "/api/me",
    "/api/signout",
    "/slots",
    "/slots/0?action=save",
    "/props",
    "/completion",
    "/completions",
    "/infill",
    "/tokenize",
    "/detokenize",
    "/apply-template",
    "/lora-adapters",
    "/rerank",
    "/models/load",
    "/collective_rpc",
    "/sleep",
    "/reset_prefix_cache",
    "/start_profile",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
    "/v1/files",
    "/v1/rerank",
];

#[tokio::test]
async fn no_path_leads_to_what_else_an_engine_can_do() {
    let server = TestServer::answering(&["Hello"]).await;
    for path in OF_ENGINES {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE] {
            let response = server.send(request(method.clone(), path, Body::from("{}"))).await;
            assert_eq!(response.status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
    assert!(server.engine.last_request().is_none());
}

#[tokio::test]
async fn what_ollamas_clients_do_not_find_is_said_in_their_shape_and_so_is_what_openais_do_not() {
    let (server, _folder) = with_ui().await;
    let text = r#"{"error":"path not found"}"#;
    for path in ["/api/create", "/api/push", "/api/blobs/sha256:abc"] {
        assert_eq!(server.get(path).await.text(), text, "{path}");
    }
    for path in ["/v1", "/v1/", "/v1/nothing", "/v1/chat/nothing"] {
        let response = server.get(path).await;
        assert_eq!((response.status, &response.json()["error"]["code"]), (StatusCode::NOT_FOUND, &"not_found".into()));
        assert_eq!(response.json()["error"].as_object().unwrap().len(), 4, "{path}");
    }
    for path in ["/api", "/api/", "/api/nothing"] {
        let response = server.get(path).await;
        assert_eq!((response.status, &response.json()["error"]["code"]), (StatusCode::NOT_FOUND, &"not_found".into()));
    }
}

#[tokio::test]
async fn every_other_path_is_a_page_of_the_ui() {
    let (server, _folder) = with_ui().await;
    for path in ["/", "/chat/01890000-0000-7000-8000-000000000000", "/apiary", "/v12"] {
        let response = server.get(path).await;
        assert_eq!((response.status, response.text().as_str()), (StatusCode::OK, "the page"), "{path}");
    }
}
