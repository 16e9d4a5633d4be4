use chrono::{TimeDelta, Utc};
use flotilla::{
    chat::{
        ContextReport,
        run::{RunEvent, recover_abandoned},
    },
    engine::Scripted,
    store::{
        Message, Run,
        message::{MessageRole, Status},
        run::NewTurn,
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::support::TestServer;

/// What a server leaves behind that was killed in the middle of an answer.
async fn half_an_answer(server: &TestServer, lease: TimeDelta) -> (Uuid, Uuid) {
    half_an_answer_of(server, Uuid::now_v7(), lease).await
}

async fn half_an_answer_of(server: &TestServer, owner: Uuid, lease: TimeDelta) -> (Uuid, Uuid) {
    let conversation_id: Uuid = server.conversation().await.parse().unwrap();
    let now = Utc::now();
    let (user_id, message_id, run_id) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let message = |id, parent_id, role, status, content: &str| Message {
        id,
        conversation_id,
        parent_id,
        role,
        content: content.to_owned(),
        status,
        error: None,
        model: None,
        run_id: Some(run_id),
        details: None,
        created_at: now,
    };
    let turn = NewTurn {
        user: Some(message(user_id, None, MessageRole::User, Status::Complete, "count")),
        assistant: message(message_id, Some(user_id), MessageRole::Assistant, Status::Streaming, ""),
        run: Run {
            id: run_id,
            conversation_id,
            message_id,
            status: Status::Streaming,
            owner,
            lease_until: now + lease,
            stop_requested: false,
            created_at: now,
            finished_at: None,
        },
        title: None,
    };
    let store = &server.state.store;
    store.begin_turn(turn).await.unwrap();
    let delta = |text: &str| RunEvent::Delta { text: text.to_owned() };
    let started = RunEvent::Started { model: "scripted".to_owned(), context: ContextReport::default() };
    store.append_events(run_id, 1, vec![started, delta("one ")]).await.unwrap();
    store.append_events(run_id, 3, vec![delta("two ")]).await.unwrap();
    (run_id, message_id)
}

#[tokio::test]
async fn the_answer_of_a_dead_server_shows_as_interrupted_with_the_text_that_was_journalled() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let (run_id, message_id) = half_an_answer(&server, TimeDelta::seconds(-1)).await;
    recover_abandoned(&server.state).await;
    let message = server.state.store.message(message_id).await.unwrap().unwrap();
    assert_eq!(message.status, Status::Interrupted);
    assert_eq!(message.content, "one two ");
    assert_eq!(message.model.as_deref(), Some("scripted"));
    let events = server.run_events(&run_id.to_string(), 2).await;
    assert_eq!(events[0], (3, json!({ "type": "delta", "text": "two " })));
    assert_eq!(events[1].0, 4);
    assert_eq!(events[1].1["type"], "failed");
    assert_eq!(events[1].1["message"]["error"]["code"], "server_stopped");
}

#[tokio::test]
async fn a_run_with_a_lease_is_left_alone_where_servers_share_the_database() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let (run_id, _) = half_an_answer(&server, TimeDelta::seconds(60)).await;
    recover_abandoned(&server.state).await;
    let run = server.state.store.run(run_id).await.unwrap().unwrap();
    // An SQLite file has one owner, so there another owner's run is always a dead one's.
    let expected = if server.state.store.is_sole_owner() { Status::Interrupted } else { Status::Streaming };
    assert_eq!(run.status, expected);
}

#[tokio::test]
async fn recovering_twice_changes_nothing_the_second_time() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let (_, message_id) = half_an_answer(&server, TimeDelta::seconds(-1)).await;
    recover_abandoned(&server.state).await;
    let first = server.state.store.message(message_id).await.unwrap();
    recover_abandoned(&server.state).await;
    assert_eq!(server.state.store.message(message_id).await.unwrap(), first);
}

#[tokio::test]
async fn a_run_that_its_own_server_does_not_write_is_ended_when_its_lease_is_over() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let (lost, _) = half_an_answer_of(&server, server.state.runs.owner, TimeDelta::seconds(-1)).await;
    let (starting, _) = half_an_answer_of(&server, server.state.runs.owner, TimeDelta::seconds(60)).await;
    recover_abandoned(&server.state).await;
    assert_eq!(server.state.store.run(lost).await.unwrap().unwrap().status, Status::Interrupted);
    assert_eq!(server.state.store.run(starting).await.unwrap().unwrap().status, Status::Streaming);
}

#[tokio::test]
async fn a_batch_that_is_written_again_after_a_lost_reply_stands_there_once_and_whole() {
    let server = TestServer::new(Scripted::new(vec![])).await;
    let (run_id, _) = half_an_answer(&server, TimeDelta::seconds(60)).await;
    let delta = |text: &str| RunEvent::Delta { text: text.to_owned() };
    server.state.store.append_events(run_id, 3, vec![delta("two "), delta("three")]).await.unwrap();
    let events = server.state.store.events(run_id, 1).await.unwrap();
    assert_eq!(events, [(2, delta("one ")), (3, delta("two ")), (4, delta("three"))]);
}
