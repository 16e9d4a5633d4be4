//! Flotilla's server: chats with language models over HTTP.
//!
//! A turn goes through [`routes`] (extract, call, respond) → [`chat`] (what the model is told, and the run that writes
//! the answer) → [`engine`] (who answers). [`models`] brings models here; [`store`] keeps conversations and jobs;
//! [`dialect`] knows how each kind of client wants its bytes; [`access`] who may call; [`autoscaling`] what Kubernetes
//! scales by; [`config`] every setting.
//!
//! Invariants: nothing below `routes` knows a dialect, nothing below `chat` knows a conversation, only `config` reads
//! the environment, and an answer belongs to its run and not to the connection that shows it.

pub mod access;
pub mod autoscaling;
mod backoff;
pub mod chat;
pub mod config;
pub mod dialect;
pub mod engine;
pub mod error;
mod extract;
mod listener;
pub mod models;
pub mod routes;
pub mod shutdown;
pub mod state;
pub mod store;
pub mod telemetry;

use axum::Router;
use tokio::net::TcpListener;

pub use self::{config::Config, state::AppState};

/// The router with all its layers.
pub fn app(state: AppState) -> Router {
    routes::router(state)
}

/// Answer on `listener` until `stop` resolves and the running answers have ended or were handed over.
pub async fn serve(listener: TcpListener, state: AppState, stop: impl Future<Output = ()>) {
    // Before the first request, so that whoever comes back to an answer finds it being written.
    chat::run::adopt_abandoned(&state).await;
    let leases = tokio::spawn(chat::run::keep_leases(state.clone()));
    let downloads = tokio::spawn(models::jobs::adopt_abandoned(state.clone()));
    let (metrics, engine) = (state.metrics.clone(), state.engine.clone());
    let series = tokio::spawn(async move { metrics.begin_series(&*engine).await });
    let stop = async {
        stop.await;
        shutdown::announce(&state).await;
    };
    listener::serve(listener, app(state.clone()), state.clone(), stop).await;
    leases.abort();
    downloads.abort();
    series.abort();
    state.jobs.interrupt_all().await;
}
