//! The journal's writer: batches a run's events, so that tokens cost a row for every 50 ms and not one each,
//! and the connection that streams them never waits for the disk.

use std::time::Duration;

use sea_orm::{DbErr, SqlErr};
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
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long the end of the answer, which holds the whole text, waits for its journal.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);

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

    /// Wait until everything is written, or can not be.
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
    let mut closed_at = None;
    while open || !batch.is_empty() {
        if open {
            open = gather(&mut receiver, &mut batch).await;
        }
        if batch.is_empty() {
            continue;
        }
        let Err(error) = store.append_events(run_id, next_seq, batch.clone()).await else {
            next_seq += batch.len() as u64;
            batch.clear();
            continue;
        };
        if is_gone(&error) {
            return;
        }
        tracing::warn!(%run_id, %error, "the journal could not be written");
        if receiver.is_closed() && closed_at.get_or_insert_with(Instant::now).elapsed() > CLOSING_LIMIT {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Add what comes in the time of one batch. `false` after the last event.
async fn gather(receiver: &mut mpsc::UnboundedReceiver<RunEvent>, batch: &mut Vec<RunEvent>) -> bool {
    if batch.is_empty() {
        match receiver.recv().await {
            Some(event) => batch.push(event),
            None => return false,
        }
    }
    let deadline = Instant::now() + BATCH_TIME;
    while batch.len() < BATCH_EVENTS {
        match timeout_at(deadline, receiver.recv()).await {
            Ok(Some(event)) => batch.push(event),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
    true
}

/// The conversation was deleted, and the run with it.
fn is_gone(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
}
