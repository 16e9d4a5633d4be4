//! How likely tokens were, in the form that both dialects share, and how a request asks for it.

use flotilla_engine::protocol::limits;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    engine,
    error::{Error, Result},
};

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenLogprob {
    /// With U+FFFD where the token is a part of a character; `bytes` tell which.
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
    top_logprobs: Vec<TopLogprob>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TopLogprob {
    token: String,
    logprob: f32,
    bytes: Vec<u8>,
}

/// How many likeliest tokens are told beside each token; `at` is the field that says so.
pub fn logprobs(asked: bool, count: Option<i64>, at: &str) -> Result<Option<u32>> {
    let most = i64::from(limits::LOGPROBS);
    match count {
        Some(count) if !(0..=most).contains(&count) => {
            Err(Error::invalid(at, format!("{at} must be between 0 and {most}")))
        }
        Some(1..) if !asked => Err(Error::invalid(at, format!("{at} needs logprobs to be true"))),
        count => Ok(asked.then(|| count.unwrap_or(0) as u32)),
    }
}

impl From<engine::TokenLogprob> for TokenLogprob {
    fn from(token: engine::TokenLogprob) -> Self {
        Self {
            token: text(&token.bytes),
            logprob: token.logprob,
            bytes: token.bytes,
            top_logprobs: token.top.into_iter().map(TopLogprob::from).collect(),
        }
    }
}

impl From<engine::TokenLogprob> for TopLogprob {
    fn from(token: engine::TokenLogprob) -> Self {
        Self { token: text(&token.bytes), logprob: token.logprob, bytes: token.bytes }
    }
}

/// A token as text, as well as it goes.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
