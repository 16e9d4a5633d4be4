//! The load dial: so many chats at once against the deployed API, and how fast it answers.

mod chat;
mod tally;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use ts_rs::TS;

use self::tally::Tally;
use crate::{Error, ErrorKind, Result};

#[derive(Clone, Debug, Deserialize, Serialize, TS)]
pub struct LoadOptions {
    /// The deployed address, without a path.
    pub url: String,
    /// How many chats at once.
    pub chats: u32,
    /// For how long.
    pub seconds: u32,
    /// Instead of the server's own choice.
    pub model: Option<String>,
}

/// How it goes. Speeds are of the last seconds, times to the first token of the newest answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, TS)]
pub struct LoadUpdate {
    pub running: u32,
    pub started: u32,
    pub finished: u32,
    pub failed: u32,
    #[ts(type = "number")]
    pub tokens: u64,
    pub tokens_per_second: f64,
    pub ttft_ms_p50: Option<f64>,
    pub ttft_ms_p95: Option<f64>,
    #[ts(type = "number")]
    pub elapsed_ms: u64,
    pub done: bool,
    /// What went wrong, each once, with how often.
    pub failures: Vec<String>,
}

pub const MAX_CHATS: u32 = 64;
pub const MAX_SECONDS: u32 = 600;
const UPDATE_EVERY: Duration = Duration::from_millis(250);
/// A server that fails is not asked as fast as it can fail.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Put the load on and send updates, the last one with `done`. Dropping the receiver, or this future, ends the load.
pub async fn run(options: LoadOptions, updates: mpsc::Sender<LoadUpdate>) -> Result<()> {
    check(&options)?;
    let client = chat::client(&options.url)?;
    let started = Instant::now();
    let end = started + Duration::from_secs(options.seconds.into());
    let tally = Arc::new(Mutex::new(Tally::new(started)));
    let mut chats = JoinSet::new();
    for number in 0..options.chats {
        chats.spawn(talk(client.clone(), options.clone(), number, Arc::clone(&tally)));
    }
    let mut ticks = interval(UPDATE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = updates.closed() => return Ok(()),
            () = sleep_until(end) => break,
            _ = ticks.tick() => {
                let update = lock(&tally).update(Instant::now());
                if updates.send(update).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
    // What is still being written when the time is up is neither finished nor failed.
    chats.shutdown().await;
    let update = lock(&tally).finish(Instant::now());
    let _ = updates.send(update).await;
    Ok(())
}

fn check(options: &LoadOptions) -> Result<()> {
    let wrong = |message: String| Err(Error::lasting(ErrorKind::ClusterFailed, message));
    if !(1..=MAX_CHATS).contains(&options.chats) {
        return wrong(format!("The load takes 1 to {MAX_CHATS} chats at once, not {}.", options.chats));
    }
    if !(1..=MAX_SECONDS).contains(&options.seconds) {
        return wrong(format!("The load lasts 1 to {MAX_SECONDS} seconds, not {}.", options.seconds));
    }
    Ok(())
}

/// One chat after the other, until the task is ended.
async fn talk(client: reqwest::Client, options: LoadOptions, number: u32, tally: Arc<Mutex<Tally>>) {
    for turn in 0.. {
        lock(&tally).started();
        let count = |tokens| lock(&tally).tokens(Instant::now(), tokens);
        let first = |wait| lock(&tally).first_token(wait);
        match chat::answer(&client, &options, &prompt(number, turn), first, count).await {
            Ok(()) => lock(&tally).finished(),
            Err(why) => {
                lock(&tally).failed(why);
                sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }
}

/// Every chat asks something else, so that no cache answers for the model.
fn prompt(number: u32, turn: u32) -> String {
    const TOPICS: [&str; 8] =
        ["a lighthouse", "bread", "a long winter", "the first train", "bees", "a lost map", "chess", "the tides"];
    let topic = TOPICS[(number + turn) as usize % TOPICS.len()];
    format!("Chat {number}, turn {turn}: write a short story about {topic}.")
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_http;

    fn options(url: String) -> LoadOptions {
        LoadOptions { url, chats: 3, seconds: 1, model: None }
    }

    async fn last(options: LoadOptions) -> LoadUpdate {
        let (sender, mut updates) = mpsc::channel(64);
        run(options, sender).await.unwrap();
        let mut last = LoadUpdate::default();
        while let Some(update) = updates.recv().await {
            last = update;
        }
        last
    }

    #[tokio::test]
    async fn answers_as_events_are_counted_by_the_engines_own_count() {
        let url = fake_http::serve(|request| {
            assert!(request.starts_with("POST /api/chat HTTP/1.1"), "{request}");
            fake_http::response(200, "text/event-stream", include_str!("../tests/fixtures/chat-events.txt"))
        })
        .await;
        let update = last(options(url)).await;
        assert!(update.done && update.finished > 0, "{update:?}");
        // The three pieces of the recorded answer hold four tokens.
        assert!(update.tokens >= u64::from(update.finished) * 4, "{update:?}");
        assert_eq!((update.failed, update.running), (0, 0));
        assert!(update.ttft_ms_p50.is_some() && update.ttft_ms_p50 <= update.ttft_ms_p95, "{update:?}");
    }

    #[tokio::test]
    async fn answers_as_lines_are_read_as_well() {
        let url = fake_http::serve(|_| {
            let body = include_str!("../tests/fixtures/chat-lines.txt");
            fake_http::response(200, "application/x-ndjson", body)
        })
        .await;
        let update = last(options(url)).await;
        assert!(update.finished > 0 && update.failed == 0, "{update:?}");
    }

    #[tokio::test]
    async fn refusals_and_answers_that_break_off_are_named_and_slowed_down() {
        let url =
            fake_http::serve(|_| fake_http::response(503, "application/json", r#"{"error":"all slots are taken"}"#))
                .await;
        let update = last(options(url)).await;
        // Three chats, each a failure and a pause of half a second.
        assert!((3..=9).contains(&update.failed), "{update:?}");
        assert!(update.failures[0].ends_with("× 503: all slots are taken"), "{update:?}");
        let url =
            fake_http::serve(|_| fake_http::response(200, "text/event-stream", "data: {\"done\":false}\n\n")).await;
        assert!(last(options(url)).await.failures[0].ends_with("× the answer broke off"));
        assert!(last(options("http://127.0.0.1:9".to_owned())).await.failures[0].ends_with("× no connection"));
    }

    #[tokio::test]
    async fn a_load_beyond_the_dial_is_refused() {
        for (chats, seconds) in [(0, 1), (65, 1), (1, 0), (1, 601)] {
            let (sender, _updates) = mpsc::channel(1);
            let options = LoadOptions { chats, seconds, ..options("http://127.0.0.1:9".to_owned()) };
            assert!(run(options, sender).await.is_err());
        }
    }

    #[tokio::test]
    async fn the_load_ends_with_its_reader() {
        let url = fake_http::serve(|_| fake_http::response(503, "text/plain", "")).await;
        let (sender, mut updates) = mpsc::channel(1);
        let running = tokio::spawn(run(LoadOptions { seconds: 600, ..options(url) }, sender));
        updates.recv().await.unwrap();
        drop(updates);
        tokio::time::timeout(Duration::from_secs(10), running).await.expect("it ends").unwrap().unwrap();
    }
}
