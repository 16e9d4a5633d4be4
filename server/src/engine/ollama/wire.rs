//! Ollama's JSON, as far as we use it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{chat::Parameters, engine, engine::PromptMessage};

#[derive(Serialize)]
pub struct ChatRequest<'a> {
    model: &'a str,
    /// An answer that is continued stands at their end: Ollama goes on in the middle of it.
    messages: Cow<'a, [PromptMessage]>,
    stream: bool,
    /// Off: a prompt that is too long has to be an error and not lose its beginning.
    truncate: bool,
    /// Off: an answer that fills the context ends instead of forgetting the prompt.
    shift: bool,
    options: Options<'a>,
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
    pub fn new(request: &'a engine::ChatRequest, context_length: u32) -> Self {
        Self {
            model: &request.model,
            messages: request.messages_and_answer(),
            stream: true,
            truncate: false,
            shift: false,
            options: Options::new(&request.parameters, context_length),
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
    pub done: bool,
    pub done_reason: Option<String>,
    pub total_duration: u64,
    pub prompt_eval_count: u32,
    pub prompt_eval_duration: u64,
    pub eval_count: u32,
    pub eval_duration: u64,
}

#[derive(Debug, Deserialize)]
pub struct ChunkMessage {
    #[serde(default)]
    pub content: String,
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
    #[serde(default)]
    pub details: Details,
}

#[derive(Default, Deserialize)]
pub struct Details {
    /// For example `134.52M`.
    parameter_size: Option<String>,
    pub quantization_level: Option<String>,
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
    pub context_length: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_size_is_read_with_its_unit() {
        let parameters =
            |size: &str| Details { parameter_size: Some(size.to_owned()), quantization_level: None }.parameters();

        assert_eq!(parameters("134.52M"), Some(134_520_000));
        assert_eq!(parameters("7B"), Some(7_000_000_000));
        assert_eq!(parameters(""), None);
        assert_eq!(parameters("unknown"), None);
        assert_eq!(parameters("7é"), None);
    }
}
