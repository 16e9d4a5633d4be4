//! How long an address does not answer.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::address::client_for;

const EVERY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);

/// A watch on the address, from its start to [`Outage::end`].
pub(super) struct Outage {
    stop: CancellationToken,
    task: JoinHandle<Duration>,
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Outage {
    pub(super) fn watch(url: &str, path: &str) -> Self {
        let stop = CancellationToken::new();
        let address = format!("{}{path}", url.trim_end_matches('/'));
        Self { task: tokio::spawn(measure(address, stop.clone())), stop }
    }

    /// For how long it did not answer, in sum.
    pub(super) async fn end(mut self) -> Duration {
        self.stop.cancel();
        (&mut self.task).await.unwrap_or_default()
    }
}

async fn measure(address: String, stop: CancellationToken) -> Duration {
    // A new connection each time, as a new visitor has one.
    let client = client_for(&address).timeout(PATIENCE).pool_max_idle_per_host(0).build();
    let Ok(client) = client else { return Duration::ZERO };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = Duration::ZERO;
    let mut silent_since: Option<Instant> = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        let asked = Instant::now();
        let answers = client.get(&address).send().await.is_ok_and(|response| response.status().is_success());
        match (answers, silent_since) {
            (true, Some(since)) => {
                silence += since.elapsed();
                silent_since = None;
            }
            (false, None) => silent_since = Some(asked),
            _ => {}
        }
    }
    silence + silent_since.map(|since| since.elapsed()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    /// Answers as many requests as `codes` has, and tells of each.
    async fn serve(listener: TcpListener, codes: &[u16], served: mpsc::UnboundedSender<u16>) {
        for code in codes {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let _ = connection.read(&mut request).await.unwrap();
            let response = format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            connection.write_all(response.as_bytes()).await.unwrap();
            served.send(*code).unwrap();
        }
    }

    #[tokio::test]
    async fn an_outage_lasts_from_the_first_failure_to_the_next_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (served, mut requests) = mpsc::unbounded_channel();
        tokio::spawn(async move { serve(listener, &[200, 503, 503, 200, 200], served).await });
        let outage = Outage::watch(&url, "/health");
        for _ in 0..5 {
            requests.recv().await.unwrap();
        }
        let silence = outage.end().await;
        // Two failures, a tenth of a second apart, and the answer a tenth later.
        assert!(silence >= EVERY, "{silence:?}");
        assert!(silence < Duration::from_secs(5), "{silence:?}");
    }
}
