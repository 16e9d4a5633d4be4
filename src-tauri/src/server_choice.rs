//! Which server the page talks to: the one inside this app, or one elsewhere.

use tokio::sync::Mutex;

use crate::{
    commands::Connection,
    embedded,
    error::{CommandError, ErrorKind},
    loopback::Loopback,
    remote,
    server_url::ServerUrl,
    settings::{Settings, SettingsFile},
};

/// The user's choice and what runs because of it. A call waits while another one starts or stops a server.
pub struct ServerChoice {
    file: SettingsFile,
    running: Mutex<Option<Running>>,
}

struct Running {
    server: Option<ServerUrl>,
    loopback: Loopback,
}

impl ServerChoice {
    /// Nothing runs before the first call of [`Self::connection`].
    pub fn new(file: SettingsFile) -> Self {
        Self { file, running: Mutex::new(None) }
    }

    /// Where the chosen server answers; it is started if it does not run.
    pub async fn connection(&self) -> Result<Connection, CommandError> {
        let mut slot = self.running.lock().await;
        let running = match slot.take() {
            Some(running) => running,
            None => start(self.file.load().server).await?,
        };
        let Running { server, loopback } = slot.insert(running);
        Ok(Connection {
            base_url: loopback.base_url(),
            token: loopback.token().to_owned(),
            server: server.as_ref().map(ToString::to_string),
        })
    }

    /// Remember `server` and stop what runs. Nothing changes when the server does not answer.
    pub async fn switch(&self, server: Option<ServerUrl>) -> Result<(), CommandError> {
        if let Some(server) = &server {
            let answer = remote::check(server).await;
            answer.map_err(|error| CommandError::passing(ErrorKind::ServerUnreachable, error.to_string()))?;
        }
        self.file.save(&Settings { server }).map_err(|error| {
            CommandError::passing(ErrorKind::NotSaved, format!("The choice cannot be saved: {error}."))
        })?;
        self.stop().await;
        Ok(())
    }

    /// Stop the server that runs and wait for its end.
    pub async fn stop(&self) {
        if let Some(running) = self.running.lock().await.take() {
            running.loopback.stop().await;
        }
    }
}

async fn start(server: Option<ServerUrl>) -> Result<Running, CommandError> {
    let started = match &server {
        None => embedded::start().await,
        Some(server) => remote::start(server.clone()).await,
    };
    match started {
        Ok(loopback) => Ok(Running { server, loopback }),
        // The reader owns this computer, so the causes are for them.
        Err(error) => Err(CommandError::passing(ErrorKind::ServerNotStarted, sentence(&error))),
    }
}

/// An error and its causes, as the window shows them: errors of the command line begin with a small letter.
fn sentence(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
