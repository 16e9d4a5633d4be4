//! Text completions, the older of OpenAI's paths: a text is continued as it is, without a chat template.

use axum::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    CompletionUsage, ErrorBody, StreamOptions,
    chunk::{concat, event},
    logprobs::CompletionLogprobs,
    request::choices,
    response::new_id,
};
use crate::{
    chat::{Collected, Parameters, Question},
    dialect::{OneOrMany, Writer, logprobs::logprobs, seed, sse},
    engine::{Completion, Delta, FinishReason, Output, Piece, TokenLogprob, Usage},
    error::{Error, Result},
};

/// The body of `POST /v1/completions`. Fields that are not named here are ignored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CompletionRequest {
    /// Without one, the server's default model answers.
    pub model: Option<String>,
    /// A text, or up to 16 of them. Tokens are not supported.
    pub prompt: OneOrMany,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,

    /// 16 when left out, as OpenAI has it.
    pub max_tokens: Option<u32>,
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
    pub stop: Option<OneOrMany>,
    /// How many continuations of each text to write, 1 to 8. With a seed each has the next one, so that they differ.
    pub n: Option<i64>,
    /// Tell how likely each token was, and how likely so many of the likeliest in its place; 0 to 20.
    pub logprobs: Option<i64>,

    /// Not supported: only false.
    pub echo: Option<bool>,
    /// Not supported: only empty.
    pub suffix: Option<String>,
    /// Not supported: only 1, or the same as `n`.
    pub best_of: Option<i64>,
    /// Not supported: only empty.
    #[schema(value_type = Option<Object>)]
    pub logit_bias: Option<serde_json::Map<String, Value>>,
}

const DEFAULT_MAX_TOKENS: u32 = 16;
/// One call has one slot, whatever it asks for.
const MAX_ANSWERS: usize = 16;

/// The body of an answer; streamed, one event.
#[derive(Debug, Serialize, ToSchema)]
pub struct TextCompletion<'a> {
    /// `cmpl-…`
    id: &'a str,
    /// Always `text_completion`.
    object: &'static str,
    /// Unix seconds.
    created: i64,
    model: &'a str,
    choices: Vec<TextChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<CompletionUsage>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TextChoice {
    /// Counts through the continuations of the first text, then of the second, and so on.
    index: usize,
    text: String,
    logprobs: Option<CompletionLogprobs>,
    /// `stop` or `length`; null in all events of a stream but the last.
    finish_reason: Option<&'static str>,
}

impl CompletionRequest {
    pub fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    pub fn includes_usage(&self) -> bool {
        StreamOptions::include_usage(self.stream_options.as_ref())
    }

    /// How many continuations of each text are wanted.
    ///
    /// # Errors
    /// 400 for a number out of range.
    pub fn choices(&self) -> Result<u32> {
        choices(self.n)
    }

    /// What the engine is asked: the first text so many times, then the second, and so on.
    ///
    /// # Errors
    /// 400 that names the field, for values out of range and for wishes that cannot be met.
    pub fn into_questions(self) -> Result<Vec<Question>> {
        self.check_supported()?;
        let choices = self.choices()?;
        let parameters = Parameters {
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            min_p: self.min_p,
            seed: seed(self.seed),
            max_tokens: Some(self.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS)),
            repeat_penalty: self.repeat_penalty,
            frequency_penalty: self.frequency_penalty,
            presence_penalty: self.presence_penalty,
            stop: self.stop.map(Vec::from),
        };
        parameters.check("")?;
        let texts = Vec::from(self.prompt);
        if !(1..=MAX_ANSWERS).contains(&(texts.len() * choices as usize)) {
            let message = format!(
                "prompt must hold 1 to {MAX_ANSWERS} texts, and fewer where n asks for several answers to each"
            );
            return Err(Error::invalid("prompt", message));
        }
        if texts.iter().any(String::is_empty) {
            return Err(Error::invalid("prompt", "prompt must not be empty"));
        }
        let output =
            Output { logprobs: logprobs(self.logprobs.is_some(), self.logprobs, "logprobs")?, ..Output::default() };
        let question = |text: String| Question::new(self.model.clone(), text, parameters.clone(), output.clone());
        let choices = |question: Question| (0..choices).map(move |index| question.for_choice(index));
        Ok(texts.into_iter().map(question).flat_map(choices).collect())
    }

    /// Fields that change the answer must not be ignored: a client could not tell that they were.
    fn check_supported(&self) -> Result<()> {
        if self.echo == Some(true) {
            return Err(Error::unsupported("echo", "echo is not supported: leave it out"));
        }
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(Error::unsupported("suffix", "suffix is not supported: leave it out"));
        }
        if self.best_of.is_some_and(|best_of| best_of != self.n.unwrap_or(1)) {
            return Err(Error::unsupported("best_of", "best_of is not supported: leave it out"));
        }
        if self.logit_bias.as_ref().is_some_and(|biases| !biases.is_empty()) {
            return Err(Error::unsupported("logit_bias", "logit_bias is not supported: leave it out"));
        }
        Ok(())
    }
}

/// Writes the answers to one request: whole, or as events.
pub struct TextWriter {
    id: String,
    created: i64,
    model: String,
    include_usage: bool,
    /// How many of the answers belong to one prompt.
    choices: usize,
    answers: Vec<Progress>,
}

/// What has to be known of an answer while it is streamed.
#[derive(Default)]
struct Progress {
    /// Tokens whose text has not come yet.
    logprobs: Vec<TokenLogprob>,
    characters: usize,
    usage: Usage,
}

impl TextWriter {
    /// For `answers`, of which each prompt has `choices`.
    pub fn new(model: String, answers: usize, choices: u32, include_usage: bool) -> Self {
        Self {
            id: new_id("cmpl-"),
            created: chrono::Utc::now().timestamp(),
            model,
            include_usage,
            choices: choices as usize,
            answers: std::iter::repeat_with(Progress::default).take(answers).collect(),
        }
    }

    /// The whole answer at once.
    pub fn whole(&self, answers: Vec<Collected>) -> TextCompletion<'_> {
        let usages: Vec<_> = answers.iter().map(|answer| answer.completion.usage).collect();
        let choice = |(index, answer): (usize, Collected)| TextChoice {
            index,
            logprobs: CompletionLogprobs::of(&answer.logprobs, 0),
            text: answer.text,
            finish_reason: Some(finish_reason(answer.completion)),
        };
        let choices = answers.into_iter().enumerate().map(choice).collect();
        self.completion(choices, Some(self.usage(&usages)))
    }

    /// Each prompt counts once.
    fn usage(&self, answers: &[Usage]) -> CompletionUsage {
        let prompts = answers.chunks(self.choices.max(1)).filter_map(|of_one| of_one.first());
        let sum = |count: fn(&Usage) -> u32| prompts.clone().map(count).sum();
        Usage {
            prompt_tokens: sum(|usage| usage.prompt_tokens),
            cached_tokens: sum(|usage| usage.cached_tokens),
            completion_tokens: answers.iter().map(|usage| usage.completion_tokens).sum(),
        }
        .into()
    }

    fn completion(&self, choices: Vec<TextChoice>, usage: Option<CompletionUsage>) -> TextCompletion<'_> {
        TextCompletion {
            id: &self.id,
            object: "text_completion",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        }
    }
}

impl Writer for TextWriter {
    fn delta(&mut self, index: usize, delta: Delta) -> Option<Bytes> {
        let progress = &mut self.answers[index];
        let choice = match delta {
            Delta::Logprobs(tokens) => {
                progress.logprobs.extend(tokens);
                return None;
            }
            // A text without a chat template offers no tools, and its clients know no thoughts.
            Delta::Reasoning(_) | Delta::ToolCall(_) => return None,
            Delta::Text(Piece { text, .. }) => {
                let logprobs = CompletionLogprobs::of(&std::mem::take(&mut progress.logprobs), progress.characters);
                progress.characters += text.chars().count();
                TextChoice { index, text, logprobs, finish_reason: None }
            }
            Delta::Done(completion) => {
                progress.usage = completion.usage;
                let finish_reason = Some(finish_reason(completion));
                TextChoice { index, text: String::new(), logprobs: None, finish_reason }
            }
        };
        Some(event(&self.completion(vec![choice], None)))
    }

    /// The usage if it was asked for, and the end mark.
    fn end(&mut self) -> Option<Bytes> {
        let usages: Vec<_> = self.answers.iter().map(|answer| answer.usage).collect();
        let usage = self.include_usage.then(|| event(&self.completion(Vec::new(), Some(self.usage(&usages)))));
        Some(concat(usage.into_iter().chain([sse::event_bytes(None, "[DONE]")])))
    }

    fn error(&mut self, error: &Error) -> Bytes {
        event(&ErrorBody::from(error))
    }
}

fn finish_reason(completion: Completion) -> &'static str {
    match completion.finish_reason {
        // Only a client that left cancels, and it reads no reason.
        FinishReason::Stop | FinishReason::Cancelled => "stop",
        FinishReason::Length => "length",
    }
}
