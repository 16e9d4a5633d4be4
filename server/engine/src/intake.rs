//! What a command becomes before it waits for its turn: tokens and a grammar, or a refusal.

use std::time::Instant;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use crate::answer::{AnswerText, OfAnotherModel, Replayed};
use crate::chat::Request;
use crate::grammar::{Grammar, Grammars};
use crate::prompt::{PromptEncoder, PromptError};
use crate::protocol::{EmbedText, ErrorCode, Event, Output, Piece, Prompt, Sampling};
use crate::sampling;
use crate::tools::ToolFormat;

/// Reads the prompts of one model's requests.
pub struct Intake<'model> {
    model: &'model LlamaModel,
    encoder: PromptEncoder,
    grammars: Grammars,
    /// Tokens that one chat may hold.
    context_length: u32,
}

impl<'model> Intake<'model> {
    pub fn new(model: &'model LlamaModel, encoder: PromptEncoder, context_length: u32) -> Self {
        Self { model, encoder, grammars: Grammars::default(), context_length }
    }

    pub fn context_length(&self) -> u32 {
        self.context_length
    }

    /// What waits for a slot, and what of the beginning of its answer has not been told. `Err` is the answer to a request
    /// that cannot be met.
    pub fn request(
        &self,
        id: String,
        prompt: &Prompt,
        so_far: &Piece,
        params: Sampling,
        output: &Output,
        arrived: Instant,
    ) -> Result<(Request, Replayed), Event> {
        let refuse = |code, message| Event::Error { id: id.clone(), code, message };
        let invalid = |message| refuse(ErrorCode::InvalidRequest, message);
        sampling::check(&params, output).map_err(invalid)?;
        let tool_format = self.encoder.tool_format().filter(|_| output.tools.is_some());
        if output.tools.is_some() && tool_format.is_none() {
            let message = "Tools are not supported by this model.".to_owned();
            return Err(refuse(ErrorCode::ToolsUnsupported, message));
        }
        let functions = output.tools.as_ref().map(|tools| tools.functions.as_slice()).unwrap_or_default();
        let vocab = self.model.vocab();
        let mut tokens = self.encoder.encode(prompt, functions, &vocab).map_err(|error| refused(&id, &error))?;
        let prompt_tokens = tokens.len();
        if prompt_tokens >= self.context_length as usize {
            return Err(self.too_long(&id, "The prompt", prompt_tokens));
        }
        let room = self.context_length - prompt_tokens as u32;
        let max_tokens = params.max_tokens.map_or(room, |max| max.min(room));
        let mut text = AnswerText::new(params.stop.clone(), tool_format, max_tokens);
        let replayed = text.replay(so_far, &vocab).map_err(|error| invalid(error.to_string()))?;
        let mut grammar = self.grammar(output, tool_format).map_err(|(code, reason)| refuse(code, reason))?;
        if let Some(grammar) = &mut grammar {
            grammar.follow(&so_far.tokens).map_err(|_| invalid(OfAnotherModel.to_string()))?;
        }
        tokens.extend(so_far.tokens.iter().copied().map(LlamaToken));
        let logprobs = output.logprobs;
        Ok((Request { id, tokens, prompt_tokens, text, params, grammar, logprobs, arrived }, replayed))
    }

    /// How many tokens a prompt has.
    pub fn count(&self, id: String, prompt: &Prompt) -> Event {
        match self.encoder.encode(prompt, &[], &self.model.vocab()) {
            Ok(tokens) => Event::Counted { id, tokens: tokens.len() as u32 },
            Err(error) => refused(&id, &error),
        }
    }

    /// The tokens of texts that get vectors. `Err` is the answer to texts that cannot have any.
    pub fn texts(&self, id: &str, texts: &[EmbedText], truncate: bool) -> Result<Vec<Vec<LlamaToken>>, Event> {
        let most = self.context_length as usize;
        let tokens = texts.iter().enumerate().map(|(index, text)| {
            let encoded = self.encoder.encode_for_embedding(text, index, &self.model.vocab());
            let mut tokens = encoded.map_err(|error| refused(id, &error))?;
            if truncate {
                tokens.truncate(most);
            }
            match tokens.len() <= most {
                true => Ok(tokens),
                false => Err(self.too_long(id, &format!("Text {index}"), tokens.len())),
            }
        });
        tokens.collect()
    }

    /// An answer that has to be a call is no place for another form.
    fn grammar(
        &self,
        output: &Output,
        tool_format: Option<ToolFormat>,
    ) -> Result<Option<Grammar>, (ErrorCode, String)> {
        if let (Some(format), Some(tools)) = (tool_format, &output.tools) {
            let forced = format.forced(tools).map_err(|reason| (ErrorCode::ToolsUnusable, reason))?;
            if let Some(source) = forced {
                let grammar = self.grammars.lark(self.model, source);
                return grammar.map(Some).map_err(|reason| (ErrorCode::ToolsUnusable, reason));
            }
        }
        let grammar = output.schema.as_ref().map(|schema| self.grammars.json(self.model, schema));
        grammar.transpose().map_err(|reason| (ErrorCode::SchemaUnusable, reason))
    }

    fn too_long(&self, id: &str, what: &str, tokens: usize) -> Event {
        let message = format!("{what} has {tokens} tokens and the context holds {}. Shorten it.", self.context_length);
        Event::Error { id: id.to_owned(), code: ErrorCode::ContextLengthExceeded, message }
    }
}

fn refused(id: &str, error: &PromptError) -> Event {
    Event::invalid(id.to_owned(), error.to_string())
}
