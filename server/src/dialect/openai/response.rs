use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::logprobs::ChatLogprobs;
use crate::{
    chat::Collected,
    engine::{FinishReason, ToolCall, Usage},
};

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
    choices: Vec<ChatCompletionChoice>,
    usage: CompletionUsage,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletionChoice {
    index: usize,
    message: AnswerMessage,
    finish_reason: ChatFinishReason,
    logprobs: Option<ChatLogprobs>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerMessage {
    /// Always `assistant`.
    role: &'static str,
    /// Null when the model calls tools and says nothing.
    content: Option<String>,
    /// Thoughts before the answer, where a model server behind this one tells them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    /// Always null.
    #[schema(value_type = Option<String>)]
    refusal: (),
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<AnswerToolCall>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerToolCall {
    id: String,
    /// Always `function`.
    r#type: &'static str,
    function: AnswerFunctionCall,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerFunctionCall {
    name: String,
    /// A JSON object as text.
    arguments: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChatFinishReason {
    Stop,
    Length,
    ToolCalls,
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
    /// `answers` are of one prompt.
    pub fn new(model: String, answers: Vec<Collected>) -> Self {
        let usage = CompletionUsage::of_one_prompt(answers.iter().map(|answer| answer.completion.usage));
        Self {
            id: new_id("chatcmpl-"),
            object: "chat.completion",
            created: chrono::Utc::now().timestamp(),
            model,
            choices: answers.into_iter().enumerate().map(|(index, answer)| choice(index, answer)).collect(),
            usage,
        }
    }
}

fn choice(index: usize, answer: Collected) -> ChatCompletionChoice {
    let calls_tools = !answer.tool_calls.is_empty();
    ChatCompletionChoice {
        index,
        finish_reason: ChatFinishReason::new(answer.completion.finish_reason, calls_tools),
        message: AnswerMessage {
            role: "assistant",
            content: (!answer.text.is_empty() || !calls_tools).then_some(answer.text),
            reasoning_content: Some(answer.reasoning).filter(|reasoning| !reasoning.is_empty()),
            refusal: (),
            tool_calls: answer.tool_calls.into_iter().map(AnswerToolCall::from).collect(),
        },
        logprobs: ChatLogprobs::of(answer.logprobs),
    }
}

impl From<ToolCall> for AnswerToolCall {
    fn from(call: ToolCall) -> Self {
        let function = AnswerFunctionCall { name: call.name, arguments: call.arguments };
        Self { id: call.id, r#type: "function", function }
    }
}

impl ChatFinishReason {
    pub fn new(reason: FinishReason, calls_tools: bool) -> Self {
        match reason {
            FinishReason::Length => Self::Length,
            // Only a client that left cancels, and it reads no reason.
            FinishReason::Stop | FinishReason::Cancelled if calls_tools => Self::ToolCalls,
            FinishReason::Stop | FinishReason::Cancelled => Self::Stop,
        }
    }
}

impl CompletionUsage {
    /// What several answers to one prompt cost: the prompt counts once.
    pub fn of_one_prompt(usages: impl Iterator<Item = Usage>) -> Self {
        let mut usages = usages.peekable();
        let prompt = usages.peek().copied().unwrap_or_default();
        let completion_tokens = usages.map(|usage| usage.completion_tokens).sum();
        Usage { completion_tokens, ..prompt }.into()
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

/// A new id that begins as OpenAI's of its kind do.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::new_v4().simple())
}
