use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ChatFinishReason, CompletionUsage, ErrorBody, logprobs::ChatLogprobs, response::new_id};
use crate::{
    dialect::{Writer, sse},
    engine::{Delta, TokenLogprob, ToolCall, Usage},
    error::Error,
};

/// One event of a streamed chat completion. Borrowed and without a tree of values, because there is one for each token.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletionChunk<'a> {
    /// `chatcmpl-…`, the same in every chunk of an answer.
    id: &'a str,
    /// Always `chat.completion.chunk`.
    object: &'static str,
    /// Unix seconds, the same in every chunk of an answer.
    created: i64,
    model: &'a str,
    /// One; none in the chunk that holds the usage.
    choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CompletionUsage>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChunkChoice<'a> {
    index: usize,
    delta: ChunkDelta<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<ChatFinishReason>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ChunkDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    /// Thoughts before the answer, where a model server behind this one tells them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ChunkToolCall<'a>; 1]>,
}

/// A piece of a call: the first has its id and name, the others have arguments.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChunkToolCall<'a> {
    /// Which call of the answer it is, from 0.
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: ChunkFunctionCall<'a>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChunkFunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// Writes the events of streamed answers to one prompt.
pub struct ChunkWriter {
    id: String,
    created: i64,
    model: String,
    include_usage: bool,
    choices: Vec<Progress>,
}

/// What has to be known of an answer while it is streamed.
#[derive(Default)]
struct Progress {
    /// Tokens whose text has not come yet.
    logprobs: Vec<TokenLogprob>,
    tool_calls: usize,
    usage: Usage,
}

impl ChunkWriter {
    /// For this many answers.
    pub fn new(model: String, choices: usize, include_usage: bool) -> Self {
        let created = chrono::Utc::now().timestamp();
        let choices = std::iter::repeat_with(Progress::default).take(choices).collect();
        Self { id: new_id("chatcmpl-"), created, model, include_usage, choices }
    }

    fn tool_call(&self, index: usize, number: usize, call: &ToolCall) -> Bytes {
        let piece = |id: Option<&str>, name: Option<&str>, arguments: &str| {
            let r#type = id.map(|_| "function");
            let function = ChunkFunctionCall { name, arguments };
            let call = ChunkToolCall { index: number, id, r#type, function };
            self.choice(index, ChunkDelta { tool_calls: Some([call]), ..ChunkDelta::default() }, None, None)
        };
        concat([piece(Some(&call.id), Some(&call.name), ""), piece(None, None, &call.arguments)])
    }

    fn choice(
        &self,
        index: usize,
        delta: ChunkDelta<'_>,
        logprobs: Option<ChatLogprobs>,
        finish_reason: Option<ChatFinishReason>,
    ) -> Bytes {
        self.chunk(&[ChunkChoice { index, delta, logprobs, finish_reason }], None)
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<CompletionUsage>) -> Bytes {
        event(&ChatCompletionChunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        })
    }
}

impl Writer for ChunkWriter {
    /// Who speaks.
    fn begin(&mut self) -> Option<Bytes> {
        let role = || ChunkDelta { role: Some("assistant"), content: Some(""), ..ChunkDelta::default() };
        let events = (0..self.choices.len()).map(|index| self.choice(index, role(), None, None));
        Some(concat(events))
    }

    fn delta(&mut self, index: usize, delta: Delta) -> Option<Bytes> {
        match delta {
            Delta::Logprobs(tokens) => {
                self.choices[index].logprobs.extend(tokens);
                None
            }
            Delta::Reasoning(thoughts) => {
                let delta = ChunkDelta { reasoning_content: Some(&thoughts), ..ChunkDelta::default() };
                Some(self.choice(index, delta, None, None))
            }
            Delta::Text(piece) => {
                let logprobs = ChatLogprobs::of(std::mem::take(&mut self.choices[index].logprobs));
                let delta = ChunkDelta { content: Some(&piece.text), ..ChunkDelta::default() };
                Some(self.choice(index, delta, logprobs, None))
            }
            Delta::ToolCall(call) => {
                let number = self.choices[index].tool_calls;
                self.choices[index].tool_calls += 1;
                Some(self.tool_call(index, number, &call))
            }
            Delta::Done(completion) => {
                self.choices[index].usage = completion.usage;
                let calls_tools = self.choices[index].tool_calls > 0;
                let reason = ChatFinishReason::new(completion.finish_reason, calls_tools);
                Some(self.choice(index, ChunkDelta::default(), None, Some(reason)))
            }
        }
    }

    /// The usage if it was asked for (unasked, its empty `choices` break clients) and the end mark.
    fn end(&mut self) -> Option<Bytes> {
        let usage = CompletionUsage::of_one_prompt(self.choices.iter().map(|choice| choice.usage));
        let usage = self.include_usage.then(|| self.chunk(&[], Some(usage)));
        Some(concat(usage.into_iter().chain([sse::event_bytes(None, "[DONE]")])))
    }

    /// No end mark follows: the answer has no end.
    fn error(&mut self, error: &Error) -> Bytes {
        event(&ErrorBody::from(error))
    }
}

pub fn event(value: &impl Serialize) -> Bytes {
    sse::event_bytes(None, &serde_json::to_string(value).expect("structs of texts and numbers are JSON"))
}

pub fn concat(events: impl IntoIterator<Item = Bytes>) -> Bytes {
    events.into_iter().collect::<Vec<_>>().concat().into()
}
