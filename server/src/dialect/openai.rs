//! OpenAI's wire format, as its official clients speak it.

mod chunk;
mod error;
mod models;
mod request;
mod response;

pub use self::{
    chunk::{ChatCompletionChunk, ChunkWriter},
    error::{ErrorBody, ErrorObject},
    models::{ModelList, ModelObject},
    request::{
        ChatCompletionMessage, ChatCompletionRequest, ChatCompletionRole, Content, ContentPart, ResponseFormat,
        StreamOptions,
    },
    response::{AnswerMessage, ChatCompletion, ChatCompletionChoice, ChatFinishReason, CompletionUsage},
};
