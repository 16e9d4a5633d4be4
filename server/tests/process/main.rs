//! The real program as a process: killed, drained, starved of disk, and talked to badly.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod disk_full;
mod kill;
mod listener;
mod shutdown;
mod support;
