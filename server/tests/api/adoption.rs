//! A run whose server is gone is taken over by another one, or by the same one after its restart.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use flotilla::{
    chat::{
        ContextReport, Parameters,
        run::{RunEvent, adopt_abandoned},
    },
    engine::{Role, Scripted, Step},
    store::{
        Message, Run,
        journal::Entry,
        message::{MessageRole, Status},
        run::{NewTurn, Settings},
    },
};
use serde_json::json;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    model_server::{Manner, ModelServer},
    replicas::in_front_of,
    support::TestServer,
};

const WORDS: [&str; 4] = ["one ", "two ", "three ", "four"];
/// The number of the first event that a run's second server tells.
const RESUMED: u64 = 1 << 20;

fn counting() -> Scripted {
    Scripted::new(WORDS.map(|word| Step::Text(word.to_owned())).into())
}

/// What a server leaves behind that was killed after its second word.
struct Half {
    owner: Uuid,
    /// How long its lease still lasts.
    lease: TimeDelta,
    settings: Option<Settings>,
    adoptions: i32,
    adopted_at: i64,
    said: fn(usize) -> Entry,
}

impl Default for Half {
    fn default() -> Self {
        let settings = Some(Settings::default());
        let (owner, lease) = (Uuid::now_v7(), TimeDelta::seconds(-1));
        Self { owner, lease, settings, adoptions: 0, adopted_at: 0, said: word }
    }
}

impl Half {
    async fn leave(self, server: &TestServer) -> Run {
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
        let run = Run {
            id: run_id,
            conversation_id,
            message_id,
            status: Status::Streaming,
            owner: self.owner,
            lease_until: now + self.lease,
            stop_requested: false,
            settings: self.settings,
            adoptions: self.adoptions,
            adopted_at: self.adopted_at,
            followed_at: None,
            created_at: now,
            finished_at: None,
        };
        let turn = NewTurn {
            user: Some(message(user_id, None, MessageRole::User, Status::Complete, "count")),
            assistant: message(message_id, Some(user_id), MessageRole::Assistant, Status::Streaming, ""),
            run: run.clone(),
            title: None,
        };
        let store = &server.state.store;
        store.begin_turn(turn).await.unwrap();
        let context = ContextReport { messages_sent: 1, ..ContextReport::default() };
        let started = RunEvent::Started { model: "scripted".to_owned(), context };
        assert!(store.append_events(&run, 1, vec![started.into(), (self.said)(0)]).await.unwrap());
        assert!(store.append_events(&run, 3, vec![(self.said)(1)]).await.unwrap());
        run
    }
}

fn word(number: usize) -> Entry {
    Entry { event: RunEvent::Delta { text: WORDS[number].to_owned() }, tokens: vec![number as i32] }
}

/// The same of an engine that tells no tokens.
fn text(number: usize) -> Entry {
    word(number).event.into()
}

async fn message_of(server: &TestServer, run: &Run) -> Message {
    server.state.store.message(run.message_id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_answer_of_a_dead_server_is_written_to_its_end() {
    let server = TestServer::new(counting()).await;
    let run = Half::default().leave(&server).await;

    adopt_abandoned(&server.state).await;

    let events = server.run_events(&run.id.to_string(), 2).await;
    let said: Vec<_> = events.iter().map(|(seq, event)| (*seq, event["text"].as_str())).collect();
    let resumed = (RESUMED, Some("one two "));
    let rest = [(RESUMED + 1, Some("three ")), (RESUMED + 2, Some("four")), (RESUMED + 3, None)];
    assert_eq!(said, [&[(3, Some("two ")), resumed][..], &rest].concat());
    let message = &events[4].1["message"];
    assert_eq!((&message["status"], &message["content"]), (&json!("complete"), &json!("one two three four")));
    assert_eq!(message["details"]["completion_tokens"], 4);
    assert!(server.get("/metrics").await.text().contains(r#"flotilla_answers_resumed_total{cause="server"} 1"#));
}

#[tokio::test]
async fn followers_who_were_told_more_than_was_kept_go_on_behind_what_was_kept() {
    let upstream = [ModelServer::start(Manner::Well).await];
    let server = in_front_of(&upstream).await;
    let run = Half { said: text, ..Half::default() }.leave(&server).await;

    adopt_abandoned(&server.state).await;

    // This follower was told two words more than were kept, and another one comes for the first time.
    let ahead = server.run_events(&run.id.to_string(), 5).await;
    let new = server.run_events(&run.id.to_string(), 0).await;
    assert_eq!(ahead[0].1, json!({ "type": "resumed", "text": "one two " }));
    assert_eq!(ahead, new[3..]);
    let rest: String = ahead[1..].iter().filter_map(|(_, event)| event["text"].as_str()).collect();
    assert_eq!(rest, "three four five");
    assert_eq!(ahead.last().unwrap().1["message"]["content"], "one two three four five");
    assert!(new.is_sorted_by(|(one, _), (next, _)| one < next));
}

#[tokio::test]
async fn to_tell_followers_of_a_new_server_is_no_progress() {
    let upstream = [ModelServer::start(Manner::Holding).await];
    let server = in_front_of(&upstream).await;
    let run = Half { said: text, ..Half::default() }.leave(&server).await;
    let store = &server.state.store;

    adopt_abandoned(&server.state).await;

    while store.journal_length(run.id).await.unwrap() == 3 {
        tokio::task::yield_now().await;
    }
    let adopted = store.run(run.id).await.unwrap().unwrap();
    assert_eq!(adopted.adopted_at, store.journal_length(run.id).await.unwrap());
}

#[tokio::test]
async fn followers_are_not_told_the_tokens() {
    let server = TestServer::new(counting()).await;
    let run = Half::default().leave(&server).await;
    adopt_abandoned(&server.state).await;

    let events = server.run_events(&run.id.to_string(), 1).await;

    assert_eq!(events[0].1, json!({ "type": "delta", "text": "one " }));
}

#[tokio::test]
async fn the_answer_goes_on_as_it_was_asked_whatever_became_of_the_conversations_settings() {
    let server = TestServer::new(counting()).await;
    let parameters = Parameters { temperature: Some(0.5), ..Parameters::default() };
    let settings = Settings { system_prompt: Some("Count.".to_owned()), parameters };
    let run = Half { settings: Some(settings.clone()), ..Half::default() }.leave(&server).await;
    let change = json!({ "system_prompt": "Sing.", "parameters": { "temperature": 1.5 } });
    server.patch(&format!("/api/conversations/{}", run.conversation_id), change).await;

    adopt_abandoned(&server.state).await;
    server.state.runs.finished().await;

    let asked = server.engine.last_request().unwrap();
    let told: Vec<_> = asked.prompt.messages().iter().map(|message| (message.role, message.content.as_str())).collect();
    assert_eq!(told, [(Role::System, "Count."), (Role::User, "count")]);
    assert_eq!(asked.parameters, settings.parameters);
    assert_eq!((asked.answer_so_far.text.as_str(), &asked.answer_so_far.tokens[..]), ("one two ", &[0, 1][..]));
}

#[tokio::test]
async fn a_run_with_a_lease_is_left_alone_where_servers_share_the_database() {
    let server = TestServer::new(counting()).await;
    let run = Half { lease: TimeDelta::seconds(60), ..Half::default() }.leave(&server).await;

    adopt_abandoned(&server.state).await;
    server.state.runs.finished().await;

    // An SQLite file has one owner, so there another owner's run is always a dead one's.
    let expected = if server.state.store.is_sole_owner() { Status::Complete } else { Status::Streaming };
    assert_eq!(message_of(&server, &run).await.status, expected);
}

#[tokio::test]
async fn a_run_that_its_own_server_does_not_write_is_written_when_its_lease_is_over() {
    let server = TestServer::new(counting()).await;
    let owner = server.state.runs.owner;
    let lost = Half { owner, ..Half::default() }.leave(&server).await;
    let starting = Half { owner, lease: TimeDelta::seconds(60), ..Half::default() }.leave(&server).await;

    adopt_abandoned(&server.state).await;
    server.state.runs.finished().await;

    assert_eq!(message_of(&server, &lost).await.status, Status::Complete);
    assert_eq!(message_of(&server, &starting).await.status, Status::Streaming);
}

#[tokio::test]
async fn an_answer_of_another_model_shows_as_interrupted_with_its_text() {
    let server = TestServer::answering(&["eins ", "zwei "]).await;
    let run = Half::default().leave(&server).await;

    adopt_abandoned(&server.state).await;

    let (_, last) = server.run_events(&run.id.to_string(), 0).await.pop().unwrap();
    let message = &last["message"];
    assert_eq!((&message["status"], &message["content"]), (&json!("interrupted"), &json!("one two ")));
    assert_eq!(message["error"]["code"], "engine_interrupted");
}

#[tokio::test]
async fn a_run_of_an_older_version_shows_as_interrupted_with_its_text() {
    let server = TestServer::new(counting()).await;
    let run = Half { settings: None, ..Half::default() }.leave(&server).await;

    adopt_abandoned(&server.state).await;

    let message = message_of(&server, &run).await;
    assert_eq!((message.status, message.content.as_str()), (Status::Interrupted, "one two "));
    assert_eq!(message.error.unwrap().code, "server_stopped");
}

#[tokio::test]
async fn a_run_that_was_taken_over_in_vain_too_often_shows_as_interrupted() {
    let server = TestServer::new(counting()).await;
    let hopeless = Half { adoptions: 5, adopted_at: 3, ..Half::default() }.leave(&server).await;
    let hopeful = Half { adoptions: 5, adopted_at: 2, ..Half::default() }.leave(&server).await;

    adopt_abandoned(&server.state).await;
    server.state.runs.finished().await;

    assert_eq!(message_of(&server, &hopeless).await.status, Status::Interrupted);
    assert_eq!(message_of(&server, &hopeful).await.status, Status::Complete, "it got on since");
}

#[tokio::test]
async fn a_stop_that_reached_no_server_stops_the_answer_where_it_was() {
    let server = TestServer::new(counting()).await;
    let run = Half::default().leave(&server).await;
    assert!(server.state.store.request_stop(run.id).await.unwrap());

    adopt_abandoned(&server.state).await;
    server.state.runs.finished().await;

    let message = message_of(&server, &run).await;
    assert_eq!((message.status, message.content.as_str()), (Status::Stopped, "one two "));
}

#[tokio::test]
async fn of_servers_that_find_the_same_run_one_takes_it() {
    let server = TestServer::new(counting()).await;
    let other = match server.replica(counting()).await {
        Ok(other) => other,
        // An SQLite file has one server, so there is no other to find it.
        Err(refusal) => return assert!(server.state.store.is_sole_owner(), "{refusal:#}"),
    };
    for _ in 0..20 {
        let run = Half::default().leave(&server).await;

        tokio::join!(adopt_abandoned(&server.state), adopt_abandoned(&other.state));

        let events = server.run_events(&run.id.to_string(), 0).await;
        let numbers: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, [1, 2, 3, RESUMED, RESUMED + 1, RESUMED + 2, RESUMED + 3]);
        assert_eq!(events[6].1["message"]["content"], "one two three four");
    }
}

#[tokio::test]
async fn a_server_that_lost_its_run_writes_nothing_more_and_its_followers_read_on() {
    let go_on = Arc::new(Notify::new());
    let steps = vec![Step::Text("one ".to_owned()), Step::Wait(go_on.clone()), Step::Text("two".to_owned())];
    let slow = TestServer::new(Scripted::new(steps.clone())).await;
    let other = match slow.replica(Scripted::new(steps)).await {
        Ok(other) => other,
        Err(refusal) => return assert!(slow.state.store.is_sole_owner(), "{refusal:#}"),
    };
    let id = slow.conversation().await;
    let turn = slow.post(&format!("/api/conversations/{id}/messages"), json!({ "content": "count" })).await.json();
    let run_id: Uuid = turn["run_id"].as_str().unwrap().parse().unwrap();
    while slow.state.store.journal_length(run_id).await.unwrap() < 2 {
        tokio::task::yield_now().await;
    }
    let lost = slow.state.store.run(run_id).await.unwrap().unwrap();
    slow.sql(&format!("UPDATE runs SET lease_until = now() - interval '1 second' WHERE id = '{run_id}'")).await;

    adopt_abandoned(&other.state).await;

    slow.state.runs.finished().await;
    assert!(!slow.state.store.append_events(&lost, 3, vec![word(3)]).await.unwrap(), "the journal is another's");
    go_on.notify_one();
    let run = run_id.to_string();
    let (on_slow, on_other) = tokio::join!(slow.run_events(&run, 0), other.run_events(&run, 0));
    assert_eq!(on_slow, on_other);
    let message = &on_slow.last().unwrap().1["message"];
    assert_eq!((&message["status"], &message["content"]), (&json!("complete"), &json!("one two")));
}

#[tokio::test]
async fn a_run_that_is_handed_over_goes_on_at_once() {
    let go_on = Arc::new(Notify::new());
    let mut steps: Vec<_> = WORDS.map(|word| Step::Text(word.to_owned())).into();
    steps.insert(2, Step::Wait(go_on.clone()));
    let server = TestServer::new(Scripted::new(steps.clone())).await;
    let id = server.conversation().await;
    let turn = server.post(&format!("/api/conversations/{id}/messages"), json!({ "content": "count" })).await.json();
    let run_id: Uuid = turn["run_id"].as_str().unwrap().parse().unwrap();
    while server.state.store.journal_length(run_id).await.unwrap() < 3 {
        tokio::task::yield_now().await;
    }

    server.state.runs.hand_over_all();
    let server = server.restarted(Scripted::new(steps)).await;
    go_on.notify_one();
    adopt_abandoned(&server.state).await;

    let events = server.run_events(&run_id.to_string(), 3).await;
    assert_eq!(events.last().unwrap().1["message"]["content"], "one two three four");
}

#[tokio::test]
async fn a_batch_that_is_written_again_after_a_lost_reply_stands_there_once_and_whole() {
    let server = TestServer::new(counting()).await;
    let run = Half { lease: TimeDelta::seconds(60), ..Half::default() }.leave(&server).await;
    assert!(server.state.store.append_events(&run, 3, vec![word(1), word(2)]).await.unwrap());
    let events = server.state.store.events(run.id, 1).await.unwrap();
    assert_eq!(events, [(2, word(0).event), (3, word(1).event), (4, word(2).event)]);
}
