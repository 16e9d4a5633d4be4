//! What the page reads when a command fails.

use serde::Serialize;
use ts_rs::TS;

/// A failed command, as the rejection of `invoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS)]
pub struct CommandError {
    pub kind: ErrorKind,
    /// One or two sentences for a person: what is wrong and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The address is not one that this command takes.
    InvalidAddress,
    /// No Flotilla server answers at the address.
    ServerUnreachable,
    /// The server on this computer cannot be started.
    ServerNotStarted,
    /// The choice cannot be written to disk.
    NotSaved,
    /// The system has no program that opens the address.
    NotOpened,
}

impl CommandError {
    /// For trouble that may pass: a server that is down, a full disk, a locked database.
    pub fn passing(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: true }
    }

    /// For input that will be as wrong the next time.
    pub fn lasting(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: false }
    }
}
