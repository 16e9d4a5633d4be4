//! The own engine with the real process and the starter model, which `make model` puts where the tests look for it; the
//! engines behind HTTP against a server on loopback that replies byte for byte as prepared.
#![cfg(test)]

mod local;
#[path = "../model_server/mod.rs"]
mod model_server;
mod ollama;
mod openai;
mod pool;
mod pool_hung;
mod scripted;
mod support;
mod upstream_forms;
mod upstream_limits;
