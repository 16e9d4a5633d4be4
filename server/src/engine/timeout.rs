//! An engine that hangs must not hold its caller for ever.

use std::time::Duration;

use async_stream::stream;
use futures::StreamExt;
use tokio::time::timeout;

use super::{ChatStream, EngineError};

/// Ends `stream` with [`EngineError::Timeout`] when its first item takes longer than `first`, or a later one longer
/// than `between`. Only time spent waiting for the engine counts, not the time that the consumer takes.
pub fn with_timeouts(mut answer: ChatStream, first: Duration, between: Duration) -> ChatStream {
    stream! {
        let mut limit = first;
        loop {
            match timeout(limit, answer.next()).await {
                Ok(Some(item)) => yield item,
                Ok(None) => return,
                Err(_) => {
                    yield Err(EngineError::Timeout);
                    return;
                }
            }
            limit = between;
        }
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::sleep;

    use super::*;
    use crate::engine::Delta;

    const FIRST: Duration = Duration::from_secs(120);
    const BETWEEN: Duration = Duration::from_secs(30);

    /// Says a word after each of these times.
    fn speaking_after(pauses: &'static [u64]) -> ChatStream {
        stream::iter(pauses)
            .then(|seconds| async {
                sleep(Duration::from_secs(*seconds)).await;
                Ok(Delta::Text("word".to_owned().into()))
            })
            .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_is_left_alone() {
        let answer: Vec<_> = with_timeouts(speaking_after(&[119, 29, 29]), FIRST, BETWEEN).collect().await;

        assert_eq!(answer.len(), 3);
        assert!(answer.iter().all(Result::is_ok));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_token_that_does_not_come_is_a_timeout() {
        let answer: Vec<_> = with_timeouts(stream::pending().boxed(), FIRST, BETWEEN).collect().await;

        assert!(matches!(answer[..], [Err(EngineError::Timeout)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_in_the_middle_is_a_timeout_that_ends_the_answer() {
        let answer: Vec<_> = with_timeouts(speaking_after(&[100, 31, 1]), FIRST, BETWEEN).collect().await;

        assert!(matches!(answer[..], [Ok(Delta::Text(_)), Err(EngineError::Timeout)]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_consumer_is_not_the_engines_fault() {
        let mut answer = with_timeouts(speaking_after(&[0, 0]), FIRST, BETWEEN);

        assert!(answer.next().await.unwrap().is_ok());
        sleep(BETWEEN * 2).await;
        assert!(answer.next().await.unwrap().is_ok());
    }
}
