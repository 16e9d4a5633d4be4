use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::engine::{Completion, FinishReason, Usage};

/// The body of a chat completion that is not streamed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletion {
    /// `chatcmpl-…`
    id: String,
    /// Always `chat.completion`.
    object: &'static str,
    /// Unix seconds.
    created: i64,
    model: String,
    choices: [ChatCompletionChoice; 1],
    usage: CompletionUsage,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletionChoice {
    index: u32,
    message: AnswerMessage,
    finish_reason: ChatFinishReason,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    logprobs: (),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerMessage {
    /// Always `assistant`.
    role: &'static str,
    content: String,
    /// Always null.
    #[schema(value_type = Option<String>)]
    refusal: (),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChatFinishReason {
    Stop,
    Length,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct CompletionUsage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
    prompt_tokens_details: PromptTokensDetails,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct PromptTokensDetails {
    /// The part of the prompt that did not have to be computed again.
    cached_tokens: u32,
}

impl ChatCompletion {
    pub fn new(model: String, content: String, completion: Completion) -> Self {
        Self {
            id: new_id(),
            object: "chat.completion",
            created: chrono::Utc::now().timestamp(),
            model,
            choices: [ChatCompletionChoice {
                index: 0,
                message: AnswerMessage { role: "assistant", content, refusal: () },
                finish_reason: completion.finish_reason.into(),
                logprobs: (),
            }],
            usage: completion.usage.into(),
        }
    }
}

impl From<FinishReason> for ChatFinishReason {
    fn from(reason: FinishReason) -> Self {
        match reason {
            // Only a client that left cancels, and it reads no reason.
            FinishReason::Stop | FinishReason::Cancelled => Self::Stop,
            FinishReason::Length => Self::Length,
        }
    }
}

impl From<Usage> for CompletionUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens + usage.completion_tokens,
            prompt_tokens_details: PromptTokensDetails { cached_tokens: usage.cached_tokens },
        }
    }
}

pub(super) fn new_id() -> String {
    format!("chatcmpl-{}", Uuid::new_v4().simple())
}
