//! Ollama's wire format. Its errors are a text, its times are nanoseconds, and its streams are lines of JSON.

mod embed;
mod generate;
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

/// The paths whose clients read this format's errors.
pub const PATHS: [&str; 10] = [
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
];
