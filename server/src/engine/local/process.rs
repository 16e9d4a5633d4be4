//! One engine process, from its start to its end.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use flotilla_engine::protocol::{Command, EmbedText, Event, LoadOptions, ModelFacts, Output, Piece, Prompt, Sampling};
use tokio::{process::Child, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{Connection, Events},
    log,
};

/// How an engine process is started.
#[derive(Clone, Debug)]
pub struct EngineCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

impl EngineCommand {
    /// This very program with the argument `engine`, so that there is nothing else to install or to find.
    pub fn this_program() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("the path of this program cannot be found")?;
        Ok(Self { program, args: vec!["engine".into()] })
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C in a terminal goes to the whole process group, but the engine has to finish what the server drains.
        #[cfg(unix)]
        command.process_group(0);
        command.spawn()
    }
}

/// Why a process does not serve its model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The engine says that the file cannot be run: trying again changes nothing.
    #[error("{0}")]
    Refused(String),
    #[error("the engine process cannot be started")]
    Spawn(#[source] io::Error),
    #[error("the engine process ended while it loaded the model")]
    Died,
}

/// A process that has loaded its model. Dropping it ends the process.
pub struct Process {
    id: Option<u32>,
    facts: ModelFacts,
    connection: Connection,
    stopping: CancellationToken,
    ended: CancellationToken,
}

impl Process {
    /// Start a process and load the model, which takes as long as reading the file does.
    pub async fn load(command: &EngineCommand, path: &Path, options: LoadOptions) -> Result<Self, LoadError> {
        let mut child = command.spawn().map_err(LoadError::Spawn)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(LoadError::Died);
        };
        let id = child.id();
        let (stopping, ended) = (CancellationToken::new(), CancellationToken::new());
        let (connection, reader) = Connection::open(stdin, stdout, stopping.clone());
        tokio::spawn(log::forward(stderr));
        tokio::spawn(reap(child, reader, stopping.clone(), ended.clone()));

        // Whoever drops this future half-way ends the process with it.
        let ends_process = stopping.clone().drop_guard();
        let path = path.to_string_lossy().into_owned();
        let mut events = connection.send(|id| Command::Load { id, path, options });
        match events.next().await {
            Some(Event::Loaded { model: facts, .. }) => {
                ends_process.disarm();
                Ok(Self { id, facts, connection, stopping, ended })
            }
            Some(Event::Error { message, .. }) => Err(LoadError::Refused(message)),
            _ => Err(LoadError::Died),
        }
    }

    /// The operating system's number for the process.
    pub fn id(&self) -> Option<u32> {
        self.id
    }

    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// Start an answer, or go on with one.
    pub fn generate(&self, prompt: Prompt, answer_so_far: Piece, params: Sampling, output: Output) -> Events {
        self.connection.send(|id| Command::Generate { id, prompt, answer_so_far, params, output })
    }

    /// Make vectors of texts.
    pub fn embed(&self, texts: Vec<EmbedText>, truncate: bool) -> Events {
        self.connection.send(|id| Command::Embed { id, texts, truncate })
    }

    /// Count the tokens of a prompt.
    pub fn count(&self, prompt: Prompt) -> Events {
        self.connection.send(|id| Command::Count { id, prompt })
    }

    /// Whether commands still reach the process.
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// Whether it still does anything, or is gone: between any two of its steps it takes a command.
    pub async fn responds(&self) -> bool {
        let mut events = self.count(Prompt::Text(String::new()));
        timeout(LONGEST_STEP, events.next()).await.is_ok()
    }

    /// Waits until the process is gone, whatever ended it.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// End the process. Answers in the middle break off.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.ended().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// No step of a process takes nearly as long.
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// A process exits by itself when its stdin is closed; one that does not is killed after this time.
const GRACE: Duration = Duration::from_secs(2);

async fn reap(mut child: Child, mut reader: JoinHandle<()>, stopping: CancellationToken, ended: CancellationToken) {
    let by_itself = tokio::select! {
        _ = &mut reader => true,
        () = stopping.cancelled() => false,
    };
    // A process that has closed its stdout is of no use either.
    stopping.cancel();
    let status = match timeout(GRACE, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            tracing::warn!("the engine process does not exit and is killed");
            child.kill().await.ok();
            child.wait().await
        }
    };
    match status {
        Ok(status) if by_itself => tracing::error!(%status, "the engine process ended by itself"),
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "the end of the engine process cannot be observed"),
    }
    ended.cancel();
}
