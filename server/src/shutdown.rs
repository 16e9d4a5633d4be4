//! Ending without cutting an answer: not ready, no new requests, running answers finish or are kept, engines stop.

use std::{pin::pin, time::Duration};

use futures::{FutureExt, future::FusedFuture};
use tokio::time::timeout;
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

    fn begin(&self) {
        self.draining.cancel();
    }
}

/// Time that interrupted answers get to be saved, and clients to read the last event.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Wait until the running answers are written and read, at most as long as the configuration allows. Then keep what there
/// is of the others, and tell those who wait for them. `connections` resolves when all have been closed.
pub(crate) async fn drain(state: &AppState, connections: impl Future<Output = ()>) {
    state.shutdown.begin();
    tracing::info!("draining");
    let mut connections = pin!(connections.fuse());
    let answered = async { tokio::join!(state.runs.finished(), &mut connections) };
    if timeout(state.config.drain_timeout(), answered).await.is_err() {
        tracing::warn!("answers were still running at the end of the drain; they are kept as interrupted");
        state.runs.interrupt_all();
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
