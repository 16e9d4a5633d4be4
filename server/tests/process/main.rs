//! The real program as a process: killed, drained, starved of disk, talked to badly, and read in its log and traces.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod autoscaling;
mod canary;
mod cluster;
mod collector;
#[path = "../database/mod.rs"]
mod database;
mod disk_full;
mod engine_death;
mod kill;
mod leaving;
mod listener;
mod log;
mod memory;
mod metrics;
#[path = "../model_server/mod.rs"]
#[expect(dead_code, reason = "the engines' tests use more of it")]
mod model_server;
mod optimise;
mod pull;
#[path = "../registry/mod.rs"]
mod registry;
mod replicas;
mod settings;
mod shutdown;
mod support;
mod takeover;
mod traces;
