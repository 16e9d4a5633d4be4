//! What becomes of answers when more is asked than a server can do, of those who ask for little beside one who asks for much,
//! and of the slot of a client that has left.
//!
//! The server recites a script, so nothing but the server itself takes time: what is measured is its line.

mod client;
mod fairness;
mod leaving;
mod rates;

use std::{fs, time::Duration};

use clap::Args;
use hdrhistogram::Histogram;
use tempfile::TempDir;

use crate::{
    Setup,
    placement::Placement,
    runtime,
    server_process::ServerProcess,
    table::{COMPARISON, Table},
};

/// How long it is kept up.
#[derive(Args)]
pub struct OverloadArgs {
    /// Seconds of each load in each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
}

/// Words of an answer, which are its tokens, and the pause before each.
const WORDS: u32 = 25;
const PAUSE: Duration = Duration::from_millis(20);

pub fn measure(setup: &Setup, args: &OverloadArgs) -> anyhow::Result<Vec<Table>> {
    runtime()?.block_on(async {
        let duration = Duration::from_secs(args.seconds);
        let mut targets = Table::new(
            "Overload, fairness and leaving",
            COMPARISON,
            format!(
                "Milliseconds unless said otherwise. Beside a hog: five callers with one request at a time and one with 50, \
                 over {} slots; first come, first served is the same with one address for all. A client that leaves: from \
                 the close of its connection in the middle of an answer to the first word of the next in line, {} times.",
                fairness::SLOTS,
                leaving::TIMES,
            ),
        );
        let loads = rates::measure(setup, duration, &mut targets).await?;
        fairness::measure(setup, duration, &mut targets).await?;
        leaving::measure(setup, &mut targets).await?;
        Ok(vec![loads, targets])
    })
}

/// A server that recites.
struct Recital {
    server: ServerProcess,
    _script: TempDir,
}

impl Recital {
    fn start(setup: &Setup, slots: usize, max_queue: usize) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join("script.txt");
        fs::write(&script, "word ".repeat(WORDS as usize))?;
        let (slots, max_queue, pause) = (slots.to_string(), max_queue.to_string(), PAUSE.as_millis().to_string());
        let flags = ["--script-delay-ms", &pause, "--upstream-slots", &slots, "--max-queue", &max_queue];
        let mut arguments = vec!["--script".into(), script.into_os_string()];
        arguments.extend(flags.map(Into::into));
        Ok(Self { server: ServerProcess::start(&setup.server()?, &arguments, Placement::AllCores)?, _script: folder })
    }
}

/// Microseconds as milliseconds.
fn at(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e3
}
