use std::sync::Arc;

use async_trait::async_trait;
use flotilla::engine::{
    ChatRequest, ChatStream, Delta, Engine, EngineError, Model, PromptMessage, PromptSize, Scripted,
};
use futures::{StreamExt, stream};
use tokio::sync::Notify;

/// An engine that says one word and then neither goes on nor ends, and what is notified when its answer is dropped.
pub fn endless() -> (Arc<dyn Engine>, Arc<Notify>) {
    let stopped = Arc::new(Notify::new());
    (Arc::new(Endless { models: Scripted::new(vec![]), stopped: stopped.clone() }), stopped)
}

struct Endless {
    models: Scripted,
    stopped: Arc<Notify>,
}

struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[async_trait]
impl Engine for Endless {
    async fn models(&self) -> Result<Vec<Model>, EngineError> {
        self.models.models().await
    }

    async fn ready(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }

    async fn measure(&self, _: &str, _: &[PromptMessage]) -> Result<Option<PromptSize>, EngineError> {
        Ok(None)
    }

    async fn chat(&self, _: ChatRequest) -> Result<ChatStream, EngineError> {
        let held = NotifyOnDrop(self.stopped.clone());
        let word = stream::iter([Ok(Delta::Text("word".to_owned().into()))]).chain(stream::pending());
        // The stream owns `held`, so both go together.
        Ok(word.inspect(move |_| _ = &held).boxed())
    }
}
