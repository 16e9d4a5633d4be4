use axum::http::StatusCode;
use flotilla::engine::{EngineError, Role, Scripted, Step};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestServer;

fn text(piece: &str) -> Step {
    Step::Text(piece.to_owned())
}

#[tokio::test]
async fn a_message_is_answered_and_both_are_kept() {
    let server = TestServer::answering(&["Hello", ", ", "sailor"]).await;
    let id = server.conversation().await;
    let turn = server.turn(&id, None, "Ahoy").await;
    let answer = &turn["assistant_message"];
    assert_eq!(answer["content"], "Hello, sailor");
    assert_eq!(answer["status"], "complete");
    assert_eq!(answer["parent_id"], turn["user_message"]["id"]);
    assert_eq!(answer["details"]["finish_reason"], "stop");
    let shown = server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(shown["messages"], json!([turn["user_message"], answer]));
    assert_eq!(shown["conversation"]["head_id"], answer["id"]);
}

#[tokio::test]
async fn the_engine_is_told_the_system_prompt_and_the_branch_but_no_sibling() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    server.patch(&format!("/api/conversations/{id}"), json!({ "system_prompt": "Talk like a sailor." })).await;
    let first = server.turn(&id, None, "one").await;
    let parent = first["assistant_message"]["id"].as_str();
    server.turn(&id, parent, "two, first version").await;
    server.turn(&id, parent, "two, second version").await;
    let told = server.engine.last_request().unwrap().prompt.messages().to_vec();
    let told: Vec<_> = told.iter().map(|message| (message.role, message.content.as_str())).collect();
    assert_eq!(
        told,
        [
            (Role::System, "Talk like a sailor."),
            (Role::User, "one"),
            (Role::Assistant, "Aye"),
            (Role::User, "two, second version"),
        ]
    );
}

#[tokio::test]
async fn a_long_conversation_is_trimmed_and_the_answer_says_so() {
    let server = TestServer::with_flags(Scripted::new(vec![text("ok")]), &["--max-context-messages", "3"]).await;
    let id = server.conversation().await;
    server.patch(&format!("/api/conversations/{id}"), json!({ "system_prompt": "Be brief." })).await;
    let mut parent: Option<String> = None;
    let mut turn = Value::Null;
    for number in 0..4 {
        turn = server.turn(&id, parent.as_deref(), &format!("question {number}")).await;
        parent = turn["assistant_message"]["id"].as_str().map(str::to_owned);
    }
    let told = server.engine.last_request().unwrap().prompt.messages().to_vec();
    let told: Vec<_> = told.iter().map(|message| message.content.as_str()).collect();
    assert_eq!(told, ["Be brief.", "question 2", "ok", "question 3"]);
    let context = &turn["assistant_message"]["details"]["context"];
    assert_eq!(context["messages_sent"], 3);
    assert_eq!(context["messages_left_out"], 4);
}

#[tokio::test]
async fn another_answer_is_a_sibling_and_becomes_the_head() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    let first = server.turn(&id, None, "Ahoy").await;
    let parent = first["user_message"]["id"].clone();
    let again = server.post(&format!("/api/conversations/{id}/runs"), json!({ "parent_id": parent })).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    let second = again.json();
    server.run_events(second["run_id"].as_str().unwrap(), 0).await;
    assert_eq!(second["assistant_message"]["parent_id"], parent);
    assert_ne!(second["assistant_message"]["id"], first["assistant_message"]["id"]);
    let shown = server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 3);
    assert_eq!(shown["conversation"]["head_id"], second["assistant_message"]["id"]);
}

#[tokio::test]
async fn sending_the_same_message_again_makes_no_second_one() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    let path = format!("/api/conversations/{id}/messages");
    let body = json!({ "id": Uuid::now_v7(), "content": "Ahoy" });
    let first = server.post(&path, body.clone()).await.json();
    server.run_events(first["run_id"].as_str().unwrap(), 0).await;
    let second = server.post(&path, body).await.json();
    assert_eq!(second["run_id"], first["run_id"]);
    let shown = server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_id_that_another_message_has_is_a_conflict() {
    let server = TestServer::answering(&["Aye"]).await;
    let (here, there) = (server.conversation().await, server.conversation().await);
    let taken = server.turn(&there, None, "Ahoy").await["user_message"]["id"].clone();
    for content in ["Ahoy", "Something else"] {
        let body = json!({ "id": taken, "content": content });
        let response = server.post(&format!("/api/conversations/{here}/messages"), body).await;
        assert_eq!(response.status, StatusCode::CONFLICT);
    }
}

#[tokio::test]
async fn a_parent_of_another_conversation_is_refused() {
    let server = TestServer::answering(&["Aye"]).await;
    let (here, there) = (server.conversation().await, server.conversation().await);
    let foreign = server.turn(&there, None, "Ahoy").await;
    let answer = json!({ "content": "hi", "parent_id": foreign["assistant_message"]["id"] });
    let response = server.post(&format!("/api/conversations/{here}/messages"), answer).await;
    assert_eq!((response.status, &response.json()["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("parent_id")));
    let run = json!({ "parent_id": foreign["user_message"]["id"] });
    let response = server.post(&format!("/api/conversations/{here}/runs"), run).await;
    assert_eq!((response.status, &response.json()["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("parent_id")));
}

#[tokio::test]
async fn bad_messages_are_refused_by_field() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    let path = format!("/api/conversations/{id}/messages");
    let cases = [
        (json!({}), "content"),
        (json!({ "content": "" }), "content"),
        (json!({ "content": "  \n" }), "content"),
        (json!({ "content": ["a"] }), "content"),
        (json!({ "content": "hi", "id": "7" }), "id"),
        (json!({ "content": "hi", "parent_id": "01890000-0000-7000-8000-000000000000" }), "parent_id"),
        (json!({ "content": "hi", "role": "system" }), "role"),
        (json!({ "content": "x".repeat(600_000) }), "content"),
        (json!({ "content": "a\u{0}b" }), "content"),
    ];
    for (body, param) in cases {
        let response = server.post(&path, body).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{param}");
        let error = response.json()["error"].clone();
        assert!(error["param"] == param || error["message"].as_str().unwrap().contains(param), "{param}: {error}");
    }
    assert_eq!(server.get(&format!("/api/conversations/{id}")).await.json()["messages"], json!([]));
}

#[tokio::test]
async fn an_unknown_model_is_refused_before_anything_is_kept() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    let body = json!({ "content": "hi", "model": "no-such-model" });
    let response = server.post(&format!("/api/conversations/{id}/messages"), body).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.json()["error"]["code"], "model_not_found");
    assert_eq!(server.get(&format!("/api/conversations/{id}")).await.json()["messages"], json!([]));
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    let body = json!({ "content": "x".repeat(10_000_000) });
    let response = server.post(&format!("/api/conversations/{id}/messages"), body).await;
    assert_eq!(response.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(response.json()["error"]["code"], "payload_too_large");
}

#[tokio::test]
async fn an_engine_that_is_down_is_an_error_on_the_answer_and_a_retry_answers_the_same_message() {
    let down = || EngineError::Unavailable("the engine cannot be reached".to_owned());
    let server = TestServer::new(Scripted::new(vec![Step::Fail(down)])).await;
    let id = server.conversation().await;
    let turn = server.turn(&id, None, "Ahoy").await;
    let failed = &turn["assistant_message"];
    assert_eq!(failed["status"], "error");
    assert_eq!(failed["error"], json!({ "code": "engine_unavailable", "message": "the engine cannot be reached" }));
    let server = server.restarted(Scripted::new(vec![text("Aye")])).await;
    let retry = json!({ "parent_id": turn["user_message"]["id"] });
    let again = server.post(&format!("/api/conversations/{id}/runs"), retry).await.json();
    let events = server.run_events(again["run_id"].as_str().unwrap(), 0).await;
    assert_eq!(events.last().unwrap().1["message"]["content"], "Aye");
}

#[tokio::test]
async fn an_engine_that_dies_in_the_middle_leaves_the_text_so_far() {
    let server = TestServer::new(Scripted::new(vec![text("Half an "), Step::Fail(|| EngineError::Interrupted)])).await;
    let id = server.conversation().await;
    let turn = server.turn(&id, None, "Ahoy").await;
    let broken = &turn["assistant_message"];
    assert_eq!(broken["status"], "interrupted");
    assert_eq!(broken["content"], "Half an ");
    assert_eq!(broken["error"]["code"], "engine_interrupted");
}

#[tokio::test]
async fn the_same_message_sent_many_times_at_once_is_one_turn() {
    let server = TestServer::answering(&["Aye"]).await;
    let id = server.conversation().await;
    let path = format!("/api/conversations/{id}/messages");
    let body = json!({ "id": Uuid::now_v7(), "content": "Ahoy" });
    let sent = join_all((0..8).map(|_| server.post(&path, body.clone()))).await;
    let statuses: Vec<_> = sent.iter().map(|response| response.status).collect();
    assert_eq!(statuses, [StatusCode::ACCEPTED; 8]);
    let runs: Vec<_> = sent.iter().map(|response| response.json()["run_id"].clone()).collect();
    assert!(runs.iter().all(|run| *run == runs[0]), "{runs:?}");
    let shown = server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_with_a_character_that_postgresql_cannot_keep_is_kept_without_it() {
    let server = TestServer::answering(&["Hel\u{0}lo", "\u{0}"]).await;
    let id = server.conversation().await;
    let turn = server.turn(&id, None, "Ahoy").await;
    assert_eq!(turn["assistant_message"]["status"], "complete");
    assert_eq!(turn["assistant_message"]["content"], "Hello");
    let run = turn["run_id"].as_str().unwrap().to_owned();
    let server = server.restarted(Scripted::new(vec![])).await;
    assert_eq!(server.run_events(&run, 1).await[0].1["text"], "Hello");
}
