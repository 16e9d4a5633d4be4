//! The server inside this app.

use flotilla::{AppState, Config};

use crate::loopback::{Bound, Loopback};

/// Seconds that a running answer gets after the window was closed; then it goes on when the window is opened again.
const DRAIN_TIMEOUT: u64 = 1;

/// Start the server with the settings of the environment, closed to everyone but this app.
pub async fn start() -> anyhow::Result<Loopback> {
    let mut config = Config::from_environment()?;
    let bound = Bound::new().await?;
    bound.restrict(&mut config);
    config.drain_timeout = DRAIN_TIMEOUT;
    let state = AppState::open(config).await?;
    Ok(Loopback::start(bound, |listener, stop| flotilla::serve(listener, state, async { _ = stop.await })))
}
