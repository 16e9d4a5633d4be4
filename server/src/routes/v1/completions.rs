use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use futures::future::try_join_all;

use crate::{
    chat::{Answer, Trim, admission::Call},
    dialect::{
        openai::{CompletionRequest, ErrorBody, TextCompletion, TextWriter},
        sse,
    },
    error::Result,
    extract::Json,
    routes::opening::{headers_due, located, model_of, open, positions, together, written},
    state::AppState,
};

/// Continue a text as it is, without the model's chat template.
#[utoipa::path(
    post,
    path = "/v1/completions",
    tag = "OpenAI",
    request_body = CompletionRequest,
    responses(
        (status = OK, content((TextCompletion = "application/json"), (TextCompletion = "text/event-stream"))),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = NOT_FOUND, description = "no such model", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "the engine is down or busy", body = ErrorBody),
        (status = GATEWAY_TIMEOUT, description = "the engine took too long", body = ErrorBody),
    ),
)]
pub async fn completions(
    State(state): State<AppState>,
    call: Call,
    Json(request): Json<CompletionRequest>,
) -> Result<Response> {
    let (streams, includes_usage, choices) = (request.streams(), request.includes_usage(), request.choices()?);
    let questions = request.into_questions()?;
    let call = call.for_answers(questions.len() as u32);
    let positions = positions(&call);
    let openings =
        questions.into_iter().map(|question| open(state.clone(), call.clone(), question, Trim::Never)).collect();
    let opening = located(together(openings), "prompt", "prompt");
    let writer = move |answers: &[Answer]| TextWriter::new(model_of(answers), answers.len(), choices, includes_usage);
    if streams {
        let events = written(headers_due(opening).await?, writer);
        return Ok(sse::response(sse::with_comments(events, positions)));
    }
    let answers = opening.await?;
    let writer = writer(&answers);
    let answers = try_join_all(answers.into_iter().map(Answer::collect)).await?;
    Ok(Json(writer.whole(answers)).into_response())
}
