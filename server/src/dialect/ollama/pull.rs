use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    error::{Error, Result},
    store::{Job, job::Stage},
};

/// The body of `POST /api/pull`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PullRequest {
    model: Option<String>,
    /// What `model` was called once.
    name: Option<String>,
    /// Lines that tell how far it is, unless this is false.
    stream: Option<bool>,
}

/// A body that names a model and asks for nothing else: of `/api/show` and `/api/delete`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ModelRequest {
    model: Option<String>,
    /// What `model` was called once.
    name: Option<String>,
}

impl PullRequest {
    pub fn streams(&self) -> bool {
        self.stream != Some(false)
    }

    /// # Errors
    /// 400 when no model is named.
    pub fn model(self) -> Result<String> {
        ModelRequest { model: self.model, name: self.name }.model()
    }
}

impl ModelRequest {
    /// # Errors
    /// 400 when no model is named.
    pub fn model(self) -> Result<String> {
        let model = self.model.or(self.name).filter(|model| !model.is_empty());
        model.ok_or_else(|| Error::invalid("model", "model must name a model"))
    }
}

/// How far a download is, in the words of Ollama's own server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PullLine {
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed: Option<i64>,
}

impl PullLine {
    pub fn success() -> Self {
        Self::of("success")
    }

    fn manifest() -> Self {
        Self::of("pulling manifest")
    }

    fn file(digest: &str, completed: i64, total: Option<i64>) -> Self {
        Self {
            digest: Some(digest.to_owned()),
            total,
            completed: Some(completed),
            // Ollama's command line tells files apart by these letters.
            ..Self::of(format!("pulling {}", digest.trim_start_matches("sha256:").chars().take(12).collect::<String>()))
        }
    }

    fn of(status: impl Into<String>) -> Self {
        Self { status: status.into(), digest: None, total: None, completed: None }
    }
}

/// The lines of one download. None is said twice, and a file that was there before anybody looked is still told.
#[derive(Default)]
pub struct PullLines {
    told: Vec<PullLine>,
}

impl PullLines {
    /// Ollama's first line, said however quickly the manifest was read.
    pub fn first(&mut self) -> PullLine {
        self.told = vec![PullLine::manifest()];
        PullLine::manifest()
    }

    pub fn next(&mut self, job: &Job) -> Vec<PullLine> {
        let lines = match (job.stage, &job.digest) {
            (Stage::Downloading, Some(digest)) => vec![PullLine::file(digest, job.done_bytes, job.total_bytes)],
            (Stage::Verifying, Some(digest)) => vec![
                PullLine::file(digest, job.total_bytes.unwrap_or(job.done_bytes), job.total_bytes),
                PullLine::of("verifying sha256 digest"),
            ],
            _ => vec![PullLine::manifest()],
        };
        let new = lines.iter().filter(|line| !self.told.contains(line)).cloned().collect();
        self.told = lines;
        new
    }
}
