use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use futures::future::try_join_all;

use crate::{
    chat::{Answer, Trim, admission::Call},
    dialect::{
        openai::{ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, ChunkWriter, ErrorBody},
        sse,
    },
    error::Result,
    extract::Json,
    routes::opening::{headers_due, located, model_of, open, positions, together, written},
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
    let call = call.for_answers(choices);
    let positions = positions(&call);
    let choice = |index| open(state.clone(), call.clone(), question.for_choice(index), Trim::Never);
    let opening = together((0..choices).map(choice).collect());
    let opening = located(opening, "messages", "response_format");
    if streams {
        let writer = move |answers: &[Answer]| ChunkWriter::new(model_of(answers), answers.len(), includes_usage);
        let chunks = written(headers_due(opening).await?, writer);
        return Ok(sse::response(sse::with_comments(chunks, positions)));
    }
    let answers = opening.await?;
    let model = model_of(&answers);
    let answers = try_join_all(answers.into_iter().map(Answer::collect)).await?;
    Ok(Json(ChatCompletion::new(model, answers)).into_response())
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, future};

    use super::*;
    use crate::engine::EngineError;

    #[tokio::test]
    async fn an_error_after_the_headers_is_the_only_event() {
        let opening = future::ready(Err(EngineError::Timeout.into())).boxed();
        let events: Vec<_> = written(opening, |_| ChunkWriter::new(String::new(), 0, false)).collect().await;
        insta::assert_snapshot!(
            String::from_utf8(events.concat()).unwrap().trim_end(),
            @r#"data: {"error":{"message":"the engine took too long","type":"server_error","param":null,"code":"engine_timeout"}}"#
        );
    }
}
