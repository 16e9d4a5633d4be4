//! The end of an answer reaches the database, however long that takes.

use std::time::Duration;

use crate::{
    state::AppState,
    store::{self, Message, Run, run::Outcome},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keep the end of the answer. While the disk is full or the database away the run lives on, with its lease and its
/// followers, and this tries again; only the end of the server ends it, with `None`. The next server then finds the run
/// in the database and goes on from what was journalled of it. `None` too when that has happened already.
pub(super) async fn commit(state: &AppState, run: &Run, message: Message, outcome: Outcome) -> Option<Message> {
    let mut pause = FIRST_PAUSE;
    loop {
        let is_last = state.runs.hand_over.is_cancelled();
        match state.store.finish_run(run, outcome.clone(), store::now()).await {
            Ok(true) => return Some(with_outcome(message, outcome)),
            // The conversation was deleted, or another server took this one for dead and writes the run.
            Ok(false) => {
                let is_deleted = matches!(state.store.run(run.id).await, Ok(None));
                return is_deleted.then(|| with_outcome(message, outcome));
            }
            Err(error) if is_last => {
                tracing::error!(run_id = %run.id, %error, "the end of an answer is left to the next server");
                return None;
            }
            Err(error) => tracing::warn!(run_id = %run.id, %error, "the end of an answer cannot be kept yet"),
        }
        // Cut short by the end of the server, which leaves time for one more try.
        state.runs.hand_over.run_until_cancelled(tokio::time::sleep(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn with_outcome(message: Message, outcome: Outcome) -> Message {
    let Outcome { status, content, error, model, details } = outcome;
    Message { status, content, error, model, details, ..message }
}
