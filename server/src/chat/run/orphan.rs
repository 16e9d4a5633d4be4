//! A run that nobody follows goes on, because whoever asked may come back. But not for ever: one that never ends would hold
//! its slot for nobody.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::LiveRun;
use crate::{
    state::AppState,
    store::{self, Run, message::MessageError},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Resolves when nobody has followed the run for ORPHAN_TIMEOUT, here or on another server.
pub(super) async fn forgotten(state: &AppState, live: &LiveRun, run: &Run) {
    let limit = state.config.orphan_timeout();
    let mut followed = Instant::now();
    loop {
        sleep(LOOK_EVERY).await;
        if live.is_followed() {
            followed = Instant::now();
        } else if followed.elapsed() >= limit {
            match time_without_followers_elsewhere(state, run).await {
                Some(time) if time < limit => followed = Instant::now() - time,
                _ => return,
            }
        }
    }
}

pub(super) fn nobody_follows(state: &AppState) -> MessageError {
    let limit = state.config.orphan_timeout().as_secs();
    MessageError {
        code: "orphaned".to_owned(),
        message: format!("Nobody followed this answer for {limit} s, so it was stopped. Retry to get a new one."),
    }
}

/// A database that is away for a moment ends nothing.
async fn time_without_followers_elsewhere(state: &AppState, run: &Run) -> Option<Duration> {
    if state.store.is_sole_owner() {
        return None;
    }
    match state.store.run(run.id).await {
        Ok(Some(found)) => (store::now() - found.followed_at?).to_std().ok(),
        Ok(None) => None,
        Err(_) => Some(Duration::ZERO),
    }
}
