use std::{fs::File, io::Write, path::Path, process::Command, time::Duration};

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use crate::support::Server;

/// The server on a real disk of two megabytes, in a mount namespace that only it sees.
fn on_a_small_disk(data: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg("mount -t tmpfs -o size=2m tmpfs \"$1\" && shift && exec \"$@\"");
    command.arg("sh").arg(data).arg(env!("CARGO_BIN_EXE_flotilla"));
    command
}

/// Write until there is no room left.
fn fill(mut file: File) {
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[tokio::test]
async fn on_a_full_disk_reads_go_on_and_writes_say_why_they_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Server::start_by(on_a_small_disk(&data), &data, "ok", 0);

    let (id, turn) = server.send("the first message").await;
    server.read_until(&turn["run_id"], "finished").await;
    let path = format!("/api/conversations/{id}/messages");
    let mut refused = None;
    for _ in 0..50 {
        let (status, body) = server.post(&path, json!({ "content": "x".repeat(100_000) })).await;
        if status != StatusCode::ACCEPTED {
            refused = Some((status, body));
            break;
        }
    }
    let (status, body) = refused.expect("two megabytes do not hold five");
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body["error"]["code"], "storage_unavailable");
    assert!(body["error"]["message"].as_str().unwrap().contains("disk is full"), "{body}");
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    assert_eq!(shown["messages"][0]["content"], "the first message");
}

#[tokio::test]
async fn an_answer_whose_end_meets_a_full_disk_is_kept_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let script: String = (0..100).map(|number| format!("word{number} ")).collect();
    let server = Server::start_by(on_a_small_disk(&data), &data, &script, 10);
    let (id, turn) = server.send("count").await;
    let run = &turn["run_id"];
    server.read_until(run, "word10 ").await;
    let filler = server.inside(&data.join("filler"));
    fill(File::create(&filler).unwrap());

    let read = server.read_until(run, "word99 ").await;
    assert!(read.contains("word99 "), "the followers read on: {read}");
    // Nobody is told of an end that a restart would take back.
    let early = timeout(Duration::from_secs(4), server.read_until(run, "\"message\":")).await;
    assert!(early.is_err(), "{early:?}");
    std::fs::remove_file(filler).unwrap();
    let read = server.read_until(run, "\"message\":").await;
    assert!(read.contains("\"type\":\"finished\""), "{read}");
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    assert_eq!(shown["messages"][1]["status"], "complete");
    assert_eq!(shown["messages"][1]["content"], script);
}
