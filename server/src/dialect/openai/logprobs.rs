use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    dialect::logprobs::{TokenLogprob, text},
    engine,
};

/// How likely the tokens of an answer were.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChatLogprobs {
    content: Vec<TokenLogprob>,
    /// Always null.
    #[schema(value_type = Option<Object>)]
    refusal: (),
}

/// The same in the older form of text completions: a column for each fact.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct CompletionLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    /// The likeliest tokens in each place, where they were asked for.
    top_logprobs: Option<Vec<BTreeMap<String, f32>>>,
    /// Where each token begins in the text, in characters.
    text_offset: Vec<usize>,
}

impl ChatLogprobs {
    /// `None` for no tokens.
    pub fn of(tokens: Vec<engine::TokenLogprob>) -> Option<Self> {
        let content: Vec<_> = tokens.into_iter().map(TokenLogprob::from).collect();
        (!content.is_empty()).then_some(Self { content, refusal: () })
    }
}

impl CompletionLogprobs {
    /// `None` for no tokens. `offset` is where the first of them begins in the text.
    pub fn of(tokens: &[engine::TokenLogprob], mut offset: usize) -> Option<Self> {
        if tokens.is_empty() {
            return None;
        }
        let mut columns = Self::default();
        for token in tokens {
            let token_text = text(&token.bytes);
            columns.text_offset.push(offset);
            offset += token_text.chars().count();
            columns.tokens.push(token_text);
            columns.token_logprobs.push(token.logprob);
            if !token.top.is_empty() {
                let top = token.top.iter().map(|token| (text(&token.bytes), token.logprob));
                columns.top_logprobs.get_or_insert_default().push(top.collect());
            }
        }
        Some(columns)
    }
}
