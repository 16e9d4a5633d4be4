//! One model server of a pool: what it has to do, how it fares, and what was counted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    breaker::{Breaker, BreakerState, Health},
    place::ChosenBy,
};
use crate::engine::{Engine, EngineError};

/// A server that works answers a question which needs no model sooner than this.
pub const SILENCE: Duration = Duration::from_millis(1500);

/// No two caches have the same number, wherever they are.
static NEXT_CACHE: AtomicU32 = AtomicU32::new(0);

pub struct Replica {
    /// Host, port and path: nothing that may be a secret.
    pub name: String,
    pub engine: Arc<dyn Engine>,
    /// See [`super::prefix::Cache::number`].
    cache: AtomicU32,
    requests: AtomicU64,
    tokens: AtomicU64,
    breaker: Mutex<Breaker>,
    /// Whether the breaker has nothing to say. All replicas are asked for each request, and few have failed.
    is_sound: AtomicBool,
    chosen: [AtomicU64; ChosenBy::ALL.len()],
    failures: AtomicU64,
    /// See [`super::members::Members::changes`].
    changes: watch::Sender<()>,
}

/// What the metrics tell of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    pub name: String,
    pub outstanding_requests: u64,
    pub outstanding_tokens: u64,
    pub breaker: BreakerState,
    /// Requests that it was sent, by why it was chosen.
    pub requests: [(ChosenBy, u64); ChosenBy::ALL.len()],
    pub failures: u64,
}

impl Replica {
    pub fn new(name: String, engine: Arc<dyn Engine>, changes: watch::Sender<()>) -> Self {
        Self {
            name,
            engine,
            cache: AtomicU32::new(NEXT_CACHE.fetch_add(1, Relaxed)),
            requests: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            breaker: Mutex::default(),
            is_sound: AtomicBool::new(true),
            chosen: Default::default(),
            failures: AtomicU64::new(0),
            changes,
        }
    }

    pub fn cache(&self) -> u32 {
        self.cache.load(Relaxed)
    }

    pub fn outstanding_tokens(&self) -> u64 {
        self.tokens.load(Relaxed)
    }

    pub fn health(&self, now: Instant) -> Health {
        if self.is_sound.load(Relaxed) { Health::Sound } else { self.breaker().health(now) }
    }

    /// Whether the request that asks this is to find out if the replica is back.
    pub fn begin_probe(&self, now: Instant) -> bool {
        !self.is_sound.load(Relaxed) && self.breaker().begin_probe(now)
    }

    /// Whether it does not answer at all when it is asked if it is ready. Whatever else it says, a request may be sent to it.
    pub async fn is_silent(&self, model: &str) -> bool {
        matches!(timeout(SILENCE, self.engine.ready(model)).await, Err(_) | Ok(Err(EngineError::Timeout)))
    }

    pub fn abandon_probe(&self, now: Instant) {
        self.breaker().abandon_probe(now);
    }

    pub fn succeeded(&self) {
        if self.is_sound.load(Relaxed) {
            return;
        }
        let mut breaker = self.breaker();
        let was_broken = breaker.health(Instant::now()) == Health::Broken;
        breaker.succeeded();
        self.is_sound.store(true, Relaxed);
        drop(breaker);
        if was_broken {
            tracing::info!(replica = self.name, "a replica is back");
            self.changes.send_replace(());
        }
    }

    /// It did not answer, or not to the end. What it had in its cache is taken for lost.
    pub fn failed(&self, now: Instant) {
        self.failures.fetch_add(1, Relaxed);
        self.cache.store(NEXT_CACHE.fetch_add(1, Relaxed), Relaxed);
        let mut breaker = self.breaker();
        self.is_sound.store(false, Relaxed);
        let opens = breaker.failed(now);
        drop(breaker);
        if opens {
            tracing::warn!(replica = self.name, "a replica fails and is left alone for a while");
            self.changes.send_replace(());
        }
    }

    /// It has said that it is busy.
    pub fn is_busy(&self, now: Instant) {
        let mut breaker = self.breaker();
        self.is_sound.store(false, Relaxed);
        breaker.rest(now);
    }

    pub fn status(&self, now: Instant) -> ReplicaStatus {
        ReplicaStatus {
            name: self.name.clone(),
            outstanding_requests: self.requests.load(Relaxed),
            outstanding_tokens: self.outstanding_tokens(),
            breaker: self.breaker().state(now),
            requests: ChosenBy::ALL.map(|reason| (reason, self.chosen[reason as usize].load(Relaxed))),
            failures: self.failures.load(Relaxed),
        }
    }

    /// A request with this much to compute.
    pub(super) fn give(&self, tokens: u64, reason: ChosenBy) {
        self.requests.fetch_add(1, Relaxed);
        self.tokens.fetch_add(tokens, Relaxed);
        self.chosen[reason as usize].fetch_add(1, Relaxed);
    }

    /// So much of a request is computed.
    pub(super) fn relieve(&self, tokens: u64) {
        self.tokens.fetch_sub(tokens, Relaxed);
    }

    /// A request is over, of which so much was not computed.
    pub(super) fn release(&self, tokens: u64) {
        self.relieve(tokens);
        self.requests.fetch_sub(1, Relaxed);
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
