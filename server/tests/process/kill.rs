use serde_json::json;

use crate::support::{Server, long_script};

#[tokio::test]
async fn a_killed_server_loses_no_message_and_shows_the_answer_as_interrupted_with_a_retry() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &long_script(), 5);
    let (id, turn) = server.send("count for me").await;
    // Two hundred words take a second, so what the journal must hold by now is far beyond the first ten.
    let read = server.read_until(&turn["run_id"], "word200 ").await;
    server.kill().await;

    let server = Server::start(&data, "again", 0);
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    let [question, answer] = shown["messages"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!(question["content"], "count for me");
    assert_eq!(answer["status"], "interrupted");
    assert_eq!(answer["error"]["code"], "server_stopped");
    let kept = answer["content"].as_str().unwrap();
    assert!(long_script().starts_with(kept), "{kept}");
    // At most one second of it may be missing.
    assert!(kept.contains("word10 "), "of {} bytes only this was kept: {kept}", read.len());

    let (_, retry) =
        server.post(&format!("/api/conversations/{id}/runs"), json!({ "parent_id": question["id"] })).await;
    let read = server.read_until(&retry["run_id"], "finished").await;
    assert!(read.contains("\"content\":\"again\""), "{read}");
}

#[tokio::test]
async fn a_finished_answer_survives_a_kill_right_after_its_last_event() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, "short and done", 0);
    let (id, turn) = server.send("quick").await;
    server.read_until(&turn["run_id"], "finished").await;
    server.kill().await;
    let server = Server::start(&data, "", 0);
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    assert_eq!(shown["messages"][1]["content"], "short and done");
    assert_eq!(shown["messages"][1]["status"], "complete");
}
