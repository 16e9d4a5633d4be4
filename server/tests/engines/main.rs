//! The own engine with the real process and the starter model, which `make model` puts where the tests look for it; the
//! engines behind HTTP against a server on loopback that replies byte for byte as prepared.
#![cfg(test)]

mod local;
mod ollama;
mod openai;
mod scripted;
mod support;
mod upstream_forms;
