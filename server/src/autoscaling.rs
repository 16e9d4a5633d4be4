//! What Kubernetes needs to scale by waiting people instead of busy processors, from the server itself.
//!
//! A HorizontalPodAutoscaler asks the API group `external.metrics.k8s.io` for numbers. The API server passes the question
//! on to [`api`], behind [`tls`], which lets nobody else in ([`front_proxy`]); [`servers`] has the numbers of all replicas,
//! read by [`exposition`]. When pods are taken away, [`deletion_cost`] says which one is the idlest.

mod api;
mod deletion_cost;
mod exposition;
mod front_proxy;
mod selector;
mod servers;
mod tls;

use anyhow::Context;
use kube::{Api, Client};
use tokio::{net::TcpListener, task::JoinSet};

use self::servers::Servers;
use crate::state::AppState;

/// Begin with what the configuration asks for; it ends when the set is dropped.
///
/// # Errors
/// When there is no cluster to connect to, or the address cannot be listened on.
pub async fn start(state: &AppState) -> anyhow::Result<JoinSet<()>> {
    let settings = &state.config.autoscaling;
    let mut tasks = JoinSet::new();
    if settings.external_metrics_addr.is_none() && !settings.pod_deletion_cost {
        return Ok(tasks);
    }
    let client = Client::try_default().await.context("the cluster that this server runs in cannot be connected to")?;
    if let Some(address) = settings.external_metrics_addr {
        let listener = TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
        tracing::info!(address = %listener.local_addr()?, "external metrics are told to the API server");
        let router = api::router(Servers::new(state)?, client.default_namespace().to_owned());
        tasks.spawn(tls::serve(listener, router, client.clone()));
    }
    if settings.pod_deletion_cost {
        let pod = state.config.pod_name.clone().context("POD_DELETION_COST needs POD_NAME")?;
        tasks.spawn(deletion_cost::follow(Api::default_namespaced(client), pod, state.metrics.clone()));
    }
    Ok(tasks)
}
