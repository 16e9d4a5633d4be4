//! Models that come into memory and leave it by a request of Ollama's: by one that asks nothing, or with `keep_alive`.

use async_stream::stream;
use futures::{FutureExt, StreamExt, TryFutureExt};
use tokio_util::sync::CancellationToken;

use crate::{
    access::{ModelChanges, may_change_models},
    chat::model_or_default,
    engine::EngineError,
    error::Result,
    routes::opening::Opening,
    state::AppState,
};

/// Brings a model into memory, and tells which one that is.
pub async fn load(state: &AppState, model: Option<String>) -> Result<String> {
    state.shutdown.refuse_while_draining()?;
    let model = model_or_default(state, model).await?;
    match state.engine.load(&model).await {
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

/// The same opening, whose model leaves the memory when its answer has ended or its client is gone. It stays where callers
/// may not change that, and while others use it.
pub fn unloading(state: AppState, opening: Opening) -> Opening {
    if !may_change_models(&state.config) {
        return opening;
    }
    opening
        .map_ok(|mut answer| {
            let (model, ended) = (answer.model.clone(), CancellationToken::new());
            let held = ended.clone().drop_guard();
            tokio::spawn(async move {
                ended.cancelled().await;
                if let Err(error) = state.engine.unload(&model).await {
                    tracing::debug!(model, reason = error.kind(), "the model stays in memory");
                }
            });
            let stream = answer.stream;
            answer.stream = stream! {
                // The answer holds its model in memory, so it has to go first.
                let _held = held;
                let mut stream = stream;
                while let Some(piece) = stream.next().await {
                    yield piece;
                }
            }
            .boxed();
            answer
        })
        .boxed()
}
