//! A client that leaves gives its place to the next, whichever way it leaves, and however far its request has come. It leaves
//! over a real socket, because it is the server's HTTP that has to notice.

use std::{path::Path, process::Command, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Server, long_script};

const PATHS: [&str; 2] = ["/v1/chat/completions", "/api/chat"];
/// Of what the server promises in one second; a busy machine takes its own.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut occupant = connect(&server, PATHS[0], true).await;
    until_text(&mut occupant, "word1 ").await;
    for_every_way_to_leave(async |way, path, streamed| {
        let client = connect(&server, path, streamed).await;
        until(&server, "flotilla_queue_depth 1").await;
        let _half = leave(client, way).await;
        until(&server, "flotilla_queue_depth 0").await;
    })
    .await;
}

#[tokio::test]
async fn who_leaves_before_the_first_word_frees_its_slot() {
    let (_folder, server) = server_with_one_slot(600_000);
    for_every_way_to_leave(async |way, path, streamed| {
        let client = connect(&server, path, streamed).await;
        until(&server, "flotilla_slots_busy 1").await;
        let _half = leave(client, way).await;
        until(&server, "flotilla_slots_busy 0").await;
    })
    .await;
}

#[tokio::test]
async fn who_leaves_in_the_middle_of_the_answer_frees_its_slot() {
    let (_folder, server) = server_with_one_slot(20);
    for_every_way_to_leave(async |way, path, streamed| {
        let mut client = connect(&server, path, streamed).await;
        match streamed {
            true => until_text(&mut client, "word1 ").await,
            false => until(&server, "flotilla_answers_in_flight 1\nflotilla_answers_waiting 0").await,
        }
        let _half = leave(client, way).await;
        until(&server, "flotilla_slots_busy 0").await;
    })
    .await;
}

#[tokio::test]
async fn who_leaves_behind_a_second_request_frees_the_slot_of_the_first() {
    let (_folder, server) = server_with_one_slot(600_000);
    for_every_way_to_leave(async |way, path, streamed| {
        let mut client = connect(&server, path, streamed).await;
        client.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        until(&server, "flotilla_slots_busy 1").await;
        let _half = leave(client, way).await;
        until(&server, "flotilla_slots_busy 0").await;
    })
    .await;
}

#[tokio::test]
async fn who_reads_nothing_loses_its_connection_and_its_slot() {
    let folder = tempfile::tempdir().unwrap();
    // More than both sides' buffers hold.
    let script = "and so on ".repeat(20_000);
    let settings = [("UPSTREAM_SLOTS", "1"), ("SEND_TIMEOUT", "1")];
    let server = Server::start_with(&settings, &folder.path().join("data"), &script);
    let client = connect(&server, PATHS[0], true).await;
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

async fn for_every_way_to_leave(scene: impl AsyncFn(Way, &'static str, bool)) {
    for way in [Way::Fin, Way::HalfClose, Way::Reset] {
        for path in PATHS {
            for streamed in [true, false] {
                let scene = timeout(PATIENCE, scene(way, path, streamed)).await;
                scene.unwrap_or_else(|_| panic!("{way:?} is not noticed: {path}, streamed: {streamed}"));
            }
        }
    }
}

/// Ask over a connection of its own.
async fn connect(server: &Server, path: &str, streamed: bool) -> TcpStream {
    let address = server.url.strip_prefix("http://").unwrap();
    let body = json!({ "stream": streamed, "messages": [{ "role": "user", "content": "count" }] }).to_string();
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

/// Wait until `/metrics` holds all of these lines.
async fn until(server: &Server, lines: &str) {
    loop {
        let metrics = server.client.get(format!("{}/metrics", server.url)).send().await.unwrap().text().await.unwrap();
        if lines.lines().all(|line| metrics.lines().any(|found| found == line)) {
            return;
        }
    }
}
