//! An OpenAI-compatible engine that answers with the time of day: every text is the moment at which it was written.

use std::{
    convert::Infallible,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Body,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::MissedTickBehavior};

use crate::{chat::Piece, endpoint::Endpoint};

/// What a model's name stands for: a pause between two texts of its answers, and how they come. Every gateway passes the
/// name on, whatever else it makes anew of a request.
pub const PACED: &str = "mock";
pub const AT_ONCE: &str = "mock-at-once";
pub const SLOW: &str = "mock-slow";

/// Pause between two texts of [`PACED`], which has 50 of them in a second.
pub const PACE: Duration = Duration::from_millis(20);
/// The same of [`SLOW`].
const SLOW_PACE: Duration = Duration::from_secs(1);

/// `Instant` is CLOCK_MONOTONIC, which all processes of a machine share; only its difference to something has a value.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Starts to serve on the current runtime.
pub async fn start() -> anyhow::Result<Endpoint> {
    LazyLock::force(&EPOCH);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = Endpoint::of_server(listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            eprintln!("mock upstream: Nagle's algorithm stays on: {error}");
        }
    });
    let router = Router::new()
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat_completions))
        // Some gateways send nothing to a server before it has answered here.
        .route("/health", get(async || StatusCode::OK));
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(endpoint)
}

/// How long the texts of a piece were under way. One piece may hold several: what lies between may join them.
pub fn delays(piece: &Piece) -> impl Iterator<Item = Duration> {
    let arrived = piece.arrived.duration_since(*EPOCH);
    let written = piece.text.split_whitespace().filter_map(|number| number.parse().ok()).map(Duration::from_nanos);
    written.map(move |written| arrived.saturating_sub(written))
}

#[derive(Deserialize)]
struct Request {
    model: String,
    /// How many texts the answer has.
    max_tokens: u32,
    #[serde(default)]
    stream: bool,
}

async fn models() -> Json<Value> {
    let models =
        [PACED, AT_ONCE, SLOW].map(|id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "bench" }));
    Json(json!({ "object": "list", "data": models }))
}

async fn chat_completions(Json(request): Json<Request>) -> Response {
    let usage =
        json!({ "prompt_tokens": 1, "completion_tokens": request.max_tokens, "total_tokens": 1 + request.max_tokens });
    let pace = match request.model.as_str() {
        SLOW => SLOW_PACE,
        PACED => PACE,
        _ => Duration::ZERO,
    };
    if !request.stream {
        tokio::time::sleep(pace * request.max_tokens).await;
        return Json(whole(&request, &usage)).into_response();
    }
    let model: Arc<str> = request.model.into();
    let ticks = (!pace.is_zero()).then(|| {
        let mut ticks = tokio::time::interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    let texts =
        stream::unfold((request.max_tokens, ticks, Arc::clone(&model)), |(left, mut ticks, model)| async move {
            let left = left.checked_sub(1)?;
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            Some((text_event(&model), (left, ticks, model)))
        });
    let end = [
        event(&chunk(&model, json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }]), &Value::Null)),
        event(&chunk(&model, json!([]), &usage)),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    let body = texts.chain(stream::iter(end)).map(Ok::<_, Infallible>);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

/// An answer that is not streamed.
fn whole(request: &Request, usage: &Value) -> Value {
    let content = "word ".repeat(request.max_tokens as usize);
    let message = json!({ "role": "assistant", "content": content });
    let choices = json!([{ "index": 0, "message": message, "finish_reason": "stop" }]);
    json!({ "id": "mock", "object": "chat.completion", "created": 0, "model": request.model, "choices": choices, "usage": usage })
}

/// The same as an [`event`] of a [`chunk`], without the detour: of these there are 50,000 in a second.
fn text_event(model: &str) -> Bytes {
    let written = EPOCH.elapsed().as_nanos();
    Bytes::from(format!(
        "data: {{\"id\":\"mock\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":\"{model}\",\"choices\":[\
         {{\"index\":0,\"delta\":{{\"content\":\"{written} \"}},\"finish_reason\":null}}]}}\n\n"
    ))
}

fn chunk(model: &str, choices: Value, usage: &Value) -> Value {
    json!({ "id": "mock", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": choices, "usage": usage })
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}
