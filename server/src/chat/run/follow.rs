//! Following a run from any point: from memory where this server writes it, else from the journal.

use std::{sync::Arc, time::Duration};

use futures::{Stream, StreamExt};
use uuid::Uuid;

use super::{LiveRun, RunEvent};
use crate::{
    error::{Error, Result},
    state::AppState,
    store::{Run, message::Status},
};

/// How often the journal of a run on another server is looked at.
const POLL: Duration = Duration::from_millis(200);

/// The events of a run with a number above `after`, each with its number, as they come; ends after the terminal one.
pub async fn follow(state: &AppState, run_id: Uuid, after: u64) -> Result<impl Stream<Item = (u64, RunEvent)> + use<>> {
    if let Some(live) = state.runs.live(run_id) {
        return Ok(follow_live(live, after).left_stream());
    }
    let run = state.store.run(run_id).await?.ok_or_else(|| Error::not_found("run"))?;
    Ok(follow_journal(state.clone(), run, after).right_stream())
}

fn follow_live(live: Arc<LiveRun>, after: u64) -> impl Stream<Item = (u64, RunEvent)> {
    async_stream::stream! {
        let mut count = live.count.subscribe();
        let mut seen = usize::try_from(after).unwrap_or(usize::MAX);
        loop {
            // Read before the events: a run that ends in between is seen whole on the next round.
            let ended = live.ended.is_cancelled();
            for event in live.events_after(seen) {
                seen += 1;
                let terminal = event.is_terminal();
                yield (seen as u64, event);
                if terminal {
                    return;
                }
            }
            if ended {
                return;
            }
            // A follower may be ahead of a run, and would wait for a number that never comes.
            live.ended.run_until_cancelled(count.wait_for(|count| *count > seen)).await;
        }
    }
}

fn follow_journal(state: AppState, run: Run, after: u64) -> impl Stream<Item = (u64, RunEvent)> {
    async_stream::stream! {
        let mut seen = after;
        loop {
            // The status is read before the events: a run that ends in between is seen whole on the next round.
            let ended = match state.store.run(run.id).await {
                Ok(Some(run)) => run.status != Status::Streaming,
                Ok(None) => return,
                Err(error) => return tracing::warn!(%error, "a run cannot be followed"),
            };
            match state.store.events(run.id, seen).await {
                Ok(events) => {
                    for (seq, event) in events {
                        seen = seq;
                        yield (seq, event);
                    }
                }
                Err(error) => return tracing::warn!(%error, "a run cannot be followed"),
            }
            if ended {
                if let Ok(Some(message)) = state.store.message(run.message_id).await {
                    yield (seen + 1, RunEvent::terminal(message));
                }
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
