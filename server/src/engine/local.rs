//! The own engine: llama.cpp in child processes, one for each model in memory.
//!
//! Code map: [`connection`] is the line protocol, [`process`] one child from start to end, [`resident`] keeps a model's
//! process alive, [`residents`] decides which models are in memory.

mod connection;
mod log;
mod process;
mod resident;
mod residents;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use async_stream::stream;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use flotilla_engine::{
    gguf::Metadata,
    protocol::{ErrorCode, Event, LoadOptions, Prompt},
};
use futures::StreamExt;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

pub use self::process::EngineCommand;
use self::{
    connection::Events,
    resident::{Launch, Limits, Place},
    residents::Residents,
};
use super::{
    Capability, ChatRequest, ChatStream, Completion, Delta, EmbedRequest, Embeddings, Engine, EngineError, EngineKind,
    Model, Piece, PromptMessage, PromptSize, ToolCall, new_call_id,
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
    keep_alive: Option<Duration>,
    /// Takes models out of memory that nobody uses.
    _unloading: Option<AbortOnDropHandle<()>>,
}

impl Local {
    /// Starts to load the default model in the background, so it has to be called on a Tokio runtime.
    pub fn new(command: EngineCommand, config: &Config) -> anyhow::Result<Self> {
        let folder = config.models_dir()?;
        let released = Arc::new(Notify::new());
        let limits = Limits { load_timeout: config.first_token_timeout(), released: Arc::clone(&released) };
        let residents = Arc::new(Mutex::new(Residents::new(limits)));
        let keep_alive = config.keep_alive();
        let unloading = keep_alive.map(|time| tokio::spawn(unload_unused(Arc::clone(&residents), released, time)));
        let options = LoadOptions {
            slots: config.slots,
            context_length: config.context_length,
            threads: config.threads(),
            gpu_layers: config.gpu_layers,
            prefix_memory: config.prefix_memory,
            guess_tokens: config.guess_tokens,
        };
        let local = Self {
            command,
            options,
            catalogue: Catalogue::new(folder.clone()),
            configured_default: config.model_name.as_deref().map(full_name),
            residents,
            keep_alive,
            _unloading: unloading.map(AbortOnDropHandle::new),
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
            Some(_) if keep_alive == Some(Duration::ZERO) => {}
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

    fn unloads_at(&self, last_used: Instant) -> Option<DateTime<Utc>> {
        let left = last_used.checked_add(self.keep_alive?)?.saturating_duration_since(Instant::now());
        Utc::now().checked_add_signed(TimeDelta::from_std(left).ok()?)
    }

    fn residents(&self) -> MutexGuard<'_, Residents> {
        lock(&self.residents)
    }
}

fn lock(residents: &Mutex<Residents>) -> MutexGuard<'_, Residents> {
    residents.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A chat gives its place back between measuring its prompt and asking for the answer; that is no reason to unload.
const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);

async fn unload_unused(residents: Arc<Mutex<Residents>>, released: Arc<Notify>, keep_alive: Duration) {
    loop {
        let next = lock(&residents).unload_unused(keep_alive.max(LEAST_KEEP_ALIVE));
        let due = async {
            match next {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = released.notified() => {}
            () = due => {}
        }
    }
}

#[async_trait]
impl Engine for Local {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        let mut installed = self.installed().await?;
        self.put_default_first(&mut installed);
        let residents = self.residents();
        let model = |installed: InstalledModel| {
            let metadata = installed.metadata.as_deref();
            let trained_context_length = metadata.and_then(|metadata| metadata.context_length);
            Model {
                engine: EngineKind::Local,
                size_bytes: Some(installed.size_bytes),
                quantization: metadata.and_then(|metadata| metadata.quantization).map(str::to_owned),
                parameters: metadata.map(|metadata| metadata.parameters),
                context_length: trained_context_length.map(|length| length.min(self.options.context_length)),
                capabilities: metadata.map(capabilities).unwrap_or_default(),
                family: metadata.map(|metadata| metadata.architecture.clone()),
                modified_at: installed.modified.map(DateTime::from),
                loaded: residents.is_loaded(&installed.name),
                unloads_at: residents.last_used(&installed.name).and_then(|used| self.unloads_at(used)),
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
        let place = self.place(&request.model).await?;
        let process = place.resident.process().await?;
        let mut sampling = request.parameters.sampling();
        sampling.seed.get_or_insert(request.default_seed);
        let events = process.generate(request.prompt, request.answer_so_far, sampling, request.output);
        Ok(answer(events, place, request.cancel))
    }

    async fn embed(&self, request: EmbedRequest) -> Result<Embeddings, EngineError> {
        let place = self.place(&request.model).await?;
        let process = place.resident.process().await?;
        match process.embed(request.texts, request.truncate).next().await {
            Some(Event::Embedded { vectors, tokens, .. }) => Ok(Embeddings { vectors, tokens }),
            Some(Event::Error { code, message, .. }) => Err(engine_error(code, message)),
            _ => Err(EngineError::Interrupted),
        }
    }

    async fn load(&self, model: &str) -> Result<(), EngineError> {
        let place = self.place(model).await?;
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

fn capabilities(metadata: &Metadata) -> Vec<Capability> {
    if metadata.is_embedding {
        return vec![Capability::Embedding];
    }
    let template = metadata.chat_template.as_deref().unwrap_or_default();
    let by_template = [
        (Capability::Tools, flotilla_engine::calls_tools(template)),
        (Capability::Thinking, template.contains("<think>")),
    ];
    let by_template = by_template.into_iter().filter(|(_, is_there)| *is_there);
    [Capability::Completion].into_iter().chain(by_template.map(|(capability, _)| capability)).collect()
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
