//! What becomes of a run whose server died or gave it up: another server, or the same one after its restart, takes it over
//! and goes on with the answer. One that cannot be continued shows as interrupted, with the text that was journalled.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::MissedTickBehavior;

use super::{Past, RunEvent};
use crate::{
    chat::{Queued, turn},
    error::Result,
    state::AppState,
    store::{
        self, Message, Run,
        journal::Entry,
        message::{MessageError, Status},
        run::Outcome,
    },
};

/// A server that has not renewed its leases for this long is taken for dead. This is most of the pause that a reader sees,
/// and it costs every server one small update and one look a second. One that was only slow loses its runs and nothing else.
pub const LEASE: TimeDelta = TimeDelta::seconds(5);
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// A run that was taken over so often without a word more may be what its servers die of.
const FRUITLESS_ADOPTIONS: i32 = 5;
/// Numbers that are left free in front of [`RunEvent::Resumed`], for what its last server has told and not kept. No run has so
/// many events.
const FREE_NUMBERS: i64 = 1 << 20;
/// Clients that want to replay a run after this long read its message instead.
const KEEP_JOURNALS: TimeDelta = TimeDelta::hours(24);
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

fn server_stopped() -> MessageError {
    MessageError {
        code: "server_stopped".to_owned(),
        message: "The server stopped before this answer was finished. Retry to get a new one.".to_owned(),
    }
}

/// Keep this server's leases alive and take over what others left behind, until the program ends.
pub async fn keep_leases(state: AppState) {
    // Side by side: while what others left is looked at, which may take an engine's answer, the own leases go on.
    tokio::join!(
        every(RENEW_EVERY, || renew_leases(&state)),
        every(RENEW_EVERY, || adopt_abandoned(&state)),
        every(PRUNE_EVERY, || prune_journals(&state)),
    );
}

async fn every<Job: Future<Output = ()>>(period: Duration, job: impl Fn() -> Job) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        job().await;
    }
}

async fn prune_journals(state: &AppState) {
    if let Err(error) = state.store.prune_journals(store::now() - KEEP_JOURNALS).await {
        tracing::warn!(%error, "old journals could not be removed");
    }
}

async fn renew_leases(state: &AppState) {
    let live = state.runs.live_ids();
    if !live.is_empty()
        && let Err(error) = state.store.renew_leases(state.runs.owner, &live, store::now() + LEASE).await
    {
        tracing::warn!(%error, "the leases could not be renewed");
    }
}

/// Take over every run that nobody writes: its server is dead or gave it up, or its request broke off before the writing
/// began.
pub async fn adopt_abandoned(state: &AppState) {
    if state.shutdown.is_leaving() {
        return;
    }
    match state.store.abandoned_runs(state.runs.owner, &state.runs.live_ids(), store::now()).await {
        Ok(runs) => {
            for run in runs {
                let run_id = run.id;
                if let Err(error) = adopt(state, run).await {
                    tracing::warn!(%run_id, code = error.code, "an abandoned run could not be taken over");
                }
            }
        }
        Err(error) => tracing::warn!(%error, "abandoned runs cannot be read"),
    }
}

async fn adopt(state: &AppState, run: Run) -> Result<()> {
    let now = store::now();
    let events = state.store.journal_length(run.id).await?;
    let resumption = (events / FREE_NUMBERS + 1) * FREE_NUMBERS;
    let Some(run) = state.store.claim_run(run, events, resumption, state.runs.owner, now, now + LEASE).await? else {
        return Ok(());
    };
    let journal = state.store.journal(run.id).await?;
    let past = Past { resumption: Some(resumption.cast_unsigned()), ..Past::from(journal) };
    match as_asked(state, &run).await? {
        Some((message, queued)) if run.adoptions <= FRUITLESS_ADOPTIONS => {
            tracing::info!(run_id = %run.id, events, "an answer of another server is continued");
            state.runs.spawn(state.clone(), run, message, queued, past);
        }
        _ => {
            let Past { start, so_far, .. } = past;
            let outcome = Outcome {
                status: Status::Interrupted,
                content: so_far.answer.text,
                error: Some(server_stopped()),
                model: start.map(|(model, _)| model),
                details: None,
            };
            state.store.finish_run(&run, outcome, store::now()).await?;
            tracing::info!(run_id = %run.id, "an answer was interrupted by the death of its server");
        }
    }
    Ok(())
}

/// The message that the run writes and what was asked, from what is kept of it. `None` when not all of it is.
async fn as_asked(state: &AppState, run: &Run) -> Result<Option<(Message, Queued)>> {
    let (Some(settings), Some(message)) = (run.settings.clone(), state.store.message(run.message_id).await?) else {
        return Ok(None);
    };
    let Some(question) = message.parent_id else { return Ok(None) };
    let branch = state.store.branch(run.conversation_id, question).await?;
    if branch.is_empty() {
        return Ok(None);
    }
    let model = turn::asked_model(state, message.model.clone()).await;
    let place = state.admission.rejoin(model.as_deref().unwrap_or_default());
    let messages = turn::prompt_messages(settings.system_prompt, &branch);
    let question = turn::question(run.id, model, messages, settings.parameters);
    Ok(Some((message, Queued { question, place })))
}

/// From the journal.
impl From<Vec<(u64, Entry)>> for Past {
    fn from(entries: Vec<(u64, Entry)>) -> Self {
        let mut past = Self::default();
        for (number, Entry { event, tokens }) in entries {
            match &event {
                RunEvent::Started { model, context } => past.start = Some((model.clone(), *context)),
                RunEvent::Delta { text } => {
                    past.so_far.answer.text.push_str(text);
                    past.so_far.answer.tokens.extend(tokens);
                    past.so_far.pieces += 1;
                }
                // Its text is that of the pieces before.
                RunEvent::Resumed { .. } => {}
                RunEvent::Queued { .. } | RunEvent::Finished { .. } | RunEvent::Failed { .. } => {}
            }
            past.events.push((number, event));
        }
        past
    }
}
