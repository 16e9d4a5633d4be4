use anyhow::ensure;
use futures::future::try_join_all;
use hdrhistogram::Histogram;

use crate::{
    chat::{ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
    mock_upstream::{self, PACE, PACED},
};

const TOKENS_PER_ANSWER: u32 = 12;

/// Connections on which texts of [`mock_upstream`] arrive at the same time, straight or through something in between.
pub struct Streams(Vec<Connection>);

impl Streams {
    pub async fn open(endpoint: &Endpoint, streams: usize) -> anyhow::Result<Self> {
        let mut streams = Self(try_join_all((0..streams).map(|_| Connection::open(endpoint))).await?);
        // What is in between opens its own connections to the upstream now, not in the first round.
        streams.delays(1).await?;
        Ok(streams)
    }

    /// Nanoseconds of all texts of `requests` answers over each connection.
    pub async fn delays(&mut self, requests: u32) -> anyhow::Result<Histogram<u64>> {
        let request = &ChatRequest::new(PACED, vec![Message::user("What time is it?")], TOKENS_PER_ANSWER);
        let streams = self.0.len() as u32;
        let streams = (0..).zip(&mut self.0).map(|(number, connection)| async move {
            // Spread over the upstream's pace, as streams of different users are.
            tokio::time::sleep(PACE * number / streams).await;
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
