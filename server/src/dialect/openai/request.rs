use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    format::ResponseFormat,
    message::ChatCompletionMessage,
    tool_choice::{ToolChoiceOption, tools},
};
use crate::{
    chat::{Parameters, Question},
    dialect::{OneOrMany, ToolDefinition, check_message_count, logprobs::logprobs, seed, tools::functions},
    engine::Output,
    error::{Error, Result},
};

/// The body of `POST /v1/chat/completions`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatCompletionRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    pub messages: Vec<ChatCompletionMessage>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,

    /// 0 to 2; 0 gives the same answer every time.
    pub temperature: Option<f32>,
    pub top_p: Option<f32>,
    pub top_k: Option<i32>,
    pub min_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    /// -1 draws a new one.
    pub seed: Option<i64>,
    /// The newer name of `max_tokens`; it wins where both are set.
    pub max_completion_tokens: Option<u32>,
    pub max_tokens: Option<u32>,
    pub stop: Option<OneOrMany>,

    /// How many answers to write, 1 to 8. With a seed each has the next one, so that they differ.
    pub n: Option<i64>,
    /// Tell how likely each token was.
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens to tell in the place of each, 0 to 20.
    pub top_logprobs: Option<i64>,
    /// Not supported: only empty.
    #[schema(value_type = Option<Object>)]
    pub logit_bias: Option<serde_json::Map<String, Value>>,
    /// Hold the answer to JSON, or to a JSON schema.
    pub response_format: Option<ResponseFormat>,
    /// Only `text` is supported.
    pub modalities: Option<Vec<String>>,
    /// Functions that the model may call.
    pub tools: Option<Vec<ToolDefinition>>,
    pub tool_choice: Option<ToolChoiceOption>,
    /// False: call one function at most.
    pub parallel_tool_calls: Option<bool>,
    /// Not supported, the older name of `tools`: only empty.
    #[schema(value_type = Option<Vec<Object>>)]
    pub functions: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Send one more chunk with the token counts before the end.
    pub include_usage: Option<bool>,
}

impl ChatCompletionRequest {
    pub fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    pub fn includes_usage(&self) -> bool {
        StreamOptions::include_usage(self.stream_options.as_ref())
    }

    /// How many answers are wanted.
    ///
    /// # Errors
    /// 400 that names the field.
    pub fn choices(&self) -> Result<u32> {
        choices(self.n)
    }

    /// What the engine is asked.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_question(self) -> Result<Question> {
        self.check_supported()?;
        let parameters = self.parameters()?;
        let logprobs = logprobs(self.logprobs == Some(true), self.top_logprobs, "top_logprobs")?;
        check_message_count(self.messages.len())?;
        let messages = self.messages.into_iter().enumerate();
        let messages = messages.map(|(index, message)| message.into_prompt(index)).collect::<Result<Vec<_>>>()?;
        let functions = functions(self.tools.unwrap_or_default())?;
        let output = Output {
            schema: self.response_format.map(ResponseFormat::into_schema).transpose()?.flatten(),
            tools: tools(functions, self.tool_choice, self.parallel_tool_calls)?,
            logprobs,
        };
        Ok(Question::new(self.model, messages, parameters, output))
    }

    /// Fields that change the answer must not be ignored: a client could not tell that they were.
    fn check_supported(&self) -> Result<()> {
        if self.logit_bias.as_ref().is_some_and(|biases| !biases.is_empty()) {
            return Err(Error::unsupported("logit_bias", "logit_bias is not supported: leave it out"));
        }
        if self.modalities.as_ref().is_some_and(|modalities| modalities.iter().any(|modality| modality != "text")) {
            return Err(Error::unsupported("modalities", "only text answers are supported: leave out modalities"));
        }
        if self.functions.as_ref().is_some_and(|functions| !functions.is_empty()) {
            return Err(Error::unsupported("functions", "functions are not supported: send them as tools"));
        }
        Ok(())
    }

    fn parameters(&self) -> Result<Parameters> {
        if self.max_completion_tokens == Some(0) {
            return Err(Error::invalid("max_completion_tokens", "max_completion_tokens must be 1 or more"));
        }
        let parameters = Parameters {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            seed: seed(self.seed),
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            repeat_penalty: self.repeat_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            stop: self.stop.clone().map(Vec::from),
        };
        parameters.check("")?;
        Ok(parameters)
    }
}

impl StreamOptions {
    pub fn include_usage(options: Option<&Self>) -> bool {
        options.and_then(|options| options.include_usage) == Some(true)
    }
}

/// More answers at once than a laptop writes together.
const MAX_CHOICES: i64 = 8;

/// The number of answers that `n` asks for.
pub fn choices(n: Option<i64>) -> Result<u32> {
    match n.unwrap_or(1) {
        n @ 1..=MAX_CHOICES => Ok(n as u32),
        _ => Err(Error::invalid("n", format!("n must be between 1 and {MAX_CHOICES}"))),
    }
}
