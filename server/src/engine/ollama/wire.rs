//! Ollama's JSON, as far as we use it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    chat::Parameters,
    engine::{
        self, EmbedText, EngineError, KeepAlive, Output, PromptMessage, Role, Schema, Think,
        upstream::wire::{TokenLogprob, Tool},
    },
};

#[derive(Serialize)]
pub struct ChatRequest<'a> {
    model: &'a str,
    /// An answer that is continued stands at their end: Ollama goes on in the middle of it.
    messages: Vec<Message<'a>>,
    #[serde(flatten)]
    form: Form<'a>,
    stream: bool,
    /// Off: a prompt that is too long has to be an error and not lose its beginning.
    truncate: bool,
    /// Off: an answer that fills the context ends instead of forgetting the prompt.
    shift: bool,
    /// Left to the model unless the request says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(flatten)]
    stay: Stay,
    options: Options<'a>,
}

/// A text that is continued as it is.
#[derive(Serialize)]
pub struct GenerateRequest<'a> {
    model: &'a str,
    prompt: &'a str,
    raw: bool,
    #[serde(flatten)]
    form: Form<'a>,
    stream: bool,
    truncate: bool,
    shift: bool,
    /// Left to the model unless the request says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(flatten)]
    stay: Stay,
    options: Options<'a>,
}

#[derive(Serialize)]
pub struct EmbedRequest<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    truncate: bool,
    #[serde(flatten)]
    stay: Stay,
}

/// How long the model stays in memory, in seconds; negative is for ever.
#[derive(Serialize)]
struct Stay {
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<f64>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Value>,
}

/// What an answer consists of besides free text.
#[derive(Serialize)]
struct Form<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
}

/// What is `None` is left to the model's own settings.
#[derive(Serialize)]
struct Options<'a> {
    num_ctx: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a [String]>,
}

impl<'a> ChatRequest<'a> {
    pub fn new(request: &'a engine::ChatRequest, messages: &'a [PromptMessage], context_length: u32) -> Self {
        Self {
            model: &request.model,
            messages: messages.iter().map(Message::new).collect(),
            form: Form::new(&request.output),
            stream: true,
            truncate: false,
            shift: false,
            think: request.think,
            stay: request.keep_alive.into(),
            options: Options::new(&request.parameters, context_length),
        }
    }
}

impl<'a> GenerateRequest<'a> {
    pub fn new(request: &'a engine::ChatRequest, prompt: &'a str, context_length: u32) -> Self {
        Self {
            model: &request.model,
            prompt,
            raw: true,
            form: Form::new(&request.output),
            stream: true,
            truncate: false,
            shift: false,
            think: request.think,
            stay: request.keep_alive.into(),
            options: Options::new(&request.parameters, context_length),
        }
    }
}

impl<'a> EmbedRequest<'a> {
    /// # Errors
    /// Ollama takes texts only, and no tokens.
    pub fn new(request: &'a engine::EmbedRequest) -> Result<Self, EngineError> {
        let texts = request.texts.iter().map(|text| match text {
            EmbedText::Text(text) => Ok(text.as_str()),
            EmbedText::Tokens(_) => {
                Err(EngineError::Unsupported { param: "input", reason: "this engine takes texts and no tokens" })
            }
        });
        Ok(Self {
            model: &request.model,
            input: texts.collect::<Result<_, _>>()?,
            truncate: request.truncate,
            stay: request.keep_alive.into(),
        })
    }
}

impl From<Option<KeepAlive>> for Stay {
    fn from(keep_alive: Option<KeepAlive>) -> Self {
        let keep_alive = keep_alive.map(|keep_alive| match keep_alive {
            KeepAlive::For(time) => time.as_secs_f64(),
            KeepAlive::Forever => -1.0,
        });
        Self { keep_alive }
    }
}

impl<'a> Message<'a> {
    fn new(message: &'a PromptMessage) -> Self {
        let calls = message.tool_calls.iter().map(|call| {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            json!({ "function": { "name": call.name, "arguments": arguments } })
        });
        Self { role: message.role, content: &message.content, tool_calls: calls.collect() }
    }
}

impl<'a> Form<'a> {
    fn new(output: &'a Output) -> Self {
        Self {
            format: output.schema.as_ref().map(|schema| match schema {
                schema if *schema == Schema::any_object() => json!("json"),
                schema => schema.schema.clone(),
            }),
            tools: Tool::offered(output),
            logprobs: output.logprobs.map(|_| true),
            top_logprobs: output.logprobs.filter(|count| *count > 0),
        }
    }
}

impl<'a> Options<'a> {
    fn new(parameters: &'a Parameters, context_length: u32) -> Self {
        Self {
            num_ctx: context_length,
            num_predict: parameters.max_tokens,
            temperature: parameters.temperature,
            top_p: parameters.top_p,
            top_k: parameters.top_k,
            min_p: parameters.min_p,
            seed: parameters.seed,
            repeat_penalty: parameters.repeat_penalty,
            frequency_penalty: parameters.frequency_penalty,
            presence_penalty: parameters.presence_penalty,
            stop: parameters.stop.as_deref(),
        }
    }
}

/// A line of an answer. Durations are in nanoseconds and, like the counts, stand in the last line only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chunk {
    pub error: Option<String>,
    pub message: Option<ChunkMessage>,
    /// Where a text is continued, in place of `message`.
    pub response: Option<String>,
    /// The same of its thoughts.
    pub thinking: Option<String>,
    pub logprobs: Vec<TokenLogprob>,
    pub done: bool,
    pub done_reason: Option<String>,
    pub total_duration: u64,
    pub prompt_eval_count: u32,
    pub prompt_eval_duration: u64,
    pub eval_count: u32,
    pub eval_duration: u64,
}

#[derive(Debug, Default, Deserialize)]
pub struct ChunkMessage {
    #[serde(default)]
    pub content: String,
    #[serde(default)]
    pub thinking: String,
    #[serde(default)]
    pub tool_calls: Vec<ToolCall>,
}

#[derive(Debug, Deserialize)]
pub struct ToolCall {
    pub function: CalledFunction,
}

#[derive(Debug, Deserialize)]
pub struct CalledFunction {
    pub name: String,
    #[serde(default)]
    pub arguments: Value,
}

/// `/api/embed`.
#[derive(Deserialize)]
pub struct Embedded {
    pub embeddings: Vec<Vec<f32>>,
    #[serde(default)]
    pub prompt_eval_count: u32,
}

#[derive(Deserialize)]
pub struct Refusal {
    pub error: String,
}

/// `/api/tags`.
#[derive(Deserialize)]
pub struct Tags {
    pub models: Vec<InstalledModel>,
}

#[derive(Deserialize)]
pub struct InstalledModel {
    pub name: String,
    pub size: u64,
    pub modified_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub digest: String,
    #[serde(default)]
    pub details: Details,
}

#[derive(Default, Deserialize)]
pub struct Details {
    /// For example `134.52M`.
    parameter_size: Option<String>,
    pub quantization_level: Option<String>,
    pub family: Option<String>,
}

impl Details {
    /// Number of weights, as exactly as Ollama says it.
    pub fn parameters(&self) -> Option<u64> {
        let text = self.parameter_size.as_deref()?;
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "K" => 1e3,
            "M" => 1e6,
            "B" => 1e9,
            "T" => 1e12,
            _ => return None,
        };
        number.parse::<f64>().ok().map(|number| (number * unit).round() as u64)
    }
}

/// `/api/ps`.
#[derive(Deserialize)]
pub struct Ps {
    pub models: Vec<LoadedModel>,
}

#[derive(Deserialize)]
pub struct LoadedModel {
    pub name: String,
    /// Bytes that it takes in the memory of the computer and of its GPUs.
    pub size: Option<u64>,
    pub context_length: Option<u32>,
    pub expires_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_size_is_read_with_its_unit() {
        let parameters =
            |size: &str| Details { parameter_size: Some(size.to_owned()), ..Details::default() }.parameters();

        assert_eq!(parameters("134.52M"), Some(134_520_000));
        assert_eq!(parameters("7B"), Some(7_000_000_000));
        assert_eq!(parameters(""), None);
        assert_eq!(parameters("unknown"), None);
        assert_eq!(parameters("7é"), None);
    }
}
