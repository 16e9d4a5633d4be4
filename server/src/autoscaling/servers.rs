//! The numbers of all servers of this installation together.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures::future::try_join_all;
use reqwest::{Client, StatusCode, redirect};
use tokio::net::lookup_host;

use super::exposition::{Gauges, gauges};
use crate::{config::Secret, state::AppState, telemetry::Metrics};

/// How long a server may take to tell its numbers. An autoscaler that gets none keeps what it has.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub struct Servers {
    /// Host and port of each, or of all at once; none is this one alone.
    names: Arc<[String]>,
    own: Arc<Metrics>,
    client: Client,
    token: Option<Secret>,
}

impl Servers {
    pub fn new(state: &AppState) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(PATIENCE).redirect(redirect::Policy::none()).no_proxy().build();
        // A variable without a value is a list with an empty name.
        let names = state.config.autoscaling.external_metrics_servers.iter().filter(|name| !name.is_empty());
        Ok(Self {
            names: names.cloned().collect(),
            own: state.metrics.clone(),
            client: client.context("the HTTP client of the external metrics cannot be set up")?,
            token: state.config.access_token.clone(),
        })
    }

    /// The gauges of this server: what there is to ask for.
    pub fn own(&self) -> Gauges {
        gauges(&self.own.render())
    }

    /// The gauges of all servers, summed by their labels.
    ///
    /// # Errors
    /// When one does not tell. A sum without it would be too small, and people would lose a pod to it.
    pub async fn summed(&self) -> anyhow::Result<Gauges> {
        if self.names.is_empty() {
            return Ok(self.own());
        }
        let lookups = self.names.iter().map(|name| async move {
            let addresses = lookup_host(name).await.with_context(|| format!("{name} cannot be resolved"))?;
            anyhow::Ok(addresses.collect::<Vec<_>>())
        });
        let addresses = try_join_all(lookups).await?.concat();
        let mut sums = Gauges::new();
        for told in try_join_all(addresses.into_iter().map(|address| self.ask(address))).await? {
            for (name, series) in told {
                let sum = sums.entry(name).or_default();
                for (labels, value) in series {
                    *sum.entry(labels).or_default() += value;
                }
            }
        }
        Ok(sums)
    }

    async fn ask(&self, address: SocketAddr) -> anyhow::Result<Gauges> {
        let mut request = self.client.get(format!("http://{address}/metrics"));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let response = match request.send().await {
            Ok(response) => response,
            // A pod whose server does not listen yet, or no more, has nobody waiting.
            Err(error) if is_refused(&error) => return Ok(Gauges::new()),
            Err(error) => return Err(error).with_context(|| format!("{address} does not tell its numbers")),
        };
        if response.status() != StatusCode::OK {
            bail!("{address} answered with status {} instead of its numbers", response.status());
        }
        let text = response.text().await.with_context(|| format!("{address} broke off in its numbers"))?;
        Ok(gauges(&text))
    }
}

fn is_refused(error: &reqwest::Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == ErrorKind::ConnectionRefused)
}
