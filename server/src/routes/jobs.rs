//! Jobs: the downloads of this server, whoever started them.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    access::ModelChanges, dialect::own::ErrorBody, error::Result, extract::Path, models::jobs, state::AppState,
    store::Job,
};

#[derive(Serialize, ToSchema)]
pub struct JobList {
    jobs: Vec<Job>,
}

/// Downloads that run, and those that have ended in the last week, newest first.
#[utoipa::path(get, path = "/api/jobs", tag = "jobs", operation_id = "list_jobs",
    responses((status = 200, body = JobList), (status = 503, body = ErrorBody)))]
pub async fn list(State(state): State<AppState>) -> Result<Json<JobList>> {
    Ok(Json(JobList { jobs: jobs::list(&state).await? }))
}

/// How far a download is.
#[utoipa::path(get, path = "/api/jobs/{id}", tag = "jobs", operation_id = "show_job",
    responses((status = 200, body = Job), (status = 404, body = ErrorBody)))]
pub async fn show(State(state): State<AppState>, Path(id): Path<Uuid>) -> Result<Json<Job>> {
    Ok(Json(jobs::find(&state, id).await?))
}

/// End a download, or give up one that failed, and remove what has come of it. One that is complete stays so.
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", tag = "jobs", operation_id = "cancel_job",
    responses((status = 202), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn cancel(_: ModelChanges, State(state): State<AppState>, Path(id): Path<Uuid>) -> Result<StatusCode> {
    jobs::cancel(&state, id).await?;
    Ok(StatusCode::ACCEPTED)
}
