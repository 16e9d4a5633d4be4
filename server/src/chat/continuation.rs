//! An answer that outlives the engine it was begun on.
//!
//! When the engine dies in the middle, it is asked again with the prompt and what was said so far, and goes on behind it.
//! Whoever reads the stream sees a pause. An own engine, told the tokens, goes on exactly as it would have: the same text is
//! held back, the same tokens are counted, the next draws are drawn. Other engines are told the text: nothing is lost or
//! doubled, and what is approximate is how many tokens of `max_tokens` are left, one being counted for each piece.

use std::time::{Duration, Instant};

use async_stream::stream;
use futures::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use super::TRIES;
use crate::{
    engine::{
        ChatRequest, ChatStream, Completion, Delta, EngineError, FinishReason, Piece, Timings, Usage, with_timeouts,
    },
    state::AppState,
    telemetry::Cause,
};

/// What is known of an answer that broke off.
#[derive(Clone, Debug, Default)]
pub struct SoFar {
    pub answer: Piece,
    /// How many pieces it came in.
    pub pieces: u32,
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The answer to `request`, of which `begun` is the first attempt, across the deaths of its engine.
pub fn unbroken(state: AppState, request: ChatRequest, begun: ChatStream) -> ChatStream {
    let continuation = Continuation { tries: 1, ..Continuation::new(state, request) };
    continuation.run(Some(begun))
}

/// What follows `so_far` in the answer to `request`, of which another server has written so much.
pub fn adopted(state: AppState, request: ChatRequest, so_far: SoFar) -> ChatStream {
    let SoFar { answer: answer_so_far, pieces } = so_far;
    let continuation = Continuation::new(state, ChatRequest { answer_so_far, ..request });
    Continuation { pieces, broken: Some(Break::now(Cause::Server)), ..continuation }.run(None)
}

struct Continuation {
    state: AppState,
    /// Holds what was said so far.
    request: ChatRequest,
    pieces: u32,
    /// Of those, how many the engine was told of.
    told: u32,
    /// `None` when another server saw it.
    first_piece: Option<Instant>,
    /// How often the engine was asked since the last piece.
    tries: u32,
    /// Since the last piece.
    broken: Option<Break>,
}

struct Break {
    since: Instant,
    cause: Cause,
    pause: Duration,
}

impl Break {
    fn now(cause: Cause) -> Self {
        // At once: behind the engine there may be others.
        Self { since: Instant::now(), cause, pause: Duration::ZERO }
    }
}

impl Continuation {
    fn new(state: AppState, request: ChatRequest) -> Self {
        Self { state, request, pieces: 0, told: 0, first_piece: None, tries: 0, broken: None }
    }

    fn run(mut self, mut attempt: Option<ChatStream>) -> ChatStream {
        stream! {
            loop {
                let item = match &mut attempt {
                    Some(answer) => answer.next().await.unwrap_or(Err(EngineError::Interrupted)),
                    None => match self.ask().await {
                        Ok(answer) => {
                            attempt = Some(answer);
                            continue;
                        }
                        Err(error) => Err(error),
                    },
                };
                match item {
                    Ok(Delta::Text(piece)) => {
                        self.note(&piece);
                        yield Ok(Delta::Text(piece));
                    }
                    Ok(Delta::Done(completion)) => {
                        self.count_resumed();
                        yield Ok(Delta::Done(self.whole(completion)));
                        return;
                    }
                    // An engine that does not count ends a cancelled answer without a word.
                    Err(EngineError::Interrupted) if self.request.cancel.is_cancelled() => return,
                    Err(error) => {
                        let was_asking = attempt.take().is_none();
                        if let Err(error) = self.pause_after(error, was_asking).await {
                            yield Err(error);
                            return;
                        }
                    }
                }
            }
        }
        .boxed()
    }

    /// Ask for the rest.
    async fn ask(&mut self) -> Result<ChatStream, EngineError> {
        self.told = self.pieces;
        let mut request = self.request.clone();
        if request.answer_so_far.tokens.is_empty()
            && let Some(max_tokens) = &mut request.parameters.max_tokens
        {
            *max_tokens = max_tokens.saturating_sub(self.pieces);
            if *max_tokens == 0 {
                return Ok(already_complete());
            }
        }
        let limit = self.time_left();
        let answer = timeout(limit, self.state.engine.chat(request)).await.map_err(|_| EngineError::Timeout)??;
        self.tries += 1;
        Ok(with_timeouts(answer, limit, self.state.config.token_timeout()))
    }

    /// Wait before the engine is asked again, or fail when that would be in vain.
    async fn pause_after(&mut self, error: EngineError, was_asking: bool) -> Result<(), EngineError> {
        let is_worth_it = match error {
            EngineError::Interrupted => self.tries < TRIES,
            // The engine is on its way back.
            EngineError::Unavailable(_) | EngineError::Overloaded(_) | EngineError::Busy(_) | EngineError::Timeout => {
                was_asking
            }
            _ => false,
        };
        let is_going_on = self.broken.is_some();
        let pause = self.broken.get_or_insert_with(|| Break::now(Cause::Engine)).pause;
        if !is_worth_it || self.time_left() < pause || self.state.shutdown.is_over() {
            // Why the rest could not be had is for the log: to the reader the answer broke off.
            if is_going_on && !matches!(error, EngineError::Interrupted) {
                tracing::warn!(model = self.request.model, %error, "an answer that broke off cannot be continued");
                return Err(EngineError::Interrupted);
            }
            return Err(error);
        }
        tracing::info!(model = self.request.model, %error, "an answer broke off and is continued");
        if let Some(broken) = &mut self.broken {
            broken.pause = (pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = self.request.cancel.cancelled() => {}
            () = self.state.shutdown.over() => {}
        }
        Ok(())
    }

    fn note(&mut self, piece: &Piece) {
        self.count_resumed();
        if self.pieces == 0 {
            self.first_piece = Some(Instant::now());
        }
        self.request.answer_so_far.push(piece);
        self.pieces += 1;
        self.tries = 0;
    }

    fn count_resumed(&mut self) {
        if let Some(broken) = self.broken.take() {
            self.state.metrics.count_resumed(broken.cause);
        }
    }

    /// How much longer the reader is kept waiting for the next piece.
    fn time_left(&self) -> Duration {
        let waited = self.broken.as_ref().map_or(Duration::ZERO, |broken| broken.since.elapsed());
        self.state.config.first_token_timeout().saturating_sub(waited)
    }

    /// The cost of all parts, from what the last of them has cost.
    fn whole(&self, last: Completion) -> Completion {
        if self.told == 0 {
            return last;
        }
        let mut usage = last.usage;
        if self.request.answer_so_far.tokens.is_empty() {
            usage.prompt_tokens = usage.prompt_tokens.saturating_sub(self.told);
            usage.completion_tokens += self.told;
        }
        // Of an answer that another server began nobody knows how long it took: 0 says so.
        let since_first = self.first_piece.map_or(0.0, |first| first.elapsed().as_secs_f64() * 1000.0);
        Completion { usage, timings: Timings { decode_ms: since_first, ..last.timings }, ..last }
    }
}

/// All the tokens that were asked for had come when the engine died, and only the end had not.
fn already_complete() -> ChatStream {
    let completion =
        Completion { finish_reason: FinishReason::Length, usage: Usage::default(), timings: Timings::default() };
    stream::iter([Ok(Delta::Done(completion))]).boxed()
}
