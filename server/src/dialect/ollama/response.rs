use std::time::Instant;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    chat::ContextReport,
    dialect::sse,
    engine::{Completion, FinishReason},
    error::Error,
};

/// What an error of Ollama's paths looks like, as a body and as the last line of a stream that broke off.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OllamaErrorBody)]
pub struct ErrorBody<'a> {
    error: &'a str,
}

impl<'a> From<&'a Error> for ErrorBody<'a> {
    fn from(error: &'a Error) -> Self {
        Self { error: &error.message }
    }
}

/// An answer, or one piece of it when it is streamed. Only the last piece has the fields after `done`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatResponse<'a> {
    model: &'a str,
    created_at: DateTime<Utc>,
    message: ResponseMessage<'a>,
    done: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    summary: Option<Summary>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseMessage<'a> {
    /// Always `assistant`.
    role: &'static str,
    content: &'a str,
}

/// How an answer ended and what it cost. Durations are nanoseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// `stop` or `length`.
    done_reason: &'static str,
    /// From the request to here.
    total_duration: u64,
    /// From the request's arrival at the engine to its first turn.
    load_duration: u64,
    prompt_eval_count: u32,
    prompt_eval_duration: u64,
    eval_count: u32,
    eval_duration: u64,
    /// Which part of the conversation reached the model; Ollama itself does not tell.
    context: ContextReport,
}

/// One answer being written, piece by piece or in one.
pub struct Reply {
    model: String,
    context: ContextReport,
    asked_at: Instant,
}

impl Reply {
    /// `asked_at` is when the request arrived.
    pub fn new(model: String, context: ContextReport, asked_at: Instant) -> Self {
        Self { model, context, asked_at }
    }

    pub fn piece<'a>(&'a self, text: &'a str) -> ChatResponse<'a> {
        ChatResponse {
            model: &self.model,
            created_at: Utc::now(),
            message: ResponseMessage { role: "assistant", content: text },
            done: false,
            summary: None,
        }
    }

    /// The last piece of a stream, or the whole answer with its `text`.
    pub fn end<'a>(&'a self, text: &'a str, completion: Completion) -> ChatResponse<'a> {
        let summary = Summary {
            done_reason: match completion.finish_reason {
                // Only a client that left cancels, and it reads no reason.
                FinishReason::Stop | FinishReason::Cancelled => "stop",
                FinishReason::Length => "length",
            },
            total_duration: u64::try_from(self.asked_at.elapsed().as_nanos()).unwrap_or(u64::MAX),
            load_duration: nanoseconds(completion.timings.queued_ms),
            prompt_eval_count: completion.usage.prompt_tokens,
            prompt_eval_duration: nanoseconds(completion.timings.prefill_ms),
            eval_count: completion.usage.completion_tokens,
            eval_duration: nanoseconds(completion.timings.decode_ms),
            context: self.context,
        };
        ChatResponse { done: true, summary: Some(summary), ..self.piece(text) }
    }
}

/// What a streamed piece looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A line of JSON.
    Line,
    /// A Server-Sent Event.
    Event,
}

impl Framing {
    pub fn frame(self, piece: &impl Serialize) -> Bytes {
        let mut json = serde_json::to_string(piece).expect("structs of texts and numbers are JSON");
        match self {
            Self::Line => {
                json.push('\n');
                Bytes::from(json)
            }
            Self::Event => sse::event_bytes(None, &json),
        }
    }
}

fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6) as u64
}
