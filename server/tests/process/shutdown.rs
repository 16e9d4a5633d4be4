use std::process::Command;

use futures::StreamExt;
use serde_json::json;

use crate::support::{Server, long_script};

#[tokio::test]
async fn sigterm_lets_a_running_answer_finish_and_then_exits_with_success() {
    let folder = tempfile::tempdir().unwrap();
    let script: String = (0..200).map(|number| format!("word{number} ")).collect();
    let server = Server::start(&folder.path().join("data"), &script, 5);
    let (_, turn) = server.send("count").await;
    server.read_until(&turn["run_id"], "word10 ").await;
    let url = format!("{}/api/runs/{}/events", server.url, turn["run_id"].as_str().unwrap());
    let rest = server.client.get(url).send().await.unwrap();
    server.terminate();
    let text = rest.text().await.unwrap();
    assert!(text.contains("\"type\":\"finished\"") && text.contains("word199 "), "{text}");
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn sigterm_lets_an_answer_that_belongs_to_its_connection_finish_too() {
    let folder = tempfile::tempdir().unwrap();
    let script: String = (0..600).map(|number| format!("word{number} ")).collect();
    let server = Server::start(&folder.path().join("data"), &script, 5);
    let request = json!({ "model": "scripted", "stream": true, "messages": [{ "role": "user", "content": "count" }] });
    let answer = server.client.post(format!("{}/v1/chat/completions", server.url)).json(&request);
    let mut pieces = answer.send().await.unwrap().bytes_stream();
    let first = pieces.next().await.unwrap().unwrap();
    server.terminate();
    let rest: Vec<_> = pieces.map(Result::unwrap).collect().await;
    let text = String::from_utf8([vec![first], rest].concat().concat()).unwrap();
    assert!(text.contains("word599 ") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn an_answer_that_outlasts_the_drain_is_kept_as_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.env("DRAIN_TIMEOUT", "1");
    let server = Server::start_by(command, &data, &long_script(), 5);
    let (id, turn) = server.send("count").await;
    server.read_until(&turn["run_id"], "word10 ").await;
    server.terminate();
    assert!(server.ended().await.success());
    let server = Server::start(&data, "", 0);
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    assert_eq!(shown["messages"][1]["status"], "interrupted");
    assert!(shown["messages"][1]["content"].as_str().unwrap().contains("word10 "));
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _first = Server::start(&data, "", 0);
    let mut second = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    second.args(["serve", "--listen-addr", "127.0.0.1:0", "--data-dir"]).arg(&data).arg("--script").arg("/dev/null");
    let output = second.output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another Flotilla uses"));
}
