//! How models call functions: the forms that chat templates teach, read out of an answer and forced upon one.

use serde_json::{Value, json};

use crate::grammar::with_options;
use crate::protocol::{Event, Function, ToolChoice, Tools};

/// The form in which a model writes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolFormat {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`, any number of times and after any text: Hermes, Qwen.
    Tagged,
    /// An answer that is nothing but `{"name": …, "parameters": …}`: Llama 3.
    Bare,
}

/// Whether a model with this chat template can call functions.
pub fn calls_tools(template: &str) -> bool {
    ToolFormat::of(template).is_some()
}

const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";

impl ToolFormat {
    /// The form that a chat template teaches; `None` where it knows no functions or another form.
    pub fn of(template: &str) -> Option<Self> {
        match template {
            template if !template.contains("tools") => None,
            template if template.contains(BEGIN) => Some(Self::Tagged),
            template if template.contains("\"parameters\": dictionary") => Some(Self::Bare),
            _ => None,
        }
    }

    /// A grammar, in llguidance's syntax, of answers that are calls and nothing else; `None` when the model may choose.
    ///
    /// # Errors
    /// One sentence that says which function cannot be used.
    pub fn forced(self, tools: &Tools) -> Result<Option<String>, String> {
        let named = match &tools.choice {
            ToolChoice::Auto => return Ok(None),
            ToolChoice::Required => None,
            ToolChoice::Named(name) => Some(name),
        };
        let callable = tools.functions.iter().filter(|function| named.is_none_or(|name| function.name == *name));
        let mut rules = String::new();
        let mut names = Vec::new();
        for (index, function) in callable.enumerate() {
            let name = format!("function_{index}");
            let schema = self.call_schema(function).map_err(|reason| format!("{}: {reason}", function.name))?;
            rules += &format!("{name}: %json {schema}\n");
            names.push(name);
        }
        if names.is_empty() {
            return Err("no function has the name that has to be called".to_owned());
        }
        let any = names.join(" | ");
        Ok(Some(match self {
            Self::Tagged => {
                let more = if tools.parallel { " (\"\\n\" call)*" } else { "" };
                format!("start: call{more}\ncall: \"{BEGIN}\\n\" function \"\\n{END}\"\nfunction: {any}\n{rules}")
            }
            Self::Bare => format!("start: {any}\n{rules}"),
        }))
    }

    fn call_schema(self, function: &Function) -> Result<Value, String> {
        let arguments = match self {
            Self::Tagged => "arguments",
            Self::Bare => "parameters",
        };
        let mut parameters = function.parameters.clone().unwrap_or_else(|| json!({ "type": "object" }));
        let mut schema = json!({
            "type": "object",
            "required": ["name", arguments],
            "additionalProperties": false,
        });
        // References count from the root, so what they refer to has to move there.
        if let Value::Object(parameters) = &mut parameters {
            for definitions in ["$defs", "definitions"] {
                if let Some(moved) = parameters.remove(definitions) {
                    schema[definitions] = moved;
                }
            }
        }
        schema["properties"] = json!({ "name": { "const": function.name }, arguments: parameters });
        with_options(&schema, function.strict)
    }
}

/// Reads the calls out of an answer while it is written. Text that may be the beginning of one is held back.
#[derive(Debug)]
pub struct ToolScanner {
    format: ToolFormat,
    held: String,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// No text yet, so blanks are none either.
    Start,
    Text,
    /// In the middle of a call.
    Call,
}

/// A part of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Call { name: String, arguments: String },
}

impl Said {
    /// For the request `id`. `tokens` are those that a text tells.
    pub fn into_event(self, id: &str, tokens: Vec<i32>) -> Event {
        let id = id.to_owned();
        match self {
            Self::Text(text) => Event::Text { id, text, tokens },
            Self::Call { name, arguments } => Event::ToolCall { id, name, arguments },
        }
    }
}

impl ToolScanner {
    pub fn new(format: ToolFormat) -> Self {
        Self { format, held: String::new(), state: State::Start }
    }

    pub fn push(&mut self, text: &str) -> Vec<Said> {
        self.held.push_str(text);
        match self.format {
            ToolFormat::Tagged => self.push_tagged(),
            ToolFormat::Bare => self.push_bare(),
        }
    }

    /// What was held back when the answer ends.
    pub fn finish(&mut self) -> Vec<Said> {
        let held = std::mem::take(&mut self.held);
        let inner = match self.format {
            ToolFormat::Tagged => held.strip_prefix(BEGIN).unwrap_or(&held),
            ToolFormat::Bare => &held,
        };
        let calls = if self.state == State::Call { calls_in(inner) } else { Vec::new() };
        if calls.is_empty() && !held.is_empty() { vec![Said::Text(held)] } else { calls }
    }

    fn push_tagged(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        loop {
            if self.state == State::Call {
                let Some(end) = self.held.find(END) else { return said };
                let rest = self.held.split_off(end + END.len());
                let call = std::mem::replace(&mut self.held, rest);
                let calls = calls_in(&call[BEGIN.len()..end]);
                said.extend(if calls.is_empty() { vec![Said::Text(call)] } else { calls });
                self.state = State::Start;
                continue;
            }
            if self.state == State::Start {
                self.held.drain(..self.held.len() - self.held.trim_start().len());
            }
            let begin = self.held.find(BEGIN);
            let undecided = self.held.split_off(begin.unwrap_or_else(|| undecided_from(&self.held)));
            let mut text = std::mem::replace(&mut self.held, undecided);
            if begin.is_some() {
                self.state = State::Call;
                // Blanks between a text and a call belong to neither.
                text.truncate(text.trim_end().len());
            } else if !text.is_empty() {
                self.state = State::Text;
            }
            if !text.is_empty() {
                said.push(Said::Text(text));
            }
            if begin.is_none() {
                return said;
            }
        }
    }

    fn push_bare(&mut self) -> Vec<Said> {
        if self.state == State::Start {
            self.state = match self.held.trim_start().chars().next() {
                None => State::Start,
                Some('{') => State::Call,
                Some(_) => State::Text,
            };
        }
        match self.state {
            State::Text => vec![Said::Text(std::mem::take(&mut self.held))],
            State::Start | State::Call => Vec::new(),
        }
    }
}

/// Where the end of a text begins that may yet turn out to be blanks before a call, or the beginning of its tag.
fn undecided_from(text: &str) -> usize {
    let tag = (1..BEGIN.len()).rev().find(|&length| text.ends_with(&BEGIN[..length])).unwrap_or(0);
    text[..text.len() - tag].trim_end().len()
}

/// The calls that a text consists of; none if it is anything else.
fn calls_in(text: &str) -> Vec<Said> {
    let mut calls = Vec::new();
    for call in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        match call.ok().and_then(call_of) {
            Some(call) => calls.push(call),
            None => return Vec::new(),
        }
    }
    calls
}

fn call_of(mut call: Value) -> Option<Said> {
    let name = call.get("name")?.as_str()?.to_owned();
    let key = ["arguments", "parameters"].into_iter().find(|key| call.get(key).is_some());
    let arguments = key.map(|key| call[key].take());
    let arguments = match arguments.unwrap_or_else(|| json!({})) {
        // Some models write the object as a text, as OpenAI does.
        Value::String(text) => serde_json::from_str::<Value>(&text).ok()?,
        arguments => arguments,
    };
    arguments.is_object().then(|| Said::Call { name, arguments: arguments.to_string() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Said {
        Said::Text(text.to_owned())
    }

    fn call(name: &str, arguments: &str) -> Said {
        Said::Call { name: name.to_owned(), arguments: arguments.to_owned() }
    }

    /// What an answer in these pieces says, its texts put together.
    fn scan<'a>(format: ToolFormat, pieces: impl IntoIterator<Item = &'a str>) -> Vec<Said> {
        let mut scanner = ToolScanner::new(format);
        let mut all: Vec<Said> = pieces.into_iter().flat_map(|piece| scanner.push(piece)).collect();
        all.extend(scanner.finish());
        let mut said: Vec<Said> = Vec::new();
        for next in all {
            match (said.last_mut(), next) {
                (Some(Said::Text(before)), Said::Text(more)) => before.push_str(&more),
                (_, next) => said.push(next),
            }
        }
        said
    }

    #[test]
    fn tagged_calls_are_read_out_of_the_text_around_them() {
        let answer = "Let me see.\n<tool_call>\n{\"name\": \"now\", \"arguments\": {\"zone\": \"UTC\"}}\n</tool_call>\n\
                      <tool_call>\n{\"name\": \"day\", \"arguments\": {}}\n</tool_call>";

        let said = scan(ToolFormat::Tagged, [answer]);

        assert_eq!(said, [text("Let me see."), call("now", r#"{"zone":"UTC"}"#), call("day", "{}")]);
    }

    #[test]
    fn a_text_that_only_begins_like_a_call_is_a_text() {
        for answer in
            ["a < b", "<tool", "<tool_calls> are fun", "<tool_call>\nnot JSON\n</tool_call>", "x <tool_call>{"]
        {
            let said = scan(ToolFormat::Tagged, [answer]);
            let Said::Text(said) = &said[0] else { panic!("{said:?}") };
            assert_eq!(said.replace(' ', ""), answer.replace(' ', ""));
        }
    }

    #[test]
    fn a_call_without_its_end_tag_is_a_call_when_it_is_whole() {
        let said = scan(ToolFormat::Tagged, ["<tool_call>\n{\"name\": \"now\", \"arguments\": {}}"]);

        assert_eq!(said, [call("now", "{}")]);
    }

    #[test]
    fn a_bare_call_is_the_whole_answer() {
        let said = scan(ToolFormat::Bare, ["{\"name\": \"now\", ", "\"parameters\": {\"zone\": \"UTC\"}}"]);

        assert_eq!(said, [call("now", r#"{"zone":"UTC"}"#)]);
        assert_eq!(scan(ToolFormat::Bare, ["{\"colour\": \"red\"}"]), [text("{\"colour\": \"red\"}")]);
        assert_eq!(scan(ToolFormat::Bare, ["Hello ", "{"]), [text("Hello {")]);
    }

    #[test]
    fn a_template_without_functions_teaches_no_form() {
        assert_eq!(ToolFormat::of("{{ messages }}"), None);
        assert_eq!(ToolFormat::of("{% if tools %}<tool_call>{% endif %}"), Some(ToolFormat::Tagged));
    }

    #[test]
    fn a_forced_call_of_an_unknown_function_is_refused() {
        let functions = vec![Function { name: "now".into(), description: None, parameters: None, strict: false }];
        let tools = |choice| Tools { functions: functions.clone(), choice, parallel: true };

        assert_eq!(ToolFormat::Tagged.forced(&tools(ToolChoice::Auto)), Ok(None));
        assert!(ToolFormat::Tagged.forced(&tools(ToolChoice::Named("later".into()))).is_err());
    }

    proptest! {
        #[test]
        fn pieces_of_any_answer_say_what_the_whole_says(pieces in prop::collection::vec(
            prop_oneof![
                Just("<tool_call>".to_owned()),
                Just("</tool_call>".to_owned()),
                Just("{\"name\": \"f\", \"arguments\": {}}".to_owned()),
                "[<>a_ \\n]{0,4}",
            ],
            0..8,
        )) {
            let whole = pieces.concat();
            let cut: Vec<String> = whole.chars().map(String::from).collect();
            prop_assert_eq!(
                scan(ToolFormat::Tagged, cut.iter().map(String::as_str)),
                scan(ToolFormat::Tagged, [whole.as_str()])
            );
        }
    }
}
