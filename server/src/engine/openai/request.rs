//! What OpenAI-compatible servers are asked.

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    chat::Parameters,
    engine::{self, EmbedText, Function, PromptMessage, Role, Schema, ToolChoice},
};

#[derive(Serialize)]
pub struct ChatRequest<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    /// With an answer at the end of the messages that has to be continued. llama-server does so by itself; vLLM does when
    /// it is told with these two; a server that knows neither refuses them, and so does not begin a second answer.
    #[serde(flatten)]
    continuation: Option<Continuation>,
    stream: bool,
    stream_options: StreamOptions,
    /// Ours have the names that OpenAI, or else llama.cpp's server, gave them.
    #[serde(flatten)]
    parameters: &'a Parameters,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
}

#[derive(Serialize)]
pub struct CompletionRequest<'a> {
    model: &'a str,
    prompt: &'a str,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(flatten)]
    parameters: &'a Parameters,
}

#[derive(Serialize)]
pub struct EmbedRequest<'a> {
    model: &'a str,
    input: Vec<Value>,
    encoding_format: &'static str,
}

#[derive(Serialize)]
struct Continuation {
    continue_final_message: bool,
    add_generation_prompt: bool,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: &'a Function,
}

impl<'a> ChatRequest<'a> {
    pub fn new(request: &'a engine::ChatRequest, messages: &'a [PromptMessage]) -> Self {
        let continues = !request.answer_so_far.is_empty();
        let output = &request.output;
        let tools = output.tools.as_ref();
        let functions = tools.map(|tools| tools.functions.as_slice()).unwrap_or_default();
        Self {
            model: &request.model,
            messages: messages.iter().map(Message::new).collect(),
            continuation: continues
                .then_some(Continuation { continue_final_message: true, add_generation_prompt: false }),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            parameters: &request.parameters,
            response_format: output.schema.as_ref().map(response_format),
            tools: functions.iter().map(|function| Tool { r#type: "function", function }).collect(),
            tool_choice: tools.and_then(|tools| tool_choice(&tools.choice)),
            parallel_tool_calls: tools.filter(|tools| !tools.parallel).map(|_| false),
            logprobs: output.logprobs.map(|_| true),
            top_logprobs: output.logprobs.filter(|count| *count > 0),
        }
    }
}

impl<'a> CompletionRequest<'a> {
    pub fn new(request: &'a engine::ChatRequest, prompt: &'a str) -> Self {
        Self {
            model: &request.model,
            prompt,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            parameters: &request.parameters,
        }
    }
}

impl<'a> EmbedRequest<'a> {
    pub fn new(request: &'a engine::EmbedRequest) -> Self {
        let input = |text: &EmbedText| match text {
            EmbedText::Text(text) => json!(text),
            EmbedText::Tokens(tokens) => json!(tokens),
        };
        Self { model: &request.model, input: request.texts.iter().map(input).collect(), encoding_format: "float" }
    }
}

impl<'a> Message<'a> {
    fn new(message: &'a PromptMessage) -> Self {
        let calls = message.tool_calls.iter().map(|call| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        });
        Self {
            role: message.role,
            content: &message.content,
            tool_calls: calls.collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

/// `auto` is what a server does unasked.
fn tool_choice(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Named(name) => Some(json!({ "type": "function", "function": { "name": name } })),
    }
}

fn response_format(schema: &Schema) -> Value {
    if *schema == Schema::any_object() {
        return json!({ "type": "json_object" });
    }
    let json_schema = json!({ "name": "answer", "schema": schema.schema, "strict": schema.strict });
    json!({ "type": "json_schema", "json_schema": json_schema })
}
