use std::pin::pin;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use futures::StreamExt;

use crate::{
    chat::{Trim, admission::Call},
    dialect::{
        openai::{
            ErrorBody,
            responses::{Draft, EventWriter, ResponseEvent, ResponseObject, ResponseRequest},
        },
        sse,
    },
    error::Result,
    extract::Json,
    routes::opening::{headers_due, located, model_of, open, pieces, positions, together, written},
    state::AppState,
};

/// Answer a conversation that the request brings along. Nothing is kept, and nothing is shortened.
#[utoipa::path(
    post,
    path = "/v1/responses",
    tag = "OpenAI",
    request_body = ResponseRequest,
    responses(
        (status = OK, content((ResponseObject = "application/json"), (ResponseEvent = "text/event-stream"))),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn responses(
    State(state): State<AppState>,
    call: Call,
    Json(request): Json<ResponseRequest>,
) -> Result<Response> {
    let (streams, echo) = (request.streams(), request.echo());
    let positions = positions(&call);
    let opening = together(vec![open(state, call, request.into_question()?, Trim::Never)]);
    let opening = located(opening, "input", "text.format");
    if streams {
        let events = written(headers_due(opening).await?, |answers| EventWriter::new(model_of(answers), echo));
        return Ok(sse::response(sse::with_comments(events, positions)));
    }
    let answers = opening.await?;
    let mut draft = Draft::new(model_of(&answers), echo);
    let mut pieces = pin!(pieces(answers));
    while let Some((_, piece)) = pieces.next().await {
        draft.note(piece?, |_| {});
    }
    Ok(Json(draft.into_response()).into_response())
}
