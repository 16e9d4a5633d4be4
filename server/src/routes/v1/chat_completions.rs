use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, future::try_join_all};

use crate::{
    chat::{Answer, Trim, admission::Call},
    dialect::{
        openai::{ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ChunkWriter, ErrorBody},
        sse,
    },
    error::Result,
    extract::Json,
    routes::opening::{Opening, headers_due, located, open, pieces, positions, together},
    state::AppState,
};

/// Answer a conversation. The prompt is never shortened: one that does not fit is refused.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "OpenAI",
    request_body = ChatCompletionRequest,
    responses(
        (status = OK, content(
            (ChatCompletion = "application/json"),
            (ChatCompletionChunk = "text/event-stream"),
        )),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn chat_completions(
    State(state): State<AppState>,
    call: Call,
    Json(request): Json<ChatCompletionRequest>,
) -> Result<Response> {
    let (streams, includes_usage, choices) = (request.streams(), request.includes_usage(), request.choices()?);
    let question = request.into_question()?;
    let positions = positions(&call);
    let choice = |index| open(state.clone(), call.clone(), question.for_choice(index), Trim::Never);
    let opening = together((0..choices).map(choice).collect());
    let opening = located(opening, "messages", "response_format");
    if streams {
        let chunks = chunks(headers_due(opening).await?, includes_usage);
        return Ok(sse::response(sse::with_comments(chunks, positions)));
    }
    let answers = opening.await?;
    let model = model_of(&answers);
    let answers = try_join_all(answers.into_iter().map(Answer::collect)).await?;
    Ok(Json(ChatCompletion::new(model, answers)).into_response())
}

fn chunks(opening: Opening<Vec<Answer>>, include_usage: bool) -> impl Stream<Item = Bytes> + Send {
    async_stream::stream! {
        let answers = match opening.await {
            Ok(answers) => answers,
            Err(error) => {
                yield ChunkWriter::error(&error);
                return;
            }
        };
        let mut writer = ChunkWriter::new(model_of(&answers), answers.len(), include_usage);
        yield writer.begin();
        let mut pieces = std::pin::pin!(pieces(answers));
        while let Some((index, piece)) = pieces.next().await {
            match piece {
                Ok(delta) => {
                    if let Some(event) = writer.delta(index, delta) {
                        yield event;
                    }
                }
                Err(error) => {
                    yield ChunkWriter::error(&error.into());
                    return;
                }
            }
        }
        yield writer.end();
    }
}

fn model_of(answers: &[Answer]) -> String {
    answers.first().map(|answer| answer.model.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future};

    use super::*;
    use crate::engine::EngineError;

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
