//! What can go wrong, as far as a person can act on it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

pub type Result<T> = std::result::Result<T, Error>;

/// A failure in words: what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, thiserror::Error)]
#[error("{message}")]
#[ts(rename = "ClusterError")]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "ClusterErrorKind")]
pub enum ErrorKind {
    /// A kubeconfig cannot be read or used.
    Kubeconfig,
    /// The API server does not answer.
    ClusterUnreachable,
    /// The user may not do this there.
    Forbidden,
    /// The object is not there.
    NotFound,
    /// Another manager owns what would change.
    Conflict,
    /// The user has to agree first.
    NeedsConsent,
    /// A program such as docker or k3d is not installed.
    ToolMissing,
    /// A program such as docker or k3d failed.
    ToolFailed,
    Cancelled,
    /// Anything else that the cluster answered.
    ClusterFailed,
}

impl Error {
    /// For trouble that may pass: a server that is away, a full disk, an image that is not there yet.
    pub fn passing(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: true }
    }

    /// For what will be as wrong the next time.
    pub fn lasting(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: false }
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        use kube::Error as Kube;
        match error {
            Kube::Api(status) => Self::from(*status),
            Kube::Auth(error) => {
                Self::passing(ErrorKind::Forbidden, format!("Signing in to the cluster failed: {}.", chain(&error)))
            }
            Kube::HyperError(_) | Kube::Service(_) | Kube::ReadEvents(_) => Self::passing(
                ErrorKind::ClusterUnreachable,
                format!(
                    "The API server does not answer ({}). Check that the cluster runs, then try again.",
                    chain(&error)
                ),
            ),
            other => {
                Self::lasting(ErrorKind::ClusterFailed, format!("Talking to the cluster failed: {}.", chain(&other)))
            }
        }
    }
}

impl From<kube::core::Status> for Error {
    fn from(status: kube::core::Status) -> Self {
        let said = status.message.trim_end_matches('.');
        match status.code {
            401 => Self::lasting(
                ErrorKind::Forbidden,
                "The cluster does not accept the credentials of this context. Sign in again with the tool that made \
                 the kubeconfig, then try again.",
            ),
            // A namespace on its way out answers 403 too, and that passes.
            403 if said.contains("is being terminated") => Self::passing(
                ErrorKind::ClusterFailed,
                format!("The namespace is still being deleted ({said}). Wait until it is gone, then try again."),
            ),
            403 => Self::lasting(
                ErrorKind::Forbidden,
                format!(
                    "The cluster does not allow this: {said}. Ask its administrator for the right, then try again."
                ),
            ),
            404 => Self::lasting(ErrorKind::NotFound, format!("{said}.")),
            409 => Self::passing(ErrorKind::Conflict, format!("{said}.")),
            429 | 500..=599 => Self::passing(
                ErrorKind::ClusterUnreachable,
                format!("The API server cannot answer now: {said}. Try again in a moment."),
            ),
            _ => Self::lasting(ErrorKind::ClusterFailed, format!("The cluster refuses this: {said}.")),
        }
    }
}

/// The error and what caused it, once each: libraries like to repeat the cause in their own words.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        next = cause.source();
    }
    words
}
