//! Several models in memory at once.

use std::{fs, process::Command};

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Server, link_starter_model, starter_model};

#[tokio::test]
async fn two_models_answer_at_once_each_with_slots_of_its_own_and_both_are_told_with_what_they_take() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    for name in ["a", "b"] {
        link_starter_model(&models.join(name).join("1b.gguf"));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.args(["serve", "--threads", "1", "--slots", "1", "--context-length", "1024", "--models-dir"]).arg(&models);
    let server = Server::launch(command, &folder.path().join("data"));
    let body = json!({ "model": "a:1b", "prompt": "A very long story:" });
    let mut story = server.client.post(format!("{}/api/generate", server.url)).json(&body).send().await.unwrap();
    assert!(story.chunk().await.unwrap().is_some());

    let body = json!({ "model": "b:1b", "prompt": "Hello", "max_tokens": 4 });
    let (status, answer) = server.post("/v1/completions", body).await;

    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(story.chunk().await.unwrap().is_some(), "the story goes on");
    let list = server.get("/api/ps").await;
    let loaded: Vec<_> =
        list["models"].as_array().unwrap().iter().map(|model| (&model["name"], &model["size"])).collect();
    let [(a, size), (b, other_size)] = loaded[..] else { panic!("{list}") };
    assert_eq!((a, b, size), (&json!("a:1b"), &json!("b:1b"), other_size));
    assert!(size.as_u64().unwrap() > fs::metadata(starter_model()).unwrap().len(), "{list}");
    let metrics = server.client.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
    for name in ["a:1b", "b:1b"] {
        let series = format!("flotilla_model_memory_bytes{{model=\"{name}\"}} {size}\n");
        assert!(metrics.contains(&series), "{series} is not in {metrics}");
    }
    assert!(metrics.contains("flotilla_model_memory_limit_bytes "), "{metrics}");
}
