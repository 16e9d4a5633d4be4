//! The schema that the UI's types are made from stands in the tree; a stale copy is a failing test.

use std::path::Path;

use crate::support::TestServer;

#[tokio::test]
async fn the_schema_in_the_tree_is_the_one_that_the_server_serves() {
    let server = TestServer::answering(&["hi"]).await;
    let served = serde_json::to_string_pretty(&server.get("/api/openapi.json").await.json()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src-ui/openapi.json");
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == served, "src-ui/openapi.json is stale: run `make types`");
}

#[tokio::test]
async fn every_path_of_the_schema_exists() {
    let server = TestServer::answering(&["hi"]).await;
    let schema = server.get("/api/openapi.json").await.json();
    for (path, methods) in schema["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "01890000-0000-7000-8000-000000000000");
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let response = server.send(crate::support::request(method, &path, axum::body::Body::empty())).await;
            assert_ne!(response.status, 405, "{path}");
            assert!(!response.text().contains("path not found"), "{path}");
        }
    }
}
