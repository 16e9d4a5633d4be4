//! Renders a conversation with the chat template that the model file carries.
//!
//! The template is a program by whoever made the file. It runs in minijinja, which has no file system and no imports
//! here, and on a fixed budget of fuel, which bounds its steps and its memory alike.

mod json;

use std::fmt::Write as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use minijinja_contrib::pycompat;

use crate::protocol::Role;
use crate::tools::ToolFormat;

/// A compiled chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: String,
    eos: String,
    tool_format: Option<ToolFormat>,
}

/// One message as a template sees it.
pub struct TemplateMessage {
    pub role: Role,
    pub content: String,
    /// As OpenAI writes them, only with the arguments as an object.
    pub tool_calls: Vec<serde_json::Value>,
    pub tool_call_id: Option<String>,
}

/// For models without a template of their own.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}\
                      {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
/// minijinja charges one unit a step and one for 64 bytes of data: this is 64 MiB or well under a second.
const FUEL: u64 = 1 << 20;
const RECURSION_LIMIT: usize = 64;
const NAME: &str = "chat";

impl ChatTemplate {
    /// Compiles `source`, or plain ChatML when the model has none. `bos` and `eos` are the texts of those tokens.
    pub fn new(source: Option<String>, bos: String, eos: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // Hugging Face renders chat templates with these two; authors rely on it.
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_unknown_method_callback(pycompat::unknown_method_callback);
        environment.add_filter("tojson", json::tojson);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.set_recursion_limit(RECURSION_LIMIT);
        environment.set_fuel(Some(FUEL));
        let source = source.unwrap_or_else(|| CHATML.to_owned());
        let tool_format = ToolFormat::of(&source);
        environment.add_template_owned(NAME, source)?;
        Ok(Self { environment, bos, eos, tool_format })
    }

    /// How the model calls functions, if it does.
    pub fn tool_format(&self) -> Option<ToolFormat> {
        self.tool_format
    }

    /// The prompt's text. `tools` are functions as OpenAI writes them; `open_answer` adds what comes before the
    /// assistant's next message.
    pub fn render(
        &self,
        messages: &[TemplateMessage],
        tools: &[serde_json::Value],
        open_answer: bool,
    ) -> Result<String, Error> {
        self.environment.get_template(NAME)?.render(context! {
            messages => messages.iter().map(TemplateMessage::to_value).collect::<Vec<_>>(),
            // Templates ask whether there are any by asking whether there is a list.
            tools => (!tools.is_empty()).then(|| Value::from(Serde(tools))),
            add_generation_prompt => open_answer,
            bos_token => &self.bos,
            eos_token => &self.eos,
        })
    }
}

impl TemplateMessage {
    fn to_value(&self) -> Value {
        let role = match self.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        // What a message does not have is not there at all: templates loop over it without a look.
        match (self.tool_calls.as_slice(), &self.tool_call_id) {
            ([], None) => context! { role, content => &self.content },
            ([], Some(tool_call_id)) => context! { role, content => &self.content, tool_call_id },
            (calls, _) => {
                context! { role, content => &self.content, tool_calls => Value::from(Serde(calls)) }
            }
        }
    }
}

/// How templates refuse a conversation, for example one whose roles do not alternate.
fn raise_exception(message: String) -> Result<String, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: String) -> Result<String, Error> {
    let mut now = String::new();
    write!(now, "{}", chrono::Local::now().format(&format))
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, "strftime_now was given an unknown format"))?;
    Ok(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, contents: &[(Role, &str)]) -> Result<String, Error> {
        let template = ChatTemplate::new(Some(source.to_owned()), "<s>".into(), "</s>".into())?;
        let messages: Vec<_> = contents.iter().map(|&(role, content)| message(role, content)).collect();
        template.render(&messages, &[], true)
    }

    fn message(role: Role, content: &str) -> TemplateMessage {
        TemplateMessage { role, content: content.to_owned(), tool_calls: Vec::new(), tool_call_id: None }
    }

    #[test]
    fn a_model_without_a_template_gets_chatml() {
        let template = ChatTemplate::new(None, String::new(), String::new()).unwrap();

        let text = template.render(&[message(Role::User, "Hi")], &[], true).unwrap();

        assert_eq!(text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    }

    #[test]
    fn python_methods_and_special_tokens_work_as_template_authors_expect() {
        let source = "{{ bos_token }}{% for message in messages %}\n{% if message['content'].startswith('H') %}\n\
                      {{ message['content'].strip() | upper }}{% endif %}\n{% endfor %}";

        assert_eq!(render(source, &[(Role::User, "Hi  ")]).unwrap(), "<s>HI");
    }

    #[test]
    fn a_template_can_refuse_a_conversation() {
        let error = render("{{ raise_exception('Roles must alternate') }}", &[]).unwrap_err();

        assert_eq!(error.detail(), Some("Roles must alternate"));
    }

    #[test]
    fn functions_and_calls_reach_the_template_as_its_authors_expect() {
        let source = "{% for tool in tools %}{{ tool | tojson }}{% endfor %}{% for message in messages %}\
                      {% for call in message.tool_calls %}{{ call.function.name }}{{ call.function.arguments | tojson }}\
                      {% endfor %}{{ message.tool_call_id }}{% endfor %}";
        let template = ChatTemplate::new(Some(source.to_owned()), String::new(), String::new()).unwrap();
        let call = serde_json::json!({ "function": { "name": "now", "arguments": { "zone": "<é>" } } });
        let calling = TemplateMessage { tool_calls: vec![call], ..message(Role::Assistant, "") };
        let answering = TemplateMessage { tool_call_id: Some("call_1".into()), ..message(Role::Tool, "12:00") };

        let text = template.render(&[calling, answering], &[serde_json::json!({ "type": "function" })], true).unwrap();

        assert_eq!(text, r#"{"type": "function"}now{"zone": "<é>"}call_1"#);
    }

    #[test]
    fn an_unknown_date_format_is_an_error() {
        assert!(render("{{ strftime_now('%') }}", &[]).is_err());
    }

    #[test]
    fn a_template_that_loops_or_doubles_without_end_runs_out_of_fuel() {
        let bombs = [
            "{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}",
            "{% set x = namespace(text='aaaaaaaa') %}{% for i in range(60) %}{% set x.text = x.text ~ x.text %}{% endfor %}",
            "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        ];
        for bomb in bombs {
            assert!(render(bomb, &[]).is_err(), "{bomb}");
        }
    }

    #[test]
    fn a_template_reaches_no_file() {
        assert!(render("{% include '/etc/hostname' %}", &[]).is_err());
    }
}
