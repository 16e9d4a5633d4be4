use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use flotilla::engine::{Scripted, Step};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::timeout};

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

/// Read a paused answer until it pauses.
async fn until_one(stream: &mut (impl Stream<Item = String> + Unpin)) -> String {
    let mut seen = String::new();
    while !seen.contains("one ") {
        seen.push_str(&stream.next().await.unwrap());
    }
    seen
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
    let seen = until_one(&mut before).await;
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
    let mut seen = until_one(&mut stream).await;
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
async fn a_stopped_answer_says_what_it_has_cost() {
    let (server, _go_on) = paused_server().await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    let path = format!("/api/runs/{run}/events");
    until_one(&mut server.stream(request(Method::GET, &path, Body::empty())).await).await;
    server.post(&format!("/api/runs/{run}/stop"), json!({})).await;
    let (_, last) = server.run_events(run, 0).await.pop().unwrap();
    let details = &last["message"]["details"];
    assert_eq!((&details["prompt_tokens"], &details["completion_tokens"]), (&json!(1), &json!(1)));
    assert_eq!(details["finish_reason"], "cancelled");
}

#[tokio::test]
async fn an_answer_that_nobody_follows_ends_after_a_while_with_what_it_has_said() {
    let steps = vec![text("one "), Step::Wait(Arc::new(Notify::new()))];
    let server = TestServer::with_flags(Scripted::new(steps), &["--orphan-timeout", "1"]).await;
    let turn = start(&server).await;
    server.state.runs.finished().await;
    let message = server.run_events(turn["run_id"].as_str().unwrap(), 0).await.pop().unwrap().1["message"].clone();
    assert_eq!((&message["status"], &message["content"]), (&json!("interrupted"), &json!("one ")));
    assert_eq!(message["error"]["code"], "orphaned");
}

#[tokio::test]
async fn an_answer_that_somebody_follows_is_not_given_up() {
    let steps = vec![text("one "), Step::Wait(Arc::new(Notify::new()))];
    let server = TestServer::with_flags(Scripted::new(steps), &["--orphan-timeout", "1"]).await;
    let followed = start(&server).await;
    let followed = format!("/api/runs/{}", followed["run_id"].as_str().unwrap());
    let mut follower = server.stream(request(Method::GET, &format!("{followed}/events"), Body::empty())).await;
    until_one(&mut follower).await;
    // It begins later, so when it has been given up, the other one's time has come too.
    let forgotten = start(&server).await;
    let forgotten = format!("/api/runs/{}", forgotten["run_id"].as_str().unwrap());
    while server.get(&forgotten).await.json()["status"] == "streaming" {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.get(&followed).await.json()["status"], "streaming");
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

#[tokio::test]
async fn a_follower_ahead_of_the_run_hears_its_end() {
    let (server, go_on) = paused_server().await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    let path = format!("/api/runs/{run}/events?after=1000");
    let ahead = server.stream(request(Method::GET, &path, Body::empty())).await;
    go_on.notify_one();
    let seen = timeout(Duration::from_secs(10), ahead.collect::<String>()).await.expect("the stream ends");
    let [(number, end)] = &events(&seen)[..] else { panic!("{seen}") };
    assert_eq!((*number, &end["message"]["content"]), (1001, &json!("one two three")));
}

#[tokio::test]
async fn an_event_number_that_no_database_counts_to_is_refused() {
    let server = TestServer::answering(&["one"]).await;
    let turn = start(&server).await;
    let path = format!("/api/runs/{}/events", turn["run_id"].as_str().unwrap());
    for number in [u64::MAX, i64::MAX as u64 + 1] {
        let response = server.get(&format!("{path}?after={number}")).await;
        assert_eq!((response.status, &response.json()["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("after")));
        let mut resume = request(Method::GET, &path, Body::empty());
        resume.headers_mut().insert("last-event-id", number.into());
        assert_eq!(server.send(resume).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(server.get(&format!("{path}?after={}", i64::MAX)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_ends_only_when_its_journal_is_kept() {
    let (server, go_on) = paused_server().await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    server.sql("ALTER TABLE run_events RENAME TO lost").await;
    go_on.notify_one();
    let early = timeout(Duration::from_millis(500), server.run_events(run, 0)).await;
    assert!(early.is_err(), "ended without a journal: {early:?}");
    server.sql("ALTER TABLE lost RENAME TO run_events").await;
    let live = server.run_events(run, 0).await;
    assert_eq!(deltas(&live), "one two three");
    let server = server.restarted(Scripted::new(vec![])).await;
    assert_eq!(server.run_events(run, 0).await, live);
}

#[tokio::test]
async fn an_answer_whose_end_cannot_be_kept_yet_ends_when_it_can() {
    let (server, go_on) = paused_server().await;
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    server.sql("ALTER TABLE runs RENAME TO lost").await;
    go_on.notify_one();
    // Long enough for four attempts.
    let early = timeout(Duration::from_secs(3), server.run_events(run, 0)).await;
    assert!(early.is_err(), "the end was told and not kept: {early:?}");
    server.sql("ALTER TABLE lost RENAME TO runs").await;
    let (_, last) = server.run_events(run, 0).await.pop().unwrap();
    assert_eq!((&last["type"], &last["message"]["status"]), (&json!("finished"), &json!("complete")));
    assert_eq!(server.get(&format!("/api/runs/{run}")).await.json()["status"], "complete");
}

#[tokio::test]
async fn stop_works_on_every_server_that_shares_the_database() {
    let (server, _go_on) = paused_server().await;
    let other = match server.replica(Scripted::new(vec![])).await {
        Ok(other) => other,
        // An SQLite file has one server, so there is no other to ask.
        Err(refusal) => return assert!(server.state.store.is_sole_owner(), "{refusal:#}"),
    };
    let turn = start(&server).await;
    let run = turn["run_id"].as_str().unwrap();
    let path = format!("/api/runs/{run}/events");
    until_one(&mut server.stream(request(Method::GET, &path, Body::empty())).await).await;
    assert_eq!(other.post(&format!("/api/runs/{run}/stop"), json!({})).await.status, StatusCode::ACCEPTED);
    let (_, last) = other.run_events(run, 0).await.pop().unwrap();
    assert_eq!((&last["message"]["status"], &last["message"]["content"]), (&json!("stopped"), &json!("one ")));
}

#[tokio::test]
async fn deleting_a_conversation_on_another_server_stops_its_answer() {
    let (server, _go_on) = paused_server().await;
    let other = match server.replica(Scripted::new(vec![])).await {
        Ok(other) => other,
        Err(refusal) => return assert!(server.state.store.is_sole_owner(), "{refusal:#}"),
    };
    let turn = start(&server).await;
    let id = turn["user_message"]["conversation_id"].as_str().unwrap();
    assert_eq!(other.delete(&format!("/api/conversations/{id}")).await.status, StatusCode::NO_CONTENT);
    timeout(Duration::from_secs(10), server.state.runs.finished()).await.expect("the answer stops");
}
