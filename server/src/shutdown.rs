//! Ending without cutting an answer: not ready, no new requests, running answers finish or are handed over, engines stop.

use std::{pin::pin, time::Duration};

use futures::{FutureExt, future::FusedFuture};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{Error, Result},
    state::AppState,
};

/// Whether the server is on its way out.
#[derive(Clone, Default)]
pub struct Shutdown {
    leaving: CancellationToken,
    draining: CancellationToken,
    over: CancellationToken,
}

impl Shutdown {
    /// Whether the server is not ready any more. It still answers those who have not heard of that.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Whether new requests are refused.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// # Errors
    /// 503 once new requests are refused.
    pub fn refuse_while_draining(&self) -> Result<()> {
        if self.is_draining() { Err(Error::draining()) } else { Ok(()) }
    }

    /// Whether the time is up: what breaks off now is not continued here.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    pub(crate) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// Time that handed over answers get until their journal is kept, and clients to read the last event.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Tell probes that the server leaves, and wait until those who send it requests have had the time to hear of it.
pub(crate) async fn announce(state: &AppState) {
    state.shutdown.leaving.cancel();
    state.metrics.tell_draining();
    let delay = state.config.drain_delay();
    if !delay.is_zero() {
        tracing::info!(?delay, "not ready any more; requests are refused after this time");
        sleep(delay).await;
    }
}

/// Wait until the running answers are written and read, at most as long as the configuration allows. The others are then
/// given up, so that another server, or this one after its restart, goes on with them. `connections` resolves when all
/// have been closed.
pub(crate) async fn drain(state: &AppState, connections: impl Future<Output = ()>) {
    state.shutdown.draining.cancel();
    tracing::info!("draining");
    let mut connections = pin!(connections.fuse());
    let answered = async { tokio::join!(state.runs.finished(), &mut connections) };
    let in_time = timeout(state.config.drain_timeout(), answered).await.is_ok();
    // Runs first: to them the end of the time is no end of the answer.
    state.runs.hand_over_all();
    state.shutdown.over.cancel();
    if !in_time {
        tracing::warn!("answers were still running at the end of the drain; those of runs are handed over");
        let _ = timeout(LAST_WORDS, state.runs.finished()).await;
    }
    // An answer that belongs to its connection ends with an event that says so.
    state.engine.shutdown().await;
    if !connections.is_terminated() && timeout(LAST_WORDS, connections).await.is_err() {
        tracing::warn!("connections were still open at the end of the drain");
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
