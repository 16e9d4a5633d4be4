use serde_json::json;

use crate::support::{Server, long_script, text_of};

#[tokio::test]
async fn a_killed_server_goes_on_with_its_answer_after_the_restart_and_a_follower_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &long_script(), 5);
    let (id, turn) = server.send("count for me").await;
    let run = &turn["run_id"];
    let before = server.follow(run, 0).await.until("word200 ").await;
    server.kill().await;

    let server = Server::start(&data, &long_script(), 0);
    let after = server.follow(run, before.last().unwrap().0).await.rest().await;

    assert_eq!(text_of(&[before, after].concat()), long_script());
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    let [question, answer] = shown["messages"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!(question["content"], "count for me");
    assert_eq!((&answer["status"], &answer["content"]), (&json!("complete"), &json!(long_script())));
    assert_eq!(answer["details"]["completion_tokens"], 5000);
}

#[tokio::test]
async fn an_answer_that_nobody_can_go_on_with_shows_as_interrupted_with_its_text_and_a_retry() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &long_script(), 5);
    let (id, turn) = server.send("count for me").await;
    // Two hundred words take a second, so what the journal must hold by now is far beyond the first ten.
    let read = server.read_until(&turn["run_id"], "word200 ").await;
    server.kill().await;

    let server = Server::start(&data, "again", 0);
    server.read_until(&turn["run_id"], "\"message\":").await;
    let shown = server.get(&format!("/api/conversations/{id}")).await;
    let [question, answer] = shown["messages"].as_array().unwrap().as_slice() else { panic!("{shown}") };
    assert_eq!(answer["status"], "interrupted");
    assert_eq!(answer["error"]["code"], "engine_interrupted");
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
