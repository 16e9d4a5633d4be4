use reqwest::StatusCode;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn each_request_has_a_line_with_its_id_and_without_what_was_said() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "canary-answer", 0);
    let request = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "canary-prompt" }] });
    let request = server.client.post(format!("{}/v1/chat/completions", server.url)).json(&request);
    let answer = request.header("x-request-id", "the-id-of-this-request").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("canary-answer"));

    let log = server.log();
    let line = log.lines().find(|line| line.contains("the-id-of-this-request")).unwrap_or_else(|| panic!("{log}"));
    for part in ["INFO", "POST", "/v1/chat/completions", "status=200", "milliseconds="] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn probes_do_not_fill_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "", 0);
    for path in ["/health", "/readyz", "/metrics"] {
        server.client.get(format!("{}{path}", server.url)).send().await.unwrap().error_for_status().unwrap();
    }
    assert!(!server.log().contains("answered"), "{}", server.log());
}

#[tokio::test]
async fn the_instructions_that_llama_cpp_computes_with_are_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_starter_model(&folder.path().join("data"));
    server.logs("system_info").await;
}
