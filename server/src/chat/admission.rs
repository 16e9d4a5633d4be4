//! Admission: who is answered now, who waits in line, and who is refused.
//!
//! A model has as many slots as answers it can write at once: some at each of its replicas that answers. Whoever finds none
//! free waits in one line in front of all models ([`fair_queue`]), is told where it stands ([`call`]), and gets a [`slot`]
//! when it is its turn. Leaving is dropping: of a place in line as well as of a slot.
//!
//! The line is bounded, and a part of it stays free for those who have little in it: a caller may have as many requests in
//! line as there are places left (Choudhury and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches",
//! 1998). So one caller alone gets half of it, and whoever comes then still finds a place.

mod call;
mod caller;
mod fair_queue;
mod place;
mod slot;

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

pub use self::{
    call::{Call, Position},
    caller::Caller,
    place::Place,
    slot::Slot,
};
use self::{
    fair_queue::{Entry, FairQueue},
    place::Seat,
};
use crate::{
    config::Config,
    engine::{Engine, Pool},
    models::full_name,
    telemetry::QueueSeries,
};

/// Decides for all requests of this server.
pub struct Admission {
    limits: Limits,
    engine: Arc<dyn Engine>,
    series: QueueSeries,
    line: Mutex<Line>,
}

struct Limits {
    slots_per_replica: usize,
    /// Whether each model has slots of its own. A server that we are in front of has them for all, whatever they are called.
    per_model: bool,
    max_queue: usize,
    max_per_caller: usize,
    timeout: Duration,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the server is busy, and {0} requests are waiting already; try again in a moment")]
    QueueFull(usize),
    #[error(
        "{0} of your requests are being answered or waiting, which is your share now; try again when one has ended"
    )]
    CallerLimit(usize),
    #[error("the server is busy, and it was not this request's turn within {} s; try again in a moment", .0.as_secs())]
    Timeout(Duration),
}

impl Refusal {
    /// A word for it.
    pub fn cause(self) -> &'static str {
        match self {
            Self::QueueFull(_) => "queue_full",
            Self::CallerLimit(_) => "caller_limit",
            Self::Timeout(_) => "queue_timeout",
        }
    }
}

/// What changes with each request.
#[derive(Default)]
struct Line {
    queue: FairQueue,
    waiting: HashMap<u64, Waiting>,
    /// Slots in use by each model.
    busy: HashMap<Arc<str>, usize>,
    /// Slots in use for each caller.
    answering: HashMap<Caller, usize>,
    last_id: u64,
}

struct Waiting {
    slot: oneshot::Sender<Slot>,
    position: Position,
    since: Instant,
}

impl Admission {
    pub fn new(config: &Config, engine: Arc<dyn Engine>, series: QueueSeries) -> Self {
        let limits = Limits {
            slots_per_replica: config.slots_per_replica(),
            per_model: config.runs_models(),
            max_queue: config.max_queue as usize,
            max_per_caller: config.max_per_caller.map_or(usize::MAX, |limit| limit as usize),
            timeout: config.queue_timeout(),
        };
        Self { limits, engine, series, line: Mutex::default() }
    }

    /// A place in line for an answer of `model` that will take about `cost` tokens.
    pub fn join(self: &Arc<Self>, call: &Call, model: &str, cost: u32) -> Result<Place, Refusal> {
        let (line, model) = (self.lock(), full_name(model));
        self.check(&line, call.caller, &model).inspect_err(|refusal| self.series.count_refusal(refusal.cause()))?;
        let timeout = Some(self.limits.timeout);
        Ok(self.enter(line, Some(call.caller), call.position.clone(), model, cost, timeout))
    }

    /// A place for an answer that another server has begun. It is never refused, and goes before those that are new.
    pub fn rejoin(self: &Arc<Self>, model: &str) -> Place {
        self.enter(self.lock(), None, Position::default(), full_name(model), 0, None)
    }

    fn check(&self, line: &Line, caller: Caller, model: &str) -> Result<(), Refusal> {
        let Limits { max_queue, max_per_caller, .. } = self.limits;
        let waiting = line.queue.len_of(caller);
        let has_already = waiting + count(&line.answering, &caller);
        if has_already >= max_per_caller {
            return Err(Refusal::CallerLimit(has_already));
        }
        let free = max_queue.saturating_sub(line.queue.len());
        match line.has_slot(model, self.slots_of(model), self.all_slots()) {
            true => Ok(()),
            false if free == 0 => Err(Refusal::QueueFull(line.queue.len())),
            false if waiting >= free => Err(Refusal::CallerLimit(has_already)),
            false => Ok(()),
        }
    }

    fn enter(
        self: &Arc<Self>,
        mut line: MutexGuard<'_, Line>,
        caller: Option<Caller>,
        position: Position,
        model: String,
        cost: u32,
        timeout: Option<Duration>,
    ) -> Place {
        let (sender, slot) = oneshot::channel();
        // Before the line is looked through, so that no replica comes in between.
        let replicas = self.engine.pool().map(Pool::changes);
        line.last_id += 1;
        let id = line.last_id;
        line.queue.push(Entry::new(id, caller, model.into(), cost));
        line.waiting.insert(id, Waiting { slot: sender, position: position.clone(), since: Instant::now() });
        self.go_on(line);
        Place { slot, position, replicas, timeout, seat: Seat { admission: self.clone(), id } }
    }

    /// A client has left the line, or has got its slot.
    fn leave(self: &Arc<Self>, id: u64) {
        let mut line = self.lock();
        if line.waiting.remove(&id).is_some() {
            line.queue.remove(id);
            self.go_on(line);
        }
    }

    /// An answer has ended that took `used` tokens.
    fn release(self: &Arc<Self>, entry: &Entry, used: u32) {
        let mut line = self.lock();
        decrease(&mut line.busy, &entry.model);
        if let Some(caller) = entry.caller {
            decrease(&mut line.answering, &caller);
        }
        line.queue.settle(entry, used);
        self.go_on(line);
    }

    /// Replicas have come or gone.
    fn replicas_changed(self: &Arc<Self>) {
        self.go_on(self.lock());
    }

    /// Let those in whose turn it is, and tell the others where they stand now.
    fn go_on(self: &Arc<Self>, mut line: MutexGuard<'_, Line>) {
        let mut admitted = Vec::new();
        let models = line.queue.models().into_iter();
        let slots = models.map(|model| (model.clone(), self.slots_of(&model))).collect();
        let all_slots = self.all_slots();
        while let Some((entry, waiting)) = line.admit_next(&slots, all_slots) {
            waiting.position.set(0);
            self.series.observe_wait(waiting.since.elapsed());
            admitted.push((waiting.slot, Slot::new(self.clone(), entry, waiting.since)));
        }
        line.tell_positions();
        self.series.set(line.queue.len(), line.busy_in_all());
        drop(line);
        for (place, slot) in admitted {
            // Comes back when the client has left meanwhile; dropping it is giving it back.
            drop(place.send(slot));
        }
    }

    /// Answers that `model` can write at once. Where no replica is known somebody has to ask, or nobody would hear why.
    fn slots_of(&self, model: &str) -> usize {
        self.limits.slots_per_replica * self.engine.pool().map_or(1, |pool| pool.replicas_of(model).max(1))
    }

    /// Answers that can be written at once, of all models.
    fn all_slots(&self) -> usize {
        match self.limits.per_model {
            true => usize::MAX,
            false => self.limits.slots_per_replica * self.engine.pool().map_or(1, |pool| pool.replicas().max(1)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn has_slot(&self, model: &str, slots: usize, all_slots: usize) -> bool {
        count(&self.busy, model) < slots && self.busy_in_all() < all_slots
    }

    fn busy_in_all(&self) -> usize {
        self.busy.values().sum()
    }

    /// `slots` has those of each model that is waited for.
    fn admit_next(&mut self, slots: &HashMap<Arc<str>, usize>, all_slots: usize) -> Option<(Entry, Waiting)> {
        if self.busy_in_all() >= all_slots {
            return None;
        }
        let busy = &self.busy;
        let entry = self.queue.pop(|model| count(busy, model) < slots[model])?;
        *self.busy.entry(entry.model.clone()).or_default() += 1;
        if let Some(caller) = entry.caller {
            *self.answering.entry(caller).or_default() += 1;
        }
        let waiting = self.waiting.remove(&entry.id)?;
        Some((entry, waiting))
    }

    /// Everybody counts those of the same model only.
    fn tell_positions(&self) {
        let mut positions: HashMap<Arc<str>, u32> = HashMap::new();
        for entry in self.queue.in_order() {
            let position = positions.entry(entry.model).or_default();
            *position += 1;
            if let Some(waiting) = self.waiting.get(&entry.id) {
                waiting.position.set(*position);
            }
        }
    }
}

fn count<K: Borrow<Q> + Eq + Hash, Q: Eq + Hash + ?Sized>(counts: &HashMap<K, usize>, key: &Q) -> usize {
    counts.get(key).copied().unwrap_or(0)
}

/// Counts of zero are forgotten: models and callers come by names that anyone can make up.
fn decrease<K: Clone + Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What an answer is taken to cost when its request sets no limit.
const USUAL_ANSWER: u32 = 256;
/// More is not told from this: a request that says it wants everything should not wait for ever.
const MOST: u32 = 8192;

/// Of a text, about.
pub const TOKEN_BYTES: usize = 4;

/// Tokens that an answer will take, as far as that can be said before.
pub fn estimate(prompt_bytes: usize, max_tokens: Option<u32>) -> u32 {
    let prompt = u32::try_from(prompt_bytes / TOKEN_BYTES).unwrap_or(u32::MAX);
    prompt.saturating_add(max_tokens.unwrap_or(USUAL_ANSWER)).min(MOST)
}
