use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::request::{Echo, ResponseTool, TextFormat};
use crate::{
    dialect::openai::response::new_id,
    engine::{Completion, FinishReason, ToolCall},
};

/// A response: the body of the answer, and a part of some events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResponseObject {
    /// `resp_…`
    id: String,
    /// Always `response`.
    object: &'static str,
    /// Unix seconds.
    created_at: i64,
    pub status: ResponseStatus,
    /// Always null: an answer that fails has no response.
    #[schema(value_type = Option<Object>)]
    error: (),
    incomplete_details: Option<IncompleteDetails>,
    instructions: Option<String>,
    max_output_tokens: Option<u32>,
    model: String,
    pub output: Vec<OutputItem>,
    parallel_tool_calls: bool,
    /// Always null.
    #[schema(value_type = Option<String>)]
    previous_response_id: (),
    /// Always false.
    store: bool,
    temperature: Option<f32>,
    top_p: Option<f32>,
    text: ResponseTextEcho,
    tools: Vec<ResponseTool>,
    /// `auto`, whatever was asked for.
    tool_choice: &'static str,
    /// Always `disabled`.
    truncation: &'static str,
    usage: Option<ResponseUsage>,
    metadata: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    InProgress,
    Completed,
    Incomplete,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncompleteDetails {
    /// Always `max_output_tokens`.
    reason: &'static str,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResponseTextEcho {
    format: TextFormat,
}

/// What the model says, or a function that it calls.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    Message {
        /// `msg_…`
        id: String,
        status: ResponseStatus,
        /// Always `assistant`.
        role: &'static str,
        content: Vec<OutputText>,
    },
    FunctionCall {
        /// `fc_…`
        id: String,
        status: ResponseStatus,
        call_id: String,
        name: String,
        /// A JSON object as text.
        arguments: String,
    },
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutputText {
    /// Always `output_text`.
    r#type: &'static str,
    pub text: String,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    annotations: [(); 0],
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResponseUsage {
    input_tokens: u32,
    input_tokens_details: InputTokensDetails,
    output_tokens: u32,
    output_tokens_details: OutputTokensDetails,
    total_tokens: u32,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InputTokensDetails {
    /// The part of the input that did not have to be computed again.
    cached_tokens: u32,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutputTokensDetails {
    /// Always 0.
    reasoning_tokens: u32,
}

impl ResponseObject {
    /// A response that has nothing yet.
    pub fn begun(model: String, echo: Echo) -> Self {
        let format = TextFormat { r#type: "text".to_owned(), name: None, schema: None, strict: None };
        Self {
            id: new_id("resp_"),
            object: "response",
            created_at: chrono::Utc::now().timestamp(),
            status: ResponseStatus::InProgress,
            error: (),
            incomplete_details: None,
            instructions: echo.instructions,
            max_output_tokens: echo.max_output_tokens,
            model,
            output: Vec::new(),
            parallel_tool_calls: echo.parallel_tool_calls,
            previous_response_id: (),
            store: false,
            temperature: echo.temperature,
            top_p: echo.top_p,
            text: ResponseTextEcho { format: echo.format.unwrap_or(format) },
            tools: echo.tools,
            tool_choice: "auto",
            truncation: "disabled",
            usage: None,
            metadata: BTreeMap::new(),
        }
    }

    /// How it ended and what it cost.
    pub fn end(&mut self, completion: Completion) {
        let is_cut = completion.finish_reason == FinishReason::Length;
        self.status = if is_cut { ResponseStatus::Incomplete } else { ResponseStatus::Completed };
        self.incomplete_details = is_cut.then_some(IncompleteDetails { reason: "max_output_tokens" });
        let usage = completion.usage;
        self.usage = Some(ResponseUsage {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputTokensDetails { cached_tokens: usage.cached_tokens },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputTokensDetails { reasoning_tokens: 0 },
            total_tokens: usage.prompt_tokens + usage.completion_tokens,
        });
    }
}

impl OutputItem {
    pub fn message(id: String, status: ResponseStatus, content: Vec<OutputText>) -> Self {
        Self::Message { id, status, role: "assistant", content }
    }

    pub fn call(id: String, status: ResponseStatus, call: &ToolCall, arguments: String) -> Self {
        Self::FunctionCall { id, status, call_id: call.id.clone(), name: call.name.clone(), arguments }
    }
}

impl From<String> for OutputText {
    fn from(text: String) -> Self {
        Self { r#type: "output_text", text, annotations: [] }
    }
}
