//! How much of what a server behind this one sends is taken: no server's answer may fill the memory.

use axum::http::header;
use flotilla::engine::{Engine, EngineError, OpenAi};

use crate::support::{Player, Reply, config, greet};

const MODEL: &str = "smollm2:135m";
const ERROR_BYTES: usize = 64 << 10;
const LIST_BYTES: usize = 8 << 20;
const LIST: &str = r#"{"data":[{"id":"smollm2:135m"}]}"#;

async fn playing(reply: Reply) -> (Player, OpenAi) {
    let player = Player::playing(reply).await;
    let engine = OpenAi::new(&format!("{}/v1", player.url), &config(&[])).unwrap();
    (player, engine)
}

/// The text, filled up with blanks to so many bytes, and after them what would spoil it if it were read.
fn spoilt_after(text: &str, bytes: usize) -> String {
    text.to_owned() + &" ".repeat(bytes - text.len()) + "spoilt"
}

#[tokio::test]
async fn of_an_error_the_first_64_kib_are_read() {
    let refusal = r#"{"error":{"message":"no such argument"}}"#;
    let (player, engine) = playing(Reply::error(400, &spoilt_after(refusal, ERROR_BYTES))).await;
    let refused = greet(&engine, MODEL).await.1;
    assert!(matches!(refused, Err(EngineError::InvalidRequest(message)) if message == "no such argument"));

    player.play(Reply::error(400, &spoilt_after(refusal, ERROR_BYTES - 1)));
    assert!(matches!(greet(&engine, MODEL).await.1, Err(EngineError::Unavailable(_))));
}

#[tokio::test]
async fn of_a_list_the_first_8_mib_are_read() {
    let (player, engine) = playing(Reply::ok(spoilt_after(LIST, LIST_BYTES))).await;
    assert_eq!(engine.models().await.unwrap()[0].id, MODEL);

    player.play(Reply::ok(spoilt_after(LIST, LIST_BYTES - 1)));
    assert!(matches!(engine.models().await, Err(EngineError::Unavailable(_))));
}

#[tokio::test]
async fn compression_is_not_asked_for_and_what_comes_compressed_is_never_unpacked() {
    // What `gzip` makes of `{"data":[]}`.
    const PACKED: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabVJI,IT\xb2\x8a\x8e\xad\x05\x00\x94d\xb2^\x0b\x00\x00\x00";
    let (player, engine) = playing(Reply { is_packed: true, ..Reply::ok(PACKED) }).await;

    assert!(matches!(engine.models().await, Err(EngineError::Unavailable(_))));
    assert!(!player.last_request().headers.contains_key(header::ACCEPT_ENCODING));
    assert!(matches!(greet(&engine, MODEL).await.1, Err(EngineError::Interrupted)));
    assert!(!player.last_request().headers.contains_key(header::ACCEPT_ENCODING));
}
