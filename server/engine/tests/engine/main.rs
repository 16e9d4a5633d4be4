//! The real process over real pipes, with the real starter model.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod client;

mod answers;
mod commands;
mod continuation;
mod embeddings;
mod forms;
mod gguf;
mod guesses;
mod loading;
mod optimise;
mod prefixes;
mod prompts;
mod scheduling;
