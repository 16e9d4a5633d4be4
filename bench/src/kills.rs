//! What a user sees of it when engines and servers are killed under running answers: every answer is compared with the
//! same one that nothing interrupted, and the pauses around the kills are measured.

mod engines;
mod servers;
mod toll;

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use tokio::time::sleep;

use self::toll::Toll;
use crate::{Setup, table::Table};

/// How many deaths, and among how many answers.
#[derive(Args)]
pub struct KillArgs {
    /// How often an engine is killed, under streams of OpenAI's dialect.
    #[arg(long, default_value_t = 200)]
    engines: u32,

    /// How often one of the servers is killed, under runs that are followed on whichever server is there.
    #[arg(long, default_value_t = 200)]
    servers: u32,

    /// The PostgreSQL that the servers share.
    #[arg(long)]
    database_url: Option<String>,

    /// Servers that share it.
    #[arg(long, default_value_t = 3)]
    replicas: usize,

    /// Answers at once.
    #[arg(long, default_value_t = 20)]
    streams: usize,

    /// Tokens of an answer.
    #[arg(long, default_value_t = 128)]
    max_tokens: u32,

    /// Seconds between two kills, on average.
    #[arg(long, default_value_t = 4.0)]
    every: f64,

    /// Draws the moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const COLUMNS: &[&str] = &[
    "killed",
    "kills",
    "answers",
    "without an error",
    "the same text",
    "lost or doubled characters",
    "pause p50 / p95 / max, s",
    "target",
    "verdict",
];

/// The table, and whether every answer came to its end as it should have.
pub fn measure(setup: &Setup, args: &KillArgs) -> anyhow::Result<(Table, bool)> {
    if args.servers > 0 && args.database_url.is_none() {
        bail!("servers that share a database need --database-url: see scripts/with-postgres.sh; or pass --servers 0");
    }
    let mut table = Table::new(
        "Kills",
        COLUMNS,
        format!(
            "`kill -9` at random moments, every {} s on average, under {} answers at once. Engines run the default model, \
             greedy, {} tokens an answer. Servers recite a script on {} replicas, so that every character is known; whoever \
             follows comes back with `Last-Event-ID` to any of them. A pause is the time between two pieces of an answer \
             with a kill in between that it felt.",
            args.every, args.streams, args.max_tokens, args.replicas,
        ),
    );
    let mut is_met = true;
    if args.engines > 0 {
        let toll = engines::kill(setup, args)?;
        is_met &= toll.is_none();
        table.row(toll.cells("engine", args.engines));
    }
    if let Some(database) = args.database_url.as_deref().filter(|_| args.servers > 0) {
        let toll = servers::kill(setup, args, database)?;
        is_met &= toll.is_none();
        table.row(toll.cells("server", args.servers));
    }
    Ok((table, is_met))
}

/// When something was killed, and whether that is over.
struct Kills {
    moments: RefCell<Vec<Instant>>,
    over: Cell<bool>,
}

impl Kills {
    fn new() -> Self {
        Self { moments: RefCell::default(), over: Cell::new(false) }
    }

    fn note(&self) {
        self.moments.borrow_mut().push(Instant::now());
    }
}

/// Wait for the moment of the next kill: exponentially distributed, so that none is likelier than another.
async fn next_moment(random: &mut fastrand::Rng, mean: f64) {
    sleep(Duration::from_secs_f64(-(1.0 - random.f64()).ln() * mean)).await;
}
