//! Stopping a run: at once on the server that writes it, and through its row from any other.

use std::time::Duration;

use futures::StreamExt;
use uuid::Uuid;

use crate::{
    chat::Answer,
    engine::{Completion, Delta},
    error::{Error, Result},
    state::AppState,
    store::message::Status,
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

/// Resolves when the run was stopped through its row: another server was asked to, or deleted the conversation, or
/// took this one for dead and ended the run.
pub(super) async fn asked_elsewhere(state: &AppState, run_id: Uuid) {
    if state.store.is_sole_owner() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(POLL).await;
        // A database that is away for a moment stops nothing.
        let Ok(run) = state.store.run(run_id).await else { continue };
        if run.is_none_or(|run| run.stop_requested || run.status != Status::Streaming) {
            return;
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
