//! The first moments of an answer that no conversation keeps, the same in both dialects.

use std::{future, time::Duration};

use async_stream::stream;
use futures::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, try_join_all},
    stream::{self, select_all},
};
use tokio::time::timeout;

use crate::{
    chat::{self, Answer, Question, Trim, admission::Call},
    engine::{Delta, EngineError},
    error::Result,
    state::AppState,
};

/// How long a stream waits for its first piece before its headers go out. Until then an error still has a status;
/// after that the client should see that somebody is there.
const HEADERS_AFTER: Duration = Duration::from_secs(1);

/// An answer, or several, on the way to the first piece.
pub type Opening<T = Answer> = BoxFuture<'static, Result<T>>;

/// Starts an answer; it is there when its first piece is, or the error that came instead.
pub fn open(state: AppState, call: Call, question: Question, trim: Trim) -> Opening {
    async move {
        let mut answer = chat::answer(&state, &call, question, trim).await?;
        let first = answer.stream.next().await.ok_or(EngineError::Interrupted)??;
        answer.stream = stream::once(future::ready(Ok(first))).chain(answer.stream).boxed();
        Ok(answer)
    }
    .boxed()
}

/// Comments for a stream that waits: where its call stands in line.
pub fn positions(call: &Call) -> impl Stream<Item = String> + Send + use<> {
    call.position.changes().map(|position| format!("waiting in line, position {position}"))
}

/// Several answers, as soon as each has its first piece; at least one.
pub fn together(openings: Vec<Opening>) -> Opening<Vec<Answer>> {
    try_join_all(openings).boxed()
}

/// The same opening, whose errors name the fields of the request that an engine does not know: where its prompt stood, and
/// where the schema of its answer did.
pub fn located<T: Send + 'static>(opening: Opening<T>, prompt: &'static str, schema: &'static str) -> Opening<T> {
    opening.map(move |opened| opened.map_err(|error| error.located(prompt, schema))).boxed()
}

/// The same opening when it is slow.
///
/// # Errors
/// What went wrong, if it went wrong at once.
pub async fn headers_due<T: Send + 'static>(mut opening: Opening<T>) -> Result<Opening<T>> {
    match timeout(HEADERS_AFTER, &mut opening).await {
        Ok(opened) => Ok(future::ready(Ok(opened?)).boxed()),
        Err(_) => Ok(opening),
    }
}

/// The pieces of several answers as they come, each with its answer's index. It ends when all answers have, or with the
/// first error.
pub fn pieces(answers: Vec<Answer>) -> impl Stream<Item = (usize, Result<Delta, EngineError>)> + Send {
    stream! {
        let answers = answers.into_iter().enumerate();
        let mut pieces = select_all(answers.map(|(index, answer)| {
            // An answer that just ends has broken off.
            let end = stream::once(future::ready(Err(EngineError::Interrupted)));
            answer.stream.chain(end).scan(false, |done, piece| {
                let next = (!*done).then_some(piece);
                *done |= matches!(next, Some(Ok(Delta::Done(_)) | Err(_)));
                future::ready(next)
            })
            .map(move |piece| (index, piece))
            .boxed()
        }));
        while let Some((index, piece)) = pieces.next().await {
            let failed = piece.is_err();
            yield (index, piece);
            if failed {
                return;
            }
        }
    }
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
