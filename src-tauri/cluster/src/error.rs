//! What can go wrong, as far as a person can act on it.

use serde::Serialize;
use ts_rs::TS;

pub type Result<T> = std::result::Result<T, Error>;

/// A failure in words: what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, thiserror::Error)]
#[error("{message}")]
#[ts(rename = "ClusterError")]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, TS)]
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
