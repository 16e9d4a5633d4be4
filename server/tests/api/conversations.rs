use axum::http::StatusCode;
use flotilla::engine::{Scripted, Step};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::TestServer;

#[tokio::test]
async fn a_new_conversation_is_empty_and_has_no_title() {
    let server = TestServer::answering(&["Hi"]).await;
    let response = server.post("/api/conversations", json!({})).await;
    assert_eq!(response.status, StatusCode::CREATED);
    let conversation = response.json();
    assert_eq!(conversation["title"], "");
    assert_eq!(conversation["head_id"], Value::Null);
    let id = conversation["id"].as_str().unwrap();
    let shown = server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(shown, json!({ "conversation": conversation, "messages": [] }));
}

#[tokio::test]
async fn the_first_message_gives_the_title_and_later_ones_do_not_change_it() {
    let server = TestServer::answering(&["Rayleigh."]).await;
    let id = server.conversation().await;
    let first = server.turn(&id, None, "Why is the sky blue?\nExplain.").await;
    server.turn(&id, first["assistant_message"]["id"].as_str(), "And at dusk?").await;
    let shown = server.get(&format!("/api/conversations/{id}")).await.json();
    assert_eq!(shown["conversation"]["title"], "Why is the sky blue?");
}

#[tokio::test]
async fn a_change_keeps_what_it_leaves_out_and_null_clears() {
    let server = TestServer::answering(&["Hi"]).await;
    let settings = json!({ "title": "Ships", "system_prompt": "Be brief.", "parameters": { "temperature": 0.5 } });
    let id = server.post("/api/conversations", settings).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/conversations/{id}");
    let changed = server.patch(&path, json!({ "title": "Boats" })).await.json();
    assert_eq!(changed["title"], "Boats");
    assert_eq!(changed["system_prompt"], "Be brief.");
    assert_eq!(changed["parameters"], json!({ "temperature": 0.5 }));
    let cleared = server.patch(&path, json!({ "system_prompt": null, "parameters": null })).await.json();
    assert_eq!(cleared["system_prompt"], Value::Null);
    assert_eq!(cleared["parameters"], Value::Null);
    assert_eq!(server.get(&path).await.json()["conversation"], cleared);
}

#[tokio::test]
async fn the_list_is_newest_first_and_pages_follow_each_other() {
    let server = TestServer::answering(&["Hi"]).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(server.conversation().await);
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/conversations?limit=2".to_owned();
    loop {
        let page = server.get(&path).await.json();
        seen.extend(page["conversations"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/conversations?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_deleted_conversation_is_gone_with_its_messages() {
    let server = TestServer::answering(&["unmistakable"]).await;
    let id = server.conversation().await;
    server.turn(&id, None, "hello").await;
    let path = format!("/api/conversations/{id}");
    assert_eq!(server.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.delete(&path).await.status, StatusCode::NOT_FOUND);
    let found = server.get("/api/conversations?query=unmistakable").await.json();
    assert_eq!(found["conversations"], json!([]));
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let server = TestServer::answering(&["Hi"]).await;
    let id = server.conversation().await;
    let path = format!("/api/conversations/{id}");
    let cases = [
        (json!({ "title": 7 }), "title"),
        (json!({ "titel": "Ships" }), "titel"),
        (json!({ "parameters": { "temperature": -1 } }), "parameters.temperature"),
        (json!({ "parameters": { "max_tokens": -5 } }), "parameters.max_tokens"),
        (json!({ "parameters": { "max_tokens": 0 } }), "parameters.max_tokens"),
        (json!({ "head_id": "not a uuid" }), "head_id"),
        (json!({ "head_id": "01890000-0000-7000-8000-000000000000" }), "head_id"),
        (json!({ "title": "x".repeat(501) }), "title"),
        (json!({ "title": "a\u{0}b" }), "title"),
        (json!({ "system_prompt": "a\u{0}b" }), "system_prompt"),
        (json!({ "model": "a\u{0}b" }), "model"),
        (json!({ "parameters": { "stop": ["a\u{0}b"] } }), "parameters.stop"),
        (json!({ "parameters": { "repeat_penalty": 0.001 } }), "parameters.repeat_penalty"),
    ];
    for (body, param) in cases {
        let response = server.patch(&path, body.clone()).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{body}");
        let error = response.json()["error"].clone();
        assert_eq!(error["code"], "invalid_request", "{body}");
        assert!(error["param"] == param || error["message"].as_str().unwrap().contains(param), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_bad_limit_cursor_or_query_is_refused() {
    let server = TestServer::answering(&["Hi"]).await;
    for query in ["limit=0", "limit=-1", "limit=201", "limit=many", "cursor=nonsense", "query=a%00b"] {
        let response = server.get(&format!("/api/conversations?{query}")).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(response.json()["error"]["message"].is_string(), "{query}");
    }
}

#[tokio::test]
async fn an_unknown_or_malformed_id_is_not_found() {
    let server = TestServer::answering(&["Hi"]).await;
    let unknown = server.get("/api/conversations/01890000-0000-7000-8000-000000000000").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["error"]["code"], "not_found");
    let malformed = server.get("/api/conversations/7").await;
    assert!(malformed.status.is_client_error());
    assert!(malformed.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn a_title_that_is_given_while_the_first_message_is_sent_stays_and_so_does_the_branch() {
    let server = TestServer::answering(&["Aye"]).await;
    for _ in 0..20 {
        let id = server.conversation().await;
        let path = format!("/api/conversations/{id}");
        let messages = format!("{path}/messages");
        let (renamed, sent) = tokio::join!(
            server.patch(&path, json!({ "title": "Ships" })),
            server.post(&messages, json!({ "content": "Ahoy" })),
        );
        assert_eq!((renamed.status, sent.status), (StatusCode::OK, StatusCode::ACCEPTED));
        let shown = server.get(&path).await.json();
        assert_eq!(shown["conversation"]["title"], "Ships");
        assert_eq!(shown["conversation"]["head_id"], sent.json()["assistant_message"]["id"]);
    }
}

#[tokio::test]
async fn an_unknown_model_is_refused_by_name() {
    let server = TestServer::answering(&["Hi"]).await;
    let id = server.conversation().await;
    let unknown = json!({ "model": "no-such-model" });
    let answers = [
        server.post("/api/conversations", unknown.clone()).await,
        server.patch(&format!("/api/conversations/{id}"), unknown).await,
    ];
    for response in answers {
        assert_eq!(response.status, StatusCode::NOT_FOUND);
        assert_eq!(response.json()["error"]["code"], "model_not_found");
        assert!(response.json()["error"]["message"].as_str().unwrap().contains("no-such-model"));
    }
}

#[tokio::test]
async fn a_model_without_a_tag_is_the_latest() {
    let engine = Scripted::new(vec![Step::Text("Hi".to_owned())]).named("qwen2.5:latest");
    let server = TestServer::new(engine).await;
    let conversation = server.post("/api/conversations", json!({ "model": "qwen2.5" })).await.json();
    assert_eq!(conversation["model"], "qwen2.5:latest");
    let turn = server.turn(conversation["id"].as_str().unwrap(), None, "Ahoy").await;
    assert_eq!(turn["assistant_message"]["content"], "Hi");
}

#[tokio::test]
async fn of_those_that_make_a_conversation_with_one_id_at_once_one_does() {
    let server = TestServer::answering(&["Hi"]).await;
    let new = json!({ "id": uuid::Uuid::now_v7() });
    let answers = join_all((0..8).map(|_| server.post("/api/conversations", new.clone()))).await;
    let made = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    let refused = answers.iter().filter(|answer| answer.status == StatusCode::CONFLICT).count();
    assert_eq!((made, refused), (1, 7));
}
