//! What becomes of a run whose server died: its journal's text is kept and the answer shows as interrupted.

use std::time::Duration;

use chrono::TimeDelta;

use super::RunEvent;
use crate::{
    state::AppState,
    store::{
        self, Run,
        message::{MessageError, Status},
        run::Outcome,
    },
};

/// A server that has not renewed its leases for this long is taken for dead.
pub const LEASE: TimeDelta = TimeDelta::seconds(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Clients that want to replay a run after this long read its message instead.
const KEEP_JOURNALS: TimeDelta = TimeDelta::hours(24);
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

pub(super) fn server_stopped() -> MessageError {
    MessageError {
        code: "server_stopped".to_owned(),
        message: "The server stopped before this answer was finished. Retry to get a new one.".to_owned(),
    }
}

/// Keep this server's leases alive and end what dead servers left behind, until the program ends.
pub async fn keep_leases(state: AppState) {
    let mut renew = tokio::time::interval(RENEW_EVERY);
    let mut prune = tokio::time::interval(PRUNE_EVERY);
    loop {
        tokio::select! {
            _ = renew.tick() => {
                if let Err(error) = state.store.renew_leases(&state.runs.live_ids(), store::now() + LEASE).await {
                    tracing::warn!(%error, "the leases could not be renewed");
                }
                recover_abandoned(&state).await;
            }
            _ = prune.tick() => {
                if let Err(error) = state.store.prune_journals(store::now() - KEEP_JOURNALS).await {
                    tracing::warn!(%error, "old journals could not be removed");
                }
            }
        }
    }
}

/// End every run that nobody writes: its server is dead, or its request broke off before the writing began.
pub async fn recover_abandoned(state: &AppState) {
    match state.store.abandoned_runs(state.runs.owner, &state.runs.live_ids(), store::now()).await {
        Ok(runs) => {
            for run in runs {
                interrupt(state, run).await;
            }
        }
        Err(error) => tracing::warn!(%error, "abandoned runs cannot be read"),
    }
}

async fn interrupt(state: &AppState, run: Run) {
    let result = async {
        let events = state.store.events(run.id, 0).await?;
        let mut model = None;
        let mut content = String::new();
        for (_, event) in events {
            match event {
                RunEvent::Started { model: name, .. } => model = Some(name),
                RunEvent::Delta { text } => content.push_str(&text),
                RunEvent::Finished { .. } | RunEvent::Failed { .. } => {}
            }
        }
        let error = Some(server_stopped());
        let outcome = Outcome { status: Status::Interrupted, content, error, model, details: None };
        state.store.finish_run(&run, outcome, store::now()).await
    };
    match result.await {
        Ok(_) => tracing::info!(run_id = %run.id, "an answer was interrupted by the death of its server"),
        Err(error) => tracing::warn!(run_id = %run.id, %error, "an abandoned run could not be ended"),
    }
}
