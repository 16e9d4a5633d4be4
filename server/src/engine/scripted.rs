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
    ChatRequest, ChatStream, Completion, Delta, EmbedRequest, EmbedText, Embeddings, Engine, EngineError, EngineKind,
    FinishReason, Model, Piece, Prompt, PromptMessage, PromptSize, Timings, TokenLogprob, ToolCall, Usage,
};
use crate::{chat::without_nul, config::Config};

/// Recites the same steps in every answer. A text counts as one token, and its number is that of its step.
pub struct Scripted {
    model: String,
    steps: Arc<[Step]>,
    /// Before each text.
    delay: Duration,
    context_length: Option<u32>,
    last_request: Mutex<Option<ChatRequest>>,
    last_embedding: Mutex<Option<EmbedRequest>>,
}

#[derive(Clone, Debug)]
pub enum Step {
    /// A piece of the answer; it counts as one token.
    Text(String),
    /// A thought; it counts as one token too.
    Reasoning(String),
    /// A call of a function.
    Call(ToolCall),
    /// Go on when notified: so that a test decides when the next token comes.
    Wait(Arc<Notify>),
    /// Break off.
    Fail(fn() -> EngineError),
}

impl Step {
    /// What comes before the step itself.
    async fn pause(&self, delay: Duration) {
        match self {
            Self::Text(_) | Self::Reasoning(_) if !delay.is_zero() => sleep(delay).await,
            Self::Wait(notify) => notify.notified().await,
            Self::Text(_) | Self::Reasoning(_) | Self::Call(_) | Self::Fail(_) => {}
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
            last_request: Mutex::default(),
            last_embedding: Mutex::default(),
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

    /// Of which texts it was to make vectors last.
    pub fn last_embedding(&self) -> Option<EmbedRequest> {
        self.last_embedding.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where an answer goes on. Like the tokens of another model, those of another script are refused.
    fn step_behind(&self, so_far: &Piece) -> Result<usize, EngineError> {
        let said = so_far.tokens.iter().map(|&token| match self.steps.get(usize::try_from(token).ok()?)? {
            Step::Text(text) => Some(without_nul(text.clone())),
            Step::Reasoning(_) | Step::Call(_) | Step::Wait(_) | Step::Fail(_) => None,
        });
        match said.collect::<Option<String>>() {
            Some(said) if said == without_nul(so_far.text.clone()) => {
                Ok(so_far.tokens.last().map_or(0, |&last| last as usize + 1))
            }
            _ => Err(EngineError::InvalidRequest("the answer so far is of another script".to_owned())),
        }
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
            memory_bytes: None,
            quantization: None,
            parameters: None,
            context_length: self.context_length,
            capabilities: Vec::new(),
            family: None,
            modified_at: None,
            digest: None,
            loaded: true,
            unloads_at: None,
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
        let prompt_tokens = match &request.prompt {
            Prompt::Messages(messages) => count_words(messages),
            Prompt::Text(text) => words(text),
        };
        let recital = Recital {
            steps: Arc::clone(&self.steps),
            next: self.step_behind(&request.answer_so_far)?,
            delay: self.delay,
            prompt_tokens,
            completion_tokens: request.answer_so_far.tokens.len() as u32,
            max_tokens: request.parameters.max_tokens.unwrap_or(u32::MAX),
            logprobs: request.output.logprobs,
            cancel: request.cancel.clone(),
        };
        let thinking = request.refuse_thinking();
        *self.last_request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        thinking?;
        if self.context_length.is_some_and(|context_length| prompt_tokens > context_length) {
            return Err(EngineError::ContextLengthExceeded);
        }
        Ok(recital.recite())
    }

    /// A vector of two numbers for each text, which depends on its length alone.
    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        self.check_model(&request.model)?;
        let count = |text: &EmbedText| match text {
            EmbedText::Text(text) => words(text),
            EmbedText::Tokens(tokens) => tokens.len() as u32,
        };
        let counts: Vec<u32> = request.texts.iter().map(count).collect();
        *self.last_embedding.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
        let vector = |words: &u32| if words.is_multiple_of(2) { vec![0.6, 0.8] } else { vec![0.8, -0.6] };
        Ok(Embeddings { vectors: counts.iter().map(vector).collect(), tokens: counts.iter().sum() })
    }
}

/// One answer.
struct Recital {
    steps: Arc<[Step]>,
    next: usize,
    delay: Duration,
    prompt_tokens: u32,
    completion_tokens: u32,
    max_tokens: u32,
    logprobs: Option<u32>,
    cancel: CancellationToken,
}

impl Recital {
    fn recite(self) -> ChatStream {
        let Self { steps, next, delay, prompt_tokens, mut completion_tokens, max_tokens, logprobs, cancel } = self;
        stream! {
            let started = Instant::now();
            let mut first_token = None;
            let mut finish_reason = FinishReason::Stop;
            for (number, step) in steps.iter().enumerate().skip(next) {
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
                        if let Some(alternatives) = logprobs {
                            yield Ok(Delta::Logprobs(vec![certain(text, alternatives)]));
                        }
                        yield Ok(Delta::Text(Piece { text: text.clone(), tokens: vec![number as i32] }));
                    }
                    Step::Reasoning(thought) => {
                        first_token.get_or_insert_with(Instant::now);
                        completion_tokens += 1;
                        yield Ok(Delta::Reasoning(thought.clone()));
                    }
                    Step::Call(call) => {
                        completion_tokens += 1;
                        yield Ok(Delta::ToolCall(call.clone()));
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
}

/// Nothing else was ever going to be said; the alternatives are the same again.
fn certain(text: &str, alternatives: u32) -> TokenLogprob {
    let token = TokenLogprob { bytes: text.as_bytes().to_vec(), logprob: 0.0, top: Vec::new() };
    TokenLogprob { top: vec![token.clone(); alternatives as usize], ..token }
}

fn count_words(messages: &[PromptMessage]) -> u32 {
    messages.iter().map(|message| words(&message.content)).sum()
}

fn words(text: &str) -> u32 {
    text.split_whitespace().count().try_into().unwrap_or(u32::MAX)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
