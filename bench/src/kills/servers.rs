//! Servers die under runs. Whoever follows one comes back to any of the others, with the number of the last event it saw.

use std::{
    cell::RefCell,
    ffi::OsString,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use futures::future::join_all;
use http_body_util::BodyExt;
use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{KillArgs, Kills, Toll, next_moment};
use crate::{
    Setup, connection::Connection, endpoint::Endpoint, placement::Placement, runtime, server_process::ServerProcess,
    sse::EventDecoder, words::words,
};

/// Milliseconds between two words of the script.
const DELAY: &str = "20";
/// Between two tries of a client that found nobody.
const PAUSE: Duration = Duration::from_millis(100);
/// After this a run is taken for lost.
const PATIENCE: Duration = Duration::from_secs(300);

pub fn kill(setup: &Setup, args: &KillArgs, database: &str) -> anyhow::Result<Toll> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("script.txt");
    let mut random = fastrand::Rng::with_seed(args.seed);
    let expected = words(&mut random, args.max_tokens as usize);
    fs::write(&script, &expected)?;
    let program = setup.server()?;
    let arguments: [OsString; 6] = [
        "--database-url".into(),
        database.into(),
        "--script".into(),
        script.into(),
        "--script-delay-ms".into(),
        DELAY.into(),
    ];
    let start = move || ServerProcess::start(&program, &arguments, Placement::AllCores);
    let fleet = Fleet { servers: RefCell::default() };
    for _ in 0..args.replicas {
        fleet.servers.borrow_mut().push(start()?);
    }
    runtime()?.block_on(async {
        let (kills, toll) = (Kills::new(), RefCell::new(Toll::new()?));
        let asking = join_all((0..args.streams).map(|_| ask(&fleet, &expected, &kills, &toll)));
        let killing = async {
            for number in 1..=args.servers {
                next_moment(&mut random, args.every).await;
                kills.note();
                // Dropped, it is killed; the next one takes its place, at another address.
                drop(fleet.servers.borrow_mut().remove(random.usize(..args.replicas)));
                let next = tokio::task::spawn_blocking(start.clone()).await??;
                fleet.servers.borrow_mut().push(next);
                eprintln!("kills: server {number} of {}", args.servers);
            }
            kills.over.set(true);
            anyhow::Ok(())
        };
        let (asked, killed) = tokio::join!(asking, killing);
        killed?;
        asked.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(toll.into_inner())
    })
}

struct Fleet {
    servers: RefCell<Vec<ServerProcess>>,
}

impl Fleet {
    /// A server that is there, any of them.
    fn any(&self) -> Endpoint {
        let servers = self.servers.borrow();
        servers[fastrand::usize(..servers.len())].endpoint().own()
    }
}

async fn ask(fleet: &Fleet, expected: &str, kills: &Kills, toll: &RefCell<Toll>) -> anyhow::Result<()> {
    while !kills.over.get() {
        match timeout(PATIENCE, run(fleet)).await {
            Ok(Ok(pieces)) => toll.borrow_mut().count(&pieces, expected, &kills.moments.borrow())?,
            Ok(Err(error)) => {
                eprintln!("kills: {error:#}");
                toll.borrow_mut().count_failed();
            }
            Err(_) => {
                eprintln!("kills: a run did not end in {PATIENCE:?}");
                toll.borrow_mut().count_failed();
            }
        }
    }
    Ok(())
}

/// Ask in a new conversation and follow the answer to its end.
async fn run(fleet: &Fleet) -> anyhow::Result<Vec<(Instant, String)>> {
    let (conversation, message) = (Uuid::now_v7(), Uuid::now_v7());
    // Both are made by the client, so sending them again after a lost reply makes no second ones.
    post(fleet, "/conversations", &json!({ "id": conversation })).await?;
    let path = format!("/conversations/{conversation}/messages");
    let turn = post(fleet, &path, &json!({ "id": message, "content": "count" })).await?;
    let run_id = turn["run_id"].as_str().context("a turn has a run")?;
    let mut pieces = Vec::new();
    let mut last_seen = 0;
    loop {
        match follow(fleet, run_id, &mut last_seen, &mut pieces).await {
            Ok(Some(message)) => {
                let text: String = pieces.iter().map(|(_, text)| text.as_str()).collect();
                ensure!(message.status == "complete", "an answer ended as {}", message.status);
                ensure!(message.content == text, "what was kept is not what was said");
                return Ok(pieces);
            }
            // Its server has died.
            Ok(None) | Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Send until somebody takes it.
async fn post(fleet: &Fleet, path: &str, body: &Value) -> anyhow::Result<Value> {
    loop {
        let sent = async {
            let response = Connection::open(&fleet.any()).await?.post(path, Bytes::from(body.to_string())).await?;
            let status = response.status();
            Ok::<_, anyhow::Error>((status, response.into_body().collect().await?.to_bytes()))
        };
        match sent.await {
            // A conversation that is there already was made by a try whose reply was lost.
            Ok((StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::CONFLICT, body)) => {
                return Ok(serde_json::from_slice(&body)?);
            }
            Ok((status, body)) if status.is_client_error() => {
                anyhow::bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body))
            }
            Ok(_) | Err(_) => sleep(PAUSE).await,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Queued {},
    Started {},
    Delta { text: String },
    Resumed { text: String },
    Finished { message: Message },
    Failed { message: Message },
}

#[derive(Deserialize)]
struct Message {
    status: String,
    content: String,
}

/// Read what comes behind `last_seen`; the message that ends it, or `None` where the connection ended first.
async fn follow(
    fleet: &Fleet,
    run_id: &str,
    last_seen: &mut usize,
    pieces: &mut Vec<(Instant, String)>,
) -> anyhow::Result<Option<Message>> {
    let mut connection = Connection::open(&fleet.any()).await?;
    let mut body = connection.follow(&format!("/runs/{run_id}/events"), *last_seen).await?.into_body();
    let mut decoder = EventDecoder::default();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame?.into_data() else { continue };
        decoder.push(&bytes);
        while let Some(data) = decoder.next_data() {
            let event = serde_json::from_slice(data).context("an event cannot be read")?;
            *last_seen = decoder.last_id();
            match event {
                Event::Queued {} | Event::Started {} => {}
                Event::Delta { text } => pieces.push((Instant::now(), text)),
                Event::Resumed { text } => go_back(pieces, &text)?,
                Event::Finished { message } | Event::Failed { message } => return Ok(Some(message)),
            }
        }
    }
    Ok(None)
}

/// Forget what was told behind `text`: it was not kept, and comes again.
fn go_back(pieces: &mut Vec<(Instant, String)>, text: &str) -> anyhow::Result<()> {
    let (mut rest, mut kept) = (text, 0);
    while let Some((_, piece)) = pieces.get(kept)
        && let Some(behind) = rest.strip_prefix(piece.as_str())
    {
        (rest, kept) = (behind, kept + 1);
    }
    ensure!(rest.is_empty(), "what was kept is more than was said, or something else");
    pieces.truncate(kept);
    Ok(())
}
