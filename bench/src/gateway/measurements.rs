use std::time::Duration;

use rustix::process::getpid;
use tokio::time::sleep;

use super::{
    latency,
    open_streams::{OpenStreams, Watch},
};
use crate::{
    delay::{Delays, REQUESTS, STREAMS, Streams},
    endpoint::Endpoint,
    mock_upstream::{PACED, SLOW},
    process_tree::{ProcessTree, cpu_of},
    rounds::Rounds,
};

/// How many streams are open when memory is looked at; the last are also sent 50 texts a second each.
pub const OPEN: [usize; 2] = [500, 1000];
pub const WATCHED: Duration = Duration::from_secs(5);
/// Until what was asked of a gateway, or taken from it, has come to rest.
const REST: Duration = Duration::from_secs(1);

/// The way that is measured.
pub struct Subject<'a> {
    pub endpoint: &'a Endpoint,
    /// Those of the gateway on this way, if there is one.
    pub processes: Option<ProcessTree>,
}

/// Of one way, with a value for each round.
#[derive(Default)]
pub struct Measurements {
    /// Milliseconds of short answers.
    pub latency_p50: Rounds,
    pub latency_p99: Rounds,
    /// Microseconds of the gateway for each of them.
    pub cpu_per_request: Rounds,
    /// Of texts, with each of [`STREAMS`] at once.
    pub delays: [Delays; STREAMS.len()],
    /// Megabytes before there are streams.
    pub idle_memory: Rounds,
    /// KiB for each of [`OPEN`] streams.
    pub memory_per_stream: [Rounds; OPEN.len()],
    /// With the last of [`OPEN`] at full speed: the longest pause in milliseconds.
    pub longest_pause: Rounds,
    pub stalled: Rounds,
    pub texts_per_second: Rounds,
    /// What the gateway used of its core in percent, and what upstream and generator used of theirs.
    pub core: Rounds,
    pub generator_core: Rounds,
    /// Why the streams are not measured any more.
    pub streams_failure: Option<String>,
}

impl Measurements {
    pub async fn add_round(&mut self, subject: &Subject<'_>, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        latency::warm_up(subject.endpoint).await?;
        self.add_latency(subject, random).await?;
        for (streams, delays) in STREAMS.into_iter().zip(&mut self.delays) {
            delays.push(&Streams::open(subject.endpoint, streams).await?.delays(REQUESTS).await?);
        }
        if self.streams_failure.is_some() {
            return Ok(());
        }
        if let Err(error) = self.add_streams(subject).await {
            eprintln!("gateway: {error:#}");
            self.streams_failure = Some(format!("{error:#}"));
        }
        Ok(())
    }

    async fn add_latency(&mut self, subject: &Subject<'_>, random: &mut fastrand::Rng) -> anyhow::Result<()> {
        let before = cpu(subject)?;
        let latencies = latency::measure(subject.endpoint, random).await?;
        if let (Some(before), Some(after)) = (before, cpu(subject)?) {
            self.cpu_per_request.push((after - before).as_secs_f64() * 1e6 / latencies.len() as f64);
        }
        self.latency_p50.push(latencies.value_at_quantile(0.5) as f64 / 1e6);
        self.latency_p99.push(latencies.value_at_quantile(0.99) as f64 / 1e6);
        Ok(())
    }

    async fn add_streams(&mut self, subject: &Subject<'_>) -> anyhow::Result<()> {
        if let Some(processes) = subject.processes {
            sleep(REST).await;
            let idle = processes.memory()?.proportional as f64;
            self.idle_memory.push(idle / 1e6);
            let mut streams = OpenStreams::default();
            let mut open = 0;
            for (count, memory) in OPEN.into_iter().zip(&mut self.memory_per_stream) {
                streams.open(subject.endpoint, SLOW, count - open).await?;
                open = count;
                sleep(REST).await;
                let more = processes.memory()?.proportional as f64 - idle;
                memory.push(more / 1024.0 / count as f64);
            }
            drop(streams);
            sleep(REST).await;
        }
        let mut streams = OpenStreams::default();
        streams.open(subject.endpoint, PACED, OPEN[OPEN.len() - 1]).await?;
        sleep(REST).await;
        let (before, own_before) = (cpu(subject)?, cpu_of(getpid())?);
        let Watch { texts_per_second, longest_pause, stalled } = streams.watch(WATCHED).await;
        let share = |used: Duration| 100.0 * used.as_secs_f64() / WATCHED.as_secs_f64();
        self.generator_core.push(share(cpu_of(getpid())? - own_before));
        if let (Some(before), Some(after)) = (before, cpu(subject)?) {
            self.core.push(share(after - before));
        }
        self.texts_per_second.push(texts_per_second);
        self.longest_pause.push(longest_pause.as_secs_f64() * 1e3);
        self.stalled.push(stalled as f64);
        Ok(())
    }
}

/// What the gateway has used so far.
fn cpu(subject: &Subject) -> anyhow::Result<Option<Duration>> {
    subject.processes.map(|processes| processes.cpu()).transpose()
}
