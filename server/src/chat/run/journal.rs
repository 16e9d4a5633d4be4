//! The journal's writer: batches a run's events, so that tokens cost a row for every 50 ms and not one each,
//! and the connection that streams them never waits for the disk.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::RunEvent;
use crate::store::Store;

/// What a crash may lose: the events of this long, or this many, whichever is less.
const BATCH_TIME: Duration = Duration::from_millis(50);
const BATCH_EVENTS: usize = 64;
/// Pause after a write that failed. The events are kept and written with the next batch.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) struct JournalWriter {
    events: mpsc::UnboundedSender<RunEvent>,
    task: JoinHandle<()>,
}

impl JournalWriter {
    pub(super) fn spawn(store: Store, run_id: Uuid) -> Self {
        let (events, receiver) = mpsc::unbounded_channel();
        Self { events, task: tokio::spawn(write(store, run_id, receiver)) }
    }

    pub(super) fn append(&self, event: RunEvent) {
        // The writer ends only after this sender is gone.
        let _ = self.events.send(event);
    }

    /// Wait until everything is written.
    pub(super) async fn close(self) {
        drop(self.events);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the journal's writer failed");
        }
    }
}

async fn write(store: Store, run_id: Uuid, mut receiver: mpsc::UnboundedReceiver<RunEvent>) {
    let mut next_seq = 1;
    let mut batch = Vec::new();
    let mut open = true;
    while open {
        let Some(event) = receiver.recv().await else { break };
        batch.push(event);
        let deadline = Instant::now() + BATCH_TIME;
        while batch.len() < BATCH_EVENTS {
            match timeout_at(deadline, receiver.recv()).await {
                Ok(Some(event)) => batch.push(event),
                Ok(None) => {
                    open = false;
                    break;
                }
                Err(_) => break,
            }
        }
        match store.append_events(run_id, next_seq, batch.clone()).await {
            Ok(()) => {
                next_seq += batch.len() as u64;
                batch.clear();
            }
            Err(error) => {
                tracing::warn!(%run_id, %error, "the journal could not be written");
                if open {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }
}
