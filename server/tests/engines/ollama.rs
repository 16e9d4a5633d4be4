//! Against a server that writes what Ollama 0.12.6 writes: the fixtures follow its `api/types.go`.

use axum::http::StatusCode;
use flotilla::{
    chat::Parameters,
    engine::{ChatRequest, Engine, EngineError, FinishReason, Ollama, Piece},
};
use serde_json::json;

use crate::support::{Player, Reply, config, greet, greeting, read};

const MODEL: &str = "smollm2:135m";
const ANSWER: &[u8] = include_bytes!("fixtures/ollama_answer.ndjson");
const TAGS: &[u8] = include_bytes!("fixtures/ollama_tags.json");

fn engine(url: &str) -> Ollama {
    Ollama::new(url, &config(&["--context-length", "2048"])).unwrap()
}

/// What our engine makes of this reply to a chat.
async fn refused_with(status: u16, body: &str) -> EngineError {
    let player = Player::playing(Reply::error(status, body)).await;
    greet(&engine(&player.url), MODEL).await.1.unwrap_err()
}

#[tokio::test]
async fn an_answer_is_read_with_its_counts_and_times() {
    let player = Player::playing(Reply::ok(ANSWER)).await;

    let (text, completion) = greet(&engine(&player.url), MODEL).await;

    let completion = completion.unwrap();
    assert_eq!(text, "Hello! I");
    assert_eq!(completion.finish_reason, FinishReason::Length);
    assert_eq!((completion.usage.prompt_tokens, completion.usage.completion_tokens), (33, 3));
    assert!(completion.timings.prefill_ms > 0.0 && completion.timings.decode_ms > 0.0);
}

#[tokio::test]
async fn ollama_is_told_never_to_cut_a_prompt() {
    let player = Player::playing(Reply::ok(ANSWER)).await;

    greet(&engine(&player.url), MODEL).await.1.unwrap();

    let request = player.last_request();
    assert_eq!(request.path, "/api/chat");
    assert_eq!(
        request.body,
        json!({
            "model": MODEL,
            "messages": [{ "role": "user", "content": "Say hello." }],
            "stream": true,
            "truncate": false,
            "shift": false,
            "options": { "num_ctx": 2048, "temperature": 0.0, "num_predict": 8 },
        })
    );
}

#[tokio::test]
async fn every_parameter_reaches_ollama_under_its_name() {
    let player = Player::playing(Reply::ok(ANSWER)).await;
    let parameters = Parameters {
        temperature: Some(0.5),
        top_p: Some(0.25),
        top_k: Some(3),
        min_p: Some(0.125),
        seed: Some(7),
        max_tokens: Some(9),
        repeat_penalty: Some(1.5),
        frequency_penalty: Some(0.75),
        presence_penalty: Some(-0.5),
        stop: Some(vec!["END".to_owned()]),
    };

    read(engine(&player.url).chat(ChatRequest { parameters, ..greeting(MODEL) }).await.unwrap()).await.1.unwrap();

    let options = json!({
        "num_ctx": 2048, "temperature": 0.5, "top_p": 0.25, "top_k": 3, "min_p": 0.125, "seed": 7, "num_predict": 9,
        "repeat_penalty": 1.5, "frequency_penalty": 0.75, "presence_penalty": -0.5, "stop": ["END"],
    });
    assert_eq!(player.last_request().body["options"], options);
}

#[tokio::test]
async fn an_answer_that_broke_off_stands_at_the_end_and_ollama_goes_on_in_its_middle() {
    let player = Player::playing(Reply::ok(ANSWER)).await;
    let answer_so_far = Piece::from("Good mor".to_owned());

    read(engine(&player.url).chat(ChatRequest { answer_so_far, ..greeting(MODEL) }).await.unwrap()).await.1.unwrap();

    let messages = json!([{ "role": "user", "content": "Say hello." }, { "role": "assistant", "content": "Good mor" }]);
    assert_eq!(player.last_request().body["messages"], messages);
}

#[tokio::test]
async fn an_answer_in_single_bytes_is_the_same_answer() {
    let body = String::from_utf8(ANSWER.to_vec()).unwrap().replace("Hello", "Grüße 🚢");
    let player = Player::playing(Reply { piece: 1, ..Reply::ok(body) }).await;

    assert_eq!(greet(&engine(&player.url), MODEL).await.0, "Grüße 🚢! I");
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_never_taken_for_a_whole_one() {
    let player = Player::playing(Reply::ok(ANSWER)).await;
    let engine = engine(&player.url);
    let whole = ANSWER.trim_ascii_end().len();

    for length in 0..whole {
        for breaks_off in [false, true] {
            player.play(Reply { breaks_off, ..Reply::ok(&ANSWER[..length]) });
            let (_, completion) = greet(&engine, MODEL).await;
            assert!(
                matches!(completion, Err(EngineError::Interrupted | EngineError::Unavailable(_))),
                "cut at {length}"
            );
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_interrupt_the_answer() {
    let player = Player::playing(Reply::ok(b"{\"message\":{\"content\":\"\xff\xfe\"}}\n")).await;

    assert!(matches!(greet(&engine(&player.url), MODEL).await.1, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn a_line_without_end_interrupts_the_answer() {
    let player = Player::playing(Reply::ok(vec![b' '; 2 << 20])).await;

    assert!(matches!(greet(&engine(&player.url), MODEL).await.1, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_the_text_before_it() {
    let first_line = ANSWER.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    let body =
        [first_line, b"{\"error\":\"an error was encountered while running the model: unexpected EOF\"}\n"].concat();
    let player = Player::playing(Reply::ok(body)).await;

    let (text, completion) = greet(&engine(&player.url), MODEL).await;

    assert_eq!(text, "Hello");
    assert!(matches!(completion, Err(EngineError::Interrupted)));
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_said_to_be() {
    let body = include_str!("fixtures/ollama_too_long.json");

    assert!(matches!(refused_with(500, body).await, EngineError::ContextLengthExceeded));
}

#[tokio::test]
async fn a_model_that_ollama_lacks_is_unknown() {
    let body = include_str!("fixtures/ollama_unknown_model.json");

    assert!(matches!(refused_with(404, body).await, EngineError::UnknownModel(model) if model == MODEL));
}

#[tokio::test]
async fn a_busy_ollama_is_overloaded() {
    let body = r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#;

    let error = refused_with(503, body).await;

    assert!(matches!(error, EngineError::Overloaded("Ollama")));
}

#[tokio::test]
async fn a_lack_of_memory_reaches_the_user_and_a_path_does_not() {
    let memory =
        refused_with(500, r#"{"error":"model requires more system memory (5.6 GiB) than is available (2.0 GiB)"}"#);
    let path = refused_with(500, r#"{"error":"unable to load model: /root/.ollama/models/blobs/sha256-abc"}"#);

    assert!(memory.await.to_string().contains("5.6 GiB"));
    assert!(!path.await.to_string().contains("/root"));
}

#[tokio::test]
async fn an_ollama_that_is_down_is_unavailable_and_its_password_stays_secret() {
    let engine = engine("http://user:hunter2@127.0.0.1:1");

    let error = greet(&engine, MODEL).await.1.unwrap_err();

    assert!(matches!(&error, EngineError::Unavailable(message) if message.contains("Ollama cannot be reached")));
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let player = Player::playing(Reply::error(StatusCode::TEMPORARY_REDIRECT.as_u16(), "")).await;

    greet(&engine(&player.url), MODEL).await.1.unwrap_err();

    assert_eq!(player.last_request().path, "/api/chat");
}

#[tokio::test]
async fn the_installed_models_are_listed_with_the_default_first() {
    let player = Player::playing(Reply::ok(TAGS)).await;
    let engine = Ollama::new(&player.url, &config(&["--model-name", "zephyr"])).unwrap();

    let models = engine.models().await.unwrap();

    assert_eq!(models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(), ["zephyr:latest", MODEL]);
    assert_eq!(models[1].quantization.as_deref(), Some("Q4_1"));
    assert_eq!(models[1].parameters, Some(134_520_000));
    assert_eq!(models[1].digest.unwrap().to_string(), format!("sha256:{}", "b".repeat(64)));
}

#[tokio::test]
async fn a_model_without_a_tag_is_ready_when_its_latest_is_there() {
    let player = Player::playing(Reply::ok(TAGS)).await;
    let engine = engine(&player.url);

    engine.ready("zephyr").await.unwrap();
    assert!(matches!(engine.ready("smollm2").await, Err(EngineError::UnknownModel(_))));
}

#[tokio::test]
async fn a_url_without_a_scheme_is_refused_at_the_start() {
    let error = Ollama::new("localhost:11434", &config(&[])).err().unwrap();

    assert!(error.to_string().contains("OLLAMA_URL"));
}
