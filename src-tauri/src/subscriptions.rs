//! Streams to the page that run now. Each ends when the page asks for it, when the page goes away, or by itself.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flotilla_cluster::Result;
use serde::Serialize;
use tauri::ipc::Channel;
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};

/// A source that refuses does so within this time; after it, the stream counts as under way.
const REFUSED_WITHIN: Duration = Duration::from_millis(300);
/// Updates on their way to a page that is slow.
const UNSENT: usize = 16;

#[derive(Default)]
pub struct Subscriptions {
    running: Mutex<HashMap<String, AbortHandle>>,
    last_id: AtomicU64,
}

impl Subscriptions {
    /// Send what `source` yields to the page. Returns the stream's id, or why the source refused.
    pub async fn start<T, F>(&self, page: Channel<T>, source: impl FnOnce(mpsc::Sender<T>) -> F) -> Result<String>
    where
        T: Serialize + Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, mut updates) = mpsc::channel(UNSENT);
        let source = source(sender);
        let forward = async move {
            while let Some(update) = updates.recv().await {
                if page.send(update).is_err() {
                    return;
                }
            }
        };
        // A source ends when nobody receives any more.
        let mut stream = tokio::spawn(async move { tokio::join!(source, forward).0 });
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).to_string();
        match timeout(REFUSED_WITHIN, &mut stream).await {
            Ok(Ok(Err(error))) => return Err(error),
            Ok(_) => {}
            Err(_) => {
                let mut running = self.running();
                running.retain(|_, stream| !stream.is_finished());
                running.insert(id.clone(), stream.abort_handle());
            }
        }
        Ok(id)
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
