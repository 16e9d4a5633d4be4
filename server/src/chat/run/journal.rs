//! The journal's writer: batches a run's events, so that tokens cost a row for every 50 ms and not one each,
//! and the connection that streams them never waits for the disk.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::store::{Run, Store, journal::Entry};

/// What a crash may lose: the events of this long, or this many, whichever is less.
const BATCH_TIME: Duration = Duration::from_millis(50);
const BATCH_EVENTS: usize = 64;
/// Pause after a write that failed. The events are kept and written with the next batch.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long the end of the answer, which holds the whole text, waits for its journal.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct JournalWriter {
    entries: mpsc::UnboundedSender<Entry>,
    task: JoinHandle<()>,
}

impl JournalWriter {
    /// `next_seq` is the number of the first event that comes.
    pub(super) fn spawn(store: Store, run: Run, next_seq: u64) -> Self {
        let (entries, receiver) = mpsc::unbounded_channel();
        Self { entries, task: tokio::spawn(write(store, run, next_seq, receiver)) }
    }

    pub(super) fn append(&self, entry: Entry) {
        // The writer ends only after this sender is gone, or when nothing of this server is wanted any more.
        let _ = self.entries.send(entry);
    }

    /// Wait until everything is written, or can not be.
    pub(super) async fn close(self) {
        drop(self.entries);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the journal's writer failed");
        }
    }
}

async fn write(store: Store, run: Run, mut next_seq: u64, mut receiver: mpsc::UnboundedReceiver<Entry>) {
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
        match store.append_events(&run, next_seq, batch.clone()).await {
            Ok(true) => {
                next_seq += batch.len() as u64;
                batch.clear();
                continue;
            }
            // Another server writes it now, or the conversation was deleted and the run with it.
            Ok(false) => return,
            Err(error) => tracing::warn!(run_id = %run.id, %error, "the journal could not be written"),
        }
        if receiver.is_closed() && closed_at.get_or_insert_with(Instant::now).elapsed() > CLOSING_LIMIT {
            return;
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Add what comes in the time of one batch. `false` after the last event.
async fn gather(receiver: &mut mpsc::UnboundedReceiver<Entry>, batch: &mut Vec<Entry>) -> bool {
    if batch.is_empty() {
        match receiver.recv().await {
            Some(entry) => batch.push(entry),
            None => return false,
        }
    }
    let deadline = Instant::now() + BATCH_TIME;
    while batch.len() < BATCH_EVENTS {
        match timeout_at(deadline, receiver.recv()).await {
            Ok(Some(entry)) => batch.push(entry),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;
    use crate::chat::run::RunEvent;

    fn entry() -> Entry {
        RunEvent::Delta { text: "word ".to_owned() }.into()
    }

    /// How many events are written together, and how long after the first of them, when one comes every `pause`.
    async fn batch(pause: Duration) -> (usize, Duration) {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while sender.send(entry()).is_ok() {
                sleep(pause).await;
            }
        });
        let mut batch = Vec::new();
        let first = Instant::now();
        assert!(gather(&mut receiver, &mut batch).await);
        (batch.len(), first.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn the_events_of_50_ms_are_written_together() {
        let (events, time) = batch(Duration::from_millis(20)).await;

        assert_eq!((events, time.as_millis()), (3, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_64_events_are_written_together() {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        (0..100).for_each(|_| sender.send(entry()).unwrap());
        let mut batch = Vec::new();

        assert!(gather(&mut receiver, &mut batch).await);

        assert_eq!(batch.len(), 64);
    }
}
