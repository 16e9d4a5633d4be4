//! Ending without cutting an answer: not ready, no new requests, running answers finish or are kept, engines stop.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::state::AppState;

/// Whether the server is on its way out.
#[derive(Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
}

impl Shutdown {
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    pub(crate) fn begin(&self) {
        self.draining.cancel();
    }
}

/// Time that interrupted answers get to be saved, and their followers to read the last event.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Wait for the running answers, at most as long as the configuration allows, then keep what they have so far.
pub(crate) async fn finish_runs(state: &AppState) {
    let finished = tokio::time::timeout(state.config.drain_timeout(), state.runs.finished()).await;
    if finished.is_err() {
        tracing::warn!("answers were still running at the end of the drain; they are kept as interrupted");
        state.runs.interrupt_all();
        let _ = tokio::time::timeout(LAST_WORDS, state.runs.finished()).await;
    }
}

/// Resolves on SIGTERM or Ctrl-C.
pub async fn signal() {
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    tokio::select! {
        _ = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
