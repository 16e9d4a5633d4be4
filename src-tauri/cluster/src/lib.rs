//! Flotilla on Kubernetes: deploy it, watch it scale, act on it. No Tauri in here, so its tests run anywhere.
//!
//! Invariant: nothing runs a program that a kubeconfig names before the user has agreed to that very command.

mod error;

pub use self::error::{Error, ErrorKind, Result};
