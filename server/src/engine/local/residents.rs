//! Which models are in memory: as many as fit its limit. The one that was not used for longest makes way for another, and one
//! that nobody uses leaves by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    process::Process,
    resident::{Launch, Limits, Place, Resident},
};
use crate::engine::EngineError;

/// A chat gives its place back between measuring its prompt and asking for the answer; that is no reason to unload.
pub const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);

pub struct Residents {
    limits: Limits,
    by_name: HashMap<String, Arc<Resident>>,
    /// Processes that were told to end.
    ending: Vec<CancellationToken>,
    /// What somebody waits to load: the name, and the bytes that it takes.
    wanted: Option<(String, u64)>,
    closed: bool,
}

/// The models in memory, loading or answering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// In bytes, of all models together.
    pub limit: u64,
    /// The bytes that each takes, about, in the order of their names.
    pub models: Vec<(String, u64)>,
}

impl Residents {
    pub fn new(limits: Limits) -> Self {
        Self { limits, by_name: HashMap::new(), ending: Vec::new(), wanted: None, closed: false }
    }

    /// A place at a model that is in memory or on its way there; `None` when it has to be loaded first, or when it has to
    /// leave for a model that was asked for before.
    pub fn admit(&mut self, name: &str) -> Result<Option<Place>, EngineError> {
        if self.closed {
            return Err(EngineError::Unavailable("the engine has been stopped".to_owned()));
        }
        let Some(resident) = self.by_name.get(name) else { return Ok(None) };
        let stays = resident.is_new() || !self.has_to_leave(name);
        Ok((stays && !resident.is_worth_retrying()).then(|| Place::at(resident)))
    }

    /// The same, and the model is loaded if need be. `None` while models are in the way that are in use: they get no more
    /// requests until the model is loaded or [`Turn`] has ended.
    pub fn load(&mut self, name: &str, launch: &Launch) -> Result<Option<Place>, EngineError> {
        self.wanted = None;
        if let Some(place) = self.admit(name)? {
            return Ok(Some(place));
        }
        self.by_name.remove(name);
        let leaving = self.in_the_way(launch.memory);
        if !leaving.iter().all(|name| self.by_name[name].is_free()) {
            self.wanted = Some((name.to_owned(), launch.memory));
            return Ok(None);
        }
        for name in leaving {
            tracing::info!(model = name, "the model makes way for another");
            self.end(&name);
        }
        let resident = Arc::new(Resident::start(launch.clone(), self.limits.clone(), self.still_ending()));
        let place = Place::at(&resident);
        self.by_name.insert(name.to_owned(), resident);
        Ok(Some(place))
    }

    /// Take a model out of memory. The token is cancelled when it is gone; `None` when it was not there.
    pub fn unload(&mut self, name: &str) -> Result<Option<CancellationToken>, EngineError> {
        if self.by_name.get(name).is_some_and(|resident| !resident.is_idle()) {
            return Err(EngineError::InUse(name.to_owned()));
        }
        Ok(self.end(name))
    }

    /// Take the models out of memory whose time is over, and return when the next is due.
    pub fn unload_unused(&mut self) -> Option<Instant> {
        let due = |resident: &Resident| resident.unloads_at().filter(|_| resident.is_idle());
        let is_due = |resident: &Resident| due(resident).is_some_and(|due| due <= Instant::now());
        let leaving: Vec<_> =
            self.by_name.iter().filter(|(_, resident)| is_due(resident)).map(|(name, _)| name.clone()).collect();
        for name in leaving {
            tracing::info!(model = name, "the model was not used and leaves the memory");
            self.end(&name);
        }
        self.by_name.values().filter_map(|resident| due(resident)).min()
    }

    /// Whether a model that is in memory would answer now; `None` for one that is not there.
    pub fn ready(&self, name: &str) -> Option<Result<(), EngineError>> {
        self.by_name.get(name).map(|resident| resident.ready())
    }

    /// The process of a model that is in memory.
    pub fn process(&self, name: &str) -> Option<Arc<Process>> {
        self.by_name.get(name)?.loaded()
    }

    pub fn is_loaded(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|resident| resident.is_loaded())
    }

    /// When a model that is in memory leaves it if nobody asks for it; `None` for never.
    pub fn unloads_at(&self, name: &str) -> Option<Instant> {
        self.by_name.get(name).filter(|resident| resident.is_loaded())?.unloads_at()
    }

    pub fn memory(&self) -> MemoryUse {
        let in_memory = self.by_name.iter().filter(|(_, resident)| !resident.is_unusable());
        let mut models: Vec<_> = in_memory.map(|(name, resident)| (name.clone(), resident.memory())).collect();
        models.sort();
        MemoryUse { limit: self.limits.memory, models }
    }

    /// End all processes and start no more. The tokens are cancelled when they are gone.
    pub fn close(&mut self) -> Vec<CancellationToken> {
        self.closed = true;
        let stopped = self.by_name.drain().map(|(_, resident)| resident.stop());
        self.ending.extend(stopped);
        self.still_ending()
    }

    fn has_to_leave(&self, name: &str) -> bool {
        let wanted = self.wanted.as_ref();
        wanted.is_some_and(|(wanted, memory)| {
            wanted != name && self.in_the_way(*memory).iter().any(|other| other == name)
        })
    }

    /// The models without which `memory` more bytes fit, those that nobody uses first and the least recently used first.
    fn in_the_way(&self, memory: u64) -> Vec<String> {
        let mut residents: Vec<_> = self.by_name.iter().collect();
        residents.sort_by_key(|(_, resident)| (!resident.is_unusable(), !resident.is_idle(), resident.last_used()));
        let mut taken = residents.iter().map(|(_, resident)| resident.memory()).fold(memory, u64::saturating_add);
        let leaving = residents.into_iter().take_while(|(_, resident)| {
            let is_in_the_way = taken > self.limits.memory;
            taken = taken.saturating_sub(resident.memory());
            is_in_the_way
        });
        leaving.map(|(name, _)| name.clone()).collect()
    }

    fn end(&mut self, name: &str) -> Option<CancellationToken> {
        let gone = self.by_name.remove(name)?.stop();
        self.ending.push(gone.clone());
        Some(gone)
    }

    /// Processes whose memory is not free yet.
    fn still_ending(&mut self) -> Vec<CancellationToken> {
        self.ending.retain(|gone| !gone.is_cancelled());
        self.ending.clone()
    }
}

/// Being the one for whom memory is made free: what has to leave for it gets no more requests while this is held.
pub struct Turn<'line> {
    residents: &'line Mutex<Residents>,
    _first: tokio::sync::MutexGuard<'line, ()>,
}

impl<'line> Turn<'line> {
    /// Waits behind those who came before. It is how a model whose others are always in use gets in at all.
    pub async fn come(line: &'line tokio::sync::Mutex<()>, residents: &'line Mutex<Residents>) -> Self {
        Self { residents, _first: line.lock().await }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(self.residents).wanted = None;
    }
}

pub fn lock(residents: &Mutex<Residents>) -> MutexGuard<'_, Residents> {
    residents.lock().unwrap_or_else(PoisonError::into_inner)
}
