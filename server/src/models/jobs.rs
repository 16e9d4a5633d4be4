//! Pulls as jobs of the server: each goes on without anybody watching, all who ask for the same model share one, and what
//! a dead server has left unfinished is taken up by the next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_stream::stream;
use chrono::TimeDelta;
use futures::Stream;
use tokio::{
    sync::{Semaphore, watch},
    time::{interval, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{ModelName, Progress, PullError, Registries};
use crate::{
    engine::EngineError,
    error::{Error, Result},
    state::AppState,
    store::{
        self, Job, Store,
        job::{JobStatus, Stage},
    },
};

/// A server that has not renewed a job's lease for this long is taken for dead.
const LEASE: TimeDelta = TimeDelta::seconds(15);
const KEEP_EVERY: Duration = Duration::from_secs(2);
/// How often a job on another server is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const ADOPT_EVERY: Duration = Duration::from_secs(5);
/// Downloads that run together; the others wait. More would only share the line.
const AT_ONCE: usize = 2;
/// How long the list tells of jobs that have ended.
const REMEMBER: TimeDelta = TimeDelta::days(7);
/// Time that jobs get to write down how far they are when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The jobs that this server does.
pub struct Jobs {
    /// This server process, in the rows of its jobs.
    owner: Uuid,
    live: Mutex<HashMap<Uuid, Arc<LiveJob>>>,
    /// One starts at a time, so that two who ask for the same model at once get the same job.
    starting: tokio::sync::Mutex<()>,
    turns: Semaphore,
    tasks: TaskTracker,
    /// Ends all jobs so that another server, or this one's successor, can go on with them.
    interrupt: CancellationToken,
}

struct LiveJob {
    state: watch::Sender<Job>,
    cancel: CancellationToken,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            owner: Uuid::now_v7(),
            live: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            interrupt: CancellationToken::new(),
        }
    }
}

impl Jobs {
    fn live(&self, id: Uuid) -> Option<Arc<LiveJob>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<LiveJob>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Break the jobs off; they go on when the server is started again.
    pub async fn interrupt_all(&self) {
        self.interrupt.cancel();
        self.tasks.close();
        if timeout(LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::warn!("downloads were still being written at the end");
        }
    }
}

/// Start to pull a model, or find the job that does so already.
pub async fn start(state: &AppState, name: &ModelName) -> Result<Job> {
    state.shutdown.refuse_while_draining()?;
    if !state.config.runs_models() {
        return Err(EngineError::KeptElsewhere.into());
    }
    let _starting = state.jobs.starting.lock().await;
    let model = name.to_string();
    if let Some(running) = state.store.running_job(&model).await? {
        return Ok(with_progress(state, running));
    }
    let now = store::now();
    let job = Job {
        id: Uuid::now_v7(),
        model,
        status: JobStatus::Running,
        stage: Stage::Waiting,
        digest: None,
        done_bytes: 0,
        total_bytes: None,
        error: None,
        owner: state.jobs.owner,
        lease_until: now + LEASE,
        cancel_requested: false,
        created_at: now,
        finished_at: None,
    };
    state.store.prune_jobs(now - REMEMBER).await?;
    state.store.create_job(job.clone()).await?;
    spawn(state, job.clone());
    Ok(job)
}

/// All jobs, newest first, each as far as it is at this moment.
pub async fn list(state: &AppState) -> Result<Vec<Job>> {
    Ok(state.store.jobs().await?.into_iter().map(|job| with_progress(state, job)).collect())
}

pub async fn find(state: &AppState, id: Uuid) -> Result<Job> {
    let job = state.store.job(id).await?.ok_or_else(|| Error::not_found("job"))?;
    Ok(with_progress(state, job))
}

/// End a job for good, on whichever server it runs, and remove what it has left. One that is complete stays so.
pub async fn cancel(state: &AppState, id: Uuid) -> Result<()> {
    let job = find(state, id).await?;
    match state.jobs.live(id) {
        Some(live) => live.cancel.cancel(),
        None => {
            state.store.cancel_job(id).await?;
            if job.status == JobStatus::Failed {
                give_up(&state.registries, &job).await;
            }
        }
    }
    Ok(())
}

/// A job as it goes on, on whichever server; the last item is its end, or an error.
pub fn follow(state: AppState, id: Uuid) -> impl Stream<Item = Result<Job>> + Send {
    stream! {
        loop {
            let changes = state.jobs.live(id).map(|live| live.state.subscribe());
            let job = find(&state, id).await;
            let goes_on = job.as_ref().is_ok_and(|job| job.status == JobStatus::Running);
            yield job;
            if !goes_on {
                return;
            }
            match changes {
                // An end of the changes is one too.
                Some(mut changes) => {
                    changes.changed().await.ok();
                }
                None => sleep(LOOK_EVERY).await,
            }
            if state.shutdown.is_draining() {
                yield Err(Error::draining());
                return;
            }
        }
    }
}

/// Take up what dead servers have left, again and again, until the program ends.
pub async fn adopt_abandoned(state: AppState) {
    let mut ticks = interval(ADOPT_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = adopt(&state).await {
            tracing::warn!(%error, "abandoned downloads cannot be taken up");
        }
    }
}

async fn adopt(state: &AppState) -> Result<(), sea_orm::DbErr> {
    let (owner, now) = (state.jobs.owner, store::now());
    let live: Vec<_> = state.jobs.lock().keys().copied().collect();
    for job in state.store.abandoned_jobs(owner, &live, now).await? {
        if state.store.adopt_job(&job, owner, now + LEASE).await? {
            tracing::info!(job = %job.id, model = job.model, "an unfinished download goes on");
            spawn(state, Job { owner, lease_until: now + LEASE, ..job });
        }
    }
    Ok(())
}

fn with_progress(state: &AppState, job: Job) -> Job {
    state.jobs.live(job.id).map_or(job, |live| live.state.borrow().clone())
}

fn spawn(state: &AppState, job: Job) {
    let id = job.id;
    let live = Arc::new(LiveJob { state: watch::Sender::new(job), cancel: CancellationToken::new() });
    state.jobs.lock().insert(id, Arc::clone(&live));
    let (place, state) = (Place { jobs: Arc::clone(&state.jobs), id }, state.clone());
    let tasks = state.jobs.tasks.clone();
    tasks.spawn(async move {
        let _place = place;
        run(&state, &live).await;
    });
}

/// A job's place among the live ones. It is given up however the job ends, in a panic too.
struct Place {
    jobs: Arc<Jobs>,
    id: Uuid,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.jobs.lock().remove(&self.id);
    }
}

async fn run(state: &AppState, live: &LiveJob) {
    let model = live.state.borrow().model.clone();
    let end = tokio::select! {
        biased;
        () = live.cancel.cancelled() => JobStatus::Cancelled,
        () = state.jobs.interrupt.cancelled() => JobStatus::Running,
        () = keep(&state.store, live) => JobStatus::Cancelled,
        result = pull(state, live, &model) => match result {
            Ok(is_new) => {
                // Another file of this name may be in memory; while it answers, it stays there.
                if is_new && let Err(error) = state.engine.unload(&model).await {
                    tracing::debug!(model, %error, "an older file of a model stays in memory");
                }
                JobStatus::Complete
            }
            Err(error) => {
                tracing::warn!(model, %error, "a model was not pulled");
                live.state.send_modify(|job| job.error = Some(error.to_string()));
                JobStatus::Failed
            }
        },
    };
    let mut job = live.state.borrow().clone();
    match end {
        // Without a lease it is anybody's.
        JobStatus::Running => job.lease_until = store::now(),
        end => (job.status, job.finished_at) = (end, Some(store::now())),
    }
    if end == JobStatus::Cancelled {
        give_up(&state.registries, &job).await;
    }
    if let Err(error) = state.store.finish_job(&job).await {
        // Its lease runs out, and whoever takes it up finds the model in its place.
        tracing::warn!(%error, "the end of a download could not be kept");
    }
    live.state.send_replace(job);
}

/// `false` when the model was installed already.
async fn pull(state: &AppState, live: &LiveJob, model: &str) -> Result<bool, PullError> {
    // Nobody closes it.
    let _turn = state.jobs.turns.acquire().await.ok();
    // It was made of a name, and nobody else writes to the database.
    let name = ModelName::parse(model).map_err(|error| PullError::Refused(format!("'{model}' is {error}")))?;
    let progress = |Progress { stage, digest, done_bytes, total_bytes }: Progress| {
        live.state.send_modify(|job| {
            job.stage = stage;
            job.digest = digest.map(|digest| digest.to_string());
            // Registries that claim more than fits are refused before.
            job.done_bytes = done_bytes as i64;
            job.total_bytes = total_bytes.map(|bytes| bytes as i64);
        });
    };
    state.registries.pull(&name, &progress).await
}

/// Write down how far the job is, until it is cancelled or taken over elsewhere.
async fn keep(store: &Store, live: &LiveJob) {
    let mut ticks = interval(KEEP_EVERY);
    loop {
        ticks.tick().await;
        live.state.send_modify(|job| job.lease_until = store::now() + LEASE);
        let job = live.state.borrow().clone();
        match store.keep_job(&job).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, "the progress of a download could not be kept"),
        }
    }
}

async fn give_up(registries: &Registries, job: &Job) {
    let Ok(name) = ModelName::parse(&job.model) else { return };
    match registries.give_up(&name).await {
        Ok(()) => {}
        Err(error) => tracing::warn!(model = job.model, %error, "what a download has left could not be removed"),
    }
}
