//! Very many streams at once, and the longest pause in each of them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::bail;
use http_body_util::BodyExt;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    chat::{ChatRequest, Message},
    connection::Connection,
    endpoint::Endpoint,
    sse::EventDecoder,
};

/// Over which they are opened, so that their texts are spread over the upstream's pace.
const OPENING: Duration = Duration::from_secs(3);
/// Until all have begun.
const PATIENCE: Duration = Duration::from_secs(60);
/// Texts of each: more than are looked at.
const TOKENS: u32 = 4000;
/// A pause from which on a stream counts as stalled: five texts that did not come in time.
pub const STALL: Duration = Duration::from_millis(100);

/// They are read until this is dropped, which closes them.
#[derive(Default)]
pub struct OpenStreams {
    readers: JoinSet<()>,
    streams: Vec<Arc<Mutex<Stream>>>,
}

#[derive(Default)]
struct Stream {
    last_text: Option<Instant>,
    texts: u64,
    longest_pause: Duration,
    failure: Option<String>,
}

/// What came on all streams in some time.
pub struct Watch {
    pub texts_per_second: f64,
    pub longest_pause: Duration,
    pub stalled: usize,
}

impl OpenStreams {
    /// Opens `count` more of `model`, and waits until all have begun. Fails if some do not.
    pub async fn open(&mut self, endpoint: &Endpoint, model: &'static str, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            let stream = Arc::new(Mutex::new(Stream::default()));
            self.streams.push(Arc::clone(&stream));
            let (endpoint, moment) = (endpoint.clone(), OPENING.mul_f64(fastrand::f64()));
            self.readers.spawn(async move {
                sleep(moment).await;
                if let Err(error) = read(&endpoint, model, &stream).await {
                    lock(&stream).failure = Some(format!("{error:#}"));
                }
            });
        }
        let start = Instant::now();
        loop {
            let failure = self.streams.iter().find_map(|stream| lock(stream).failure.clone());
            let begun = self.streams.iter().filter(|stream| lock(stream).last_text.is_some()).count();
            match failure {
                Some(failure) => bail!("{begun} of {} streams have begun: {failure}", self.streams.len()),
                None if begun == self.streams.len() => return Ok(()),
                None if start.elapsed() > PATIENCE => {
                    bail!("{begun} of {} streams have begun in {PATIENCE:?}", self.streams.len())
                }
                None => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// What comes in the next `duration`.
    pub async fn watch(&self, duration: Duration) -> Watch {
        let start = Instant::now();
        for stream in &self.streams {
            *lock(stream) = Stream { last_text: Some(start), ..Stream::default() };
        }
        sleep(duration).await;
        let end = Instant::now();
        let mut watch = Watch { texts_per_second: 0.0, longest_pause: Duration::ZERO, stalled: 0 };
        for stream in &self.streams {
            let stream = lock(stream);
            // A stream that has ended pauses for ever.
            let pause = stream.longest_pause.max(end - stream.last_text.unwrap_or(start));
            watch.texts_per_second += stream.texts as f64 / (end - start).as_secs_f64();
            watch.longest_pause = watch.longest_pause.max(pause);
            watch.stalled += usize::from(pause > STALL);
        }
        watch
    }
}

async fn read(endpoint: &Endpoint, model: &str, stream: &Mutex<Stream>) -> anyhow::Result<()> {
    let mut connection = Connection::open(endpoint).await?;
    let request = ChatRequest::new(model, vec![Message::user("Count the waves.")], TOKENS);
    let mut body = request.begin(&mut connection).await?;
    let mut decoder = EventDecoder::default();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        decoder.push(&bytes);
        let mut texts = 0;
        while decoder.next_data().is_some() {
            texts += 1;
        }
        if texts == 0 {
            continue;
        }
        let (mut stream, now) = (lock(stream), Instant::now());
        if let Some(last_text) = stream.last_text.replace(now) {
            stream.longest_pause = stream.longest_pause.max(now - last_text);
        }
        stream.texts += texts;
    }
    bail!("a stream ended")
}

fn lock(stream: &Mutex<Stream>) -> std::sync::MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
