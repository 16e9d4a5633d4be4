use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    pulling::Pulling,
    registry::{MODEL, digest, gguf},
    support::json_request,
};

async fn lines(pulling: &Pulling, body: Value) -> Vec<Value> {
    let response = pulling.server.post("/api/pull", body).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers["content-type"], "application/x-ndjson");
    response.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_pull_is_told_in_ollamas_words() {
    let file = gguf(2 << 20);
    let (size, digest) = (file.len(), digest(&file));
    let pulling = Pulling::of(file).await;

    let lines = lines(&pulling, json!({ "model": MODEL })).await;

    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_str().unwrap()).collect();
    let pulling_file = format!("pulling {}", &digest["sha256:".len()..][..12]);
    assert_eq!(statuses.first(), Some(&"pulling manifest"));
    assert_eq!(statuses.last(), Some(&"success"));
    assert!(
        statuses
            .iter()
            .all(|status| ["pulling manifest", &pulling_file, "verifying sha256 digest", "success"].contains(status)),
        "{statuses:?}"
    );
    for line in lines.iter().filter(|line| line["status"] == pulling_file) {
        assert_eq!((&line["digest"], &line["total"]), (&json!(digest), &json!(size)));
        assert!(line["completed"].as_u64().unwrap() <= size as u64);
    }
    let last_of_file = lines.iter().rfind(|line| line["status"] == pulling_file).unwrap();
    assert_eq!(last_of_file["completed"], json!(size));
}

#[tokio::test]
async fn a_pull_that_is_not_streamed_is_answered_at_its_end() {
    let pulling = Pulling::of(gguf(1000)).await;

    let response = pulling.server.post("/api/pull", json!({ "name": MODEL, "stream": false })).await;
    assert_eq!((response.status, response.json()), (StatusCode::OK, json!({ "status": "success" })));

    let response = pulling.server.post("/api/pull", json!({ "model": "missing", "stream": false })).await;
    assert_eq!(response.status, StatusCode::BAD_GATEWAY);
    assert_eq!(
        response.json(),
        json!({ "error": "the Ollama library has no public model 'missing:latest'; check the name" })
    );
}

#[tokio::test]
async fn a_pull_that_fails_ends_with_the_error() {
    let pulling = Pulling::of(gguf(1000)).await;

    let lines = lines(&pulling, json!({ "model": "missing" })).await;

    assert!(lines.last().unwrap()["error"].as_str().unwrap().contains("no public model"), "{lines:?}");
    assert!(lines.iter().all(|line| line["status"] != "success"), "{lines:?}");
}

#[tokio::test]
async fn a_call_that_names_no_model_is_refused_in_ollamas_shape() {
    let pulling = Pulling::of(gguf(1000)).await;
    for (method, path) in [(Method::POST, "/api/pull"), (Method::DELETE, "/api/delete")] {
        let response = pulling.server.send(json_request(method, path, json!({}))).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(response.json(), json!({ "error": "model must name a model" }), "{path}");
    }
}
