//! What the server costs in front of another engine: time, processor and memory, beside other gateways, nginx, and a program
//! that passes bytes on and does nothing else ([`pass_through`]).
//!
//! All stand in front of the same upstream in this process, one at a time and in another order in each round. The gateway has
//! core 0 for itself; upstream and generator are on core 1. Each logs what it logs by itself, into a file.

mod latency;
mod measurements;
mod open_streams;
pub mod pass_through;
mod peer;
mod process;
mod report;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::{
    measurements::{Measurements, Subject},
    peer::Peer,
    process::Gateway,
};
use crate::{
    Setup,
    endpoint::Endpoint,
    mock_upstream,
    placement::{self, Placement},
    table::Table,
};

#[derive(Args)]
pub struct GatewayArgs {
    /// Which ones, besides the way without any.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Peer::Flotilla, Peer::Hyper, Peer::Nginx, Peer::SglangRouter, Peer::VllmRouter, Peer::Litellm,
    ])]
    gateways: Vec<Peer>,
}

/// One gateway and what is known of it.
struct Candidate {
    peer: Peer,
    name: String,
    /// Why it is not measured, or not any more.
    failure: Option<String>,
    measurements: Measurements,
}

pub fn measure(setup: &Setup, args: &GatewayArgs) -> anyhow::Result<Vec<Table>> {
    // A thousand streams are two thousand sockets here, and as many in the gateway, which inherits the limit.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    placement::apart(async |placement| compare(setup, args, placement).await)
}

async fn compare(setup: &Setup, args: &GatewayArgs, placement: Placement) -> anyhow::Result<Vec<Table>> {
    let upstream = mock_upstream::start().await?;
    let mut straight = Measurements::default();
    let mut candidates = Vec::new();
    for &peer in &args.gateways {
        let failure = peer.program(setup)?.is_none().then(|| "not installed".to_owned());
        candidates.push(Candidate { peer, name: peer.name(), failure, measurements: Measurements::default() });
    }
    let mut random = fastrand::Rng::with_seed(1);
    for round in 1..=setup.rounds {
        eprintln!("gateway: round {round} of {}, straight", setup.rounds);
        straight.add_round(&Subject { endpoint: &upstream, processes: None }, &mut random).await?;
        let mut order: Vec<_> = candidates.iter_mut().filter(|candidate| candidate.failure.is_none()).collect();
        random.shuffle(&mut order);
        for candidate in order {
            eprintln!("gateway: round {round} of {}, {}", setup.rounds, candidate.name);
            let program = candidate.peer.program(setup)?.context("its program is gone")?;
            if let Err(error) = candidate.add_round(program, &upstream, placement, &mut random).await {
                eprintln!("gateway: {}: {error:#}", candidate.name);
                candidate.failure = Some("failed".to_owned());
            }
        }
    }
    Ok(report::tables(setup, &straight, &candidates))
}

impl Candidate {
    async fn add_round(
        &mut self,
        program: PathBuf,
        upstream: &Endpoint,
        placement: Placement,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<()> {
        let gateway = Gateway::start(self.peer, &program, upstream, placement).await?;
        let subject = Subject { endpoint: &gateway.endpoint, processes: Some(gateway.processes()) };
        self.measurements.add_round(&subject, random).await
    }
}
