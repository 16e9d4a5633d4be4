//! Fetches a file in segments over several connections, and goes on where it was after any of them broke.

use std::{
    io::{self, SeekFrom},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::try_join_all;
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_RANGE, ETAG},
};
use tokio::{
    fs::OpenOptions,
    io::{AsyncSeekExt, AsyncWriteExt},
    time::{Instant, sleep},
};

use super::{
    Digest, PullError,
    partial::Partial,
    site::{Site, next_chunk},
};
use crate::backoff::Backoff;

/// A file that a site offers.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    pub url: Url,
    /// In bytes.
    pub size: u64,
    pub digest: Digest,
}

/// Far more than any model that a disk holds; below it no sum overflows.
const MAX_BYTES: u64 = 1 << 44;

impl RemoteFile {
    /// # Errors
    /// When no file can have this size.
    pub fn new(url: Url, size: u64, digest: Digest) -> Result<Self, PullError> {
        if !(1..=MAX_BYTES).contains(&size) {
            return Err(PullError::Refused(format!(
                "the registry says that the model has {size} bytes, which cannot be"
            )));
        }
        Ok(Self { url, size, digest })
    }
}

/// As many as a site needs to send as fast as the line takes it; more would be impolite.
const CONNECTIONS: usize = 4;
/// Failures one after the other, without a byte between them, after which the user hears of it; some two minutes.
const MAX_FAILURES: u32 = 10;
/// After a kill at most this much time's work is fetched again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Bytes between two moments at which what was written counts as there.
const FLUSH_BYTES: u64 = 1 << 20;

/// Why one round of segments ended early.
enum Halt {
    /// The site has another version of the file than the one that was begun.
    Changed,
    /// The site sends whole files only.
    WholeOnly,
    Failed(PullError),
}

impl From<PullError> for Halt {
    fn from(error: PullError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Fetch what is missing of `remote`. `progress` hears the bytes that are there, now and then.
pub async fn download(
    site: &Site,
    remote: &RemoteFile,
    partial: &Arc<Partial>,
    progress: &(impl Fn(u64) + Sync),
) -> Result<(), PullError> {
    let mut has_changed = false;
    loop {
        let start_over = match all_segments(site, remote, partial, progress).await {
            Ok(()) => return Ok(()),
            Err(Halt::Failed(error)) => return Err(error),
            Err(Halt::WholeOnly) => Partial::start_over_in_one,
            Err(Halt::Changed) if has_changed => {
                let message = format!("{} has another file now than it names; pull it again later", site.name());
                return Err(PullError::Refused(message));
            }
            Err(Halt::Changed) => {
                tracing::warn!("the file has changed at {}; its download starts over", site.name());
                has_changed = true;
                Partial::start_over
            }
        };
        let (partial, remote) = (Arc::clone(partial), remote.clone());
        blocking(move || Ok(start_over(&partial, &remote)?)).await?;
    }
}

async fn all_segments(
    site: &Site,
    remote: &RemoteFile,
    partial: &Arc<Partial>,
    progress: &(impl Fn(u64) + Sync),
) -> Result<(), Halt> {
    let (segments, next) = (partial.segments(), AtomicUsize::new(0));
    let connection = || async {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                segment if segment < segments => persist(site, remote, partial, segment).await?,
                _ => return Ok(()),
            }
        }
    };
    let saving = async {
        loop {
            sleep(SAVE_EVERY).await;
            if let Err(error) = save(partial).await {
                break Err(Halt::Failed(error));
            }
            progress(partial.done_bytes());
        }
    };
    progress(partial.done_bytes());
    let result = tokio::select! {
        result = try_join_all((0..CONNECTIONS).map(|_| connection())) => result.map(|_: Vec<()>| ()),
        failure = saving => failure,
    };
    if !matches!(result, Err(Halt::Changed | Halt::WholeOnly)) {
        save(partial).await?;
        progress(partial.done_bytes());
    }
    result
}

/// Fetch one segment, however often its connection breaks.
async fn persist(site: &Site, remote: &RemoteFile, partial: &Partial, segment: usize) -> Result<(), Halt> {
    let mut backoff = Backoff::default();
    let mut failures = 0;
    loop {
        let (started, missing) = (Instant::now(), partial.missing(segment));
        if missing.is_empty() {
            return Ok(());
        }
        match fetch(site, remote, partial, segment).await {
            Err(Halt::Failed(error)) if error.is_temporary() => {
                failures = if partial.missing(segment) == missing { failures + 1 } else { 1 };
                if failures > MAX_FAILURES {
                    return Err(error.into());
                }
                let pause = backoff.pause(started.elapsed());
                tracing::info!(%error, ?pause, "a download goes on after a pause");
                sleep(pause).await;
            }
            result => return result,
        }
    }
}

/// One request for what is missing of a segment.
async fn fetch(site: &Site, remote: &RemoteFile, partial: &Partial, segment: usize) -> Result<(), Halt> {
    let missing = partial.missing(segment);
    let response = site.range(remote.url.clone(), missing.start, missing.end).await?;
    check_part(&response, remote, partial, &missing)?;
    let mut file = OpenOptions::new().write(true).open(partial.path()).await?;
    file.seek(SeekFrom::Start(missing.start)).await?;
    let mut chunks = response.bytes_stream();
    let (mut room, mut unflushed) = (missing.end - missing.start, 0);
    let end = loop {
        let chunk = next_chunk(&mut chunks).await;
        let Ok(Some(chunk)) = chunk else { break chunk.map(drop) };
        let length = chunk.len() as u64;
        room = room
            .checked_sub(length)
            .ok_or_else(|| PullError::Refused(format!("{} sends more than was asked for", site.name())))?;
        file.write_all(&chunk).await?;
        unflushed += length;
        if unflushed >= FLUSH_BYTES {
            file.flush().await?;
            partial.advance(segment, unflushed);
            unflushed = 0;
        }
    };
    file.flush().await?;
    partial.advance(segment, unflushed);
    end?;
    if room > 0 { Err(PullError::BrokeOff.into()) } else { Ok(()) }
}

/// Check that the response is the part that was asked for, of the file that was begun.
fn check_part(response: &Response, remote: &RemoteFile, partial: &Partial, asked: &Range<u64>) -> Result<(), Halt> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if !partial.is_of_version(header(ETAG)) {
        return Err(Halt::Changed);
    }
    let is_whole = *asked == (0..remote.size);
    if response.status() == StatusCode::OK {
        return if is_whole { Ok(()) } else { Err(Halt::WholeOnly) };
    }
    match header(CONTENT_RANGE).and_then(parse_content_range) {
        Some((_, Some(total))) if total != remote.size => Err(Halt::Changed),
        Some((start, _)) if start == asked.start => Ok(()),
        _ => {
            Err(PullError::Refused("the registry sends another part of the file than was asked for".to_owned()).into())
        }
    }
}

/// Start and total size of `bytes 0-99/1000`; the size may be `*`. RFC 9110 section 14.4.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, if total == "*" { None } else { Some(total.parse().ok()?) }))
}

async fn save(partial: &Arc<Partial>) -> Result<(), PullError> {
    let partial = Arc::clone(partial);
    blocking(move || Ok(partial.save()?)).await
}

/// Run what waits for the disk on a thread that may wait.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PullError> + Send + 'static,
) -> Result<T, PullError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(PullError::Disk(io::Error::other(error))))
}
