//! Ollama's wire format. Its errors are a text, its times are nanoseconds, and its streams are lines of JSON.

mod request;
mod response;

pub use self::{
    request::{ChatMessage, ChatOptions, ChatRequest},
    response::{ChatResponse, ErrorBody, Framing, Reply},
};
