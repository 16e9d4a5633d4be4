//! OpenAI's paths. An answer here belongs to its connection: when the client leaves, the engine stops.

use async_stream::stream;
use axum::{
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};

use super::opening::{Opening, collect, headers_due, open};
use crate::{
    chat::{Trim, admission::Call},
    dialect::{
        openai::{ChatCompletion, ChatCompletionRequest, ChunkWriter, ErrorBody, ModelList, ModelObject},
        sse,
    },
    engine::{self, Delta, EngineError},
    error::{Error, Result},
    extract::Json,
    state::AppState,
};

/// The models that can be asked for.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "OpenAI",
    responses((status = OK, body = ModelList), (status = SERVICE_UNAVAILABLE, body = ErrorBody)),
)]
pub async fn models(State(state): State<AppState>) -> Result<Json<ModelList>> {
    Ok(Json(state.engine.models().await?.into()))
}

/// One model.
#[utoipa::path(
    get,
    path = "/v1/models/{id}",
    tag = "OpenAI",
    params(("id" = String, Path, description = "a model's name; without a tag it means `:latest`")),
    responses((status = OK, body = ModelObject), (status = NOT_FOUND, body = ErrorBody)),
)]
pub async fn model(State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<ModelObject>> {
    let models = state.engine.models().await?;
    let model = engine::resolve(&models, &id);
    Ok(Json(model.ok_or_else(|| Error::unknown_model(&id))?.clone().into()))
}

/// Answer a conversation. The prompt is never shortened: one that does not fit is refused.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "OpenAI",
    request_body = ChatCompletionRequest,
    responses(
        (status = OK, content(
            (ChatCompletion = "application/json"),
            (crate::dialect::openai::ChatCompletionChunk = "text/event-stream"),
        )),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = TOO_MANY_REQUESTS, description = "the caller has its share of the line already", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down, or the line is full", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn chat_completions(
    State(state): State<AppState>,
    call: Call,
    Json(mut request): Json<ChatCompletionRequest>,
) -> Result<Response> {
    let (streams, includes_usage) = (request.streams(), request.includes_usage());
    let model = request.model.take();
    let (messages, parameters) = request.into_prompt()?;
    let positions = call.position.changes().map(|position| format!("waiting in line, position {position}"));
    let opening = open(state, call, model, messages, parameters, Trim::Never);
    if streams {
        let chunks = chunks(headers_due(opening).await?, includes_usage);
        return Ok(sse::response(sse::with_comments(chunks, positions)));
    }
    let answer = opening.await?;
    let model = answer.model.clone();
    let (text, completion) = collect(answer).await?;
    Ok(Json(ChatCompletion::new(model, text, completion)).into_response())
}

fn chunks(opening: Opening, include_usage: bool) -> impl Stream<Item = Bytes> + Send {
    stream! {
        let mut answer = match opening.await {
            Ok(answer) => answer,
            Err(error) => {
                yield ChunkWriter::error(&error);
                return;
            }
        };
        let writer = ChunkWriter::new(answer.model, include_usage);
        yield writer.role();
        loop {
            match answer.stream.next().await.unwrap_or(Err(EngineError::Interrupted)) {
                Ok(Delta::Text(piece)) => yield writer.text(&piece.text),
                Ok(Delta::Done(completion)) => {
                    yield writer.finish(completion);
                    return;
                }
                Err(error) => {
                    yield ChunkWriter::error(&error.into());
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future};

    use super::*;

    #[tokio::test]
    async fn an_error_after_the_headers_is_the_only_event() {
        let opening = future::ready(Err(EngineError::Timeout.into())).boxed();
        let events: Vec<_> = chunks(opening, false).collect().await;
        insta::assert_snapshot!(
            String::from_utf8(events.concat()).unwrap().trim_end(),
            @r#"data: {"error":{"message":"the engine took too long","type":"server_error","param":null,"code":"engine_timeout"}}"#
        );
    }
}
