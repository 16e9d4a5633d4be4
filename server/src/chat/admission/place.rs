use std::{future, pin::pin, sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::{
    sync::{oneshot, watch},
    time::sleep,
};

use super::{Admission, Position, Refusal, Slot};
use crate::telemetry::spans::Span;

/// A place in line. Dropping it is leaving.
pub struct Place {
    pub(super) slot: oneshot::Receiver<Slot>,
    pub(super) position: Position,
    /// Told when there may be more slots; `None` where they are always as many.
    pub(super) replicas: Option<watch::Receiver<()>>,
    /// `None` waits for ever.
    pub(super) timeout: Option<Duration>,
    pub(super) seat: Seat,
}

/// Leaves the line when it is dropped.
pub(super) struct Seat {
    pub admission: Arc<Admission>,
    pub id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.admission.leave(self.id);
    }
}

impl Place {
    /// Wait for the slot. `tell` hears where the request stands in line meanwhile, as often as [`Position::changes`] says.
    ///
    /// # Errors
    /// When it was not its turn in time.
    pub async fn slot(self, tell: impl FnMut(u32)) -> Result<Slot, Refusal> {
        let span = Span::of_queue();
        span.scope(self.wait(tell)).await.inspect_err(|_| span.fail("queue_timeout"))
    }

    async fn wait(self, mut tell: impl FnMut(u32)) -> Result<Slot, Refusal> {
        let Self { mut slot, position, mut replicas, timeout, seat } = self;
        let mut positions = pin!(position.changes());
        let mut timed_out = pin!(async {
            match timeout {
                Some(timeout) => sleep(timeout).await,
                None => future::pending().await,
            }
        });
        loop {
            tokio::select! {
                biased;
                Ok(slot) = &mut slot => return Ok(slot),
                () = &mut timed_out => {
                    let refusal = Refusal::Timeout(timeout.unwrap_or_default());
                    seat.admission.series.count_refusal(refusal.cause());
                    return Err(refusal);
                }
                // One that waits is enough.
                () = changed(&mut replicas) => if position.is_first() { seat.admission.replicas_changed() },
                Some(position) = positions.next() => tell(position),
            }
        }
    }
}

/// Waits for ever where nothing changes.
async fn changed(replicas: &mut Option<watch::Receiver<()>>) {
    if let Some(replicas) = replicas
        && replicas.changed().await.is_ok()
    {
        return;
    }
    future::pending().await
}
