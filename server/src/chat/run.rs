//! A run: an answer that belongs to the server, not to a connection.
//!
//! It writes numbered events to memory, where followers on this server read them at once, and in batches to the
//! journal, from which anyone replays them later, and from which another server goes on when this one dies. The terminal
//! event goes out only after the message is committed.

mod adoption;
mod commit;
mod follow;
mod journal;
mod orphan;
mod stop;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::{
    adoption::{LEASE, adopt_abandoned, keep_leases},
    follow::follow,
    stop::stop,
};
use self::{journal::JournalWriter, stop::News};
use super::{Answer, ContextReport, Queued, Trim, continuation::SoFar, without_nul};
use crate::{
    engine::{Completion, Delta, EngineError},
    error::{Error, Result},
    state::AppState,
    store::{
        self, Message, Run,
        journal::Entry,
        message::{Details, MessageError, Status},
        run::Outcome,
    },
    telemetry::spans::Span,
};

/// What happens in a run, in order. Numbered from 1; the number is the SSE event's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    /// It waits for its turn. Told again when that has changed, at most once a second.
    Queued {
        /// Place in line, from 1.
        position: u32,
    },
    Started {
        model: String,
        context: ContextReport,
    },
    Delta {
        text: String,
    },
    /// Another server goes on with the answer behind this text, which takes the place of all that was told before: what the last
    /// server had told and had no time to keep may come in other words now. Its number is far above those, so that every
    /// follower gets it.
    Resumed {
        text: String,
    },
    /// Terminal: the answer is complete, or was stopped.
    Finished {
        message: Box<Message>,
    },
    /// Terminal: the answer broke off; `message.error` says why and `message.content` is what had arrived.
    Failed {
        message: Box<Message>,
    },
}

impl RunEvent {
    /// The terminal event for a message that is no longer streaming.
    fn terminal(message: Message) -> Self {
        let message = Box::new(message);
        match message.status {
            Status::Complete | Status::Stopped => Self::Finished { message },
            Status::Streaming | Status::Interrupted | Status::Error => Self::Failed { message },
        }
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Self::Finished { .. } | Self::Failed { .. })
    }
}

/// The runs that this server is writing.
pub struct Runs {
    /// This server process, in the rows of its runs.
    pub owner: Uuid,
    live: Mutex<HashMap<Uuid, Arc<LiveRun>>>,
    tasks: TaskTracker,
    /// Gives all runs up to other servers: the last resort of a shutdown.
    hand_over: CancellationToken,
}

/// A run in memory.
pub(super) struct LiveRun {
    /// Each with its number.
    events: Mutex<Vec<(u64, RunEvent)>>,
    /// The number of the first event that is told here.
    first: u64,
    /// The number of the last event, for followers to wait on.
    last: watch::Sender<u64>,
    stop: CancellationToken,
    /// No event follows here: the writing has ended, with a terminal event unless it goes on elsewhere.
    ended: CancellationToken,
}

/// A run's place among the live ones. It is given up however the writing ends, in a panic too.
struct Place {
    runs: Arc<Runs>,
    run_id: Uuid,
    live: Arc<LiveRun>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.runs.lock().remove(&self.run_id);
        self.live.ended.cancel();
    }
}

/// What other servers have written of a run; nothing of a new one.
#[derive(Default)]
pub(super) struct Past {
    /// Each with its number.
    events: Vec<(u64, RunEvent)>,
    /// The number of [`RunEvent::Resumed`]; a new run has none.
    resumption: Option<u64>,
    /// The model that answers, and what it was told.
    start: Option<(String, ContextReport)>,
    so_far: SoFar,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            owner: Uuid::now_v7(),
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            hand_over: CancellationToken::new(),
        }
    }
}

impl Runs {
    /// Write the answer `message` of `run` in the background, or what follows its past. Its rows are committed already.
    pub(super) fn spawn(&self, state: AppState, run: Run, message: Message, queued: Queued, mut past: Past) {
        let live = Arc::new(LiveRun::behind(std::mem::take(&mut past.events), past.resumption));
        if run.stop_requested {
            live.stop.cancel();
        }
        self.lock().insert(run.id, live.clone());
        let place = Place { runs: state.runs.clone(), run_id: run.id, live };
        let span = Span::of_run(run.id, run.conversation_id);
        self.tasks.spawn(span.clone().scope(async move {
            if let Some(terminal) = write(&state, &place.live, run, message, queued, past).await {
                if matches!(terminal, RunEvent::Failed { .. }) {
                    span.fail("answer_failed");
                }
                place.live.push(terminal);
            }
        }));
    }

    /// Ask a run to stop. `false` when this server does not write it.
    pub fn stop(&self, run_id: Uuid) -> bool {
        self.live(run_id).inspect(|live| live.stop.cancel()).is_some()
    }

    /// Wait until the last run has ended. New ones are not refused here: the server has stopped taking requests.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Give up what still runs; it goes on from its journal.
    pub fn hand_over_all(&self) {
        self.hand_over.cancel();
    }

    /// The runs that are being written now.
    fn live_ids(&self) -> Vec<Uuid> {
        self.lock().keys().copied().collect()
    }

    fn live(&self, run_id: Uuid) -> Option<Arc<LiveRun>> {
        self.lock().get(&run_id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<LiveRun>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveRun {
    /// Goes on with the number `resumption`; a new run begins with 1.
    fn behind(events: Vec<(u64, RunEvent)>, resumption: Option<u64>) -> Self {
        let last = events.last().map_or(0, |(number, _)| *number);
        Self {
            events: Mutex::new(events),
            first: resumption.unwrap_or(1),
            last: watch::Sender::new(last),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    fn push(&self, event: RunEvent) {
        let mut events = self.lock();
        let number = events.last().map_or(0, |(last, _)| last + 1).max(self.first);
        events.push((number, event));
        self.last.send_replace(number);
    }

    fn is_followed(&self) -> bool {
        self.last.receiver_count() > 0
    }

    fn events_after(&self, seq: u64) -> Vec<(u64, RunEvent)> {
        let events = self.lock();
        events[events.partition_point(|(number, _)| *number <= seq)..].to_vec()
    }

    /// The terminal event, if it is none of those after `seq`.
    fn terminal_event_up_to(&self, seq: u64) -> Option<RunEvent> {
        let events = self.lock();
        let last = events.last().filter(|(number, last)| last.is_terminal() && *number < seq);
        last.map(|(_, last)| last.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, RunEvent)>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of an answer while it is written; it survives however the writing ends.
#[derive(Default)]
struct Progress {
    text: String,
    model: Option<String>,
    context: Option<ContextReport>,
    time_to_first_token: Option<Duration>,
    completion: Option<Completion>,
}

/// How the writing ends on this server.
enum End {
    /// The answer has ended.
    Outcome(Status, Option<MessageError>),
    /// This server ends first.
    HandedOver,
    /// Another server writes the run already.
    Lost,
}

/// Write the answer and commit it; returns the terminal event, or nothing when the run goes on elsewhere.
async fn write(
    state: &AppState,
    live: &LiveRun,
    run: Run,
    message: Message,
    queued: Queued,
    past: Past,
) -> Option<RunEvent> {
    let journal = JournalWriter::spawn(state.store.clone(), run.clone(), live.first);
    let emit = |entry: Entry| {
        live.push(entry.event.clone());
        journal.append(entry);
    };
    let mut progress = Progress { text: past.so_far.answer.text.clone(), ..Progress::default() };
    if past.resumption.is_some() {
        emit(RunEvent::Resumed { text: progress.text.clone() }.into());
    }
    let mut answer = None;
    let end = tokio::select! {
        biased;
        () = live.stop.cancelled() => End::Outcome(Status::Stopped, None),
        news = stop::news(state, &run) => match news {
            News::Stop => End::Outcome(Status::Stopped, None),
            News::Lost => End::Lost,
        },
        () = state.runs.hand_over.cancelled() => End::HandedOver,
        () = orphan::forgotten(state, live, &run) => {
            End::Outcome(Status::Interrupted, Some(orphan::nobody_follows(state)))
        }
        result = generate(state, queued, past, &mut answer, &mut progress, emit) => match result {
            Ok(()) => End::Outcome(Status::Complete, None),
            // It may have broken off because this server ends.
            Err(_) if state.runs.hand_over.is_cancelled() => End::HandedOver,
            Err(error) => failure(error),
        },
    };
    if matches!(end, End::Outcome(Status::Stopped, _))
        && let Some(answer) = answer.take()
    {
        progress.completion = stop::cost(answer).await;
    }
    // An engine that is not asked any more computes no longer, whatever becomes of the writing below.
    drop(answer);
    // The journal is complete before the message is, so a replay never ends with a gap.
    journal.close().await;
    match end {
        End::Outcome(status, error) => {
            let details = progress.details();
            let model = progress.model.or_else(|| message.model.clone());
            let outcome = Outcome { status, content: progress.text, error, model, details };
            commit::commit(state, &run, message, outcome).await.map(RunEvent::terminal)
        }
        End::HandedOver => {
            if let Err(error) = state.store.release_run(&run, store::now()).await {
                tracing::warn!(run_id = %run.id, %error, "a run is handed over only when its lease ends");
            }
            None
        }
        End::Lost => {
            tracing::warn!(run_id = %run.id, "another server has taken a run over");
            None
        }
    }
}

/// Ask the engine and pass on what it says, until it is done or fails. The answer is left with the caller.
async fn generate(
    state: &AppState,
    queued: Queued,
    past: Past,
    answer: &mut Option<Answer>,
    progress: &mut Progress,
    emit: impl Fn(Entry),
) -> Result<()> {
    let asked = Instant::now();
    let is_new = past.start.is_none();
    let answer = answer.insert(match past.start {
        Some((model, context)) => super::resume(state, queued, model, context, past.so_far).await?,
        None => {
            let tell = |position| emit(RunEvent::Queued { position }.into());
            super::answer_in_turn(state, queued, Trim::Oldest, tell).await?
        }
    });
    progress.model = Some(answer.model.clone());
    progress.context = Some(answer.context);
    if is_new {
        emit(RunEvent::Started { model: answer.model.clone(), context: answer.context }.into());
    }
    while let Some(delta) = answer.stream.next().await {
        match delta? {
            Delta::Text(piece) => {
                let text = without_nul(piece.text);
                if is_new {
                    progress.time_to_first_token.get_or_insert_with(|| asked.elapsed());
                }
                progress.text.push_str(&text);
                emit(Entry { event: RunEvent::Delta { text }, tokens: piece.tokens });
            }
            // A conversation keeps no thoughts, and a run asks for neither of the others.
            Delta::Reasoning(_) | Delta::Logprobs(_) | Delta::ToolCall(_) => {}
            Delta::Done(completion) => {
                progress.completion = Some(completion);
                return Ok(());
            }
        }
    }
    Err(EngineError::Interrupted.into())
}

fn failure(error: Error) -> End {
    let status = if error.code == "engine_interrupted" { Status::Interrupted } else { Status::Error };
    End::Outcome(status, Some(MessageError { code: error.code.to_owned(), message: without_nul(error.message) }))
}

impl Progress {
    /// `None` when the engine was never reached.
    fn details(&self) -> Option<Details> {
        let completion = self.completion.as_ref();
        let usage = completion.map(|completion| completion.usage);
        Some(Details {
            finish_reason: completion.map(|completion| completion.finish_reason),
            prompt_tokens: usage.map(|usage| usage.prompt_tokens),
            cached_tokens: usage.map(|usage| usage.cached_tokens),
            completion_tokens: usage.map(|usage| usage.completion_tokens),
            queued_ms: completion.map(|completion| completion.timings.queued_ms),
            time_to_first_token_ms: self.time_to_first_token.map(|elapsed| elapsed.as_secs_f64() * 1000.0),
            tokens_per_second: completion.and_then(Completion::tokens_per_second),
            context: self.context?,
        })
    }
}
