//! Flotilla on Kubernetes: deploy it, watch it scale, act on it. No Tauri in here, so its tests run anywhere.
//!
//! Invariant: nothing runs a program that a kubeconfig names before the user has agreed to that very command.

pub mod autoscaler;
mod connection;
mod error;
pub mod events;
pub mod live;
pub mod metrics;
pub mod pods;
mod quantity;
pub mod samples;
pub mod workloads;

pub use self::{
    connection::Cluster,
    error::{Error, ErrorKind, Result},
};
