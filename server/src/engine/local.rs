//! The own engine: llama.cpp in child processes, one for each model in memory.
//!
//! Code map: [`connection`] is the line protocol, [`process`] one child from start to end, [`resident`] keeps a model's
//! process alive, [`residents`] decides which models are in memory, [`machine`] says how much of it there is.

mod connection;
mod log;
mod machine;
mod process;
mod resident;
mod residents;

use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use async_stream::stream;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use flotilla_engine::{
    footprint::footprint,
    gguf::Metadata,
    protocol::{ErrorCode, Event, LoadOptions, Prompt},
};
use futures::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{
    connection::Events,
    resident::{Launch, Limits, Place},
    residents::{LEAST_KEEP_ALIVE, Residents, Turn, lock},
};
pub use self::{process::EngineCommand, residents::MemoryUse};
use super::{
    Capability, ChatRequest, ChatStream, Completion, Delta, EmbedRequest, Embeddings, Engine, EngineError, EngineKind,
    KeepAlive, Model, Piece, PromptMessage, PromptSize, ToolCall, new_call_id,
};
use crate::{
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
    residents: Arc<Mutex<Residents>>,
    /// Where requests wait while their models do not fit the memory beside those that are in use: each holds a slot of its
    /// model meanwhile, so they are few.
    line: tokio::sync::Mutex<()>,
    limits: Limits,
    /// Takes models out of memory that nobody uses.
    _unloading: AbortOnDropHandle<()>,
}

impl Local {
    /// Starts to load the default model in the background, so it has to be called on a Tokio runtime.
    pub fn new(command: EngineCommand, config: &Config) -> anyhow::Result<Self> {
        let folder = config.models_dir()?;
        let (released, _) = watch::channel(());
        let memory = config.max_model_memory().map_or_else(machine::memory_for_models, Ok)?;
        let unused = released.subscribe();
        let keep_alive = config.keep_alive();
        let limits = Limits { load_timeout: config.first_token_timeout(), memory, keep_alive, released };
        let residents = Arc::new(Mutex::new(Residents::new(limits.clone())));
        let unloading = tokio::spawn(unload_unused(Arc::clone(&residents), unused));
        let options = LoadOptions {
            slots: config.slots,
            context_length: config.context_length,
            threads: config.machine.threads(),
            gpu_layers: config.machine.gpu_layers,
            prefix_memory: config.prefix_memory,
            guess_tokens: config.guess_tokens,
        };
        let local = Self {
            command,
            options,
            catalogue: Catalogue::new(folder.clone()),
            configured_default: config.model_name.as_deref().map(full_name),
            residents,
            line: tokio::sync::Mutex::default(),
            limits,
            _unloading: AbortOnDropHandle::new(unloading),
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
            // It would leave at once.
            Some(_) if keep_alive == KeepAlive::AT_ONCE => {}
            Some(default) => match local.launch(default) {
                Ok(launch) => drop(local.residents().load(&default.name, &launch)),
                Err(error) => tracing::warn!(%error, "the default model is not loaded"),
            },
            None => tracing::warn!(folder = %folder.display(), "no model is installed"),
        }
        Ok(local)
    }

    /// A place for a request that says how long the model stays, or leaves that as it is.
    async fn place_and_keep(&self, model: &str, keep_alive: Option<KeepAlive>) -> Result<Place, EngineError> {
        let place = self.place(model).await?;
        if let Some(keep_alive) = keep_alive {
            place.resident.keep(keep_alive);
        }
        Ok(place)
    }

    async fn place(&self, model: &str) -> Result<Place, EngineError> {
        let name = full_name(model);
        if let Some(place) = self.residents().admit(&name)? {
            return Ok(place);
        }
        let launch = self.launch(&self.find(&name).await?)?;
        // The rest of the time is for loading it.
        match timeout(self.limits.load_timeout / 2, self.place_in_turn(&name, &launch)).await {
            Ok(place) => place,
            Err(_) => Err(EngineError::Unavailable(format!(
                "there is no memory for model '{name}' while others are answering; try again in a moment, or let models \
                 take more of it (MAX_MODEL_MEMORY)"
            ))),
        }
    }

    /// Waits until the model fits the memory, if it does not beside those that are in use.
    async fn place_in_turn(&self, name: &str, launch: &Launch) -> Result<Place, EngineError> {
        let mut released = self.limits.released.subscribe();
        let _turn = Turn::come(&self.line, &self.residents).await;
        loop {
            released.mark_unchanged();
            if let Some(place) = self.residents().load(name, launch)? {
                return Ok(place);
            }
            // A model that was just released is free to leave some time after that.
            drop(timeout(LEAST_KEEP_ALIVE, released.changed()).await);
        }
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

    /// # Errors
    /// When the model does not fit the memory alone.
    fn launch(&self, model: &InstalledModel) -> Result<Launch, EngineError> {
        // What is wrong with a damaged file is for the engine to say.
        let (memory, limit) = (self.memory_of(model).unwrap_or(0), self.limits.memory);
        if memory > limit {
            return Err(EngineError::TooLarge { model: model.name.clone(), memory, limit });
        }
        Ok(Launch { command: self.command.clone(), path: model.path.clone(), options: self.options.clone(), memory })
    }

    /// Bytes that a process with the model takes, about.
    fn memory_of(&self, model: &InstalledModel) -> Option<u64> {
        Some(footprint(model.size_bytes, model.metadata.as_deref()?, &self.options))
    }

    fn residents(&self) -> MutexGuard<'_, Residents> {
        lock(&self.residents)
    }
}

async fn unload_unused(residents: Arc<Mutex<Residents>>, mut released: watch::Receiver<()>) {
    loop {
        let next = lock(&residents).unload_unused();
        let due = async {
            match next {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = released.changed() => {}
            () = due => {}
        }
    }
}

#[async_trait]
impl Engine for Local {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        let mut installed = self.installed().await?;
        self.catalogue.learn_digests(&installed);
        self.put_default_first(&mut installed);
        let residents = self.residents();
        let model = |installed: InstalledModel| {
            let metadata = installed.metadata.as_deref();
            let trained_context_length = metadata.and_then(|metadata| metadata.context_length);
            Model {
                engine: EngineKind::Local,
                size_bytes: Some(installed.size_bytes),
                memory_bytes: self.memory_of(&installed),
                quantization: metadata.and_then(|metadata| metadata.quantization).map(str::to_owned),
                parameters: metadata.map(|metadata| metadata.parameters),
                context_length: trained_context_length.map(|length| length.min(self.options.context_length)),
                capabilities: metadata.map(capabilities).unwrap_or_default(),
                family: metadata.map(|metadata| metadata.architecture.clone()),
                modified_at: installed.modified.map(DateTime::from),
                digest: installed.digest,
                loaded: residents.is_loaded(&installed.name),
                unloads_at: residents.unloads_at(&installed.name).and_then(wall_clock),
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
            None => self.launch(&self.find(&name).await?).map(drop),
        }
    }

    async fn measure(&self, model: &str, messages: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        let place = self.place(model).await?;
        let process = place.resident.process().await?;
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
        request.refuse_thinking()?;
        let place = self.place_and_keep(&request.model, request.keep_alive).await?;
        let process = place.resident.process().await?;
        let mut sampling = request.parameters.sampling();
        sampling.seed.get_or_insert(request.default_seed);
        let events = process.generate(request.prompt, request.answer_so_far, sampling, request.output);
        Ok(answer(events, place, request.cancel))
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        let place = self.place_and_keep(&request.model, request.keep_alive).await?;
        let process = place.resident.process().await?;
        match process.embed(request.texts, request.truncate).next().await {
            Some(Event::Embedded { vectors, tokens, .. }) => Ok(Embeddings { vectors, tokens }),
            Some(Event::Error { code, message, .. }) => Err(engine_error(code, message)),
            _ => Err(EngineError::Interrupted),
        }
    }

    async fn load(&self, model: &str, keep_alive: Option<KeepAlive>) -> Result<(), EngineError> {
        let place = self.place_and_keep(model, keep_alive).await?;
        place.resident.process().await.map(drop)
    }

    async fn unload(&self, model: &str) -> Result<(), EngineError> {
        let name = full_name(model);
        let leaving = self.residents().unload(&name)?;
        match leaving {
            Some(gone) => gone.cancelled().await,
            None => drop(self.find(&name).await?),
        }
        Ok(())
    }

    async fn delete(&self, model: &str) -> Result<(), EngineError> {
        let installed = self.find(&full_name(model)).await?;
        self.unload(&installed.name).await?;
        let catalogue = self.catalogue.clone();
        let deleting = tokio::task::spawn_blocking(move || catalogue.delete(&installed)).await;
        let deleted = deleting.context("deleting a model broke off");
        deleted.and_then(|done| done.context("a model cannot be deleted")).map_err(EngineError::Internal)
    }

    fn memory(&self) -> Option<MemoryUse> {
        Some(self.residents().memory())
    }

    async fn end_if_hung(&self, model: &str) {
        let process = self.residents().process(&full_name(model));
        if let Some(process) = process
            && !process.responds().await
        {
            tracing::error!(model, process = process.id(), "the engine process hangs and is ended");
            process.stop().await;
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
fn answer(mut events: Events, place: Place, cancel: CancellationToken) -> ChatStream {
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
                Some(Event::Text { text, tokens, .. }) => Ok(Delta::Text(Piece { text, tokens })),
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

/// `None` where it is so far away that the calendar ends before.
fn wall_clock(at: Instant) -> Option<DateTime<Utc>> {
    let left = TimeDelta::from_std(at.saturating_duration_since(Instant::now())).ok()?;
    Utc::now().checked_add_signed(left)
}

fn capabilities(metadata: &Metadata) -> Vec<Capability> {
    if metadata.is_embedding {
        return vec![Capability::Embedding];
    }
    let template = metadata.chat_template.as_deref().unwrap_or_default();
    let tools = flotilla_engine::calls_tools(template).then_some(Capability::Tools);
    [Capability::Completion].into_iter().chain(tools).collect()
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
