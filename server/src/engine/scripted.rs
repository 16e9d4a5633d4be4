//! An engine that recites: for demos, and for tests that must know each token and when it comes.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use async_stream::stream;
use async_trait::async_trait;
use futures::StreamExt;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    ChatRequest, ChatStream, Completion, Delta, Engine, EngineError, EngineKind, FinishReason, Model, PromptMessage,
    PromptSize, Timings, Usage,
};
use crate::config::Config;

/// Recites the same steps in every answer. A word counts as one token.
pub struct Scripted {
    model: String,
    steps: Arc<[Step]>,
    /// Before each text.
    delay: Duration,
    context_length: Option<u32>,
    last_request: Mutex<Option<ChatRequest>>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// A piece of the answer; it counts as one token.
    Text(String),
    /// Go on when notified: so that a test decides when the next token comes.
    Wait(Arc<Notify>),
    /// Break off.
    Fail(fn() -> EngineError),
}

impl Step {
    /// What comes before the step itself.
    async fn pause(&self, delay: Duration) {
        match self {
            Self::Text(_) if !delay.is_zero() => sleep(delay).await,
            Self::Wait(notify) => notify.notified().await,
            Self::Text(_) | Self::Fail(_) => {}
        }
    }
}

impl Scripted {
    /// Recites the words of a text file, with SCRIPT_DELAY_MS before each.
    pub fn from_file(path: &Path, config: &Config) -> anyhow::Result<Self> {
        let script = fs::read_to_string(path).with_context(|| format!("SCRIPT {} cannot be read", path.display()))?;
        let words = script.split_inclusive(char::is_whitespace).map(|word| Step::Text(word.to_owned()));
        let mut scripted = Self::new(words.collect());
        scripted.delay = Duration::from_millis(config.script_delay_ms);
        Ok(match &config.model_name {
            Some(model) => scripted.named(model),
            None => scripted,
        })
    }

    /// Recites `steps` without a delay, as the model `scripted`.
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            model: "scripted".to_owned(),
            steps: steps.into(),
            delay: Duration::ZERO,
            context_length: None,
            last_request: Mutex::new(None),
        }
    }

    /// The same under another model's name.
    #[must_use]
    pub fn named(mut self, model: &str) -> Self {
        model.clone_into(&mut self.model);
        self
    }

    /// Measure prompts too, and refuse those of more than `context_length` words.
    #[must_use]
    pub fn with_context_length(mut self, context_length: u32) -> Self {
        self.context_length = Some(context_length);
        self
    }

    /// What the engine was asked last.
    pub fn last_request(&self) -> Option<ChatRequest> {
        self.last_request.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn check_model(&self, model: &str) -> Result<(), EngineError> {
        if model == self.model { Ok(()) } else { Err(EngineError::UnknownModel(model.to_owned())) }
    }
}

#[async_trait]
impl Engine for Scripted {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        Ok(vec![Model {
            id: self.model.clone(),
            engine: EngineKind::Scripted,
            size_bytes: None,
            quantization: None,
            parameters: None,
            context_length: self.context_length,
            capabilities: Vec::new(),
            loaded: true,
            description: Some("Recites a prepared text, whatever it is asked.".to_owned()),
        }])
    }

    async fn ready(&self, model: &str) -> Result<(), EngineError> {
        self.check_model(model)
    }

    async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        self.check_model(model)?;
        let prompt_tokens = count_words(messages);
        Ok(self.context_length.map(|context_length| PromptSize { prompt_tokens, context_length }))
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        self.check_model(&request.model)?;
        let prompt_tokens = count_words(&request.messages);
        let max_tokens = request.parameters.max_tokens.unwrap_or(u32::MAX);
        let cancel = request.cancel.clone();
        *self.last_request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        if self.context_length.is_some_and(|context_length| prompt_tokens > context_length) {
            return Err(EngineError::ContextLengthExceeded);
        }
        Ok(recite(Arc::clone(&self.steps), self.delay, prompt_tokens, max_tokens, cancel))
    }
}

fn recite(
    steps: Arc<[Step]>,
    delay: Duration,
    prompt_tokens: u32,
    max_tokens: u32,
    cancel: CancellationToken,
) -> ChatStream {
    stream! {
        let started = Instant::now();
        let mut first_token = None;
        let mut completion_tokens = 0;
        let mut finish_reason = FinishReason::Stop;
        for step in steps.iter() {
            if cancel.run_until_cancelled(step.pause(delay)).await.is_none() {
                finish_reason = FinishReason::Cancelled;
                break;
            }
            match step {
                Step::Text(_) if completion_tokens == max_tokens => {
                    finish_reason = FinishReason::Length;
                    break;
                }
                Step::Text(text) => {
                    first_token.get_or_insert_with(Instant::now);
                    completion_tokens += 1;
                    yield Ok(Delta::Text(text.clone()));
                }
                Step::Wait(_) => {}
                Step::Fail(error) => {
                    yield Err(error());
                    return;
                }
            }
        }
        let first_token = first_token.unwrap_or_else(Instant::now);
        yield Ok(Delta::Done(Completion {
            finish_reason,
            usage: Usage { prompt_tokens, cached_tokens: 0, completion_tokens },
            timings: Timings {
                queued_ms: 0.0,
                prefill_ms: milliseconds(first_token - started),
                decode_ms: milliseconds(first_token.elapsed()),
            },
        }));
    }
    .boxed()
}

fn count_words(messages: &[PromptMessage]) -> u32 {
    let words: usize = messages.iter().map(|message| message.content.split_whitespace().count()).sum();
    words.try_into().unwrap_or(u32::MAX)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
