use std::time::{Duration, Instant};

use anyhow::Context;
use futures::future::try_join_all;
use hdrhistogram::Histogram;

use crate::{
    chat::{ChatRequest, Message},
    endpoint::Endpoint,
    idle_connections::IdleConnections,
    load::arrivals,
    mock_upstream::AT_ONCE,
};

/// Requests per second, of which the slowest gateway has to answer all.
pub const RATE: f64 = 50.0;
pub const DURATION: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);
const TOKENS: u32 = 8;

/// Nanoseconds of answers that are not streamed, each over a connection that has nothing to do, at random moments whether or
/// not others are answered. A time begins when its request is sent and not when it was meant to be: the timer's
/// millisecond is the generator's, and no request waits for another one's answer.
pub async fn measure(endpoint: &Endpoint, random: &mut fastrand::Rng) -> anyhow::Result<Histogram<u64>> {
    let connections = IdleConnections::new(endpoint, None);
    let start = Instant::now();
    let requests = arrivals(random, RATE, DURATION).into_iter().map(|arrival| {
        let connections = &connections;
        async move {
            tokio::time::sleep_until((start + arrival).into()).await;
            let sent = Instant::now();
            let mut connection = connections.take().await?;
            short_question().whole(&mut connection).await.context("a short answer failed")?;
            connections.give_back(connection);
            anyhow::Ok(sent.elapsed())
        }
    });
    let mut latencies = Histogram::new(3)?;
    for latency in try_join_all(requests).await? {
        latencies.record(latency.as_nanos() as u64)?;
    }
    Ok(latencies)
}

pub async fn warm_up(endpoint: &Endpoint) -> anyhow::Result<()> {
    let connections = IdleConnections::new(endpoint, None);
    let start = Instant::now();
    while start.elapsed() < WARM_UP {
        let mut connection = connections.take().await?;
        short_question().whole(&mut connection).await?;
        connections.give_back(connection);
    }
    Ok(())
}

pub fn short_question() -> ChatRequest {
    ChatRequest::new(AT_ONCE, vec![Message::user("What is a fleet of small boats called?")], TOKENS)
}
