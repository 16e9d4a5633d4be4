//! One streamed answer of `/api/chat`, as any client gets it: Server-Sent Events or lines of JSON.

use std::time::Duration;

use futures::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::LoadOptions;
use crate::{
    Error, ErrorKind, Result,
    address::client_for,
    error::chain,
    event_stream::{Format, Pieces},
};

/// Short answers, so that a minute has many of them.
const MAX_TOKENS: u32 = 128;

pub(super) fn client(url: &str) -> Result<reqwest::Client> {
    let client = client_for(url)
        .connect_timeout(Duration::from_secs(5))
        // Between two pieces: under full load an answer waits long for its turn.
        .read_timeout(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.map_err(|error| {
        Error::lasting(ErrorKind::ClusterFailed, format!("No connections can be made: {}.", chain(&error)))
    })
}

#[derive(Deserialize)]
struct ChatPiece {
    #[serde(default)]
    message: Option<ChatMessage>,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    eval_count: Option<u64>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct ChatMessage {
    content: String,
}

/// Read one answer to its end, telling how long the first token took and how many came. The error is in words.
pub(super) async fn answer(
    client: &reqwest::Client,
    options: &LoadOptions,
    prompt: &str,
    first: impl Fn(Duration),
    tokens: impl Fn(u64),
) -> std::result::Result<(), String> {
    let mut body = json!({
        "messages": [{"role": "user", "content": prompt}],
        "stream": true,
        "options": {"num_predict": MAX_TOKENS},
    });
    if let Some(model) = &options.model {
        body["model"] = json!(model);
    }
    let url = format!("{}/api/chat", options.url.trim_end_matches('/'));
    let asked = Instant::now();
    let request = client.post(url).header(reqwest::header::ACCEPT, "text/event-stream").json(&body);
    let response = request.send().await.map_err(|error| words(&error))?;
    let status = response.status();
    if !status.is_success() {
        let reason = response.text().await.unwrap_or_default();
        return Err(format!("{}: {}", status.as_u16(), refusal(&reason)));
    }
    let mut pieces = Pieces::new(Format::of(&response));
    let mut bytes = response.bytes_stream();
    let mut counted = 0;
    while let Some(part) = bytes.next().await {
        let part = part.map_err(|error| words(&error))?;
        for piece in pieces.push(&part).map_err(|error| error.message)? {
            let piece: ChatPiece =
                serde_json::from_str(&piece.data).map_err(|_| "the answer is not in Ollama's format".to_owned())?;
            if let Some(error) = piece.error {
                return Err(error);
            }
            if piece.message.is_some_and(|message| !message.content.is_empty()) {
                if counted == 0 {
                    first(asked.elapsed());
                }
                counted += 1;
                tokens(1);
            }
            if piece.done {
                // A piece may hold several tokens; the engine's own count is the true one.
                tokens(piece.eval_count.unwrap_or_default().saturating_sub(counted));
                return Ok(());
            }
        }
    }
    Err("the answer broke off".to_owned())
}

/// What went wrong, without the address, which is the same for all.
fn words(error: &reqwest::Error) -> String {
    if error.is_connect() {
        return "no connection".to_owned();
    }
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    if error.is_body() || error.is_decode() {
        return "the answer broke off".to_owned();
    }
    chain(error)
}

/// The message of an error body in any of the server's dialects, or the beginning of whatever a proxy said.
fn refusal(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let message = json["error"].as_str().or(json["error"]["message"].as_str());
    message.unwrap_or(body).trim().chars().take(200).collect()
}
