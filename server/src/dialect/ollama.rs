//! Ollama's wire format. Its errors are a text, its times are nanoseconds, and its streams are lines of JSON.

mod embed;
mod generate;
mod models;
mod options;
mod request;
mod response;

pub use self::{
    embed::{EmbedRequest, EmbedResponse, OldEmbedRequest, OldEmbedResponse},
    generate::{GeneratePrompt, GenerateRequest},
    models::{LoadedModels, ShowRequest, ShowResponse, Tags, Version},
    request::ChatRequest,
    response::{ChatResponse, ErrorBody, Framing, GenerateResponse, Kind, Reply},
};

/// The paths whose clients read this format's errors.
pub const PATHS: [&str; 8] = [
    "/api/chat",
    "/api/generate",
    "/api/tags",
    "/api/show",
    "/api/ps",
    "/api/version",
    "/api/embed",
    "/api/embeddings",
];
