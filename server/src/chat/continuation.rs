//! An answer that outlives the engine it was begun on.
//!
//! When the engine dies in the middle, or falls silent there as one does whose machine is gone, it is asked again with the
//! prompt and what was said so far, and goes on behind it. Whoever reads the stream sees a pause. An own engine, told the
//! tokens, goes on exactly as it would have: the same text is held back, the same tokens are counted, the next draws are drawn.
//! Other engines are told the text: nothing is lost or doubled, and what is approximate is how many tokens of `max_tokens` are
//! left, one being counted for each piece.
//!
//! Thoughts are of the attempt that had them first. Another one may think again, and of two beginnings nobody can make sense.
//!
//! Calls of functions are passed on whole, so one that was half-way is written anew. Those behind the last text are told
//! once more by the engine and held against what the reader has; where they differ, the answer fails and is not mixed of two.

use std::time::{Duration, Instant};

use async_stream::stream;
use futures::{StreamExt, stream};
use tokio::time::{sleep, timeout};

use super::{TRIES, between_pieces, retry};
use crate::{
    engine::{
        ChatRequest, ChatStream, Completion, Delta, EngineError, FinishReason, Piece, Timings, TokenLogprob, ToolCall,
        Usage, with_timeouts,
    },
    state::AppState,
    telemetry::{Cause, spans::engine_call},
};

/// What is known of an answer that broke off.
#[derive(Clone, Debug, Default)]
pub struct SoFar {
    pub answer: Piece,
    /// How many pieces it came in.
    pub pieces: u32,
}

/// How often in a row an answer that has begun may break off. What was told must not be lost, so it is more than before the first
/// word: engines that are killed every few seconds bring it to its end.
const BREAKS: u32 = 6;
/// Pieces that an attempt has to bring so that its death does not count against the next one. An engine that says a word and
/// dies, each time that it is asked, would otherwise be asked for ever.
const FRUITFUL: u32 = 16;
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
    /// How often the engine was asked again.
    attempt: u32,
    /// Whose thoughts the reader has.
    reasoned: Option<u32>,
    /// The calls that the reader has, since the last text.
    calls: Vec<ToolCall>,
    /// Of those, how many this attempt has told.
    repeated: usize,
    /// Of the tokens since the last piece. The engine tells them again if it dies before the next one.
    logprobs: Vec<TokenLogprob>,
    /// `None` when another server saw it.
    first_piece: Option<Instant>,
    /// How often the engine was asked since an attempt was fruitful.
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
        Self {
            state,
            request,
            pieces: 0,
            told: 0,
            attempt: 0,
            reasoned: None,
            calls: Vec::new(),
            repeated: 0,
            logprobs: Vec::new(),
            first_piece: None,
            tries: 0,
            broken: None,
        }
    }

    fn run(mut self, mut attempt: Option<ChatStream>) -> ChatStream {
        stream! {
            loop {
                let item = match &mut attempt {
                    Some(answer) => tokio::select! {
                        item = answer.next() => item.unwrap_or(Err(EngineError::Interrupted)),
                        // Whoever reads is told so while there is somebody to tell it.
                        () = self.state.shutdown.over() => Err(EngineError::Interrupted),
                    },
                    // Who has enough does not need the rest.
                    None if self.request.cancel.is_cancelled() => return,
                    None => match self.ask().await {
                        Ok(answer) => {
                            attempt = Some(answer);
                            continue;
                        }
                        Err(error) => Err(error),
                    },
                };
                match item {
                    Ok(Delta::Logprobs(tokens)) => self.logprobs.extend(tokens),
                    Ok(delta) => match self.take(delta) {
                        Ok(Some(delta)) => {
                            if !self.logprobs.is_empty() {
                                yield Ok(Delta::Logprobs(std::mem::take(&mut self.logprobs)));
                            }
                            let is_last = matches!(delta, Delta::Done(_));
                            yield Ok(delta);
                            if is_last {
                                return;
                            }
                        }
                        Ok(None) => {}
                        Err(error) => {
                            yield Err(error);
                            return;
                        }
                    },
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
        self.attempt += 1;
        self.repeated = 0;
        self.logprobs.clear();
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
        let asking = engine_call(&self.request.model, retry::ask(&*self.state.engine, request, true));
        let answer = timeout(limit, asking).await.map_err(|_| EngineError::Timeout)??;
        self.tries += 1;
        Ok(with_timeouts(answer, limit, between_pieces(&self.state, &self.request)))
    }

    /// Wait before the engine is asked again, or fail when that would be in vain.
    async fn pause_after(&mut self, error: EngineError, was_asking: bool) -> Result<(), EngineError> {
        let fell_silent = matches!(error, EngineError::Timeout) && !was_asking;
        if fell_silent {
            self.state.engine.end_if_hung(&self.request.model).await;
        }
        let is_worth_it = match error {
            _ if self.would_begin_its_form_anew() => false,
            // Where nothing was told, engines that die of requests are not sent many more of them.
            EngineError::Interrupted if self.has_begun() => self.tries < BREAKS,
            EngineError::Interrupted => self.tries < TRIES && retry::is_granted(&*self.state.engine),
            // Before its first word it may only be slow, and would be so again.
            EngineError::Timeout if fell_silent => self.has_begun() && self.tries < TRIES,
            // The engine is on its way back.
            EngineError::Unavailable(_) | EngineError::Overloaded(_) | EngineError::Timeout => was_asking,
            _ => false,
        };
        let is_going_on = self.broken.is_some();
        let pause = self.broken.get_or_insert_with(|| Break::now(Cause::Engine)).pause;
        if !is_worth_it || self.time_left() <= pause || self.state.shutdown.is_over() {
            // Why the rest could not be had is for the log: to the reader the answer broke off.
            if is_going_on && !matches!(error, EngineError::Interrupted) {
                tracing::warn!(
                    model = self.request.model,
                    error = error.kind(),
                    "an answer that broke off cannot be continued"
                );
                return Err(EngineError::Interrupted);
            }
            return Err(error);
        }
        tracing::info!(model = self.request.model, error = error.kind(), "an answer broke off and is continued");
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

    fn has_begun(&self) -> bool {
        self.pieces > 0 || !self.calls.is_empty()
    }

    /// Whether the answer is held to a schema by an engine that is told its text alone: it knows nothing of what is behind.
    fn would_begin_its_form_anew(&self) -> bool {
        let said = &self.request.answer_so_far;
        self.request.output.schema.is_some() && said.tokens.is_empty() && !said.is_empty()
    }

    /// What of `delta` the reader does not have yet.
    fn take(&mut self, delta: Delta) -> Result<Option<Delta>, EngineError> {
        if let Delta::Reasoning(_) = delta {
            self.count_resumed();
            self.note_progress();
            let is_first_to_reason = *self.reasoned.get_or_insert(self.attempt) == self.attempt;
            return Ok(is_first_to_reason.then_some(delta));
        }
        if let Some(known) = self.calls.get(self.repeated) {
            return match delta {
                Delta::ToolCall(call) if (&call.name, &call.arguments) == (&known.name, &known.arguments) => {
                    self.repeated += 1;
                    self.logprobs.clear();
                    Ok(None)
                }
                _ => {
                    tracing::warn!(model = self.request.model, "an answer that broke off calls other functions now");
                    Err(EngineError::Interrupted)
                }
            };
        }
        self.count_resumed();
        match &delta {
            Delta::Text(piece) => {
                self.note_progress();
                self.request.answer_so_far.push(piece);
                self.pieces += 1;
                // The first attempt continues nothing, so all tries are left after it.
                if self.told == 0 || self.pieces - self.told >= FRUITFUL {
                    self.tries = 0;
                }
                self.calls.clear();
                self.repeated = 0;
            }
            Delta::ToolCall(call) => {
                self.note_progress();
                self.calls.push(call.clone());
                self.repeated += 1;
            }
            Delta::Done(completion) => return Ok(Some(Delta::Done(self.whole(*completion)))),
            Delta::Reasoning(_) | Delta::Logprobs(_) => {}
        }
        Ok(Some(delta))
    }

    fn note_progress(&mut self) {
        if self.pieces == 0 {
            self.first_piece.get_or_insert_with(Instant::now);
        }
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
