//! What of a request is too much, and what of it goes no further.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use flotilla::engine::{Scripted, connect};
use serde_json::{Value, json};

use crate::{
    model_server::{Manner, ModelServer},
    support::{TestServer, config, json_request, request},
};

const CHATS: [&str; 2] = ["/v1/chat/completions", "/api/chat"];

fn asking(fields: Value) -> Value {
    let mut body = json!({ "messages": [{ "role": "user", "content": "Say hello" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// `param` where the dialect has it, and the message.
fn refusal(body: &Value) -> String {
    match &body["error"] {
        Value::String(message) => message.clone(),
        error => format!("{} {}", error["param"], error["message"]),
    }
}

#[tokio::test]
async fn a_stop_text_has_64_bytes_at_most_whatever_its_letters() {
    let server = TestServer::answering(&["Hello"]).await;
    for path in CHATS {
        for (stop, is_taken) in [("x".repeat(64), true), ("x".repeat(65), false), ("é".repeat(33), false)] {
            let body = asking(json!({ "stop": stop, "options": { "stop": stop } }));
            let response = server.post(path, body).await;
            assert_eq!(response.status == StatusCode::OK, is_taken, "{path} {}", response.text());
            assert!(is_taken || refusal(&response.json()).contains("stop"), "{path} {}", response.text());
        }
    }
}

#[tokio::test]
async fn a_request_offers_128_tools_at_most() {
    let server = TestServer::answering(&["Hello"]).await;
    let tools = |count: u32| {
        let tool = |number| json!({ "type": "function", "function": { "name": format!("tool_{number}") } });
        (0..count).map(tool).collect::<Vec<_>>()
    };
    for path in CHATS {
        assert_eq!(server.post(path, asking(json!({ "tools": tools(128) }))).await.status, StatusCode::OK, "{path}");
        let response = server.post(path, asking(json!({ "tools": tools(129) }))).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(refusal(&response.json()).contains("tools must hold at most 128"), "{path} {}", response.text());
    }
}

/// CVE-2026-21869: a field that only the engine knew, and trusted.
#[tokio::test]
async fn fields_that_nobody_knows_do_not_reach_the_engine() {
    let behind = ModelServer::start(Manner::Well).await;
    let (url, server) = (behind.url(), TestServer::new(Scripted::new(vec![])).await);
    let server = server.with_engine(connect(&config(&["--openai-base-url", &url])).unwrap());
    let mut body = asking(json!({ "model": "model", "n_discard": -1, "id_slot": 0, "grammar": "root ::= root" }));
    let unknown = (0..200).map(|number| (format!("unknown_{number}"), json!({ "$ref": "#" })));
    body.as_object_mut().unwrap().extend(unknown);

    for path in CHATS {
        let response = server.post(path, body.clone()).await;
        assert_eq!(response.status, StatusCode::OK, "{path} {}", response.text());
    }

    let asked = behind.asked();
    assert_eq!(asked.len(), CHATS.len());
    for asked in asked {
        let fields: BTreeSet<_> = asked.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, BTreeSet::from(["messages", "model", "stream", "stream_options"]));
    }
}

#[tokio::test]
async fn a_packed_body_is_refused_with_the_header_that_says_so() {
    let server = TestServer::answering(&["Hello"]).await;
    for path in CHATS {
        for encoding in ["gzip", "zstd", "br", "identity, gzip"] {
            let mut packed = request(Method::POST, path, Body::from(&b"\x1f\x8b\x08\x00"[..]));
            packed.headers_mut().insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            packed.headers_mut().insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            let response = server.send(packed).await;
            assert_eq!(response.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path} {encoding}");
            assert!(refusal(&response.json()).contains("Content-Encoding"), "{path} {}", response.text());
        }
        let mut plain = json_request(Method::POST, path, asking(json!({})));
        plain.headers_mut().insert(header::CONTENT_ENCODING, "identity".parse().unwrap());
        assert_eq!(server.send(plain).await.status, StatusCode::OK, "{path}");
    }
}
