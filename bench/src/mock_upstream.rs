//! An OpenAI-compatible engine that answers with the time of day: every text is the moment at which it was written.

use std::{
    convert::Infallible,
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Body,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    time::{Interval, MissedTickBehavior},
};

use crate::{chat::Piece, endpoint::Endpoint};

/// Pause between two texts of an answer.
const PACE: Duration = Duration::from_millis(20);

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
    let router = Router::new().route("/v1/models", get(models)).route("/v1/chat/completions", post(chat_completions));
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
    /// How many texts the answer has.
    max_tokens: u32,
}

async fn models() -> Json<Value> {
    Json(json!({ "object": "list", "data": [{ "id": "mock", "object": "model" }] }))
}

async fn chat_completions(Json(request): Json<Request>) -> Response {
    let mut ticks = tokio::time::interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = stream::unfold((request.max_tokens, ticks), |(left, mut ticks): (u32, Interval)| async move {
        let left = left.checked_sub(1)?;
        ticks.tick().await;
        let delta = json!({ "content": format!("{} ", EPOCH.elapsed().as_nanos()) });
        Some((event(&choice(delta, None)), (left, ticks)))
    });
    let usage =
        json!({ "prompt_tokens": 1, "completion_tokens": request.max_tokens, "total_tokens": 1 + request.max_tokens });
    let end = [
        event(&choice(json!({}), Some("stop"))),
        event(&json!({ "id": "mock", "object": "chat.completion.chunk", "choices": [], "usage": usage })),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    let body = events.chain(stream::iter(end)).map(Ok::<_, Infallible>);
    ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
}

fn choice(delta: Value, finish_reason: Option<&str>) -> Value {
    let choices = json!([{ "index": 0, "delta": delta, "finish_reason": finish_reason }]);
    json!({ "id": "mock", "object": "chat.completion.chunk", "model": "mock", "choices": choices })
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}
