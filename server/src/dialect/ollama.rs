//! Ollama's wire format. Its errors are a text, its times are nanoseconds, and its streams are lines of JSON.

mod embed;
mod generate;
mod keep_alive;
mod models;
mod options;
mod pull;
mod request;
mod response;

pub use self::{
    embed::{EmbedRequest, EmbedResponse, OldEmbedRequest, OldEmbedResponse},
    generate::GenerateRequest,
    models::{LoadedModels, ShowResponse, Tags, Version},
    pull::{ModelRequest, PullLine, PullLines, PullRequest},
    request::ChatRequest,
    response::{ChatResponse, ErrorBody, Framing, GenerateResponse, Kind, Reply},
};

/// Whether the clients of a path read this format's errors, as they do of those that Ollama has and this server has not.
pub fn is_path(path: &str) -> bool {
    PATHS.contains(&path) || path.starts_with("/api/blobs/")
}

const PATHS: [&str; 15] = [
    "/api/chat",
    "/api/generate",
    "/api/tags",
    "/api/show",
    "/api/ps",
    "/api/version",
    "/api/embed",
    "/api/embeddings",
    "/api/pull",
    "/api/delete",
    "/api/create",
    "/api/copy",
    "/api/push",
    "/api/me",
    "/api/signout",
];
