use std::process::Command;

use reqwest::StatusCode;
use serde_json::json;

use crate::support::Server;

#[tokio::test]
async fn on_a_full_disk_reads_go_on_and_writes_say_why_they_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // A real disk of two megabytes, in a mount namespace that only this server sees.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg("mount -t tmpfs -o size=2m tmpfs \"$1\" && shift && exec \"$@\"");
    command.arg("sh").arg(&data).arg(env!("CARGO_BIN_EXE_flotilla"));
    let server = Server::start_by(command, &data, "ok", 0);

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
