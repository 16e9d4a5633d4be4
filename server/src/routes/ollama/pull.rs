//! Ollama's paths that change which models there are.

use async_stream::stream;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt};

use super::lines;
use crate::{
    access::ModelChanges,
    dialect::ollama::{ErrorBody, Framing, ModelRequest, PullLine, PullLines, PullRequest},
    error::{Error, Result},
    extract::Json,
    models::{ModelName, jobs},
    state::AppState,
    store::{Job, job::JobStatus},
};

/// Download a model: lines of JSON that tell how far it is, or one object at its end with `"stream": false`. The download
/// is a job of the server: it goes on when the client leaves, and is found under `/api/jobs`.
#[utoipa::path(
    post,
    path = "/api/pull",
    tag = "Ollama",
    operation_id = "ollama_pull",
    request_body = PullRequest,
    responses(
        (status = OK, content((PullLine = "application/x-ndjson"), (PullLine = "application/json"))),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = FORBIDDEN, body = ErrorBody),
        (status = CONFLICT, description = "the models are kept elsewhere", body = ErrorBody),
        (status = BAD_GATEWAY, description = "the model could not be pulled", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, body = ErrorBody),
    ),
)]
pub async fn pull(
    _: ModelChanges,
    State(state): State<AppState>,
    Json(request): Json<PullRequest>,
) -> Result<Response> {
    let (streams, model) = (request.streams(), request.model()?);
    let name = ModelName::parse(&model)?;
    let job = jobs::start(&state, &name).await?;
    let changes = jobs::follow(state, job.id);
    if streams {
        return Ok(lines(progress(changes)));
    }
    let last = changes.fold(Err(Error::draining()), async |_, change| change).await?;
    match ended(&last) {
        Some(Err(error)) => Err(error),
        _ => Ok(Json(PullLine::success()).into_response()),
    }
}

fn progress(changes: impl Stream<Item = Result<Job>> + Send) -> impl Stream<Item = axum::body::Bytes> + Send {
    stream! {
        let mut told = PullLines::default();
        yield Framing::Line.frame(&told.first());
        for await change in changes {
            let end = match change {
                Ok(job) => {
                    for line in told.next(&job) {
                        yield Framing::Line.frame(&line);
                    }
                    ended(&job)
                }
                Err(error) => Some(Err(error)),
            };
            match end {
                Some(Ok(())) => yield Framing::Line.frame(&PullLine::success()),
                Some(Err(error)) => yield Framing::Line.frame(&ErrorBody::from(&error)),
                None => {}
            }
        }
    }
}

/// How a job ended; `None` while it runs.
fn ended(job: &Job) -> Option<Result<()>> {
    match job.status {
        JobStatus::Running => None,
        JobStatus::Complete => Some(Ok(())),
        JobStatus::Cancelled => Some(Err(Error::pull_failed("the download was cancelled"))),
        JobStatus::Failed => Some(Err(Error::pull_failed(job.error.clone().unwrap_or_default()))),
    }
}

/// Delete an installed model, unless it is answering.
#[utoipa::path(
    delete,
    path = "/api/delete",
    tag = "Ollama",
    operation_id = "ollama_delete",
    request_body = ModelRequest,
    responses(
        (status = OK),
        (status = BAD_REQUEST, body = ErrorBody),
        (status = FORBIDDEN, body = ErrorBody),
        (status = NOT_FOUND, body = ErrorBody),
        (status = CONFLICT, description = "it is answering, or the models are kept elsewhere", body = ErrorBody),
    ),
)]
pub async fn delete(_: ModelChanges, State(state): State<AppState>, Json(request): Json<ModelRequest>) -> Result<()> {
    Ok(state.engine.delete(&request.model()?).await?)
}
