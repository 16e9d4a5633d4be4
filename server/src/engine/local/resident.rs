//! One model that is kept in memory: its process is started, and started again when it dies.

use std::{
    mem::discriminant,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use flotilla_engine::protocol::LoadOptions;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    process::{EngineCommand, LoadError, Process},
    residents::LEAST_KEEP_ALIVE,
};
use crate::{
    backoff::Backoff,
    engine::{EngineError, KeepAlive},
    models::weights_of,
};

/// Dropping it ends its process.
pub struct Resident {
    state: watch::Receiver<State>,
    /// Places that are held.
    held: AtomicUsize,
    last_used: Mutex<Instant>,
    keep_alive: Mutex<KeepAlive>,
    memory: u64,
    limits: Limits,
    stop: CancellationToken,
    gone: CancellationToken,
}

/// A request's place at a model. While it is held, the model stays in memory.
pub struct Place {
    pub resident: Arc<Resident>,
}

impl Place {
    pub fn at(resident: &Arc<Resident>) -> Self {
        resident.held.fetch_add(1, Ordering::Relaxed);
        resident.touch();
        Self { resident: Arc::clone(resident) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Whoever is told finds the place free.
        self.resident.held.fetch_sub(1, Ordering::Relaxed);
        self.resident.touch();
        self.resident.limits.released.send_replace(());
    }
}

/// What a model is started with.
#[derive(Clone, Debug)]
pub struct Launch {
    pub command: EngineCommand,
    /// The file that the model's name stands for.
    pub path: PathBuf,
    pub options: LoadOptions,
    /// Bytes that its process will take, about.
    pub memory: u64,
}

/// What all models have to keep to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a request waits while the model is loaded.
    pub load_timeout: Duration,
    /// Bytes that all models may take together.
    pub memory: u64,
    /// How long a model stays unless a request says otherwise.
    pub keep_alive: KeepAlive,
    /// Tells of each place that is given back.
    pub released: watch::Sender<()>,
}

#[derive(Clone)]
enum State {
    Loading,
    Ready {
        process: Arc<Process>,
        since: Instant,
    },
    /// Between the death of a process and the start of the next.
    Restarting,
    /// The engine refused the file.
    Unusable {
        message: String,
        since: Instant,
    },
    Stopped,
}

/// A process that ran this long was well. Answers wait for the next one, so it is not much.
const STABLE: Duration = Duration::from_secs(5);

/// The longest pause after a process that had loaded its model: whatever killed it, the next one can answer again. What
/// kills each of them is asked a few times only (`chat::TRIES`, `chat::continuation`).
const LONGEST_PAUSE_AFTER_SERVING: Duration = Duration::from_secs(1);

/// The pause before a restart is shorter than this, unless one process after the other dies while it loads the model.
const RESTART_PATIENCE: Duration = Duration::from_secs(5);

/// A file that was refused is tried again on the next request after this time: it may have been replaced.
const RETRY_REFUSED_AFTER: Duration = Duration::from_secs(5);

impl Resident {
    /// Start loading in the background, once `predecessors` have left the memory.
    pub fn start(launch: Launch, limits: Limits, predecessors: Vec<CancellationToken>) -> Self {
        let (sender, state) = watch::channel(State::Loading);
        let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
        let (stopped, is_gone) = (stop.clone(), gone.clone());
        let (memory, last_used, keep_alive) = (launch.memory, Instant::now(), limits.keep_alive);
        tokio::spawn(async move {
            for predecessor in predecessors {
                predecessor.cancelled().await;
            }
            keep_loaded(&launch, &sender, &stopped).await;
            is_gone.cancel();
        });
        Self {
            state,
            held: AtomicUsize::new(0),
            last_used: Mutex::new(last_used),
            keep_alive: Mutex::new(keep_alive),
            memory,
            limits,
            stop,
            gone,
        }
    }

    /// The process, as soon as it has loaded its model.
    pub async fn process(&self) -> Result<Arc<Process>, EngineError> {
        let mut state = self.state.clone();
        loop {
            let current = state.borrow_and_update().clone();
            let (patience, impatient) = match &current {
                State::Ready { process, .. } if process.is_connected() => return Ok(Arc::clone(process)),
                State::Ready { .. } | State::Restarting => (RESTART_PATIENCE, restarting()),
                State::Loading => (self.limits.load_timeout, EngineError::Timeout),
                State::Unusable { .. } | State::Stopped => return Err(current.why_not_ready()),
            };
            let change = state.wait_for(|now| discriminant(now) != discriminant(&current));
            if timeout(patience, change).await.is_err() {
                return Err(impatient);
            }
        }
    }

    /// Whether a request would be answered now.
    pub fn ready(&self) -> Result<(), EngineError> {
        match &*self.state.borrow() {
            State::Ready { process, .. } if process.is_connected() => Ok(()),
            state => Err(state.why_not_ready()),
        }
    }

    /// The process, if it has loaded its model.
    pub fn loaded(&self) -> Option<Arc<Process>> {
        match &*self.state.borrow() {
            State::Ready { process, .. } => Some(Arc::clone(process)),
            _ => None,
        }
    }

    pub fn is_loaded(&self) -> bool {
        matches!(&*self.state.borrow(), State::Ready { .. })
    }

    pub fn is_idle(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    /// Whether it was loaded a moment ago, or is being loaded: whoever it was loaded for has measured a prompt at most.
    pub fn is_new(&self) -> bool {
        match &*self.state.borrow() {
            State::Loading => true,
            State::Ready { since, .. } => since.elapsed() < LEAST_KEEP_ALIVE,
            _ => false,
        }
    }

    /// Whether it can make way for another model.
    pub fn is_free(&self) -> bool {
        self.is_idle() && (self.is_unusable() || self.last_used().elapsed() >= LEAST_KEEP_ALIVE)
    }

    /// Bytes that its process takes, about.
    pub fn memory(&self) -> u64 {
        if self.is_unusable() { 0 } else { self.memory }
    }

    /// When a request came or ended last.
    pub fn last_used(&self) -> Instant {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it stays from now on.
    pub fn keep(&self, keep_alive: KeepAlive) {
        *self.keep_alive.lock().unwrap_or_else(PoisonError::into_inner) = keep_alive;
    }

    /// When it leaves the memory if nobody asks for it; `None` for never.
    pub fn unloads_at(&self) -> Option<Instant> {
        match *self.keep_alive.lock().unwrap_or_else(PoisonError::into_inner) {
            KeepAlive::For(time) => self.last_used().checked_add(time.max(LEAST_KEEP_ALIVE)),
            KeepAlive::Forever => None,
        }
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub fn is_unusable(&self) -> bool {
        matches!(&*self.state.borrow(), State::Unusable { .. })
    }

    /// Whether the file was refused so long ago that it is worth another try.
    pub fn is_worth_retrying(&self) -> bool {
        matches!(&*self.state.borrow(), State::Unusable { since, .. } if since.elapsed() >= RETRY_REFUSED_AFTER)
    }

    /// End the process. The token is cancelled when it is gone.
    pub fn stop(&self) -> CancellationToken {
        self.stop.cancel();
        self.gone.clone()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl State {
    fn why_not_ready(&self) -> EngineError {
        match self {
            Self::Loading => EngineError::Unavailable("the model is being loaded; try again in a moment".to_owned()),
            Self::Ready { .. } | Self::Restarting => restarting(),
            Self::Unusable { message, .. } => EngineError::Unavailable(message.clone()),
            Self::Stopped => EngineError::Unavailable("the engine has been stopped".to_owned()),
        }
    }
}

fn restarting() -> EngineError {
    EngineError::Unavailable("the engine is restarting; try again in a moment".to_owned())
}

/// Runs until `stop` is cancelled or the engine refuses the file.
async fn keep_loaded(launch: &Launch, state: &watch::Sender<State>, stop: &CancellationToken) {
    let (mut deaths, mut failed_loads) = (Backoff::starting_anew_after(STABLE), Backoff::default());
    loop {
        // Others may have been made, or taken back, since the last process was started.
        let path = weights_of(&launch.path);
        let loading = Process::load(&launch.command, &path, launch.options.clone());
        let pause = match stop.run_until_cancelled(loading).await {
            None => break,
            Some(Ok(process)) => {
                let process = Arc::new(process);
                failed_loads = Backoff::default();
                tracing::info!(model = %path.display(), process = process.id(), "the model is loaded");
                let since = Instant::now();
                state.send_replace(State::Ready { process: Arc::clone(&process), since });
                if stop.run_until_cancelled(process.ended()).await.is_none() {
                    process.stop().await;
                    break;
                }
                deaths.pause(since.elapsed()).min(LONGEST_PAUSE_AFTER_SERVING)
            }
            Some(Err(LoadError::Refused(message))) => {
                tracing::error!(model = %path.display(), message, "the engine refused the model");
                state.send_replace(State::Unusable { message, since: Instant::now() });
                return;
            }
            Some(Err(error)) => {
                tracing::error!(model = %path.display(), error = &error as &dyn std::error::Error, "the model is not loaded");
                failed_loads.pause(Duration::ZERO)
            }
        };
        state.send_replace(State::Restarting);
        tracing::warn!(?pause, "the engine process is started again");
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            break;
        }
        state.send_replace(State::Loading);
    }
    state.send_replace(State::Stopped);
}
