use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use flotilla::engine::{Scripted, Step};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{TestServer, events, request};

fn text(piece: &str) -> Step {
    Step::Text(piece.to_owned())
}

/// A server that says "one ", and the rest when it is told to go on.
async fn paused_server() -> (TestServer, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    let steps = vec![text("one "), Step::Wait(go_on.clone()), text("two "), text("three")];
    (TestServer::new(Scripted::new(steps)).await, go_on)
}

async fn start(server: &TestServer) -> Value {
    let id = server.conversation().await;
    server.post(&format!("/api/conversations/{id}/messages"), json!({ "content": "count" })).await.json()
}

fn deltas(events: &[(u64, Value)]) -> String {
    events.iter().filter_map(|(_, event)| event["text"].as_str()).collect()
}

#[tokio::test]
async fn events_are_numbered_from_one_and_end_with_the_finished_message() {
    let server = TestServer::answering(&["one ", "two"]).await;
    let turn = start(&server).await;
    let events = server.run_events(turn["run_id"].as_str().unwrap(), 0).await;
    let numbers: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let kinds: Vec<&str> = events.iter().map(|(_, event)| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "delta", "delta", "finished"]);
    assert_eq!(events[3].1["message"]["content"], "one two");
}

#[tokio::test]
async fn a_follower_that_comes_back_in_the_middle_misses_nothing_and_sees_nothing_twice() {
    let (server, go_on) = paused_server().await;
    let turn = start(&server).await;
    let path = format!("/api/runs/{}/events", turn["run_id"].as_str().unwrap());
    let mut before = server.stream(request(Method::GET, &path, Body::empty())).await;
    let mut seen = String::new();
    while !seen.contains("one ") {
        seen.push_str(&before.next().await.unwrap());
    }
    drop(before);
    let seen = events(&seen);
    go_on.notify_one();
    let mut resume = request(Method::GET, &path, Body::empty());
    resume.headers_mut().insert("last-event-id", seen.last().unwrap().0.to_string().parse().unwrap());
    let rest = events(&server.send(resume).await.text());
    assert_eq!(deltas(&seen) + &deltas(&rest), "one two three");
    assert_eq!(rest[0].0, seen.last().unwrap().0 + 1);
}

#[tokio::test]
async fn an_ended_run_is_replayed_from_the_journal_with_the_same_numbers() {
    let server = TestServer::answering(&["one ", "two"]).await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    let live = server.run_events(run, 0).await;
    let server = server.restarted(Scripted::new(vec![])).await;
    assert_eq!(server.run_events(run, 0).await, live);
    assert_eq!(server.run_events(run, 2).await, live[2..]);
    assert_eq!(server.run_events(run, 3).await, live[3..]);
}

#[tokio::test]
async fn stop_keeps_what_was_said() {
    let (server, _go_on) = paused_server().await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    let path = format!("/api/runs/{run}/events");
    let mut stream = server.stream(request(Method::GET, &path, Body::empty())).await;
    let mut seen = String::new();
    while !seen.contains("one ") {
        seen.push_str(&stream.next().await.unwrap());
    }
    assert_eq!(server.post(&format!("/api/runs/{run}/stop"), json!({})).await.status, StatusCode::ACCEPTED);
    while let Some(piece) = stream.next().await {
        seen.push_str(&piece);
    }
    let (_, last) = events(&seen).pop().unwrap();
    assert_eq!(last["type"], "finished");
    assert_eq!(last["message"]["status"], "stopped");
    assert_eq!(last["message"]["content"], "one ");
    assert_eq!(last["message"]["model"], "scripted");
}

#[tokio::test]
async fn stopping_an_ended_run_does_nothing() {
    let server = TestServer::answering(&["one"]).await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    server.run_events(run, 0).await;
    let path = format!("/api/runs/{run}/stop");
    assert_eq!(server.post(&path, json!({})).await.status, StatusCode::ACCEPTED);
    assert_eq!(server.get(&format!("/api/runs/{run}")).await.json()["status"], "complete");
}

#[tokio::test]
async fn an_answer_goes_on_when_nobody_follows_it() {
    let (server, go_on) = paused_server().await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    let path = format!("/api/runs/{run}/events");
    let mut stream = server.stream(request(Method::GET, &path, Body::empty())).await;
    stream.next().await.unwrap();
    drop(stream);
    go_on.notify_one();
    let events = server.run_events(run, 0).await;
    assert_eq!(events.last().unwrap().1["message"]["content"], "one two three");
}

#[tokio::test]
async fn an_event_stream_tells_proxies_not_to_hold_it_back() {
    let server = TestServer::answering(&["one"]).await;
    let turn = start(&server).await;
    let response = server.get(&format!("/api/runs/{}/events", turn["run_id"].as_str().unwrap())).await;
    assert_eq!(response.headers[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(response.headers["x-accel-buffering"], "no");
}

#[tokio::test]
async fn an_unknown_run_is_not_found_and_a_bad_last_event_id_is_named() {
    let server = TestServer::answering(&["one"]).await;
    let unknown = "/api/runs/01890000-0000-7000-8000-000000000000";
    assert_eq!(server.get(unknown).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get(&format!("{unknown}/events")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.post(&format!("{unknown}/stop"), json!({})).await.status, StatusCode::NOT_FOUND);
    let mut bad = request(Method::GET, &format!("{unknown}/events"), Body::empty());
    bad.headers_mut().insert("last-event-id", "-3".parse().unwrap());
    let response = server.send(bad).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert_eq!(response.json()["error"]["param"], "Last-Event-ID");
}

#[tokio::test]
async fn a_message_cannot_follow_an_answer_that_is_still_being_written() {
    let (server, _go_on) = paused_server().await;
    let turn = start(&server).await;
    let id = turn["user_message"]["conversation_id"].as_str().unwrap();
    let body = json!({ "content": "and?", "parent_id": turn["assistant_message"]["id"] });
    let response = server.post(&format!("/api/conversations/{id}/messages"), body).await;
    assert_eq!(response.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn deleting_a_conversation_stops_its_answer() {
    let (server, _go_on) = paused_server().await;
    let turn = start(&server).await;
    let id = turn["user_message"]["conversation_id"].as_str().unwrap();
    assert_eq!(server.delete(&format!("/api/conversations/{id}")).await.status, StatusCode::NO_CONTENT);
    server.state.runs.finished().await;
}
