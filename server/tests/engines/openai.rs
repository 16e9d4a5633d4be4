//! Against a server that writes what OpenAI-compatible servers write.

use flotilla::{
    Config,
    engine::{ChatRequest, Engine, EngineError, FinishReason, OpenAi, Piece},
};
use serde_json::json;

use crate::support::{Player, Reply, config, greet, greeting, read};

const MODEL: &str = "smollm2:135m";
const ANSWER: &[u8] = include_bytes!("fixtures/openai_answer.sse");

fn with_key() -> Config {
    config(&["--openai-base-url", "http://localhost/v1", "--openai-api-key", "sk-test"])
}

async fn playing(reply: Reply) -> (Player, OpenAi) {
    let player = Player::playing(reply).await;
    let engine = OpenAi::new(&format!("{}/v1/", player.url), &with_key()).unwrap();
    (player, engine)
}

/// What our engine makes of this reply to a chat.
async fn refused_with(status: u16, body: &str) -> EngineError {
    let (_player, engine) = playing(Reply::error(status, body)).await;
    greet(&engine, MODEL).await.1.unwrap_err()
}

fn is_unavailable_with(error: &EngineError, words: &str) -> bool {
    matches!(error, EngineError::Unavailable(message) if message.contains(words))
}

#[tokio::test]
async fn an_answer_is_read_with_its_counts() {
    let (_player, engine) = playing(Reply::ok(ANSWER)).await;

    let (text, completion) = greet(&engine, MODEL).await;

    let completion = completion.unwrap();
    assert_eq!(text, "Hello! I");
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert_eq!((completion.usage.prompt_tokens, completion.usage.completion_tokens), (33, 3));
}

#[tokio::test]
async fn only_what_the_caller_set_is_sent_and_the_key() {
    let (player, engine) = playing(Reply::ok(ANSWER)).await;

    greet(&engine, MODEL).await.1.unwrap();

    let request = player.last_request();
    assert_eq!(request.path, "/v1/chat/completions");
    assert_eq!(request.headers["authorization"], "Bearer sk-test");
    assert!(!request.headers.contains_key("traceparent"), "nobody traces here");
    assert_eq!(
        request.body,
        json!({
            "model": MODEL,
            "messages": [{ "role": "user", "content": "Say hello." }],
            "stream": true,
            "stream_options": { "include_usage": true },
            "temperature": 0.0,
            "max_tokens": 8,
        })
    );
}

#[tokio::test]
async fn a_server_is_told_to_go_on_with_an_answer_that_broke_off_and_not_to_begin_another() {
    let (player, engine) = playing(Reply::ok(ANSWER)).await;
    let answer_so_far = Piece::from("Good mor".to_owned());

    read(engine.chat(ChatRequest { answer_so_far, ..greeting(MODEL) }).await.unwrap()).await.1.unwrap();

    let body = player.last_request().body;
    assert_eq!(body["messages"][1], json!({ "role": "assistant", "content": "Good mor" }));
    assert_eq!((&body["continue_final_message"], &body["add_generation_prompt"]), (&json!(true), &json!(false)));
}

#[tokio::test]
async fn an_answer_in_single_bytes_is_the_same_answer() {
    let body = String::from_utf8(ANSWER.to_vec()).unwrap().replace("Hello", "Grüße 🚢").replace('\n', "\r\n");
    let (_player, engine) = playing(Reply { piece: 1, ..Reply::ok(body) }).await;

    let (text, completion) = greet(&engine, MODEL).await;

    assert_eq!(text, "Grüße 🚢! I");
    assert!(completion.is_ok());
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_never_taken_for_a_whole_one() {
    let (player, engine) = playing(Reply::ok(ANSWER)).await;
    let reason = r#""finish_reason":"length""#;
    let text = std::str::from_utf8(ANSWER).unwrap();
    let event = text.find(reason).unwrap();
    let whole = event + text[event..].find("\n\n").unwrap() + 2;

    for length in 0..ANSWER.len() {
        for breaks_off in [false, true] {
            player.play(Reply { breaks_off, ..Reply::ok(&ANSWER[..length]) });
            let (_, completion) = greet(&engine, MODEL).await;
            let is_whole = length >= whole;
            if completion.is_ok() {
                assert!(is_whole, "cut at {length} of {whole}");
            } else {
                assert!(!is_whole || breaks_off, "cut at {length} of {whole}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_says_why_it_ended_is_interrupted() {
    let (_player, engine) = playing(Reply::ok("data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n")).await;

    let (text, completion) = greet(&engine, MODEL).await;

    assert_eq!(text, "Hello");
    assert!(matches!(completion, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn done_alone_ends_an_answer_too() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n";
    let (_player, engine) = playing(Reply::ok(body)).await;

    assert_eq!(greet(&engine, MODEL).await.1.unwrap().finish_reason, FinishReason::Stop);
}

#[tokio::test]
async fn an_error_event_in_the_middle_keeps_the_text_before_it() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    let (_player, engine) = playing(Reply::ok(body)).await;

    let (text, completion) = greet(&engine, MODEL).await;

    assert_eq!(text, "Hello");
    assert!(matches!(completion, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn an_event_without_end_interrupts_the_answer() {
    let (_player, engine) = playing(Reply::ok("data: x\n".repeat(1 << 20))).await;

    assert!(matches!(greet(&engine, MODEL).await.1, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn a_wrong_key_is_named_as_the_reason() {
    let error = refused_with(401, r#"{"error":{"message":"Incorrect API key provided: sk-test"}}"#).await;

    assert!(is_unavailable_with(&error, "refused our key"));
    assert!(!error.to_string().contains("sk-test"));
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_said_to_be() {
    let body = r#"{"error":{"message":"Too many tokens.","code":"context_length_exceeded"}}"#;

    assert!(matches!(refused_with(400, body).await, EngineError::ContextLengthExceeded));
}

#[tokio::test]
async fn a_value_that_the_server_refuses_is_an_invalid_request() {
    let error = refused_with(400, r#"{"error":{"message":"Unrecognized request argument: top_k"}}"#).await;

    assert!(matches!(error, EngineError::InvalidRequest(message) if message.contains("top_k")));
}

#[tokio::test]
async fn a_missing_model_differs_from_a_wrong_url() {
    let model = refused_with(404, r#"{"error":{"message":"model not found","code":"model_not_found"}}"#).await;
    let url = refused_with(404, "<html>Not Found</html>").await;

    assert!(matches!(model, EngineError::UnknownModel(_)));
    assert!(is_unavailable_with(&url, "OPENAI_BASE_URL"));
}

#[tokio::test]
async fn a_busy_server_is_overloaded() {
    for status in [429, 503] {
        assert!(matches!(refused_with(status, "").await, EngineError::Overloaded(_)));
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable() {
    let engine = OpenAi::new("http://127.0.0.1:1/v1", &with_key()).unwrap();

    assert!(is_unavailable_with(&greet(&engine, MODEL).await.1.unwrap_err(), "cannot be reached"));
}

#[tokio::test]
async fn the_listed_models_are_offered() {
    let (player, engine) = playing(Reply::ok(include_bytes!("fixtures/openai_models.json"))).await;

    let models = engine.models().await.unwrap();

    assert_eq!(models[0].id, MODEL);
    assert_eq!(player.last_request().path, "/v1/models");
}
