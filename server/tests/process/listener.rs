use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::Server;

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    assert_cut_off(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_cut_off() {
    assert_cut_off(b"").await;
}

#[tokio::test]
async fn a_client_that_speaks_http2_is_cut_off() {
    assert_cut_off(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
}

#[tokio::test]
async fn a_connection_that_has_asked_lives_longer_than_the_time_for_asking() {
    let folder = tempfile::tempdir().unwrap();
    // The answer takes two seconds, the header timeout is one.
    let server = Server::start(&folder.path().join("data"), &"word ".repeat(200), 10);
    let request = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "hi" }] });
    let (status, answer) = server.post("/v1/chat/completions", request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["usage"]["completion_tokens"], 200);
}

#[tokio::test]
async fn a_connection_that_has_asked_may_ask_again_after_that_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), &"word ".repeat(200), 10);
    let mut kept = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    assert_answered(&mut kept).await;
    // The answer takes two seconds, the header timeout is one.
    let request = json!({ "model": "scripted", "messages": [{ "role": "user", "content": "hi" }] });
    server.post("/v1/chat/completions", request).await;
    assert_answered(&mut kept).await;
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "", 0);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: loc").await.unwrap();
    let asked = Instant::now();
    server.terminate();
    assert!(server.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5));
}

async fn assert_answered(connection: &mut TcpStream) {
    connection.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(br#"{"status":"ok"}"#) {
        assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "the connection was closed");
    }
}

/// Connect, send `bytes`, and see the server end the connection.
async fn assert_cut_off(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "", 0);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("cut off").unwrap();
}
