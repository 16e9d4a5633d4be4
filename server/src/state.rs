//! What every handler can reach.

use std::sync::Arc;

use anyhow::Context;

use crate::{
    chat::{admission::Admission, run::Runs},
    config::Config,
    engine::{self, Engine},
    models::{Jobs, Registries},
    shutdown::Shutdown,
    store::Store,
    telemetry::Metrics,
};

/// Shared by all requests. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    pub config: Arc<Config>,
    pub engine: Arc<dyn Engine>,
    pub store: Store,
    /// Who is answered now, and who waits.
    pub admission: Arc<Admission>,
    /// The answers that this server is writing.
    pub runs: Arc<Runs>,
    pub registries: Registries,
    /// The downloads that this server does.
    pub jobs: Arc<Jobs>,
    pub metrics: Arc<Metrics>,
    pub shutdown: Shutdown,
}

impl AppState {
    /// Open what the configuration names: the database and the engine.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let url = config.database_url()?;
        let engine = engine::connect(&config).context("the engine cannot be set up")?;
        let store = Store::open(&url).await?;
        Self::new(config, engine, store)
    }

    /// # Errors
    /// When a registry's address in the configuration is none.
    pub fn new(config: Config, engine: Arc<dyn Engine>, store: Store) -> anyhow::Result<Self> {
        let metrics = Metrics::new(&config, engine.clone());
        Ok(Self {
            admission: Arc::new(Admission::new(&config, engine.clone(), metrics.queue.clone())),
            registries: Registries::new(&config.models)?,
            config: Arc::new(config),
            engine,
            store,
            runs: Arc::default(),
            jobs: Arc::default(),
            metrics: Arc::new(metrics),
            shutdown: Shutdown::default(),
        })
    }
}
