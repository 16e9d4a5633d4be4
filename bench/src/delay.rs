//! What the server adds to the way of each token when it stands in front of another engine.

mod delays;
mod streams;

use std::ffi::OsString;

pub use self::{delays::Delays, streams::Streams};
use crate::{
    Setup, mock_upstream,
    placement::{self, Placement},
    server_process::ServerProcess,
    table::{COMPARISON, Table},
};

/// Over each connection in each round. Five rounds are over a hundred: what Nagle's algorithm and delayed acknowledgements
/// do to a connection shows only after a while. A round is shorter than the 10 s after which the server closes a
/// connection that is not used.
pub const REQUESTS: u32 = 24;
pub const STREAMS: [usize; 2] = [1, 16];
const TARGET_MS: f64 = 1.0;

/// Texts that carry the time of their writing come from an upstream in this process, straight and through the server.
/// The server has core 0 for itself, everything else is on core 1.
pub fn measure(setup: &Setup) -> anyhow::Result<Table> {
    placement::apart(async |placement| compare(setup, placement).await)
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
        let mut straight = (Streams::open(&upstream, streams).await?, Delays::default());
        let mut through = (Streams::open(&server.endpoint(), streams).await?, Delays::default());
        for round in 1..=setup.rounds {
            eprintln!("delay, {streams} streams: round {round} of {}", setup.rounds);
            for (streams, delays) in [&mut straight, &mut through] {
                delays.push(&streams.delays(REQUESTS).await?);
            }
        }
        report(&mut table, streams, &straight.1, &through.1);
    }
    Ok(table)
}

fn report(table: &mut Table, streams: usize, straight: &Delays, through: &Delays) {
    let name = |what: &str| format!("{what}, {streams} at once");
    for (quantile, through, straight) in [("p50", &through.p50, &straight.p50), ("p99", &through.p99, &straight.p99)] {
        let added = through.difference_to(straight);
        let is_target = quantile == "p99";
        table.compare(
            [
                name(quantile),
                through.spread(3),
                format!("straight: {}", straight.spread(3)),
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
            format!("straight: {:.3}", straight.longest.max()),
            String::new(),
        ],
        "",
        None,
    );
    table.compare(
        [
            name("texts delayed 35–50 ms"),
            format!("{} of {}", through.nagled, through.texts),
            format!("straight: {} of {}", straight.nagled, straight.texts),
            String::new(),
        ],
        "0",
        Some(through.nagled == 0),
    );
}
