//! A run: an answer that belongs to the server, not to a connection.
//!
//! It writes numbered events to memory, where followers on this server read them at once, and in batches to the
//! journal, from which anyone replays them later. The terminal event goes out only after the message is committed.

mod commit;
mod follow;
mod journal;
mod recovery;
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

use self::journal::JournalWriter;
pub use self::{
    follow::follow,
    recovery::{LEASE, keep_leases, recover_abandoned},
    stop::stop,
};
use super::{Answer, ContextReport, Parameters, Trim, without_nul};
use crate::{
    engine::{Completion, Delta, EngineError, Output, PromptMessage},
    error::{Error, Result},
    state::AppState,
    store::{
        Message, Run,
        message::{Details, MessageError, Status},
        run::Outcome,
    },
};

/// What happens in a run, in order. Numbered from 1; the number is the SSE event's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEvent {
    Started {
        model: String,
        context: ContextReport,
    },
    Delta {
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
    /// Ends all runs as interrupted: the last resort of a shutdown.
    interrupt: CancellationToken,
}

/// A run in memory.
pub(super) struct LiveRun {
    events: Mutex<Vec<RunEvent>>,
    /// How many events there are, for followers to wait on.
    count: watch::Sender<usize>,
    stop: CancellationToken,
    /// No event follows: the writing has ended, with a terminal event unless its end could not be kept.
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

/// What a run needs besides its rows.
pub(super) struct Prompt {
    pub model: Option<String>,
    pub messages: Vec<PromptMessage>,
    pub parameters: Parameters,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            owner: Uuid::now_v7(),
            live: Mutex::default(),
            tasks: TaskTracker::new(),
            interrupt: CancellationToken::new(),
        }
    }
}

impl Runs {
    /// Write the answer `message` of `run` in the background. Its rows are committed already.
    pub(super) fn spawn(&self, state: AppState, run: Run, message: Message, prompt: Prompt) {
        let live = Arc::new(LiveRun::new());
        self.lock().insert(run.id, live.clone());
        let place = Place { runs: state.runs.clone(), run_id: run.id, live };
        self.tasks.spawn(async move {
            if let Some(terminal) = write(&state, &place.live, run, message, prompt).await {
                place.live.push(terminal);
            }
        });
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

    /// End what still runs; the text so far is kept.
    pub fn interrupt_all(&self) {
        self.interrupt.cancel();
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
    fn new() -> Self {
        Self {
            events: Mutex::default(),
            count: watch::Sender::new(0),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }

    fn push(&self, event: RunEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
        self.count.send_replace(events.len());
    }

    fn events_after(&self, seq: usize) -> Vec<RunEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.get(seq..).unwrap_or_default().to_vec()
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

/// Write the answer and commit it; returns the terminal event, or nothing when the end could not be kept.
async fn write(state: &AppState, live: &LiveRun, run: Run, message: Message, prompt: Prompt) -> Option<RunEvent> {
    let journal = JournalWriter::spawn(state.store.clone(), run.id);
    let emit = |event: RunEvent| {
        journal.append(event.clone());
        live.push(event);
    };
    let mut progress = Progress::default();
    let mut answer = None;
    let (status, error) = tokio::select! {
        biased;
        () = live.stop.cancelled() => (Status::Stopped, None),
        () = stop::asked_elsewhere(state, run.id) => (Status::Stopped, None),
        () = state.runs.interrupt.cancelled() => (Status::Interrupted, Some(recovery::server_stopped())),
        result = generate(state, prompt, &mut answer, &mut progress, emit) => match result {
            Ok(()) => (Status::Complete, None),
            Err(error) => failure(error),
        },
    };
    if status == Status::Stopped
        && let Some(answer) = answer.take()
    {
        progress.completion = stop::cost(answer).await;
    }
    // An engine that is not asked any more computes no longer, whatever becomes of the writing below.
    drop(answer);
    // The journal is complete before the message is, so a replay never ends with a gap.
    journal.close().await;
    let details = progress.details();
    let model = progress.model.or_else(|| message.model.clone());
    let outcome = Outcome { status, content: progress.text, error, model, details };
    commit::commit(state, &run, message, outcome).await.map(RunEvent::terminal)
}

/// Ask the engine and pass on what it says, until it is done or fails. The answer is left with the caller.
async fn generate(
    state: &AppState,
    prompt: Prompt,
    answer: &mut Option<Answer>,
    progress: &mut Progress,
    emit: impl Fn(RunEvent),
) -> Result<()> {
    let asked = Instant::now();
    let Prompt { model, messages, parameters } = prompt;
    let output = Output::default();
    let started = super::answer(state, model.as_deref(), messages, parameters, output, Trim::Oldest).await?;
    let answer = answer.insert(started);
    progress.model = Some(answer.model.clone());
    progress.context = Some(answer.context);
    emit(RunEvent::Started { model: answer.model.clone(), context: answer.context });
    while let Some(delta) = answer.stream.next().await {
        match delta? {
            Delta::Text(text) => {
                let text = without_nul(text);
                progress.time_to_first_token.get_or_insert_with(|| asked.elapsed());
                progress.text.push_str(&text);
                emit(RunEvent::Delta { text });
            }
            // A run asks for neither.
            Delta::Logprobs(_) | Delta::ToolCall(_) => {}
            Delta::Done(completion) => {
                progress.completion = Some(completion);
                return Ok(());
            }
        }
    }
    Err(EngineError::Interrupted.into())
}

fn failure(error: Error) -> (Status, Option<MessageError>) {
    let status = if error.code == "engine_interrupted" { Status::Interrupted } else { Status::Error };
    (status, Some(MessageError { code: error.code.to_owned(), message: without_nul(error.message) }))
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
