use reqwest::StatusCode;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn a_variable_without_a_value_counts_as_not_set() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.txt");
    std::fs::write(&script, "Ahoy!").unwrap();
    let empty = ["OLLAMA_URL", "OPENAI_BASE_URL", "MODEL_NAME", "ACCESS_TOKEN", "MAX_CONTEXT_MESSAGES"];
    let mut settings = vec![("SCRIPT", script.to_str().unwrap())];
    settings.extend(empty.map(|name| (name, "")));

    let server = Server::serving(&settings, &folder.path().join("data"));

    let request = json!({ "messages": [{ "role": "user", "content": "hi" }] });
    let (status, answer) = server.post("/v1/chat/completions", request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["choices"][0]["message"]["content"], "Ahoy!");
}
