use std::{sync::Arc, time::Duration};

use async_stream::stream;
use futures::Stream;
use tokio::{
    sync::{OnceCell, watch},
    time::sleep,
};

use super::{Admission, Caller, Refusal, Slot};

/// How often a client is told at most where it stands.
const PAUSE: Duration = Duration::from_secs(1);

/// One call of the API: who makes it, and where it stands in line while it waits.
#[derive(Clone)]
pub struct Call {
    pub caller: Caller,
    pub position: Position,
    answers: u32,
    slot: Arc<OnceCell<Slot>>,
}

impl Call {
    pub fn new(caller: Caller) -> Self {
        Self { caller, position: Position::default(), answers: 1, slot: Arc::default() }
    }

    /// The same call when it asks for so many answers, each of which costs its share of the caller's turn.
    #[must_use]
    pub fn for_answers(self, answers: u32) -> Self {
        Self { answers, ..self }
    }

    /// Wait for the call's slot. A call gets one, however many answers it asks for: if each waited for its own, those that have
    /// one would wait for the others, and in the worst case for ever.
    pub async fn slot(&self, admission: &Arc<Admission>, model: &str, cost: u32) -> Result<Slot, Refusal> {
        let cost = cost.saturating_mul(self.answers);
        let slot = self.slot.get_or_try_init(async || admission.join(self, model, cost)?.slot(|_| {}).await);
        slot.await.cloned()
    }
}

/// A place in line, counted from 1, for those who watch it. 0 is not in line.
#[derive(Clone, Debug, Default)]
pub struct Position(watch::Sender<u32>);

impl Position {
    /// The place now, if there is one, and then each other that it moves to, at most once a second.
    pub fn changes(&self) -> impl Stream<Item = u32> + Send + use<> {
        let mut position = self.0.subscribe();
        position.mark_changed();
        stream! {
            while position.changed().await.is_ok() {
                let now = *position.borrow_and_update();
                if now > 0 {
                    yield now;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    pub(super) fn is_first(&self) -> bool {
        *self.0.borrow() == 1
    }

    pub(super) fn set(&self, position: u32) {
        self.0.send_if_modified(|told| std::mem::replace(told, position) != position);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::{FutureExt, StreamExt};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_moves_up_quickly_is_told_once_a_second() {
        let position = Position::default();
        let mut changes = pin!(position.changes());
        position.set(9);
        assert_eq!(changes.next().await, Some(9));
        let told = Instant::now();
        for place in [8, 7, 6] {
            position.set(place);
        }
        assert_eq!(changes.next().await, Some(6));
        assert_eq!(told.elapsed(), PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_waits_is_told_nothing() {
        let position = Position::default();
        let mut changes = pin!(position.changes());
        assert_eq!(changes.next().now_or_never(), None);
        drop(position);
        assert_eq!(changes.next().await, None);
    }
}
