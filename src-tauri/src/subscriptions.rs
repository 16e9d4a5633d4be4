//! Streams to the page that run now. Each ends when the page asks for it, when the page goes away, or by itself.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use flotilla_cluster::{Error, Result};
use serde::Serialize;
use tauri::ipc::Channel;
use tokio::{sync::mpsc, task::AbortHandle};
use ts_rs::TS;

/// What the page receives of a stream.
#[derive(Clone, Serialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StreamMessage<T> {
    Update {
        value: T,
    },
    /// The last message, unless the page has ended the stream. `error` is why it could not go on.
    Ended {
        error: Option<Error>,
    },
}

/// Updates on their way to a page that is slow.
const UNSENT: usize = 16;

#[derive(Default)]
pub struct Subscriptions {
    running: Mutex<HashMap<String, AbortHandle>>,
    last_id: AtomicU64,
}

impl Subscriptions {
    /// Send what `source` yields to the page, and how it ended. Returns the stream's id.
    pub fn start<T, F>(&self, page: Channel<StreamMessage<T>>, source: impl FnOnce(mpsc::Sender<T>) -> F) -> String
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, mut updates) = mpsc::channel(UNSENT);
        let source = source(sender);
        let sink = page.clone();
        let forward = async move {
            while let Some(value) = updates.recv().await {
                if sink.send(StreamMessage::Update { value }).is_err() {
                    return;
                }
            }
        };
        let mut running = self.running();
        running.retain(|_, stream| !stream.is_finished());
        // A source ends when nobody receives any more.
        let stream = tokio::spawn(async move {
            let (ended, ()) = tokio::join!(source, forward);
            // The page may be gone.
            let _ = page.send(StreamMessage::Ended { error: ended.err() });
        });
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).to_string();
        running.insert(id.clone(), stream.abort_handle());
        id
    }

    pub fn stop(&self, id: &str) {
        if let Some(stream) = self.running().remove(id) {
            stream.abort();
        }
    }

    /// For a page that has gone: nobody would stop its streams one by one.
    pub fn stop_all(&self) {
        self.running().drain().for_each(|(_, stream)| stream.abort());
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, AbortHandle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
