//! The lines that go in and out of an engine process. Many requests share them; each sees only its own events.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use flotilla_engine::protocol::{Command, Event};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Sends commands and hands each request its events.
pub struct Connection {
    /// Without a bound, so that a drop can cancel; admission bounds how many requests there are.
    commands: mpsc::UnboundedSender<Command>,
    inboxes: Arc<Inboxes>,
    next_id: AtomicU64,
}

impl Connection {
    /// `stopping` closes `stdin`. The task that comes back ends with `stdout`, after the last event was handed out.
    pub fn open(
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stopping: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (commands, queue) = mpsc::unbounded_channel();
        let inboxes = Arc::new(Inboxes::default());
        tokio::spawn(write_commands(queue, stdin, stopping));
        let reader = tokio::spawn(read_events(stdout, Arc::clone(&inboxes)));
        (Self { commands, inboxes, next_id: AtomicU64::new(1) }, reader)
    }

    /// Send the command that is made with a new id.
    pub fn send(&self, command: impl FnOnce(String) -> Command) -> Events {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed).to_string();
        let events = Events {
            inbox: self.inboxes.open(id.clone()),
            id: id.clone(),
            ended: false,
            commands: self.commands.clone(),
            inboxes: Arc::clone(&self.inboxes),
        };
        // With nobody there to receive it, the inbox is closed already and says so.
        self.commands.send(command(id)).ok();
        events
    }

    pub fn is_open(&self) -> bool {
        self.inboxes.lock().is_some()
    }
}

/// What the engine answers to one request. Dropping it before the end cancels the request.
pub struct Events {
    id: String,
    inbox: mpsc::UnboundedReceiver<Event>,
    ended: bool,
    commands: mpsc::UnboundedSender<Command>,
    inboxes: Arc<Inboxes>,
}

impl Events {
    /// `None` after the process has died.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.inbox.recv().await;
        self.ended = !matches!(event, Some(Event::Text { .. } | Event::Logprobs { .. } | Event::ToolCall { .. }));
        event
    }

    /// Ask the engine to end the request; its last event says what it has cost.
    pub fn cancel(&self) {
        self.commands.send(Command::Cancel { id: self.id.clone() }).ok();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.inboxes.close(&self.id);
        if !self.ended {
            self.commands.send(Command::Cancel { id: std::mem::take(&mut self.id) }).ok();
        }
    }
}

/// Where each request waits for its events; `None` once the process is gone.
///
/// An inbox has no bound: it holds one answer at most, and a bound would let one slow reader stop all the others.
struct Inboxes(Mutex<Option<HashMap<String, mpsc::UnboundedSender<Event>>>>);

impl Default for Inboxes {
    fn default() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }
}

impl Inboxes {
    fn open(&self, id: String) -> mpsc::UnboundedReceiver<Event> {
        let (sender, inbox) = mpsc::unbounded_channel();
        if let Some(open) = self.lock().as_mut() {
            open.insert(id, sender);
        }
        inbox
    }

    fn close(&self, id: &str) {
        if let Some(open) = self.lock().as_mut() {
            open.remove(id);
        }
    }

    fn close_all(&self) {
        *self.lock() = None;
    }

    /// An event that nobody waits for belongs to a request that was cancelled.
    fn deliver(&self, event: Event) {
        if let Some(inbox) = self.lock().as_ref().and_then(|open| open.get(request_of(&event))) {
            inbox.send(event).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<String, mpsc::UnboundedSender<Event>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn request_of(event: &Event) -> &str {
    match event {
        Event::Loaded { id, .. }
        | Event::Text { id, .. }
        | Event::Done { id, .. }
        | Event::Logprobs { id, .. }
        | Event::ToolCall { id, .. }
        | Event::Counted { id, .. }
        | Event::Embedded { id, .. }
        | Event::Error { id, .. } => id,
    }
}

async fn write_commands(
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut stdin: impl AsyncWrite + Unpin,
    stopping: CancellationToken,
) {
    while let Some(Some(command)) = stopping.run_until_cancelled(commands.recv()).await {
        let mut line = match serde_json::to_vec(&command) {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(%error, "a command cannot be written as JSON");
                continue;
            }
        };
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

async fn read_events(stdout: impl AsyncRead + Unpin, inboxes: Arc<Inboxes>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while stdout.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        match serde_json::from_slice(&line) {
            Ok(event) => inboxes.deliver(event),
            // Its text stays out of the log: it may be a part of an answer, and the error itself may quote it.
            Err(error) => tracing::warn!(error = ?error.classify(), "the engine wrote a line that is no event"),
        }
        line.clear();
    }
    inboxes.close_all();
}
