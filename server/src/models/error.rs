//! Why a model is not pulled.

use std::{fs::TryLockError, io};

use flotilla_engine::gguf::GgufError;

use super::disk::NoRoom;

/// The messages are for people: what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error("{0} cannot be reached; check the network and try again")]
    Unreachable(String),
    #[error("{site} answers with status {status}; try again later")]
    Unavailable { site: String, status: u16 },
    #[error("the download broke off again and again; pull it again to go on where it stopped")]
    BrokeOff,
    #[error("{site} has no public model '{model}'; check the name")]
    NotFound { site: String, model: String },
    /// What the other side sent cannot be taken.
    #[error("{0}")]
    Refused(String),
    #[error("the file that came has another digest than the registry names, so it was thrown away; pull it again")]
    DigestMismatch,
    #[error("what came is not a model that can be used, so it was thrown away. {0}")]
    NotAModel(#[from] GgufError),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("another Flotilla is downloading this model into the same folder; wait for it")]
    InUse,
    #[error("the models folder cannot be written to: {0}")]
    Disk(#[from] io::Error),
}

impl PullError {
    /// Whether the same request may succeed in a moment.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable { .. } | Self::BrokeOff)
    }
}

impl From<TryLockError> for PullError {
    fn from(error: TryLockError) -> Self {
        match error {
            TryLockError::WouldBlock => Self::InUse,
            TryLockError::Error(error) => Self::Disk(error),
        }
    }
}
