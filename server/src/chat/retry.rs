//! A request that is made to the engine more than once. Where that is many servers, each that dies of its requests would be
//! given a multiple of them just then: so it takes from what the pool has for retries.

use crate::engine::{ChatRequest, ChatStream, Engine, EngineError, Pool};

/// Whether a request of whose answer nothing was told may be made once more.
pub fn is_granted(engine: &dyn Engine) -> bool {
    engine.pool().is_none_or(Pool::grants_retry)
}

/// Ask for an answer, for the first time or not.
pub async fn ask(engine: &dyn Engine, request: ChatRequest, is_repeated: bool) -> Result<ChatStream, EngineError> {
    match engine.pool() {
        Some(pool) if is_repeated => pool.chat_again(request).await,
        _ => engine.chat(request).await,
    }
}
