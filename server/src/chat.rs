//! A chat turn: which part of a conversation reaches the model, and the answer that comes back.
//!
//! [`answer`] serves one-off requests (`/api/chat`, `/v1`): it lives as long as its stream is held.
//! [`run`] wraps the same call for conversations: the answer belongs to the server, is journalled, and any
//! connection can follow it.

mod collected;
pub mod context;
pub mod parameters;
pub mod run;
mod schema;
pub mod turn;

use std::time::Instant;

use tokio_util::sync::CancellationToken;

pub use self::{collected::Collected, context::ContextReport, parameters::Parameters, schema::check_schema};
use crate::{
    engine::{
        self, ChatRequest, ChatStream, CompletionRequest, EmbedRequest, EmbedText, Embeddings, EngineError, Model,
        Output, PromptMessage, with_timeouts,
    },
    error::{Error, Result},
    state::AppState,
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
    /// Leave out the oldest messages and report it.
    Oldest,
    /// Send all, and fail with `context_length_exceeded` when it does not fit.
    Never,
}

/// Start an answer to `messages`. Dropping its stream cancels it. No part of it has been waited for yet.
pub async fn answer(
    state: &AppState,
    model: Option<&str>,
    messages: Vec<PromptMessage>,
    parameters: Parameters,
    output: Output,
    trim: Trim,
) -> Result<Answer> {
    let model = admit(state, model).await?;
    let cancel = CancellationToken::new();
    let request = ChatRequest { model: model.clone(), messages, parameters, output, cancel: cancel.clone() };
    begin(state, model, cancel, start(state, request, trim)).await
}

/// Go on writing `text`, which is never shortened. The rest is as with [`answer`].
pub async fn complete(
    state: &AppState,
    model: Option<&str>,
    text: String,
    parameters: Parameters,
    output: Output,
) -> Result<Answer> {
    let model = admit(state, model).await?;
    let cancel = CancellationToken::new();
    let request = CompletionRequest { model: model.clone(), text, parameters, output, cancel: cancel.clone() };
    let starting = async { Ok((ContextReport::default(), state.engine.complete(request).await?)) };
    begin(state, model, cancel, starting).await
}

/// Vectors of texts, and the model that made them.
pub async fn embed(
    state: &AppState,
    model: Option<&str>,
    texts: Vec<EmbedText>,
    truncate: bool,
) -> Result<(String, Embeddings)> {
    let model = admit(state, model).await?;
    let request = EmbedRequest { model: model.clone(), texts, truncate };
    match tokio::time::timeout(state.config.first_token_timeout(), state.engine.embed(request)).await {
        Ok(embeddings) => Ok((model, embeddings?)),
        Err(_) => Err(EngineError::Timeout.into()),
    }
}

/// The model that is asked, if the server still takes requests.
async fn admit(state: &AppState, model: Option<&str>) -> Result<String> {
    if state.shutdown.is_draining() {
        return Err(Error::draining());
    }
    model_or_default(state, model.map(str::to_owned)).await
}

/// The model that a request names, or the default one.
pub async fn model_or_default(state: &AppState, model: Option<String>) -> Result<String> {
    match model {
        Some(model) => Ok(model),
        None => Ok(default_model(state).await?.id),
    }
}

/// The time limits and the counting that every answer has.
async fn begin(
    state: &AppState,
    model: String,
    cancel: CancellationToken,
    starting: impl Future<Output = Result<(ContextReport, ChatStream), EngineError>>,
) -> Result<Answer> {
    let asked = Instant::now();
    let (context, stream) = match tokio::time::timeout(state.config.first_token_timeout(), starting).await {
        Ok(started) => started?,
        Err(_) => return Err(EngineError::Timeout.into()),
    };
    let first = state.config.first_token_timeout().saturating_sub(asked.elapsed());
    let stream = with_timeouts(stream, first, state.config.token_timeout());
    Ok(Answer { context, stream: state.metrics.observe(&model, asked, stream), model, cancel })
}

async fn start(state: &AppState, request: ChatRequest, trim: Trim) -> Result<(ContextReport, ChatStream), EngineError> {
    let engine = state.engine.as_ref();
    if trim == Trim::Never {
        let report = ContextReport::untrimmed(&request.messages);
        return Ok((report, engine.chat(request).await?));
    }
    let max_messages = state.config.max_context_messages;
    let (messages, reply_tokens) = (&request.messages, request.parameters.max_tokens);
    let (mut kept, mut report) = context::fit(engine, &request.model, messages, max_messages, reply_tokens).await?;
    loop {
        match engine.chat(ChatRequest { messages: kept.clone(), ..request.clone() }).await {
            Err(EngineError::ContextLengthExceeded) if context::drop_oldest(&mut kept) => {
                report = context::report(messages, &kept, max_messages, report.context_length);
            }
            started => return Ok((report, started?)),
        }
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
fn without_nul(mut text: String) -> String {
    text.retain(|c| c != NUL);
    text
}
