use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};

use crate::{
    chat::{Answer, Trim, admission::Call},
    dialect::{
        openai::{
            ErrorBody,
            responses::{Echo, ResponseEvent, ResponseObject, ResponseRequest, ResponseWriter},
        },
        sse,
    },
    error::Result,
    extract::Json,
    routes::opening::{Opening, headers_due, located, open, pieces, positions},
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
    let opening = located(open(state, call, request.into_question()?, Trim::Never), "input", "text.format");
    if streams {
        let events = events(headers_due(opening).await?, echo);
        return Ok(sse::response(sse::with_comments(events, positions)));
    }
    let answer = opening.await?;
    let mut writer = ResponseWriter::new(answer.model.clone(), echo);
    let mut pieces = std::pin::pin!(pieces(vec![answer]));
    while let Some((_, piece)) = pieces.next().await {
        writer.delta(piece?);
    }
    Ok(Json(writer.into_response()).into_response())
}

fn events(opening: Opening<Answer>, echo: Echo) -> impl Stream<Item = Bytes> + Send {
    async_stream::stream! {
        let answer = match opening.await {
            Ok(answer) => answer,
            Err(error) => {
                yield ResponseWriter::new(String::new(), echo).error(&error);
                return;
            }
        };
        let mut writer = ResponseWriter::new(answer.model.clone(), echo);
        yield writer.begin();
        let mut pieces = std::pin::pin!(pieces(vec![answer]));
        while let Some((_, piece)) = pieces.next().await {
            match piece {
                Ok(delta) => yield writer.delta(delta),
                Err(error) => {
                    yield writer.error(&error.into());
                    return;
                }
            }
        }
    }
}
