//! Following a run from any point: from memory where this server writes it, else from the journal. The two meet without a
//! gap when a server takes the run over, or loses it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use uuid::Uuid;

use super::{LiveRun, RunEvent};
use crate::{
    error::{Error, Result},
    state::AppState,
    store::{self, message::Status},
};

/// How often the journal of a run on another server is looked at.
const POLL: Duration = Duration::from_millis(200);
/// How often at least that server is told that somebody follows the run here.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// The events of a run with a number above `after`, each with its number, as they come; ends after the terminal one. It
/// ends without one where this server does: whoever then asks another one goes on behind the last number.
pub async fn follow(state: &AppState, run_id: Uuid, after: u64) -> Result<impl Stream<Item = (u64, RunEvent)> + use<>> {
    if state.runs.live(run_id).is_none() && state.store.run(run_id).await?.is_none() {
        return Err(Error::not_found("run"));
    }
    Ok(events(state.clone(), run_id, after))
}

fn events(state: AppState, run_id: Uuid, after: u64) -> impl Stream<Item = (u64, RunEvent)> {
    async_stream::stream! {
        let mut seen = after;
        let mut noted = None;
        let note_every = NOTE_EVERY.min(state.config.orphan_timeout() / 2);
        loop {
            if let Some(live) = state.runs.live(run_id) {
                let mut events = std::pin::pin!(live_events(live, seen));
                while let Some((seq, event)) = events.next().await {
                    seen = seq;
                    let is_terminal = event.is_terminal();
                    yield (seq, event);
                    if is_terminal {
                        return;
                    }
                }
            }
            if state.shutdown.is_over() {
                return;
            }
            if noted.is_none_or(|noted: Instant| noted.elapsed() >= note_every) {
                noted = Some(Instant::now());
                if let Err(error) = state.store.note_follower(run_id, store::now()).await {
                    tracing::warn!(%run_id, %error, "it cannot be noted that a run is followed");
                }
            }
            match journalled(&state, run_id, seen).await {
                Ok(Some(events)) => {
                    for (seq, event) in events {
                        seen = seq;
                        let is_terminal = event.is_terminal();
                        yield (seq, event);
                        if is_terminal {
                            return;
                        }
                    }
                }
                Ok(None) => return,
                Err(error) => return tracing::warn!(code = error.code, "a run cannot be followed"),
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = state.shutdown.over() => return,
            }
        }
    }
}

/// Ends when the writing does, without a terminal event when it goes on elsewhere.
fn live_events(live: Arc<LiveRun>, after: u64) -> impl Stream<Item = (u64, RunEvent)> {
    async_stream::stream! {
        let mut last = live.last.subscribe();
        let mut seen = after;
        loop {
            // Read before the events: a run that ends in between is seen whole on the next round.
            let ended = live.ended.is_cancelled();
            for (seq, event) in live.events_after(seen) {
                seen = seq;
                yield (seq, event);
            }
            if ended {
                // A follower may be ahead of the run: its last server may have said more than it had time to journal.
                if let Some(end) = live.terminal_event_up_to(seen) {
                    yield (seen + 1, end);
                }
                return;
            }
            live.ended.run_until_cancelled(last.wait_for(|last| *last > seen)).await;
        }
    }
}

/// What the journal holds behind `seen`, and the terminal event if the run has ended. `None` when there is no such run.
async fn journalled(state: &AppState, run_id: Uuid, seen: u64) -> Result<Option<Vec<(u64, RunEvent)>>> {
    // The status is read before the events: a run that ends in between is seen whole on the next round.
    let Some(run) = state.store.run(run_id).await? else { return Ok(None) };
    let mut events = state.store.events(run_id, seen).await?;
    if run.status != Status::Streaming
        && let Some(message) = state.store.message(run.message_id).await?
    {
        let last = events.last().map_or(seen, |(seq, _)| *seq);
        events.push((last + 1, RunEvent::terminal(message)));
    }
    Ok(Some(events))
}
