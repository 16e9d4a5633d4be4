//! The HTTP surface, a file for each group of paths: the real router, a real database, a scripted engine.
//!
//! The suite runs on SQLite, or on PostgreSQL where TEST_POSTGRES_URL names one. `make test` runs it on both.

// It tells clippy that the functions below the tests are test code too.
#![cfg(test)]

mod access;
mod admission;
mod adoption;
mod api_chat;
mod api_generate;
mod continuation;
mod conversations;
mod dashboards;
#[path = "../database/mod.rs"]
mod database;
mod embeddings;
mod endless;
mod health;
mod jobs;
mod limits;
mod memory;
mod messages;
#[path = "../model_server/mod.rs"]
#[expect(dead_code, reason = "the engines' tests use more of it")]
mod model_server;
mod models;
mod mortal;
mod ollama_models;
mod ollama_pull;
mod openapi;
mod paths;
mod pull;
mod pull_hostile;
mod pulling;
mod reasoning;
#[path = "../registry/mod.rs"]
mod registry;
mod replicas;
mod runs;
mod search;
mod start;
mod support;
mod v1_chat_completions;
mod v1_choices;
mod v1_models;
mod v1_responses;
mod v1_tools;
