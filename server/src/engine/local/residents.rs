//! Which models are in memory. There is room for a few; the one that was not used for longest makes way.

use std::{collections::HashMap, sync::Arc, time::Instant};

use flotilla_engine::protocol::ModelFacts;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::resident::{Launch, Limits, Resident};
use crate::engine::EngineError;

/// How many models are in memory at once: the default one and another, which is what fits a laptop.
const MAX_RESIDENTS: usize = 2;

/// A request's place at a model. While it is held, the model stays in memory.
pub type Place = (Arc<Resident>, OwnedSemaphorePermit);

pub struct Residents {
    limits: Limits,
    by_name: HashMap<String, Entry>,
    closed: bool,
}

struct Entry {
    resident: Arc<Resident>,
    last_used: Instant,
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
        match self.by_name.get_mut(name) {
            Some(entry) if !entry.resident.is_worth_retrying() => {
                entry.last_used = Instant::now();
                let permit = entry.resident.admit()?;
                Ok(Some((Arc::clone(&entry.resident), permit)))
            }
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
        let resident = Arc::new(Resident::start(launch, self.limits, predecessor));
        let permit = resident.admit()?;
        self.by_name.insert(name.to_owned(), Entry { resident: Arc::clone(&resident), last_used: Instant::now() });
        Ok((resident, permit))
    }

    /// Whether a model that is in memory would answer now; `None` for one that is not there.
    pub fn ready(&self, name: &str) -> Option<Result<(), EngineError>> {
        self.by_name.get(name).map(|entry| entry.resident.ready())
    }

    pub fn facts(&self, name: &str) -> Option<ModelFacts> {
        self.by_name.get(name).and_then(|entry| entry.resident.facts())
    }

    /// End all processes and start no more. The tokens are cancelled when they are gone.
    pub fn close(&mut self) -> Vec<CancellationToken> {
        self.closed = true;
        self.by_name.drain().map(|(_, entry)| entry.resident.stop()).collect()
    }

    fn make_room(&mut self) -> Result<Option<CancellationToken>, EngineError> {
        if self.by_name.len() < MAX_RESIDENTS {
            return Ok(None);
        }
        let idle = self.by_name.iter().filter(|(_, entry)| entry.resident.is_idle());
        let leaving = idle.min_by_key(|(_, entry)| (!entry.resident.is_unusable(), entry.last_used));
        let name = leaving.map(|(name, _)| name.clone()).ok_or_else(|| {
            EngineError::Unavailable("all models in memory are answering; try again in a moment".to_owned())
        })?;
        tracing::info!(model = name, "the model makes way for another");
        Ok(self.by_name.remove(&name).map(|entry| entry.resident.stop()))
    }
}
