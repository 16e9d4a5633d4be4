//! The first moments of an answer that no conversation keeps, the same in both dialects.

use std::{future, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use tokio::time::timeout;

use crate::{
    chat::{self, Answer, Parameters, Trim, admission::Call},
    engine::{Completion, Delta, EngineError, PromptMessage},
    error::Result,
    state::AppState,
};

/// How long a stream waits for its first piece before its headers go out. Until then an error still has a status;
/// after that the client should see that somebody is there.
const HEADERS_AFTER: Duration = Duration::from_secs(1);

/// An answer on its way to its first piece.
pub type Opening = BoxFuture<'static, Result<Answer>>;

/// Starts an answer; it is there when its first piece is, or the error that came instead.
pub fn open(
    state: AppState,
    call: Call,
    model: Option<String>,
    messages: Vec<PromptMessage>,
    parameters: Parameters,
    trim: Trim,
) -> Opening {
    async move {
        let mut answer = chat::answer(&state, &call, model.as_deref(), messages, parameters, trim).await?;
        let first = answer.stream.next().await.ok_or(EngineError::Interrupted)??;
        answer.stream = stream::once(future::ready(Ok(first))).chain(answer.stream).boxed();
        Ok(answer)
    }
    .boxed()
}

/// The same opening when it is slow.
///
/// # Errors
/// What went wrong, if it went wrong at once.
pub async fn headers_due(mut opening: Opening) -> Result<Opening> {
    match timeout(HEADERS_AFTER, &mut opening).await {
        Ok(answer) => Ok(future::ready(Ok(answer?)).boxed()),
        Err(_) => Ok(opening),
    }
}

/// The whole text and what it cost.
pub async fn collect(mut answer: Answer) -> Result<(String, Completion)> {
    let mut text = String::new();
    while let Some(delta) = answer.stream.next().await {
        match delta? {
            Delta::Text(piece) => text.push_str(&piece.text),
            Delta::Done(completion) => return Ok((text, completion)),
        }
    }
    Err(EngineError::Interrupted.into())
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::error::Error;

    fn failing_after(pause: Duration) -> Opening {
        async move {
            sleep(pause).await;
            Err(Error::draining())
        }
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_at_once_is_known_before_the_headers() {
        let opening = headers_due(failing_after(Duration::from_millis(900))).await;
        assert_eq!(opening.err(), Some(Error::draining()));
    }

    #[tokio::test(start_paused = true)]
    async fn headers_do_not_wait_longer_than_a_second_and_the_opening_goes_on() {
        let started = Instant::now();
        let opening = headers_due(failing_after(Duration::from_secs(10))).await.ok().unwrap();
        assert_eq!(started.elapsed(), HEADERS_AFTER);
        assert_eq!(opening.await.err(), Some(Error::draining()));
        assert_eq!(started.elapsed(), Duration::from_secs(10));
    }
}
