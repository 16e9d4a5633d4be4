use std::{fs, path::Path, process::Command};

use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Server, long_script, text_of};

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
async fn an_answer_that_outlasts_the_drain_goes_on_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.env("DRAIN_TIMEOUT", "1");
    let server = Server::start_by(command, &data, &long_script(), 5);
    let (_, turn) = server.send("count").await;
    let run = &turn["run_id"];
    let mut follower = server.follow(run, 0).await;
    let mut before = follower.until("word10 ").await;
    server.terminate();
    before.extend(follower.rest().await);
    assert!(server.ended().await.success());

    let server = Server::start(&data, &long_script(), 0);
    let after = server.follow(run, before.last().unwrap().0).await.rest().await;

    assert_eq!(text_of(&[before, after.clone()].concat()), long_script());
    assert_eq!(after.last().unwrap().1["message"]["status"], "complete");
}

#[tokio::test]
async fn who_is_answered_or_waits_in_line_at_the_end_of_the_drain_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.envs([("DRAIN_TIMEOUT", "1"), ("UPSTREAM_SLOTS", "1")]);
    let server = Server::start_by(command, &folder.path().join("data"), &long_script(), 5);
    let request = json!({ "model": "scripted", "stream": true, "messages": [{ "role": "user", "content": "count" }] });
    let url = format!("{}/v1/chat/completions", server.url);
    let answered = server.client.post(&url).json(&request).send().await.unwrap();
    let waiting = tokio::spawn(server.client.post(&url).json(&request).send());
    server.has_metric("flotilla_queue_depth 1").await;

    server.terminate();

    let answered = answered.text().await.unwrap();
    assert!(answered.contains("word1 ") && answered.contains("engine_interrupted"), "{answered}");
    let waiting = waiting.await.unwrap().unwrap();
    let (status, told) = (waiting.status(), waiting.text().await.unwrap());
    assert!(status == StatusCode::SERVICE_UNAVAILABLE || told.contains("\"error\""), "{status}: {told}");
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn new_requests_are_refused_when_load_balancers_have_had_the_time_to_look() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.env("DRAIN_DELAY", "2");
    let server = Server::start_by(command, &folder.path().join("data"), "hello", 0);
    let readyz = async || server.client.get(format!("{}/readyz", server.url)).send().await.unwrap().status();
    assert_eq!(readyz().await, StatusCode::OK);
    server.terminate();
    while readyz().await == StatusCode::OK {}
    let request = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "hi" }] });
    let (status, answer) = server.post("/v1/chat/completions", request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    server.has_metric("flotilla_draining 1").await;
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn whatever_is_asked_of_a_draining_server_is_refused_with_503() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "hello", 0);
    let (_, conversation) = server.post("/api/conversations", json!({})).await;
    let question = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "hi" }] });
    let requests = [
        ("/v1/chat/completions".to_owned(), question.clone()),
        ("/api/chat".to_owned(), question),
        ("/v1/embeddings".to_owned(), json!({ "model": "scripted", "input": "hi" })),
        (format!("/api/conversations/{}/messages", conversation["id"].as_str().unwrap()), json!({ "content": "hi" })),
    ];
    let mut begun = Vec::new();
    for (path, body) in requests {
        begun.push((Unfinished::begin(&server, &path, &body.to_string()).await, path));
    }
    server.terminate();
    server.logs("draining").await;
    for (request, path) in begun {
        let answer = request.finish().await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{path}: {answer}");
        assert!(answer.contains("the server is shutting down"), "{path}: {answer}");
    }
    assert!(server.ended().await.success());
}

/// A request whose body has not been sent, on a connection that the server has therefore to keep.
struct Unfinished {
    connection: TcpStream,
    body: String,
}

impl Unfinished {
    async fn begin(server: &Server, path: &str, body: &str) -> Self {
        let address = server.url.strip_prefix("http://").unwrap();
        let mut connection = TcpStream::connect(address).await.unwrap();
        let head = [
            format!("POST {path} HTTP/1.1"),
            format!("Host: {address}"),
            "Content-Type: application/json".to_owned(),
            format!("Content-Length: {}", body.len()),
            "Expect: 100-continue\r\n\r\n".to_owned(),
        ];
        connection.write_all(head.join("\r\n").as_bytes()).await.unwrap();
        let mut goes_on = *b"HTTP/1.1 100 Continue\r\n\r\n";
        connection.read_exact(&mut goes_on).await.unwrap();
        assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { connection, body: body.to_owned() }
    }

    async fn finish(mut self) -> String {
        let mut answer = String::new();
        self.connection.write_all(self.body.as_bytes()).await.unwrap();
        self.connection.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _first = Server::start(&data, "", 0);
    assert!(refusal(&data).contains("another Flotilla uses"));
}

#[tokio::test]
async fn a_server_that_cannot_write_into_its_folder_says_which_one_and_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    // The tests may run as root, who can write everywhere.
    fs::create_dir(folder.path().join("flotilla.lock")).unwrap();
    let refusal = refusal(folder.path());
    assert!(refusal.contains("flotilla.lock cannot be written: set DATA_DIR"), "{refusal}");
}

/// Why a server on this folder does not start.
fn refusal(data: &Path) -> String {
    let mut server = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    server.args(["serve", "--listen-addr", "127.0.0.1:0", "--data-dir"]).arg(data).arg("--script").arg("/dev/null");
    let output = server.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}
