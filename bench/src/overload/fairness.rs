use std::{
    future::pending,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use futures::future::{join_all, try_join_all};
use hdrhistogram::Histogram;
use tokio::time::sleep;

use super::{Recital, at, client::Client};
use crate::{Setup, chat::ChatError, table::Table};

/// As many as the own engine's default.
pub const SLOTS: usize = 4;
const QUEUE: usize = 128;
const LIGHT: u8 = 5;
const HOG: usize = 50;
/// Between two requests of a light caller, and before the hog asks again when it was refused.
const THINKING: Duration = Duration::from_millis(300);
/// Until the hog's requests are in line, and all connections open.
const FILLING: Duration = Duration::from_secs(1);

/// How much longer a light caller may wait beside a hog, in the worst of a hundred.
const LONGEST_TO_ALONE: f64 = 2.0;

/// Who asks beside the light callers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nobody,
    /// From the same address, so that the server takes all for one caller.
    HogOfTheSameAddress,
    Hog,
}

pub async fn measure(setup: &Setup, duration: Duration, targets: &mut Table) -> anyhow::Result<()> {
    let recital = Recital::start(setup, SLOTS, QUEUE)?;
    let sides = [Beside::Nobody, Beside::HogOfTheSameAddress, Beside::Hog];
    let mut first_tokens = [Histogram::new(3)?, Histogram::new(3)?, Histogram::new(3)?];
    for round in 1..=setup.rounds {
        eprintln!("overload: fairness, round {round} of {}", setup.rounds);
        for (side, times) in sides.into_iter().zip(&mut first_tokens) {
            run(&recital, side, duration, times).await?;
        }
    }
    let [alone, in_one_line, apart] = &first_tokens;
    let comparisons = [
        ("p50", 0.5, "first come, first served", in_one_line, None),
        ("p99", 0.99, "first come, first served", in_one_line, None),
        ("p50", 0.5, "alone", alone, None),
        ("p99", 0.99, "alone", alone, Some(LONGEST_TO_ALONE)),
    ];
    for (name, quantile, against, times, most) in comparisons {
        let (value, other) = (at(apart, quantile), at(times, quantile));
        let cells = [
            format!("first token of a light caller beside a hog, {name}"),
            format!("{value:.0}"),
            format!("{against}: {other:.0}"),
            format!("{:.2}", value / other),
        ];
        let target = most.map_or_else(String::new, |most| format!("≤ {most}"));
        targets.compare(cells, &target, most.map(|most| value / other <= most));
    }
    Ok(())
}

async fn run(recital: &Recital, beside: Beside, duration: Duration, times: &mut Histogram<u64>) -> anyhow::Result<()> {
    let endpoint = recital.server.endpoint();
    let address = |number| match beside {
        Beside::HogOfTheSameAddress => Ipv4Addr::new(127, 0, 2, 1),
        Beside::Nobody | Beside::Hog => Ipv4Addr::new(127, 0, 2, number),
    };
    let hog = Client::new(&endpoint, address(1));
    let asking = async {
        let requests = if beside == Beside::Nobody { 0 } else { HOG };
        join_all((0..requests).map(|_| ask_on(&hog))).await;
        pending::<()>().await;
    };
    let clients: Vec<_> = (1..=LIGHT).map(|number| Client::new(&endpoint, address(1 + number))).collect();
    let measuring = async {
        sleep(FILLING).await;
        let end = Instant::now() + duration;
        try_join_all(clients.iter().map(|client| first_tokens(client, end))).await
    };
    // What the hog still waits for then is dropped.
    let measured = tokio::select! {
        measured = measuring => measured?,
        () = asking => Vec::new(),
    };
    for time in measured.into_iter().flatten() {
        times.record(time.as_micros() as u64)?;
    }
    Ok(())
}

/// One request after the other.
async fn first_tokens(client: &Client, end: Instant) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < end {
        times.push(client.ask().await?.time_to_first_token());
        sleep(THINKING).await;
    }
    Ok(times)
}

/// One of a hog's requests, again and again.
async fn ask_on(hog: &Client) {
    loop {
        if let Err(error) = hog.ask().await {
            if !matches!(error, ChatError::Refused { .. }) {
                eprintln!("overload: the hog: {error}");
            }
            sleep(THINKING).await;
        }
    }
}
