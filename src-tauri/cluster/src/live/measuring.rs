//! What has no watch: asked every 15 seconds, or every 5 for the deployed address.

use std::{collections::HashMap, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    Message,
    connection::{Link, Source},
    watching::{self, Delays},
};
use crate::{
    Cluster,
    address::client_for,
    metrics::{self, Backends, Rates, Usage},
};

const PATIENCE: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// One round of numbers. Without metrics-server there is no usage.
#[derive(Default)]
pub(super) struct Measured {
    pub usage: Option<HashMap<String, Usage>>,
    pub rates: Rates,
}

/// Measure whenever asked, with the backends to ask by uid and name.
///
/// It doubles as a heartbeat: an answer that does not come means that the watches' connections are dead as well, which
/// they would notice a minute later.
pub(super) async fn measure(
    cluster: Cluster,
    mut asked: mpsc::Receiver<Vec<(String, String)>>,
    messages: mpsc::Sender<Message>,
    wake: watch::Sender<()>,
) {
    let Cluster { client, namespace, .. } = &cluster;
    let mut backends = Backends::default();
    while let Some(pods) = asked.recv().await {
        let usage = match timeout(PATIENCE, metrics::usage(client, namespace)).await {
            Ok(Ok(usage)) => Some(usage),
            Ok(Err(error)) => {
                tracing::debug!(%error, "metrics.k8s.io cannot be read");
                None
            }
            Err(_) => {
                if !recover(&cluster, &messages).await {
                    return;
                }
                wake.send_replace(());
                None
            }
        };
        let rates = backends.sample(client, namespace, pods).await;
        if messages.send(Message::Measured(Measured { usage, rates })).await.is_err() {
            return;
        }
    }
}

/// Wait until the server answers again. `false` when nobody listens any more.
async fn recover(cluster: &Cluster, messages: &mpsc::Sender<Message>) -> bool {
    let mut delays = Delays::default();
    while let Err(why) = watching::probe(&cluster.client).await {
        if messages.send(Message::Link(Source::Metrics, Link::Down(why))).await.is_err() {
            return false;
        }
        sleep(delays.next()).await;
    }
    messages.send(Message::Link(Source::Metrics, Link::Up)).await.is_ok()
}

/// Ask the deployed address whether it is well, from where its users come. Always the newest one.
pub(super) async fn probe(mut url: watch::Receiver<Option<String>>, messages: mpsc::Sender<Message>) {
    let mut ready: Option<(String, reqwest::Client)> = None;
    let mut ticks = interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = url.changed() => ticks.reset(),
        }
        let Some(address) = url.borrow_and_update().clone() else { continue };
        let client = match ready.take() {
            Some((of, client)) if of == address => client,
            _ => match client_for(&address).timeout(PROBE_PATIENCE).build() {
                Ok(client) => client,
                Err(error) => {
                    return tracing::warn!(error = %crate::error::chain(&error), "the address cannot be probed");
                }
            },
        };
        let health = format!("{}/health", address.trim_end_matches('/'));
        let healthy = client.get(&health).send().await.is_ok_and(|response| response.status().is_success());
        ready = Some((address.clone(), client));
        if messages.send(Message::Healthy(address, healthy)).await.is_err() {
            return;
        }
    }
}
