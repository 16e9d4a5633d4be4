//! A chat turn: which part of a conversation reaches the model, and the answer that comes back.
//!
//! [`answer`] serves one-off requests (`/api/chat`, `/v1`): it lives as long as its stream is held.
//! [`run`] wraps the same call for conversations: the answer belongs to the server, is journalled, and any
//! connection can follow it.

pub mod admission;
mod collected;
pub mod context;
mod continuation;
pub mod parameters;
mod retry;
pub mod run;
mod schema;
pub mod turn;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use self::admission::{Call, Place, Slot};
pub use self::{collected::Collected, context::ContextReport, parameters::Parameters, schema::check_schema};
use crate::{
    engine::{
        self, ChatRequest, ChatStream, EmbedRequest, EmbedText, Embeddings, EngineError, KeepAlive, Model, Output,
        Prompt, Think, with_timeouts,
    },
    error::{Error, Result},
    state::AppState,
    telemetry::spans::{embeddings_call, engine_call},
};

/// A started answer and what the model was told of the conversation.
pub struct Answer {
    pub model: String,
    pub context: ContextReport,
    pub stream: ChatStream,
    /// Ends the answer in the engine while its stream is still read, for the token counts.
    pub cancel: CancellationToken,
}

/// How the context is kept within the model's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// Leave out the oldest messages of a conversation and report it.
    Oldest,
    /// Send all, and fail with `context_length_exceeded` when it does not fit.
    Never,
}

/// What is asked, whoever asks.
#[derive(Clone, Debug)]
pub struct Question {
    /// `None` asks the default model.
    pub model: Option<String>,
    pub prompt: Prompt,
    pub parameters: Parameters,
    pub output: Output,
    /// Where the draws begin when the parameters name no seed; `None` begins each answer elsewhere.
    pub seed: Option<u32>,
    /// Whether the model thinks first; `None` leaves that to it.
    pub think: Option<Think>,
    /// How long the model stays in memory from now on; `None` leaves that as it is.
    pub keep_alive: Option<KeepAlive>,
}

impl Question {
    pub fn new(model: Option<String>, prompt: impl Into<Prompt>, parameters: Parameters, output: Output) -> Self {
        Self { model, prompt: prompt.into(), parameters, output, seed: None, think: None, keep_alive: None }
    }

    /// The same for the answer number `index` of several to one prompt: they differ because each has a seed of its own.
    #[must_use]
    pub fn for_choice(&self, index: u32) -> Self {
        let seed = self.parameters.seed.map(|seed| seed.wrapping_add(index));
        Self { parameters: Parameters { seed, ..self.parameters.clone() }, ..self.clone() }
    }

    /// Tokens that the answer will take, about.
    fn cost(&self) -> u32 {
        let told: usize = match &self.prompt {
            Prompt::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
            Prompt::Text(text) => text.len(),
        };
        let functions = self.output.tools.iter().flat_map(|tools| &tools.functions);
        let described: usize =
            functions.filter_map(|function| Some(function.parameters.as_ref()?.to_string().len())).sum();
        admission::estimate(told + described, self.parameters.max_tokens)
    }

    /// The request to the engine of `model`.
    fn into_request(self, model: String) -> ChatRequest {
        let request = ChatRequest::new(model, self.prompt, self.parameters);
        let default_seed = self.seed.unwrap_or(request.default_seed);
        let Self { output, think, keep_alive, .. } = self;
        ChatRequest { output, default_seed, think, keep_alive, ..request }
    }
}

/// A question with a place in line.
pub struct Queued {
    pub question: Question,
    pub place: Place,
}

/// In bytes. A model's name is a label in metrics and traces, whoever has made it up.
const MAX_MODEL_NAME: usize = 256;

/// How often a request is made to an engine that dies of it, or beside it, before it has said a word.
const TRIES: u32 = 3;

/// Start an answer when it is the turn of `call`. Dropping its stream cancels it, and dropping this leaves the line. No part of
/// the answer has been waited for yet.
pub async fn answer(state: &AppState, call: &Call, question: Question, trim: Trim) -> Result<Answer> {
    refuse_while_draining(state)?;
    let asked = Instant::now();
    let model = model_or_default(state, question.model.clone()).await?;
    let slot = tokio::select! {
        slot = call.slot(&state.admission, &model, question.cost()) => slot?,
        () = state.shutdown.over() => return Err(Error::draining()),
    };
    begin(state, question.into_request(model), slot, asked, trim).await
}

/// The same for a place in line that is there already, also while the server drains. `tell` hears where it stands.
async fn answer_in_turn(state: &AppState, queued: Queued, trim: Trim, tell: impl FnMut(u32)) -> Result<Answer> {
    let Queued { question, place } = queued;
    let asked = Instant::now();
    let slot = place.slot(tell).await?;
    let model = model_or_default(state, question.model.clone()).await?;
    begin(state, question.into_request(model), slot, asked, trim).await
}

/// # Errors
/// 503 from the moment at which the server is on its way out.
fn refuse_while_draining(state: &AppState) -> Result<()> {
    let refusal = state.shutdown.refuse_while_draining();
    refusal.inspect_err(|_| state.metrics.queue.count_refusal("draining"))
}

async fn begin(state: &AppState, request: ChatRequest, slot: Slot, asked: Instant, trim: Trim) -> Result<Answer> {
    let begun = Instant::now();
    let limit = state.config.first_token_timeout();
    let asked_model = request.model.clone();
    let (context, request, stream) = match tokio::time::timeout(limit, start(state, request, trim)).await {
        Ok(started) => started?,
        Err(_) => {
            state.engine.end_if_hung(&asked_model).await;
            return Err(EngineError::Timeout.into());
        }
    };
    let first = limit.saturating_sub(begun.elapsed());
    let stream = with_timeouts(stream, first, between_pieces(state, &request));
    let (model, cancel) = (request.model.clone(), request.cancel.clone());
    let stream = slot.hold(continuation::unbroken(state.clone(), request, stream));
    Ok(Answer { context, stream: state.metrics.observe(&model, asked, stream), model, cancel })
}

/// How long an engine may say nothing in the middle of the answer. A call of a function comes whole: while one is written nothing
/// else does.
fn between_pieces(state: &AppState, request: &ChatRequest) -> Duration {
    match request.output.tools {
        Some(_) => state.config.first_token_timeout(),
        None => state.config.token_timeout(),
    }
}

/// Go on with an answer that another server has begun: `context` says which part of the messages its model was told.
async fn resume(
    state: &AppState,
    queued: Queued,
    model: String,
    context: ContextReport,
    so_far: continuation::SoFar,
) -> Result<Answer> {
    let Queued { question, place } = queued;
    let asked = Instant::now();
    let slot = place.slot(|_| {}).await?;
    let mut request = question.into_request(model.clone());
    if let Prompt::Messages(messages) = &mut request.prompt {
        *messages = context::newest(messages, context.messages_sent as usize);
    }
    let cancel = request.cancel.clone();
    let stream = slot.hold(continuation::adopted(state.clone(), request, so_far));
    Ok(Answer { context, stream: state.metrics.observe(&model, asked, stream), model, cancel })
}

/// Ask the engine. The request comes back as it was sent, with the part of the messages that fits.
async fn start(
    state: &AppState,
    request: ChatRequest,
    trim: Trim,
) -> Result<(ContextReport, ChatRequest, ChatStream), EngineError> {
    let mut tries = 1;
    loop {
        match fit_and_ask(state, request.clone(), trim, tries > 1).await {
            Err(EngineError::Interrupted) if tries < TRIES && retry::is_granted(&*state.engine) => tries += 1,
            started => return started,
        }
    }
}

async fn fit_and_ask(
    state: &AppState,
    mut request: ChatRequest,
    trim: Trim,
    mut is_repeated: bool,
) -> Result<(ContextReport, ChatRequest, ChatStream), EngineError> {
    let engine = state.engine.as_ref();
    let messages = match &request.prompt {
        Prompt::Messages(messages) if trim == Trim::Oldest => messages.clone(),
        prompt => {
            let report = ContextReport::untrimmed(prompt.messages());
            let stream = engine_call(&request.model, retry::ask(engine, request.clone(), is_repeated)).await?;
            return Ok((report, request, stream));
        }
    };
    let (max_messages, reply_tokens) = (state.config.max_context_messages, request.parameters.max_tokens);
    let (mut kept, mut report) = context::fit(engine, &request.model, &messages, max_messages, reply_tokens).await?;
    loop {
        request.prompt = kept.clone().into();
        match engine_call(&request.model, retry::ask(engine, request.clone(), is_repeated)).await {
            Err(EngineError::ContextLengthExceeded) if context::drop_oldest(&mut kept) => {
                report = context::report(&messages, &kept, max_messages, report.context_length);
                is_repeated = true;
            }
            started => return Ok((report, request, started?)),
        }
    }
}

/// Vectors of texts, and the model that made them, when it is the turn of `call`.
pub async fn embed(
    state: &AppState,
    call: &Call,
    model: Option<String>,
    texts: Vec<EmbedText>,
    truncate: bool,
    keep_alive: Option<KeepAlive>,
) -> Result<(String, Embeddings)> {
    refuse_while_draining(state)?;
    let model = model_or_default(state, model).await?;
    let _slot = call.slot(&state.admission, &model, cost(&texts)).await?;
    let request = EmbedRequest { model: model.clone(), texts, truncate, keep_alive };
    let making = embeddings_call(&model, state.engine.embed(request));
    let Ok(made) = tokio::time::timeout(state.config.first_token_timeout(), making).await else {
        return Err(EngineError::Timeout.into());
    };
    let embeddings = made?;
    state.metrics.count_embedded(&model, embeddings.tokens);
    Ok((model, embeddings))
}

fn cost(texts: &[EmbedText]) -> u32 {
    let bytes = texts.iter().map(|text| match text {
        EmbedText::Text(text) => text.len(),
        EmbedText::Tokens(tokens) => tokens.len() * admission::TOKEN_BYTES,
    });
    admission::estimate(bytes.sum(), Some(0))
}

/// The model that a request names, or the default one.
pub async fn model_or_default(state: &AppState, model: Option<String>) -> Result<String> {
    match model {
        Some(model) if model.len() > MAX_MODEL_NAME => {
            Err(Error::invalid("model", format!("model must be at most {MAX_MODEL_NAME} bytes")))
        }
        Some(model) => Ok(model),
        None => Ok(default_model(state).await?.id),
    }
}

/// The model that answers when a request names none: the one of MODEL_NAME, and no other in its place.
pub async fn default_model(state: &AppState) -> Result<Model> {
    let models = state.engine.models().await?;
    match (default_of(state, &models), &state.config.model_name) {
        (Some(model), _) => Ok(model.clone()),
        (None, Some(name)) => Err(Error::unknown_model(name)),
        (None, None) => {
            let message = "no model is installed: put a GGUF file into the models folder";
            Err(EngineError::Unavailable(message.to_owned()).into())
        }
    }
}

/// The default among `models`, which are the engine's.
pub fn default_of<'a>(state: &AppState, models: &'a [Model]) -> Option<&'a Model> {
    match &state.config.model_name {
        Some(name) => engine::resolve(models, name),
        None => models.first(),
    }
}

/// The full name of a model that is asked for, which must be there. When the engine cannot list its models the name is
/// taken as it is, and the answer finds out.
pub async fn resolve_model(state: &AppState, name: String) -> Result<String> {
    check_text("model", &name)?;
    match state.engine.models().await {
        Ok(models) => match engine::resolve(&models, &name) {
            Some(model) => Ok(model.id.clone()),
            None => Err(Error::unknown_model(&name)),
        },
        Err(_) => Ok(name),
    }
}

/// Refuses the character that PostgreSQL cannot keep; `param` is where the text stands in the request.
pub fn check_text(param: &str, text: &str) -> Result<()> {
    match text.contains(NUL) {
        true => Err(Error::invalid(param, format!("{param} must not contain the character U+0000"))),
        false => Ok(()),
    }
}

const NUL: char = '\0';

/// What a model says can be kept on every database.
pub(crate) fn without_nul(mut text: String) -> String {
    text.retain(|c| c != NUL);
    text
}
