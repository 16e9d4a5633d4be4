//! What the server adds to the way of each token when it stands in front of another engine.

use std::{ffi::OsString, thread, time::Duration};

use anyhow::{anyhow, ensure};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    Setup,
    chat::{ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
    machine, mock_upstream,
    rounds::Rounds,
    runtime,
    server_process::{Placement, ServerProcess},
    table::{COMPARISON, Table},
};

/// Over each connection in each round. Five rounds are over a hundred: what Nagle's algorithm and delayed acknowledgements
/// do to a connection shows only after a while. A round is shorter than the 10 s after which the server closes a
/// connection that is not used.
const REQUESTS: u32 = 24;
const TOKENS_PER_ANSWER: u32 = 12;
const STREAMS: [usize; 2] = [1, 16];
const TARGET_MS: f64 = 1.0;
/// A delayed acknowledgement takes 40 ms.
const NAGLE_NS: std::ops::RangeInclusive<u64> = 35_000_000..=50_000_000;

/// Texts that carry the time of their writing come from an upstream in this process, straight and through the server.
/// The server has core 0 for itself, everything else is on core 1.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    // A thread of its own, because it is tied to a core.
    thread::scope(|scope| scope.spawn(|| on_core_1(setup)).join()).map_err(|_| anyhow!("the measurement panicked"))?
}

fn on_core_1(setup: &Setup) -> anyhow::Result<Table> {
    let mut placement = Placement::AllCores;
    if machine::cores() > 1 {
        placement = Placement::Core(0);
        let mut core_1 = CpuSet::new();
        core_1.set(1);
        sched_setaffinity(None, &core_1)?;
    }
    runtime()?.block_on(compare(setup, placement))
}

async fn compare(setup: &Setup, placement: Placement) -> anyhow::Result<Table> {
    let upstream = mock_upstream::start().await?;
    let url = format!("http://{}{}", upstream.address, upstream.prefix);
    let server = ServerProcess::start(&setup.server()?, &[OsString::from("--openai-base-url"), url.into()], placement)?;
    let mut table = Table::new(
        "Added delay per token",
        COMPARISON,
        format!(
            "Milliseconds from the upstream's write to the client's read; medians of {} rounds (least–greatest). \
             Keep-alive connections with {} requests each, a text every 20 ms.",
            setup.rounds,
            REQUESTS * setup.rounds,
        ),
    );
    for streams in STREAMS {
        let mut direct = Path::open(&upstream, streams).await?;
        let mut through = Path::open(&server.endpoint(), streams).await?;
        for round in 1..=setup.rounds {
            eprintln!("delay, {streams} streams: round {round} of {}", setup.rounds);
            direct.round().await?;
            through.round().await?;
        }
        report(&mut table, streams, &direct, &through);
    }
    Ok(table)
}

fn report(table: &mut Table, streams: usize, direct: &Path, through: &Path) {
    let name = |what: &str| format!("{what}, {streams} at once");
    for (quantile, through, direct) in [("p50", &through.p50, &direct.p50), ("p99", &through.p99, &direct.p99)] {
        let added = through.difference_to(direct);
        let is_target = quantile == "p99";
        table.compare(
            [
                name(quantile),
                through.spread(3),
                format!("straight: {}", direct.spread(3)),
                format!("+{} ms", added.spread(3)),
            ],
            if is_target { "added ≤ 1 ms" } else { "" },
            is_target.then(|| added.median() <= TARGET_MS),
        );
    }
    table.compare(
        [
            name("longest of all"),
            format!("{:.3}", through.longest.max()),
            format!("straight: {:.3}", direct.longest.max()),
            String::new(),
        ],
        "",
        None,
    );
    table.compare(
        [
            name("texts delayed 35–50 ms"),
            format!("{} of {}", through.nagled, through.texts),
            format!("straight: {} of {}", direct.nagled, direct.texts),
            String::new(),
        ],
        "0",
        Some(through.nagled == 0),
    );
}

/// One way for texts to arrive, and how long they took on it.
struct Path {
    connections: Vec<Connection>,
    model: String,
    /// Milliseconds, one value for each round.
    p50: Rounds,
    p99: Rounds,
    longest: Rounds,
    texts: u64,
    nagled: u64,
}

impl Path {
    async fn open(endpoint: &Endpoint, streams: usize) -> anyhow::Result<Self> {
        let mut connections = try_join_all((0..streams).map(|_| Connection::open(endpoint))).await?;
        let model = connections[0].first_model().await?;
        let mut path = Self {
            connections,
            model,
            p50: Rounds::default(),
            p99: Rounds::default(),
            longest: Rounds::default(),
            texts: 0,
            nagled: 0,
        };
        // The server opens its own connections to the upstream now, not in the first round.
        path.delays(1).await?;
        Ok(path)
    }

    async fn round(&mut self) -> anyhow::Result<()> {
        let delays = self.delays(REQUESTS).await?;
        let milliseconds = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        self.p50.push(milliseconds(delays.value_at_quantile(0.5)));
        self.p99.push(milliseconds(delays.value_at_quantile(0.99)));
        self.longest.push(milliseconds(delays.max()));
        self.texts += delays.len();
        self.nagled += delays.count_between(*NAGLE_NS.start(), *NAGLE_NS.end());
        Ok(())
    }

    /// Nanoseconds of all texts of `requests` answers over each connection.
    async fn delays(&mut self, requests: u32) -> anyhow::Result<Histogram<u64>> {
        let request = &ChatRequest::new(&self.model, vec![Message::user("What time is it?")], TOKENS_PER_ANSWER);
        let streams = self.connections.len() as u32;
        let streams = (0..).zip(&mut self.connections).map(|(number, connection)| async move {
            // Spread over the upstream's pace, as streams of different users are.
            tokio::time::sleep(Duration::from_millis(20) * number / streams).await;
            let mut delays = Vec::new();
            for _ in 0..requests {
                let answer = request.send(connection).await?;
                let before = delays.len();
                delays.extend(answer.pieces.iter().flat_map(mock_upstream::delays));
                ensure!(delays.len() - before == TOKENS_PER_ANSWER as usize, "texts were lost on their way");
            }
            anyhow::Ok(delays)
        });
        let mut histogram = Histogram::new(3)?;
        for delay in try_join_all(streams).await?.into_iter().flatten() {
            histogram.record(delay.as_nanos() as u64)?;
        }
        Ok(histogram)
    }
}
