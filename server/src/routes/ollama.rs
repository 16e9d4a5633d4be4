//! Ollama's paths. An answer here belongs to its connection: when the client leaves, the engine stops.

pub mod chat;
pub mod embed;
pub mod generate;
pub mod models;
pub mod pull;

use std::{convert::Infallible, time::Instant};

use axum::{
    body::{Body, Bytes},
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, Stream, StreamExt, future};

use super::opening::{Opening, headers_due, pieces};
use crate::{
    chat::Answer,
    dialect::{
        ollama::{ErrorBody, Framing, Kind, Reply},
        sse,
    },
    error::Result,
};

/// Sends an answer as its client wants it. `kind` says for which path, by what the model was told.
async fn respond(opening: Opening, framing: Framing, asked_at: Instant, kind: fn(&Answer) -> Kind) -> Result<Response> {
    let reply = move |answer: &Answer| Reply::new(kind(answer), answer.model.clone(), asked_at);
    match framing {
        Framing::Whole => {
            let answer = opening.await?;
            let reply = reply(&answer);
            Ok(json(reply.whole(answer.collect().await?)))
        }
        Framing::Line => {
            // Lines know no comments, so nothing is gained by headers before the first piece.
            let answer = opening.await?;
            Ok(lines(frames(future::ready(Ok(answer)).boxed(), framing, reply)))
        }
        Framing::Event => Ok(sse::response(frames(headers_due(opening).await?, framing, reply))),
    }
}

fn frames(
    opening: Opening,
    framing: Framing,
    reply: impl Fn(&Answer) -> Reply + Send + 'static,
) -> impl Stream<Item = Bytes> + Send {
    async_stream::stream! {
        let answer = match opening.await {
            Ok(answer) => answer,
            Err(error) => {
                yield framing.frame(&ErrorBody::from(&error));
                return;
            }
        };
        let mut reply = reply(&answer);
        let mut pieces = std::pin::pin!(pieces(vec![answer]));
        while let Some((_, piece)) = pieces.next().await {
            match piece {
                Ok(delta) => {
                    if let Some(frame) = reply.delta(framing, delta) {
                        yield frame;
                    }
                }
                Err(error) => yield framing.frame(&ErrorBody::from(&error.into())),
            }
        }
    }
}

fn json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

fn lines(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-cache, no-store")];
    (headers, Body::from_stream(pieces.map(Ok::<_, Infallible>))).into_response()
}
