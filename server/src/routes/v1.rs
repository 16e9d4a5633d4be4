//! OpenAI's paths. An answer here belongs to its connection: when the client leaves, the engine stops.

pub mod chat_completions;
pub mod completions;
pub mod embeddings;
pub mod models;
pub mod responses;
