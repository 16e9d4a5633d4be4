//! The real process over real pipes, with the real starter model.

mod client;

mod answers;
mod commands;
mod loading;
mod prompts;
mod scheduling;
