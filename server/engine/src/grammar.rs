//! Holds an answer to a form: a JSON schema, or calls of functions.
//!
//! llguidance tells for each step which tokens may come next. Schemas are written by strangers, so what they may cost, when
//! they are read and at every token, is bounded by its limits; llama.cpp's own grammars know no such bounds.

use std::cell::OnceCell;

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

use crate::protocol::Schema;

/// Compiles grammars for one model. Its tables of the vocabulary are made when they are needed first.
#[derive(Default)]
pub struct Grammars {
    factory: OnceCell<ParserFactory>,
}

/// The form of one answer, and how far the answer has come in it.
pub struct Grammar(Matcher);

/// About 20 ms for reading a schema, and 5 ms for a token, on a slow core.
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 1000,
        initial_lexer_fuel: 400_000,
        step_lexer_fuel: 70_000,
        step_max_items: 50_000,
        max_lexer_states: 20_000,
        max_grammar_size: 100_000,
        precompute_large_lexemes: false,
        // They would tell the parser's state, and with it the answer.
        verbose_errors: false,
    }
}

impl Grammars {
    /// A grammar of one JSON value.
    ///
    /// # Errors
    /// One sentence that says what of the schema cannot be enforced.
    pub fn json(&self, model: &LlamaModel, schema: &Schema) -> Result<Grammar, String> {
        self.compile(model, TopLevelGrammar::from_json_schema(with_options(&schema.schema, schema.strict)?))
    }

    /// A grammar in llguidance's variant of Lark's syntax.
    ///
    /// # Errors
    /// One sentence that says what of it cannot be enforced.
    pub fn lark(&self, model: &LlamaModel, source: String) -> Result<Grammar, String> {
        self.compile(model, TopLevelGrammar::from_lark(source))
    }

    fn compile(&self, model: &LlamaModel, grammar: TopLevelGrammar) -> Result<Grammar, String> {
        let factory = match self.factory.get() {
            Some(factory) => factory,
            None => {
                let factory = new_factory(model).map_err(|error| error.to_string())?;
                self.factory.get_or_init(|| factory)
            }
        };
        let matcher = Matcher::new(factory.create_parser(grammar));
        match matcher.get_error() {
            None => Ok(Grammar(matcher)),
            // The first line is the reason; the others show the inside of the grammar.
            Some(error) => Err(error.lines().next().unwrap_or("it is not a JSON schema").to_owned()),
        }
    }
}

impl Grammar {
    /// Chooses with `sampler` among the tokens that may come next at the `output`th token of the batch.
    ///
    /// # Errors
    /// The grammar has become too costly at this point of the answer.
    pub fn sample(
        &mut self,
        sampler: &mut LlamaSampler,
        context: &LlamaContext<'_>,
        output: i32,
    ) -> anyhow::Result<LlamaToken> {
        let allowed = self.0.compute_mask_or_eos()?;
        let candidates = context.candidates_ith(output).filter(|candidate| allowed.is_allowed(candidate.id().0 as u32));
        let mut candidates = LlamaTokenDataArray::from_iter(candidates, false);
        candidates.apply_sampler(sampler);
        let token = candidates.selected_token().ok_or_else(|| anyhow::anyhow!("no token fits the grammar"))?;
        sampler.accept(token);
        self.take(token.0)?;
        Ok(token)
    }

    /// Comes to where an answer is that another process has begun.
    ///
    /// # Errors
    /// The answer was not held to this grammar.
    pub fn follow(&mut self, answer: &[i32]) -> anyhow::Result<()> {
        answer.iter().try_for_each(|&token| self.take(token))
    }

    fn take(&mut self, token: i32) -> anyhow::Result<()> {
        // What ends an answer may come behind the end of its form.
        if self.0.is_stopped() { Ok(()) } else { self.0.consume_token(token as u32) }
    }
}

/// The schema with our way to write JSON: on one line and as Python writes it, which models have seen most. Left to
/// themselves, small models write spaces without end where any number of them is allowed.
///
/// # Errors
/// The schema is neither an object nor a boolean.
pub fn with_options(schema: &Value, strict: bool) -> Result<Value, String> {
    let mut schema = match schema {
        Value::Object(schema) => schema.clone(),
        Value::Bool(true) => serde_json::Map::new(),
        _ => return Err("a JSON schema is an object".to_owned()),
    };
    let options = json!({
        "item_separator": ", ",
        "key_separator": ": ",
        "whitespace_flexible": false,
        "coerce_one_of": true,
        "lenient": !strict,
    });
    schema.insert("x-guidance".to_owned(), options);
    Ok(Value::Object(schema))
}

fn new_factory(model: &LlamaModel) -> anyhow::Result<ParserFactory> {
    let mut factory = ParserFactory::new_simple(&LlamaSampler::llguidance_tok_env(model))?;
    *factory.limits_mut() = limits();
    factory.quiet();
    Ok(factory)
}
