//! OpenAI's wire format, as its official clients speak it.

mod chunk;
mod completion;
mod embedding;
mod error;
mod format;
mod logprobs;
mod message;
mod models;
mod request;
mod response;
pub mod responses;
mod tool_choice;

pub use self::{
    chunk::{ChatCompletionChunk, ChunkWriter},
    completion::{CompletionRequest, TextCompletion, TextWriter},
    embedding::{EmbeddingList, EmbeddingRequest},
    error::{ErrorBody, ErrorObject},
    models::{ModelList, ModelObject},
    request::{ChatCompletionRequest, StreamOptions},
    response::{ChatCompletion, ChatFinishReason, CompletionUsage},
};
