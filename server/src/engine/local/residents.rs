//! Which models are in memory. There is room for a few; the one that was not used for longest makes way, and one that
//! nobody uses leaves by itself.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::resident::{Launch, Limits, Place, Resident};
use crate::engine::EngineError;

/// How many models are in memory at once: the default one and another, which is what fits a laptop.
const MAX_RESIDENTS: usize = 2;

pub struct Residents {
    limits: Limits,
    by_name: HashMap<String, Arc<Resident>>,
    closed: bool,
}

impl Residents {
    pub fn new(limits: Limits) -> Self {
        Self { limits, by_name: HashMap::new(), closed: false }
    }

    /// A place at a model that is in memory or on its way there; `None` when it has to be loaded first.
    pub fn admit(&mut self, name: &str) -> Result<Option<Place>, EngineError> {
        if self.closed {
            return Err(EngineError::Unavailable("the engine has been stopped".to_owned()));
        }
        match self.by_name.get(name) {
            Some(resident) if !resident.is_worth_retrying() => Ok(Some(Place::at(resident))),
            _ => Ok(None),
        }
    }

    /// The same, and the model is loaded if need be.
    pub fn load(&mut self, name: &str, launch: Launch) -> Result<Place, EngineError> {
        if let Some(place) = self.admit(name)? {
            return Ok(place);
        }
        self.by_name.remove(name);
        let predecessor = self.make_room()?;
        let resident = Arc::new(Resident::start(launch, self.limits.clone(), predecessor));
        let place = Place::at(&resident);
        self.by_name.insert(name.to_owned(), resident);
        Ok(place)
    }

    /// Take a model out of memory. The token is cancelled when it is gone; `None` when it was not there.
    pub fn unload(&mut self, name: &str) -> Result<Option<CancellationToken>, EngineError> {
        if self.by_name.get(name).is_some_and(|resident| !resident.is_idle()) {
            return Err(EngineError::InUse(name.to_owned()));
        }
        Ok(self.by_name.remove(name).map(|resident| resident.stop()))
    }

    /// Take the models out of memory that nobody has used for `keep_alive`, and return when the next is due.
    pub fn unload_unused(&mut self, keep_alive: Duration) -> Option<Instant> {
        let due = |resident: &Resident| resident.is_idle().then(|| resident.last_used() + keep_alive);
        self.by_name.retain(|name, resident| {
            let stays = due(resident).is_none_or(|due| due > Instant::now());
            if !stays {
                tracing::info!(model = name, "the model was not used and leaves the memory");
                resident.stop();
            }
            stays
        });
        self.by_name.values().filter_map(|resident| due(resident)).min()
    }

    /// Whether a model that is in memory would answer now; `None` for one that is not there.
    pub fn ready(&self, name: &str) -> Option<Result<(), EngineError>> {
        self.by_name.get(name).map(|resident| resident.ready())
    }

    pub fn is_loaded(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|resident| resident.is_loaded())
    }

    /// When a model that is in memory was used last.
    pub fn last_used(&self, name: &str) -> Option<Instant> {
        self.by_name.get(name).filter(|resident| resident.is_loaded()).map(|resident| resident.last_used())
    }

    /// End all processes and start no more. The tokens are cancelled when they are gone.
    pub fn close(&mut self) -> Vec<CancellationToken> {
        self.closed = true;
        self.by_name.drain().map(|(_, resident)| resident.stop()).collect()
    }

    fn make_room(&mut self) -> Result<Option<CancellationToken>, EngineError> {
        if self.by_name.len() < MAX_RESIDENTS {
            return Ok(None);
        }
        let idle = self.by_name.iter().filter(|(_, resident)| resident.is_idle());
        let leaving = idle.min_by_key(|(_, resident)| (!resident.is_unusable(), resident.last_used()));
        let name = leaving.map(|(name, _)| name.clone()).ok_or_else(|| {
            EngineError::Unavailable("all models in memory are answering; try again in a moment".to_owned())
        })?;
        tracing::info!(model = name, "the model makes way for another");
        Ok(self.by_name.remove(&name).map(|resident| resident.stop()))
    }
}
