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
    /// How many chats at once: 1 to 64.
    pub chats: u32,
    /// For how long: 1 to 600.
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

const MAX_CHATS: u32 = 64;
const MAX_SECONDS: u32 = 600;
const UPDATE_EVERY: Duration = Duration::from_millis(250);
/// A server that fails is not asked as fast as it can fail.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Put the load on and send updates, the last one with `done`. Dropping the receiver, or this future, ends the load.
pub async fn run(options: LoadOptions, updates: mpsc::Sender<LoadUpdate>) -> Result<()> {
    check(&options)?;
    let client = chat::client()?;
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
