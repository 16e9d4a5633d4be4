//! llama.cpp behind a line protocol on stdin and stdout.
//!
//! An assertion in llama.cpp aborts its process, and a chat server must survive that: so the model runs in a child
//! process, which is this crate. It knows no HTTP, no database and no accounts; it is told a prompt and answers with text.
//!
//! Code map, in the order in which a request travels:
//! - [`protocol`]: the lines, as types; the server uses the same ones
//! - [`process`]: threads for stdin and stdout, the `load` command, and the end of the process with its server
//! - [`gguf`], [`model`]: the file is checked, then loaded
//! - [`footprint`]: how much memory that takes, for the server to say before it starts a process
//! - [`template`], [`prompt`], [`intake`]: messages become text, text becomes tokens, and a command a request or a refusal
//! - [`scheduler`]: one step after the other, each a batch of all chats' next tokens
//! - [`share`]: what of it is each chat's; [`pace`] says how many tokens of prompts may be in it, and [`guess`] which tokens are
//!   computed before it is known whether they come
//! - [`cache`]: what was computed and what of it the next prompt can use; [`slots`] finds the longest part, [`shelf`] keeps what
//!   no slot can
//! - [`chat`]: one answer being made; [`sampling`], [`grammar`], [`logprobs`], [`answer`], [`text`], [`stop`], [`tools`] are
//!   its parts
//! - [`embedding`]: vectors of texts, made between two steps
//! - [`optimise`]: other weights of a model and what they gain and cost, for a command of its own and not for requests

mod answer;
mod cache;
mod chat;
mod embedding;
pub mod footprint;
pub mod gguf;
mod grammar;
mod guess;
mod intake;
mod logprobs;
pub mod model;
pub mod optimise;
mod pace;
mod process;
mod prompt;
pub mod protocol;
mod sampling;
mod scheduler;
mod share;
mod shelf;
mod slots;
mod stop;
mod template;
mod text;
mod tools;

pub use process::run;
pub use tools::calls_tools;
