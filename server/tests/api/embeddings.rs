//! Vectors of texts, in both dialects. The scripted engine's vectors are [0.6, 0.8] and [0.8, -0.6].

use axum::http::StatusCode;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flotilla::engine::{EmbedText, Scripted};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Response, TestServer};

async fn server() -> TestServer {
    TestServer::new(Scripted::new(vec![])).await
}

async fn openai(fields: Value) -> Response {
    let mut body = json!({ "model": "scripted", "input": "one two" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server().await.post("/v1/embeddings", body).await
}

#[tokio::test]
async fn one_text_has_one_vector_in_openais_shape() {
    assert_snapshot!(
        openai(json!({})).await.text(),
        @r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.6,0.8]}],"model":"scripted","usage":{"prompt_tokens":2,"total_tokens":2}}"#
    );
}

#[tokio::test]
async fn several_texts_have_their_vectors_in_order() {
    let list = openai(json!({ "input": ["one two", "three"] })).await.json();
    assert_eq!(list["data"][0]["index"], 0);
    assert_eq!(list["data"][1]["embedding"], json!([0.8, -0.6]));
    assert_eq!(list["usage"]["prompt_tokens"], 3);
}

#[tokio::test]
async fn base64_is_little_endian_floats() {
    let list = openai(json!({ "encoding_format": "base64" })).await.json();
    let bytes = BASE64_STANDARD.decode(list["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let numbers: Vec<f32> = bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(numbers, [0.6, 0.8]);
}

#[tokio::test]
async fn tokens_are_taken_as_well_as_texts() {
    let server = server().await;
    for (input, texts) in [(json!([1, 2, 3]), 1), (json!([[1, 2], [3]]), 2)] {
        server.post("/v1/embeddings", json!({ "input": input })).await;
        assert_eq!(server.engine.last_embedding().unwrap().texts.len(), texts);
    }
    assert_eq!(server.engine.last_embedding().unwrap().texts[0], EmbedText::Tokens(vec![1, 2]));
}

#[tokio::test]
async fn fewer_dimensions_are_the_first_ones_with_length_one() {
    let list = openai(json!({ "dimensions": 1 })).await.json();
    assert_eq!(list["data"][0]["embedding"], json!([1.0]));
}

#[tokio::test]
async fn inputs_that_cannot_have_vectors_are_refused_by_name() {
    for (fields, param) in [
        (json!({ "input": [] }), "input"),
        (json!({ "input": "" }), "input"),
        (json!({ "input": ["x", ""] }), "input"),
        (json!({ "input": 5 }), "input"),
        (json!({ "input": vec!["x"; 2049] }), "input"),
        (json!({ "encoding_format": "hex" }), "encoding_format"),
        (json!({ "dimensions": 3 }), "dimensions"),
        (json!({ "dimensions": 0 }), "dimensions"),
    ] {
        let response = openai(fields).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert_eq!(response.json()["error"]["param"], param);
    }
}

#[tokio::test]
async fn an_unknown_model_is_a_404_in_both_dialects() {
    assert_eq!(openai(json!({ "model": "gpt-5" })).await.status, StatusCode::NOT_FOUND);
    let response = server().await.post("/api/embed", json!({ "model": "qwen", "input": "x" })).await;
    assert_eq!((response.status, &response.json()["error"]), (StatusCode::NOT_FOUND, &json!("model 'qwen' not found")));
}

#[tokio::test]
async fn ollamas_clients_get_vectors_and_counts() {
    let server = server().await;
    for input in [json!("one two"), json!(["one two"])] {
        let answer = server.post("/api/embed", json!({ "model": "scripted", "input": input })).await.json();
        assert_eq!(answer["embeddings"], json!([[0.6, 0.8]]));
        assert_eq!(answer["prompt_eval_count"], 2);
        assert!(answer["total_duration"].is_u64());
    }
    assert!(server.engine.last_embedding().unwrap().truncate, "Ollama cuts long texts unless it is told not to");
    server.post("/api/embed", json!({ "input": "one", "truncate": false })).await;
    assert!(!server.engine.last_embedding().unwrap().truncate);
}

#[tokio::test]
async fn the_older_path_gives_one_vector() {
    let answer = server().await.post("/api/embeddings", json!({ "model": "scripted", "prompt": "one two" })).await;
    assert_snapshot!(answer.text(), @r#"{"embedding":[0.6,0.8]}"#);
}

#[tokio::test]
async fn an_empty_text_is_refused_in_ollamas_shape() {
    let server = server().await;
    for (path, body, field) in [
        ("/api/embed", json!({ "input": [""] }), "input"),
        ("/api/embed", json!({ "input": [] }), "input"),
        ("/api/embeddings", json!({ "prompt": "" }), "prompt"),
    ] {
        let response = server.post(path, body).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert!(response.json()["error"].as_str().unwrap().starts_with(field));
    }
}

#[tokio::test]
async fn an_engine_that_makes_no_vectors_says_so() {
    let (engine, _) = crate::endless::endless();
    let server = TestServer::new(Scripted::new(vec![])).await.with_engine(engine);
    let response = server.post("/v1/embeddings", json!({ "input": "one" })).await;
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert_eq!(response.json()["error"]["code"], "unsupported_parameter");
}
