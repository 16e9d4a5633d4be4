//! Models that come into memory and leave it by a request of Ollama's: by one that asks nothing, or with `keep_alive`.

use crate::{
    access::{ModelChanges, may_change_models},
    chat::model_or_default,
    engine::{EngineError, KeepAlive},
    error::Result,
    state::AppState,
};

/// What a request may say of how long its model stays: nothing where callers may not change that.
pub fn allowed(state: &AppState, keep_alive: Option<KeepAlive>) -> Option<KeepAlive> {
    keep_alive.filter(|_| may_change_models(&state.config))
}

/// Brings a model into memory, and tells which one that is.
pub async fn load(state: &AppState, model: Option<String>, keep_alive: Option<KeepAlive>) -> Result<String> {
    state.shutdown.refuse_while_draining()?;
    let model = model_or_default(state, model).await?;
    match state.engine.load(&model, allowed(state, keep_alive)).await {
        // Whether it is in memory is the business of the server behind this one.
        Err(EngineError::KeptElsewhere) => state.engine.ready(&model).await?,
        loaded => loaded?,
    }
    Ok(model)
}

/// Takes a model out of memory, and tells which one that is.
///
/// # Errors
/// 409 while it is answering or where another server keeps it, 403 where everybody may call.
pub async fn unload(state: &AppState, model: Option<String>) -> Result<String> {
    ModelChanges::check(&state.config)?;
    let model = model_or_default(state, model).await?;
    state.engine.unload(&model).await?;
    Ok(model)
}
