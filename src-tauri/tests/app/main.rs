//! The real program on a real display, driven through WebKitWebDriver. `make test` brings the display.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod chat;
mod cluster;
mod generated;
mod guards;
mod quit;
mod remote;
mod startup;
mod support;
