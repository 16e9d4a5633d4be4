use axum::body::Bytes;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ChatFinishReason, CompletionUsage, ErrorBody, response::new_id};
use crate::{dialect::sse, engine::Completion, error::Error};

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
    index: u32,
    delta: ChunkDelta<'a>,
    finish_reason: Option<ChatFinishReason>,
}

#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ChunkDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

/// Writes the events of one streamed answer: `role`, then `text` as often as there is some, then `finish`; or `error`
/// at any point, after which nothing follows.
pub struct ChunkWriter {
    id: String,
    created: i64,
    model: String,
    include_usage: bool,
}

impl ChunkWriter {
    pub fn new(model: String, include_usage: bool) -> Self {
        Self { id: new_id(), created: chrono::Utc::now().timestamp(), model, include_usage }
    }

    /// The first event: who speaks.
    pub fn role(&self) -> Bytes {
        self.choice(ChunkDelta { role: Some("assistant"), content: Some("") }, None)
    }

    pub fn text(&self, text: &str) -> Bytes {
        self.choice(ChunkDelta { role: None, content: Some(text) }, None)
    }

    /// The reason, the usage if it was asked for (unasked, its empty `choices` break clients) and the end mark.
    pub fn finish(&self, completion: Completion) -> Bytes {
        let mut events = self.choice(ChunkDelta::default(), Some(completion.finish_reason.into())).to_vec();
        if self.include_usage {
            events.extend(self.chunk(&[], Some(completion.usage.into())));
        }
        events.extend(sse::event_bytes(None, "[DONE]"));
        Bytes::from(events)
    }

    /// The last event of an answer that broke off. No end mark follows: the answer has no end.
    pub fn error(error: &Error) -> Bytes {
        event(&ErrorBody::from(error))
    }

    fn choice(&self, delta: ChunkDelta<'_>, finish_reason: Option<ChatFinishReason>) -> Bytes {
        self.chunk(&[ChunkChoice { index: 0, delta, finish_reason }], None)
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

fn event(value: &impl Serialize) -> Bytes {
    sse::event_bytes(None, &serde_json::to_string(value).expect("structs of texts and numbers are JSON"))
}
