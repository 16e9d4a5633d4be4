//! The own engine: llama.cpp in child processes, one for each model in memory.
//!
//! Code map: [`connection`] is the line protocol, [`process`] one child from start to end, [`resident`] keeps a model's
//! process alive, [`residents`] decides which models are in memory.

mod backoff;
mod connection;
mod log;
mod process;
mod resident;
mod residents;

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use async_stream::stream;
use async_trait::async_trait;
use flotilla_engine::protocol::{ErrorCode, Event, LoadOptions, Prompt};
use futures::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

pub use self::process::EngineCommand;
use self::{
    connection::Events,
    resident::{Launch, Limits},
    residents::{Place, Residents},
};
use super::{
    ChatRequest, ChatStream, Completion, CompletionRequest, Delta, EmbedRequest, Embeddings, Engine, EngineError,
    EngineKind, Model, Output, PromptMessage, PromptSize, ToolCall, new_call_id,
};
use crate::{
    chat::Parameters,
    config::Config,
    models::{Catalogue, InstalledModel, STARTER, description, full_name},
};

/// What an engine process does: the whole of `flotilla engine`.
pub fn run_engine_process() -> anyhow::Result<()> {
    log::to_server();
    flotilla_engine::run()
}

/// Runs the GGUF files of a folder.
pub struct Local {
    command: EngineCommand,
    options: LoadOptions,
    catalogue: Catalogue,
    configured_default: Option<String>,
    residents: Mutex<Residents>,
}

impl Local {
    /// Starts to load the default model in the background, so it has to be called on a Tokio runtime.
    pub fn new(command: EngineCommand, config: &Config) -> anyhow::Result<Self> {
        let folder = config.models_dir()?;
        let limits = Limits {
            slots: config.slots as usize,
            max_queue: config.max_queue,
            load_timeout: config.first_token_timeout(),
        };
        let options =
            LoadOptions { slots: config.slots, context_length: config.context_length, threads: config.threads() };
        let local = Self {
            command,
            options,
            catalogue: Catalogue::new(folder.clone()),
            configured_default: config.model_name.as_deref().map(full_name),
            residents: Mutex::new(Residents::new(limits)),
        };
        let installed = local.catalogue.installed();
        let mut installed = installed.with_context(|| format!("MODELS_DIR {} cannot be read", folder.display()))?;
        local.put_default_first(&mut installed);
        let default = installed.first();
        if let Some(name) = &local.configured_default
            && default.is_none_or(|default| default.name != *name)
        {
            tracing::warn!(name, folder = %folder.display(), "the model of MODEL_NAME is not installed");
            return Ok(local);
        }
        match default {
            Some(default) => drop(local.residents().load(&default.name, local.launch(default))),
            None => tracing::warn!(folder = %folder.display(), "no model is installed"),
        }
        Ok(local)
    }

    async fn place(&self, model: &str) -> Result<Place, EngineError> {
        let name = full_name(model);
        if let Some(place) = self.residents().admit(&name)? {
            return Ok(place);
        }
        let installed = self.find(&name).await?;
        self.residents().load(&name, self.launch(&installed))
    }

    async fn generate(
        &self,
        model: &str,
        prompt: Prompt,
        parameters: &Parameters,
        output: Output,
        cancel: CancellationToken,
    ) -> Result<ChatStream, EngineError> {
        let (resident, place) = self.place(model).await?;
        let process = resident.process().await?;
        Ok(answer(process.generate(prompt, parameters.sampling(), output), place, cancel))
    }

    async fn find(&self, name: &str) -> Result<InstalledModel, EngineError> {
        let mut installed = self.installed().await?.into_iter();
        installed.find(|model| model.name == name).ok_or_else(|| EngineError::UnknownModel(name.to_owned()))
    }

    async fn installed(&self) -> Result<Vec<InstalledModel>, EngineError> {
        let catalogue = self.catalogue.clone();
        let reading = tokio::task::spawn_blocking(move || catalogue.installed()).await;
        let installed = reading.context("reading the models folder broke off");
        installed.and_then(|models| models.context("the models folder cannot be read")).map_err(EngineError::Internal)
    }

    fn put_default_first(&self, installed: &mut [InstalledModel]) {
        let default = self.configured_default.as_deref().unwrap_or(STARTER);
        installed.sort_by_key(|model| model.name != default);
    }

    fn launch(&self, model: &InstalledModel) -> Launch {
        Launch { command: self.command.clone(), path: model.path.clone(), options: self.options.clone() }
    }

    fn residents(&self) -> MutexGuard<'_, Residents> {
        self.residents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Engine for Local {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        let mut installed = self.installed().await?;
        self.put_default_first(&mut installed);
        let residents = self.residents();
        let model = |installed: InstalledModel| {
            let facts = residents.facts(&installed.name);
            Model {
                engine: EngineKind::Local,
                size_bytes: Some(installed.size_bytes),
                quantization: facts.as_ref().map(|facts| facts.quantization.clone()),
                parameters: facts.as_ref().map(|facts| facts.parameters),
                context_length: facts.as_ref().map(|facts| facts.context_length),
                family: facts.as_ref().map(|facts| facts.architecture.clone()),
                calls_tools: facts.as_ref().map(|facts| facts.calls_tools),
                modified_at: installed.modified_at,
                loaded: facts.is_some(),
                description: description(&installed.name).map(str::to_owned),
                id: installed.name,
            }
        };
        Ok(installed.into_iter().map(model).collect())
    }

    /// A model that is installed but not in memory is loaded by the first chat with it, so it counts as ready.
    async fn ready(&self, model: &str) -> Result<(), EngineError> {
        let name = full_name(model);
        let resident = self.residents().ready(&name);
        match resident {
            Some(ready) => ready,
            None => self.find(&name).await.map(drop),
        }
    }

    async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        let (resident, _place) = self.place(model).await?;
        let process = resident.process().await?;
        let context_length = process.facts().context_length;
        match process.count(Prompt::Messages(messages.to_vec())).next().await {
            Some(Event::Counted { tokens: prompt_tokens, .. }) => {
                Ok(Some(PromptSize { prompt_tokens, context_length }))
            }
            Some(Event::Error { code, message, .. }) => Err(engine_error(code, message)),
            _ => Err(EngineError::Interrupted),
        }
    }

    async fn chat(&self, request: ChatRequest) -> Result<ChatStream, EngineError> {
        let ChatRequest { model, messages, parameters, output, cancel } = request;
        self.generate(&model, Prompt::Messages(messages), &parameters, output, cancel).await
    }

    async fn complete(&self, request: CompletionRequest) -> Result<ChatStream, EngineError> {
        let CompletionRequest { model, text, parameters, output, cancel } = request;
        self.generate(&model, Prompt::Text(text), &parameters, output, cancel).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        let (resident, _place) = self.place(&request.model).await?;
        let process = resident.process().await?;
        match process.embed(request.texts, request.truncate).next().await {
            Some(Event::Embedded { vectors, tokens, .. }) => Ok(Embeddings { vectors, tokens }),
            Some(Event::Error { code, message, .. }) => Err(engine_error(code, message)),
            _ => Err(EngineError::Interrupted),
        }
    }

    async fn shutdown(&self) {
        let processes = self.residents().close();
        for gone in processes {
            gone.cancelled().await;
        }
    }
}

/// The place is held as long as the stream.
fn answer(mut events: Events, place: OwnedSemaphorePermit, cancel: CancellationToken) -> ChatStream {
    stream! {
        let _place = place;
        let mut cancelled = false;
        loop {
            let event = tokio::select! {
                biased;
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    events.cancel();
                    continue;
                }
                event = events.next() => event,
            };
            let item = match event {
                Some(Event::Text { text, .. }) => Ok(Delta::Text(text)),
                Some(Event::Logprobs { tokens, .. }) => Ok(Delta::Logprobs(tokens)),
                Some(Event::ToolCall { name, arguments, .. }) => {
                    Ok(Delta::ToolCall(ToolCall { id: new_call_id(), name, arguments }))
                }
                Some(Event::Done { finish_reason, usage, timings, .. }) => {
                    Ok(Delta::Done(Completion { finish_reason, usage, timings }))
                }
                Some(Event::Error { code, message, .. }) => Err(engine_error(code, message)),
                Some(Event::Loaded { .. } | Event::Counted { .. } | Event::Embedded { .. }) | None => {
                    Err(EngineError::Interrupted)
                }
            };
            let goes_on = matches!(item, Ok(Delta::Text(_) | Delta::Logprobs(_) | Delta::ToolCall(_)));
            yield item;
            if !goes_on {
                return;
            }
        }
    }
    .boxed()
}

fn engine_error(code: ErrorCode, message: String) -> EngineError {
    match code {
        ErrorCode::ContextLengthExceeded => EngineError::ContextLengthExceeded,
        ErrorCode::InvalidRequest => EngineError::InvalidRequest(message),
        ErrorCode::SchemaUnusable => EngineError::UnusableSchema(message),
        ErrorCode::ToolsUnusable => EngineError::UnusableTools(message),
        ErrorCode::ToolsUnsupported => EngineError::ToolsUnsupported,
        ErrorCode::ModelUnusable => EngineError::Unavailable(message),
        ErrorCode::Internal => EngineError::Internal(anyhow::Error::msg(message)),
    }
}
