//! Ollama's paths. An answer here belongs to its connection: when the client leaves, the engine stops.

pub mod chat;
pub mod embed;
pub mod generate;
mod memory;
pub mod models;
pub mod pull;

use std::{convert::Infallible, time::Instant};

use axum::{
    body::{Body, Bytes},
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, Stream, StreamExt, future, stream};

use super::opening::{Opening, headers_due, together, written};
use crate::{
    chat::Answer,
    dialect::{
        ollama::{Framing, Kind, Reply},
        sse,
    },
    engine::KeepAlive,
    error::Result,
    state::AppState,
};

/// Sends an answer as its client wants it. `kind` says for which path, by what the model was told.
async fn respond(
    opening: Opening,
    framing: Framing,
    asked_at: Instant,
    kind: fn(Option<&Answer>) -> Kind,
) -> Result<Response> {
    let reply = move |answer: Option<&Answer>| {
        let model = answer.map(|answer| answer.model.clone()).unwrap_or_default();
        Reply::new(kind(answer), framing, model, asked_at)
    };
    let writer = move |answers: &[Answer]| reply(answers.first());
    match framing {
        Framing::Whole => {
            let answer = opening.await?;
            let reply = reply(Some(&answer));
            Ok(json(reply.whole(answer.collect().await?)))
        }
        Framing::Line => {
            // Lines know no comments, so nothing is gained by headers before the first piece.
            let answer = opening.await?;
            Ok(lines(written(future::ready(Ok(vec![answer])).boxed(), writer)))
        }
        Framing::Event => Ok(sse::response(written(headers_due(together(vec![opening])).await?, writer))),
    }
}

/// The same for a request that asks nothing: its model is loaded or, if it is not to stay, taken out of memory.
async fn respond_without_question(
    state: &AppState,
    model: Option<String>,
    keep_alive: Option<KeepAlive>,
    framing: Framing,
    kind: Kind,
) -> Result<Response> {
    let asked_at = Instant::now();
    let frame = match keep_alive == Some(KeepAlive::AT_ONCE) {
        true => Reply::new(kind, framing, memory::unload(state, model).await?, asked_at).unloaded(),
        false => Reply::new(kind, framing, memory::load(state, model, keep_alive).await?, asked_at).loaded(),
    };
    Ok(match framing {
        Framing::Whole => json(frame),
        Framing::Line => lines(stream::iter([frame])),
        Framing::Event => sse::response(stream::iter([frame])),
    })
}

fn json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn lines(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-cache, no-store")];
    (headers, Body::from_stream(pieces.map(Ok::<_, Infallible>))).into_response()
}
