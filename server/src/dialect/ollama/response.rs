use std::time::Instant;

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    chat::{Collected, ContextReport},
    dialect::{Writer, logprobs::TokenLogprob, sse},
    engine::{self, Completion, Delta, FinishReason, Timings, ToolCall, Usage},
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

/// An answer of `/api/chat`, or one piece of it when it is streamed. Only the last piece has the fields after `done`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatResponse<'a> {
    model: &'a str,
    created_at: DateTime<Utc>,
    message: ResponseMessage<'a>,
    #[serde(flatten)]
    #[schema(inline)]
    rest: Rest,
}

/// The same of `/api/generate`.
#[derive(Debug, Serialize, ToSchema)]
pub struct GenerateResponse<'a> {
    model: &'a str,
    created_at: DateTime<Utc>,
    response: &'a str,
    /// Thoughts before the answer, where a model server behind this one tells them apart.
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: &'a str,
    #[serde(flatten)]
    #[schema(inline)]
    rest: Rest,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseMessage<'a> {
    /// Always `assistant`.
    role: &'static str,
    content: &'a str,
    /// Thoughts before the answer, where a model server behind this one tells them apart.
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ResponseToolCall>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseToolCall {
    function: ResponseFunctionCall,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResponseFunctionCall {
    name: String,
    #[schema(value_type = Object)]
    arguments: Value,
}

/// What both kinds of answers have besides their text.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rest {
    /// Of the tokens of this piece, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<TokenLogprob>,
    done: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    summary: Option<Summary>,
}

/// How an answer ended and what it cost. Durations are nanoseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// `stop`, `length`, or `load` and `unload` when there was nothing to answer.
    done_reason: &'static str,
    /// From the request to here.
    total_duration: u64,
    /// From the request's arrival at the engine to its first turn.
    load_duration: u64,
    prompt_eval_count: u32,
    prompt_eval_duration: u64,
    eval_count: u32,
    eval_duration: u64,
    /// Which part of the conversation reached the model, in `/api/chat`; Ollama itself does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<ContextReport>,
}

/// One answer being written, piece by piece or in one.
pub struct Reply {
    kind: Kind,
    framing: Framing,
    model: String,
    asked_at: Instant,
    /// Tokens whose text has not come yet.
    logprobs: Vec<engine::TokenLogprob>,
}

/// Which path the answer is for.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// With what the model was told, if it was.
    Chat(Option<ContextReport>),
    Generate,
}

/// What one piece says.
#[derive(Default)]
struct Piece {
    thinking: String,
    text: String,
    tool_calls: Vec<ToolCall>,
    logprobs: Vec<engine::TokenLogprob>,
    end: Option<Completion>,
}

impl Reply {
    /// `asked_at` is when the request arrived.
    pub fn new(kind: Kind, framing: Framing, model: String, asked_at: Instant) -> Self {
        Self { kind, framing, model, asked_at, logprobs: Vec::new() }
    }

    /// The whole answer at once.
    pub fn whole(&self, answer: Collected) -> Bytes {
        let Collected { reasoning: thinking, text, tool_calls, logprobs, completion } = answer;
        self.piece(Piece { thinking, text, tool_calls, logprobs, end: Some(completion) })
    }

    /// The answer to a request that asks for nothing but that the model be loaded.
    pub fn loaded(&self) -> Bytes {
        self.nothing("load")
    }

    /// The same for one that asks that the model be unloaded.
    pub fn unloaded(&self) -> Bytes {
        self.nothing("unload")
    }

    fn nothing(&self, done_reason: &'static str) -> Bytes {
        let (usage, timings) = (Usage::default(), Timings::default());
        let nothing = Completion { finish_reason: FinishReason::Stop, usage, timings };
        let summary = Summary { done_reason, ..self.summary(nothing) };
        let rest = Rest { logprobs: Vec::new(), done: true, summary: Some(summary) };
        self.frame("", "", Vec::new(), rest)
    }

    fn piece(&self, piece: Piece) -> Bytes {
        let rest = Rest {
            logprobs: piece.logprobs.into_iter().map(TokenLogprob::from).collect(),
            done: piece.end.is_some(),
            summary: piece.end.map(|completion| self.summary(completion)),
        };
        self.frame(&piece.thinking, &piece.text, piece.tool_calls, rest)
    }

    fn frame(&self, thinking: &str, text: &str, tool_calls: Vec<ToolCall>, rest: Rest) -> Bytes {
        let (model, created_at) = (self.model.as_str(), Utc::now());
        match self.kind {
            Kind::Chat(_) => {
                let tool_calls = tool_calls.into_iter().map(ResponseToolCall::from).collect();
                let message = ResponseMessage { role: "assistant", content: text, thinking, tool_calls };
                self.framing.frame(&ChatResponse { model, created_at, message, rest })
            }
            Kind::Generate => {
                self.framing.frame(&GenerateResponse { model, created_at, response: text, thinking, rest })
            }
        }
    }

    fn summary(&self, completion: Completion) -> Summary {
        Summary {
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
            context: match self.kind {
                Kind::Chat(context) => context,
                Kind::Generate => None,
            },
        }
    }
}

impl Writer for Reply {
    fn delta(&mut self, _index: usize, delta: Delta) -> Option<Bytes> {
        let piece = match delta {
            Delta::Logprobs(tokens) => {
                self.logprobs.extend(tokens);
                return None;
            }
            Delta::Reasoning(thinking) => Piece { thinking, ..Piece::default() },
            Delta::Text(said) => {
                Piece { text: said.text, logprobs: std::mem::take(&mut self.logprobs), ..Piece::default() }
            }
            Delta::ToolCall(call) => Piece { tool_calls: vec![call], ..Piece::default() },
            Delta::Done(completion) => Piece { end: Some(completion), ..Piece::default() },
        };
        Some(self.piece(piece))
    }

    fn error(&mut self, error: &Error) -> Bytes {
        self.framing.frame(&ErrorBody::from(error))
    }
}

impl From<ToolCall> for ResponseToolCall {
    /// On this wire arguments are an object and calls have no ids.
    fn from(call: ToolCall) -> Self {
        let arguments = serde_json::from_str(&call.arguments).unwrap_or_default();
        Self { function: ResponseFunctionCall { name: call.name, arguments } }
    }
}

/// What an answer looks like on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One JSON object.
    Whole,
    /// Pieces, each a line of JSON.
    Line,
    /// Pieces, each a Server-Sent Event.
    Event,
}

impl Framing {
    pub fn frame(self, piece: &impl Serialize) -> Bytes {
        let mut json = serde_json::to_string(piece).expect("structs of texts and numbers are JSON");
        match self {
            Self::Whole => Bytes::from(json),
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
