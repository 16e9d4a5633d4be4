//! Stopping a run: at once on the server that writes it, and through its row from any other.

use std::time::Duration;

use futures::StreamExt;
use uuid::Uuid;

use crate::{
    chat::Answer,
    engine::{Completion, Delta},
    error::{Error, Result},
    state::AppState,
    store::{Run, message::Status},
};

/// How often a run looks whether another server was asked to stop it. Its journal writes several times as often.
const POLL: Duration = Duration::from_millis(200);
/// An engine that counts says within a token what a stopped answer has cost.
const LAST_COUNT: Duration = Duration::from_millis(500);

/// Stop a run, or fail when there is no such run. Stopping an ended run does nothing.
pub async fn stop(state: &AppState, run_id: Uuid) -> Result<()> {
    if state.runs.stop(run_id) || state.store.request_stop(run_id).await? {
        return Ok(());
    }
    state.store.run(run_id).await?.map(drop).ok_or_else(|| Error::not_found("run"))
}

/// What a run's row says to the server that writes it.
pub(super) enum News {
    /// Another server was asked to stop it, or deleted the conversation.
    Stop,
    /// Another server has taken this one for dead and writes the run, or has ended it.
    Lost,
}

/// Resolves when the run's row asks for something.
pub(super) async fn news(state: &AppState, run: &Run) -> News {
    if state.store.is_sole_owner() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(POLL).await;
        // A database that is away for a moment stops nothing.
        let Ok(found) = state.store.run(run.id).await else { continue };
        match found {
            Some(found) if found.status != Status::Streaming || found.owner != run.owner => return News::Lost,
            Some(found) if !found.stop_requested => {}
            _ => return News::Stop,
        }
    }
}

/// End the answer in the engine, and hear what it has cost so far if the engine counts. Text that comes after the stop
/// is not wanted any more.
pub(super) async fn cost(mut answer: Answer) -> Option<Completion> {
    answer.cancel.cancel();
    let last_count = async {
        while let Some(Ok(delta)) = answer.stream.next().await {
            if let Delta::Done(completion) = delta {
                return Some(completion);
            }
        }
        None
    };
    tokio::time::timeout(LAST_COUNT, last_count).await.ok().flatten()
}
