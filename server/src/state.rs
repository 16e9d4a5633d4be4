//! What every handler can reach.

use std::sync::Arc;

use anyhow::Context;

use crate::{
    chat::run::Runs,
    config::Config,
    engine::{self, Engine},
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
    /// The answers that this server is writing.
    pub runs: Arc<Runs>,
    pub metrics: Arc<Metrics>,
    pub shutdown: Shutdown,
}

impl AppState {
    /// Open what the configuration names: the database and the engine.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let url = config.database_url()?;
        let engine = engine::connect(&config).context("the engine cannot be set up")?;
        let store = Store::open(&url).await?;
        Ok(Self::new(config, engine, store))
    }

    pub fn new(config: Config, engine: Arc<dyn Engine>, store: Store) -> Self {
        Self {
            config: Arc::new(config),
            engine,
            store,
            runs: Arc::default(),
            metrics: Arc::default(),
            shutdown: Shutdown::default(),
        }
    }
}
