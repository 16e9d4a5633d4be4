//! One answer through the conversations API, followed through lost connections as the UI does it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use reqwest::{Client, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::{runtime::Handle, sync::mpsc, time::sleep};

use crate::{
    Error, ErrorKind, Result,
    address::client_for,
    error::chain,
    event_stream::{Format, Pieces},
};

/// Long enough to be in the middle of when the pod goes.
const MAX_TOKENS: u32 = 600;
const RECONNECT_AFTER: Duration = Duration::from_millis(200);

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub fate: Fate,
    /// What the reader had seen and the finished message does not have.
    pub lost_characters: u32,
    pub reconnected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Complete,
    Interrupted,
    /// The server does not know it any more.
    Vanished,
}

/// The drill's conversations. They are deleted in the end, whatever end that is.
pub(super) struct Conversations {
    begun: Arc<Begun>,
}

/// What is on the server because of the drill.
struct Begun {
    client: Client,
    url: String,
    ids: Mutex<Vec<String>>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let ids = std::mem::take(self.ids.get_mut().unwrap_or_else(PoisonError::into_inner));
        // With the app itself gone, they stay in the list, where a person sees their titles.
        if let (false, Ok(runtime)) = (ids.is_empty(), Handle::try_current()) {
            runtime.spawn(delete(self.client.clone(), self.url.clone(), ids));
        }
    }
}

impl Begun {
    async fn post<T: for<'de> Deserialize<'de>>(&self, path: &str, body: &serde_json::Value) -> Result<T> {
        let response = self.client.post(format!("{}{path}", self.url)).json(body).send().await;
        let response = response.map_err(|error| unreachable_address(&error))?;
        let status = response.status();
        if !status.is_success() {
            let said: String = response.text().await.unwrap_or_default().chars().take(200).collect();
            let message = format!("{} answers {}: {said}. Check that Flotilla runs there.", self.url, status.as_u16());
            return Err(Error::passing(ErrorKind::ClusterFailed, message));
        }
        response.json().await.map_err(|error| {
            let message = format!("{} does not answer as a Flotilla does: {}.", self.url, chain(&error));
            Error::lasting(ErrorKind::ClusterFailed, message)
        })
    }
}

/// What cannot be deleted stays in the list, where a person sees its title.
async fn delete(client: Client, url: String, ids: Vec<String>) {
    for id in ids {
        let _ = client.delete(format!("{url}/api/conversations/{id}")).send().await;
    }
}

/// The answer to follow.
pub(super) struct Run(String);

#[derive(Deserialize)]
struct Conversation {
    id: String,
}

#[derive(Deserialize)]
struct Turn {
    run_id: String,
}

/// The events of a run, as far as the drill looks at them.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RunEvent {
    Delta {
        text: String,
    },
    Resumed {
        text: String,
    },
    Finished {
        message: Message,
    },
    Failed {
        message: Message,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    content: String,
}

impl Conversations {
    pub(super) fn new(url: &str) -> Result<Self> {
        let client = client_for(url)
            .connect_timeout(Duration::from_secs(2))
            // The server sends a comment every 15 seconds; a pod that died without closing sends none.
            .read_timeout(Duration::from_secs(20))
            // Every answer has a connection of its own, so that none outlives its pod in a pool.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| unreachable_address(&error))?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { begun: Arc::new(Begun { client, url, ids: Mutex::default() }) })
    }

    /// Begin a conversation and ask for a long answer.
    pub(super) async fn ask(&self, number: u32) -> Result<Run> {
        let title = format!("Failure drill {}", number + 1);
        let body = json!({"title": title, "parameters": {"max_tokens": MAX_TOKENS}});
        // A task of its own: cut off in the middle, nobody would know what to delete.
        let begun = Arc::clone(&self.begun);
        let beginning = tokio::spawn(async move {
            let Conversation { id } = begun.post("/api/conversations", &body).await?;
            begun.ids.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
            Ok::<_, Error>(id)
        });
        let id = match beginning.await {
            Ok(id) => id?,
            Err(panic) => return Err(Error::lasting(ErrorKind::ClusterFailed, format!("The drill failed: {panic}."))),
        };
        let content = format!("Write a long story in ten chapters about island number {}.", number + 1);
        let Turn { run_id } =
            self.begun.post(&format!("/api/conversations/{id}/messages"), &json!({"content": content})).await?;
        Ok(Run(run_id))
    }

    /// Read an answer to its end, whatever happens to connections. Tells `begun` at its first text, or its end.
    pub(super) async fn follow(&self, run: Run, begun: mpsc::UnboundedSender<()>) -> Outcome {
        let mut reading = Reading { begun: Some(begun), seen: String::new(), last_event_id: None };
        let mut reconnected = false;
        loop {
            match self.events(&run, reading.last_event_id.as_deref()).await {
                Ok(response) if response.status() == StatusCode::NOT_FOUND => {
                    let lost_characters = reading.seen.chars().count() as u32;
                    return Outcome { fate: Fate::Vanished, lost_characters, reconnected };
                }
                Ok(response) if response.status().is_success() => {
                    if let Some((fate, content)) = reading.read(response).await {
                        reading.begin();
                        return Outcome { fate, lost_characters: lost(&reading.seen, &content), reconnected };
                    }
                }
                // A proxy without a server behind it, or none at all.
                Ok(_) | Err(_) => {}
            }
            reconnected = true;
            sleep(RECONNECT_AFTER).await;
        }
    }

    async fn events(&self, Run(id): &Run, last_event_id: Option<&str>) -> reqwest::Result<Response> {
        let mut request = self.begun.client.get(format!("{}/api/runs/{id}/events", self.begun.url));
        if let Some(last) = last_event_id {
            request = request.header("last-event-id", last);
        }
        request.send().await
    }

    /// Delete the conversations, and wait until that is done.
    pub(super) async fn forget(&self) {
        let Begun { client, url, ids } = &*self.begun;
        let ids = std::mem::take(&mut *ids.lock().unwrap_or_else(PoisonError::into_inner));
        delete(client.clone(), url.clone(), ids).await;
    }
}

struct Reading {
    /// Until it has begun.
    begun: Option<mpsc::UnboundedSender<()>>,
    seen: String,
    last_event_id: Option<String>,
}

impl Reading {
    /// Read until the answer's end, or until the connection's, which gives `None`.
    async fn read(&mut self, response: Response) -> Option<(Fate, String)> {
        let mut pieces = Pieces::new(Format::of(&response));
        let mut bytes = response.bytes_stream();
        while let Some(Ok(part)) = bytes.next().await {
            for piece in pieces.push(&part).ok()? {
                let event = serde_json::from_str(&piece.data).ok()?;
                self.last_event_id = piece.id.or(self.last_event_id.take());
                match event {
                    RunEvent::Delta { text } => {
                        self.seen.push_str(&text);
                        self.begin();
                    }
                    // Another server goes on behind this text.
                    RunEvent::Resumed { text } => self.seen = text,
                    RunEvent::Finished { message } => return Some((Fate::Complete, message.content)),
                    RunEvent::Failed { message } => return Some((Fate::Interrupted, message.content)),
                    RunEvent::Other => {}
                }
            }
        }
        None
    }

    fn begin(&mut self) {
        if let Some(begun) = self.begun.take() {
            let _ = begun.send(());
        }
    }
}

/// How many characters at the end of what was seen are not in what was kept.
fn lost(seen: &str, kept: &str) -> u32 {
    let same = seen.chars().zip(kept.chars()).take_while(|(seen, kept)| seen == kept).count();
    (seen.chars().count() - same) as u32
}

fn unreachable_address(error: &reqwest::Error) -> Error {
    let message = format!("The address does not answer: {}. Check that Flotilla is deployed there.", chain(error));
    Error::passing(ErrorKind::ClusterFailed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_http;

    async fn outcome(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Outcome {
        let conversations = Conversations::new(&fake_http::serve(answer).await).unwrap();
        let (begun, mut beginnings) = mpsc::unbounded_channel();
        let outcome = conversations.follow(Run("7".to_owned()), begun).await;
        assert_eq!(beginnings.recv().await, Some(()));
        outcome
    }

    fn events(events: &[(u32, serde_json::Value)]) -> Vec<u8> {
        let body: String = events.iter().map(|(id, event)| format!("id: {id}\ndata: {event}\n\n")).collect();
        fake_http::response(200, "text/event-stream", &body)
    }

    #[tokio::test]
    async fn an_answer_whose_connection_breaks_goes_on_after_the_last_event() {
        let outcome = outcome(|request| {
            if request.contains("last-event-id: 2\r\n") {
                return events(&[
                    (3, json!({"type": "delta", "text": "upon a time"})),
                    (4, json!({"type": "finished", "message": {"content": "once upon a time"}})),
                ]);
            }
            assert!(!request.contains("last-event-id"), "{request}");
            events(&[(1, json!({"type": "started"})), (2, json!({"type": "delta", "text": "once "}))])
        })
        .await;
        assert_eq!(outcome, Outcome { fate: Fate::Complete, lost_characters: 0, reconnected: true });
    }

    #[tokio::test]
    async fn an_answer_that_died_with_its_server_is_interrupted_and_its_lost_text_counted() {
        let outcome = outcome(|request| match request.contains("last-event-id: 1\r\n") {
            false => events(&[(1, json!({"type": "delta", "text": "once upon"}))]),
            true => events(&[(2, json!({"type": "failed", "message": {"content": "once"}}))]),
        })
        .await;
        assert_eq!(outcome, Outcome { fate: Fate::Interrupted, lost_characters: 5, reconnected: true });
    }

    #[tokio::test]
    async fn an_answer_that_another_server_resumes_has_lost_nothing() {
        let outcome = outcome(|request| match request.contains("last-event-id: 2\r\n") {
            false => events(&[
                (1, json!({"type": "delta", "text": "once "})),
                (2, json!({"type": "delta", "text": "there "})),
            ]),
            true => events(&[
                (99, json!({"type": "resumed", "text": "once "})),
                (100, json!({"type": "delta", "text": "upon"})),
                (101, json!({"type": "finished", "message": {"content": "once upon"}})),
            ]),
        })
        .await;
        assert_eq!(outcome, Outcome { fate: Fate::Complete, lost_characters: 0, reconnected: true });
    }

    #[test]
    fn text_is_lost_when_it_was_seen_and_not_kept() {
        assert_eq!(lost("once upon a", "once upon a time"), 0);
        assert_eq!(lost("once upon a time", "once upon a"), 5);
        assert_eq!(lost("🦊🦊", "🦊"), 1);
        assert_eq!(lost("another text", "once"), 12);
    }
}
