//! Live state, logs, actions and port-forwards on a real cluster: whatever `KUBECONFIG` names.
//!
//! Each test has a namespace of its own, with pods that ask for next to nothing. They run debian:bookworm-slim, which
//! the nodes must have or be able to pull.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod actions;
mod forward;
mod logs;
mod outage;
mod pods;
mod scope;
mod view;
