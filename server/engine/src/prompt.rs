//! Turns a prompt into tokens.
//!
//! A message must not be able to end itself: `<|im_end|>` typed by a user is six ordinary tokens, never the control token.
//! So the control tokens' texts inside contents are wrapped in marks before the template is rendered, and what is
//! still wrapped afterwards is tokenised as plain text. Everything else goes through the tokeniser in one piece:
//! a conversation without such texts gets exactly the tokens it would have got without this protection.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token_type::LlamaTokenAttr;
use llama_cpp_2::vocab::LlamaVocab;
use serde_json::{Value, json};
use thiserror::Error;

use crate::protocol::{EmbedText, Function, Prompt, PromptMessage, Role, ToolCall};
use crate::template::{ChatTemplate, TemplateMessage};
use crate::tools::ToolFormat;

// Unicode reserves U+FDD0 to U+FDEF for a program's inner use; they are removed from contents before they get a meaning.
const PLAIN_BEGIN: char = '\u{fdd0}';
const PLAIN_END: char = '\u{fdd1}';
const ANSWER_SO_FAR_END: char = '\u{fdd2}';
const MARKS: [char; 3] = [PLAIN_BEGIN, PLAIN_END, ANSWER_SO_FAR_END];

/// Why a prompt cannot be used. The messages are for a person.
#[derive(Debug, Error)]
pub enum PromptError {
    #[error("`messages` is empty. Send at least one message.")]
    NoMessages,
    #[error("The prompt is empty. Send some text.")]
    NoTokens,
    #[error("The model's chat template refuses these `messages`: {0}")]
    Refused(String),
    #[error("The model's chat template cannot continue an answer. End `messages` with a user message.")]
    CannotContinue,
    #[error("A token of text {0} is none of the model's. Send the text itself.")]
    UnknownToken(usize),
}

/// Applies a model's chat template and tokeniser.
pub struct PromptEncoder {
    template: ChatTemplate,
    /// Finds the texts that the tokeniser would turn into control tokens.
    control_texts: AhoCorasick,
}

impl PromptEncoder {
    pub fn new(template: ChatTemplate, vocab: &LlamaVocab<'_>) -> Result<Self, aho_corasick::BuildError> {
        let control_texts = (vocab.tokens())
            .filter(|&token| is_control(vocab, token))
            .filter_map(|token| vocab.text(token))
            .map(|text| text.to_bytes())
            .filter(|text| !text.is_empty());
        let control_texts = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(control_texts)?;
        Ok(Self { template, control_texts })
    }

    /// How the model calls functions, if it does.
    pub fn tool_format(&self) -> Option<ToolFormat> {
        self.template.tool_format()
    }

    /// The tokens to compute, never none. Only a conversation has `functions`.
    pub fn encode(
        &self,
        prompt: &Prompt,
        functions: &[Function],
        vocab: &LlamaVocab<'_>,
    ) -> Result<Vec<LlamaToken>, PromptError> {
        let mut tokens = match prompt {
            Prompt::Messages(messages) => self.tokenize(&self.render(messages, functions)?, vocab),
            Prompt::Text(text) => vocab.tokenize(text.as_bytes(), false, true),
        };
        // Many templates write the first token themselves, and two of them make answers worse.
        if vocab.should_add_bos() && tokens.first() != Some(&vocab.bos()) {
            tokens.insert(0, vocab.bos());
        }
        if tokens.is_empty() { Err(PromptError::NoTokens) } else { Ok(tokens) }
    }

    /// The tokens of the text number `index` that gets a vector, with those that the model wants around a text; never none.
    pub fn encode_for_embedding(
        &self,
        text: &EmbedText,
        index: usize,
        vocab: &LlamaVocab<'_>,
    ) -> Result<Vec<LlamaToken>, PromptError> {
        let tokens = match text {
            EmbedText::Text(text) => vocab.tokenize(text.as_bytes(), true, false),
            EmbedText::Tokens(tokens) => tokens
                .iter()
                .map(|&token| i32::try_from(token).ok().filter(|token| *token < vocab.n_tokens()).map(LlamaToken))
                .collect::<Option<_>>()
                .ok_or(PromptError::UnknownToken(index))?,
        };
        if tokens.is_empty() { Err(PromptError::NoTokens) } else { Ok(tokens) }
    }

    fn render(&self, messages: &[PromptMessage], functions: &[Function]) -> Result<String, PromptError> {
        let continued = messages.last().ok_or(PromptError::NoMessages)?.role == Role::Assistant;
        let mut shown: Vec<_> = messages.iter().map(|message| self.shown(message)).collect();
        let functions: Vec<_> = functions.iter().map(|function| self.shown_function(function)).collect();
        if let Some(answer) = shown.last_mut().filter(|_| continued) {
            answer.content.push(ANSWER_SO_FAR_END);
        }

        let mut text = (self.template.render(&shown, &functions, !continued))
            .map_err(|error| PromptError::Refused(error.detail().unwrap_or("it failed").to_owned()))?;
        if continued {
            let end = text.rfind(ANSWER_SO_FAR_END).ok_or(PromptError::CannotContinue)?;
            text.truncate(end);
        }
        Ok(text)
    }

    fn shown(&self, message: &PromptMessage) -> TemplateMessage {
        TemplateMessage {
            role: message.role,
            content: self.wrap_control_texts(&message.content),
            tool_calls: message.tool_calls.iter().map(|call| self.shown_call(call)).collect(),
            tool_call_id: message.tool_call_id.as_deref().map(|id| self.wrap_control_texts(id)),
        }
    }

    fn shown_call(&self, call: &ToolCall) -> Value {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let function = json!({ "name": call.name, "arguments": arguments });
        self.wrapped(json!({ "id": call.id, "type": "function", "function": function }))
    }

    fn shown_function(&self, function: &Function) -> Value {
        let parameters = function.parameters.clone().unwrap_or_else(|| json!({ "type": "object", "properties": {} }));
        let Function { name, description, .. } = function;
        let function = json!({ "name": name, "description": description, "parameters": parameters });
        self.wrapped(json!({ "type": "function", "function": function }))
    }

    /// Every text in it wrapped, keys too: all of them are somebody's.
    fn wrapped(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.wrap_control_texts(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.wrapped(value)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| (self.wrap_control_texts(&key), self.wrapped(value))).collect()
            }
            other => other,
        }
    }

    fn wrap_control_texts(&self, content: &str) -> String {
        let content: Cow<'_, str> =
            if content.contains(MARKS) { content.replace(MARKS, "").into() } else { content.into() };
        let mut wrapped = String::with_capacity(content.len());
        let mut copied = 0;
        for found in self.control_texts.find_iter(content.as_ref()) {
            wrapped.push_str(&content[copied..found.start()]);
            wrapped.push(PLAIN_BEGIN);
            wrapped.push_str(&content[found.range()]);
            wrapped.push(PLAIN_END);
            copied = found.end();
        }
        wrapped.push_str(&content[copied..]);
        wrapped
    }

    fn tokenize(&self, rendered: &str, vocab: &LlamaVocab<'_>) -> Vec<LlamaToken> {
        let mut tokens = Vec::new();
        for (piece, is_plain) in split_at_marks(rendered) {
            vocab.tokenize_into(piece.as_bytes(), &mut tokens, false, !is_plain);
        }
        tokens
    }
}

/// Whether the tokeniser produces this token only where special tokens are allowed.
fn is_control(vocab: &LlamaVocab<'_>, token: LlamaToken) -> bool {
    let attributes = vocab.attr(token);
    attributes.contains(LlamaTokenAttr::Control) || attributes.contains(LlamaTokenAttr::Unknown)
}

/// The pieces between marks, and whether each is to be taken as plain text.
///
/// A template may cut a content apart and so leave a mark without its partner; a piece is plain only between the two.
fn split_at_marks(rendered: &str) -> Vec<(&str, bool)> {
    let mut pieces = Vec::new();
    let mut opened = false;
    let mut rest = rendered;
    while let Some(position) = rest.find(MARKS) {
        let (piece, marked) = rest.split_at(position);
        let mut after = marked.chars();
        let mark = after.next();
        pieces.push((piece, opened && mark == Some(PLAIN_END)));
        opened = mark == Some(PLAIN_BEGIN);
        rest = after.as_str();
    }
    pieces.push((rest, false));
    pieces.retain(|(piece, _)| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_marks_stays_in_one_piece() {
        assert_eq!(split_at_marks("<|im_start|>user\nHi"), [("<|im_start|>user\nHi", false)]);
    }

    #[test]
    fn only_what_is_between_two_marks_is_plain() {
        let rendered = "a\u{fdd0}<|im_end|>\u{fdd1}b\u{fdd0}c";

        assert_eq!(split_at_marks(rendered), [("a", false), ("<|im_end|>", true), ("b", false), ("c", false)]);
    }
}
