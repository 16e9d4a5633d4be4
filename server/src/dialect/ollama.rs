//! Ollama's wire format. Its errors are a text, its times are nanoseconds, and its streams are lines of JSON.

mod pull;
mod request;
mod response;

pub use self::{
    pull::{ModelRequest, PullLine, PullLines, PullRequest},
    request::{ChatMessage, ChatOptions, ChatRequest},
    response::{ChatResponse, ErrorBody, Framing, Reply},
};
