use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, future::try_join_all};

use crate::{
    chat::{Answer, Trim, admission::Call},
    dialect::{
        openai::{CompletionRequest, ErrorBody, TextCompletion, TextWriter},
        sse,
    },
    error::Result,
    extract::Json,
    routes::opening::{Opening, headers_due, located, open, pieces, positions, together},
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
    let positions = positions(&call);
    let questions = request.into_questions()?.into_iter();
    let openings = questions.map(|question| open(state.clone(), call.clone(), question, Trim::Never)).collect();
    let opening = located(together(openings), "prompt", "prompt");
    if streams {
        let events = events(headers_due(opening).await?, choices, includes_usage);
        return Ok(sse::response(sse::with_comments(events, positions)));
    }
    let answers = opening.await?;
    let writer = writer(&answers, choices, includes_usage);
    let answers = try_join_all(answers.into_iter().map(Answer::collect)).await?;
    Ok(Json(writer.whole(answers)).into_response())
}

fn events(opening: Opening<Vec<Answer>>, choices: u32, include_usage: bool) -> impl Stream<Item = Bytes> + Send {
    async_stream::stream! {
        let answers = match opening.await {
            Ok(answers) => answers,
            Err(error) => {
                yield TextWriter::error(&error);
                return;
            }
        };
        let mut writer = writer(&answers, choices, include_usage);
        let mut pieces = std::pin::pin!(pieces(answers));
        while let Some((index, piece)) = pieces.next().await {
            match piece {
                Ok(delta) => {
                    if let Some(event) = writer.delta(index, delta) {
                        yield event;
                    }
                }
                Err(error) => {
                    yield TextWriter::error(&error.into());
                    return;
                }
            }
        }
        yield writer.end();
    }
}

fn writer(answers: &[Answer], choices: u32, include_usage: bool) -> TextWriter {
    let model = answers.first().map(|answer| answer.model.clone()).unwrap_or_default();
    TextWriter::new(model, answers.len(), choices, include_usage)
}
