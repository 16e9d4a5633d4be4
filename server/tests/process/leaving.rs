//! A client that leaves gives its place to the next, whichever way it leaves, and however far its request has come. It leaves
//! over a real socket, because it is the server's HTTP that has to notice.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    model_server::{Manner, ModelServer},
    support::{Server, long_script},
};

const ANSWERS: [&str; 5] = ["/v1/chat/completions", "/api/chat", "/v1/completions", "/v1/responses", "/api/generate"];
const VECTORS: [&str; 2] = ["/v1/embeddings", "/api/embed"];
/// What the server promises.
const LIMIT: Duration = Duration::from_secs(1);
/// How often it may be missed: the machine has other tests to run.
const TRIES: u32 = 3;
/// After this nothing comes any more.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Way {
    /// The connection is closed.
    Fin,
    /// Only its own half is: such a client might still read.
    HalfClose,
    Reset,
}

#[tokio::test]
async fn who_leaves_while_in_line_frees_its_place() {
    let (_folder, server) = server_with_one_slot(20);
    let mut occupant = connect(&server, ANSWERS[0], true).await;
    until_text(&mut occupant, "word1 ").await;
    for_every_way_to_leave(&[&ANSWERS[..], &VECTORS].concat(), async |way, path, streamed| {
        let client = connect(&server, path, streamed).await;
        until(&server, "flotilla_queue_depth 1").await;
        until_after(leave(client, way), &server, "flotilla_queue_depth 0").await
    })
    .await;
}

#[tokio::test]
async fn who_leaves_before_the_first_word_frees_its_slot() {
    let (_folder, server) = server_with_one_slot(600_000);
    for_every_way_to_leave(&ANSWERS, async |way, path, streamed| {
        let client = connect(&server, path, streamed).await;
        until(&server, "flotilla_slots_busy 1").await;
        until_after(leave(client, way), &server, "flotilla_slots_busy 0").await
    })
    .await;
}

#[tokio::test]
async fn who_leaves_before_its_vectors_are_made_frees_its_slot() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = ModelServer::start(Manner::Holding).await;
    let url = format!("http://{}", upstream.address);
    let server = Server::in_front_of(&url, &[("UPSTREAM_SLOTS", "1")], &folder.path().join("data"));
    for_every_way_to_leave(&VECTORS, async |way, path, streamed| {
        let client = connect(&server, path, streamed).await;
        until(&server, "flotilla_slots_busy 1").await;
        until_after(leave(client, way), &server, "flotilla_slots_busy 0").await
    })
    .await;
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_the_answer_frees_its_slot() {
    let (_folder, server) = server_with_one_slot(20);
    for_every_way_to_leave(&ANSWERS, async |way, path, streamed| {
        let mut client = connect(&server, path, streamed).await;
        match streamed {
            true => until_text(&mut client, "word1 ").await,
            false => until(&server, "flotilla_answers_in_flight 1\nflotilla_answers_waiting 0").await,
        }
        until_after(leave(client, way), &server, "flotilla_slots_busy 0").await
    })
    .await;
}

#[tokio::test]
async fn who_leaves_behind_a_second_request_frees_the_slot_of_the_first() {
    let (_folder, server) = server_with_one_slot(600_000);
    for_every_way_to_leave(&ANSWERS[..2], async |way, path, streamed| {
        let mut client = connect(&server, path, streamed).await;
        client.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        until(&server, "flotilla_slots_busy 1").await;
        until_after(leave(client, way), &server, "flotilla_slots_busy 0").await
    })
    .await;
}

#[tokio::test]
async fn a_long_prompt_is_computed_no_further_when_its_client_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with_starter_model_and(&[("SLOTS", "1")], &folder.path().join("data"));
    let prompt = "and so on ".repeat(300);
    let question = json!({ "messages": [{ "role": "user", "content": prompt }], "max_tokens": 1 });
    // The model is in memory when it has answered.
    let greeting = json!({ "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 1 });
    let (status, _) = server.post(ANSWERS[0], greeting).await;
    assert_eq!(status, StatusCode::OK);

    let client = connect_with(&server, ANSWERS[0], &question).await;
    until(&server, "flotilla_slots_busy 1\nflotilla_answers_waiting 1").await;
    drop(client);
    until(&server, "flotilla_slots_busy 0").await;

    let (_, answer) = server.post(ANSWERS[0], question).await;
    let usage = &answer["usage"];
    let count = |tokens: &Value| tokens.as_u64().unwrap();
    let (prompt, cached) = (count(&usage["prompt_tokens"]), count(&usage["prompt_tokens_details"]["cached_tokens"]));
    assert!(prompt > 800 && cached < prompt / 2, "{usage}");
}

#[tokio::test]
async fn who_reads_nothing_loses_its_connection_and_its_slot() {
    let folder = tempfile::tempdir().unwrap();
    // More than both sides' buffers hold.
    let script = "and so on ".repeat(20_000);
    let settings = [("UPSTREAM_SLOTS", "1"), ("SEND_TIMEOUT", "1")];
    let server = Server::start_with(&settings, &folder.path().join("data"), &script);
    let client = connect(&server, ANSWERS[0], true).await;
    until(&server, "flotilla_slots_busy 1").await;
    timeout(PATIENCE, until(&server, "flotilla_slots_busy 0")).await.unwrap();
    until(&server, r#"flotilla_answers_total{model="scripted",outcome="cancelled"} 1"#).await;
    drop(client);
}

fn server_with_one_slot(delay_ms: u32) -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder.path().join("data"), delay_ms);
    (folder, server)
}

fn start(data: &Path, delay_ms: u32) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.env("UPSTREAM_SLOTS", "1").env("DRAIN_TIMEOUT", "1");
    Server::start_by(command, data, &long_script(), delay_ms)
}

/// `scene` says how long it took until the client's place was free.
async fn for_every_way_to_leave(paths: &[&'static str], scene: impl AsyncFn(Way, &'static str, bool) -> Duration) {
    for way in [Way::Fin, Way::HalfClose, Way::Reset] {
        for path in paths.iter().copied() {
            let streamed: &[bool] = if VECTORS.contains(&path) { &[false] } else { &[true, false] };
            for &streamed in streamed {
                let mut took = Duration::MAX;
                for _ in 0..TRIES {
                    let scene = timeout(PATIENCE, scene(way, path, streamed)).await;
                    took = scene.unwrap_or_else(|_| panic!("{way:?} is not noticed: {path}, streamed: {streamed}"));
                    if took <= LIMIT {
                        break;
                    }
                }
                assert!(took <= LIMIT, "{way:?} is noticed after {took:?}: {path}, streamed: {streamed}");
            }
        }
    }
}

/// Ask over a connection of its own.
async fn connect(server: &Server, path: &str, streamed: bool) -> TcpStream {
    let mut body = match path {
        "/v1/completions" => json!({ "prompt": "count", "max_tokens": 5000 }),
        "/v1/responses" | "/v1/embeddings" | "/api/embed" => json!({ "input": "count" }),
        "/api/generate" => json!({ "prompt": "count" }),
        _ => json!({ "messages": [{ "role": "user", "content": "count" }] }),
    };
    if !VECTORS.contains(&path) {
        body["stream"] = json!(streamed);
    }
    let models = server.get("/v1/models").await;
    body["model"] = models["data"][0]["id"].clone();
    connect_with(server, path, &body).await
}

async fn connect_with(server: &Server, path: &str, body: &Value) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let length = body.len();
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n");
    client.write_all((head + &body).as_bytes()).await.unwrap();
    client
}

/// What has to be kept so that the connection stays half open.
async fn leave(mut client: TcpStream, way: Way) -> Option<TcpStream> {
    match way {
        Way::Fin => None,
        Way::HalfClose => {
            client.shutdown().await.unwrap();
            Some(client)
        }
        Way::Reset => {
            client.set_zero_linger().unwrap();
            None
        }
    }
}

async fn until_text(client: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        assert_ne!(client.read_buf(&mut read).await.unwrap(), 0, "the server closed the connection");
    }
}

/// How long it takes after `leaving` until `/metrics` holds this line.
async fn until_after(leaving: impl Future<Output = Option<TcpStream>>, server: &Server, line: &str) -> Duration {
    let _half = leaving.await;
    let left = Instant::now();
    until(server, line).await;
    left.elapsed()
}

/// Wait until `/metrics` holds all of these lines.
async fn until(server: &Server, lines: &str) {
    loop {
        let metrics = server.metrics().await;
        if lines.lines().all(|line| metrics.lines().any(|found| found == line)) {
            return;
        }
    }
}
