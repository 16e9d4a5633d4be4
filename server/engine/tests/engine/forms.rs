//! Answers of a certain form: JSON by a schema, calls of functions, and log probabilities.

use std::sync::LazyLock;
use std::time::Duration;

use flotilla_engine::protocol::{
    ErrorCode, Event, FinishReason, Function, LoadOptions, Output, Sampling, Schema, TokenLogprob, ToolChoice, Tools,
};
use serde_json::{Value, json};

use crate::client::{Engine, OPTIONS, SHARED, greedy, question};
use crate::gguf::write_with_template;

/// Far longer than any schema may take on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What Qwen's and Hermes' templates tell their models, in short.
const TOOL_TEMPLATE: &str = "{% if tools %}{% for tool in tools %}<|im_start|>system\n{{ tool | tojson }}<|im_end|>\n{% endfor %}{% endif %}\
    {% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}\
    {% for call in message.tool_calls %}<tool_call>\n{{ call.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// The starter model under a template that knows functions.
static CALLING: LazyLock<Engine> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calling.gguf");
    write_with_template(&path, TOOL_TEMPLATE);
    let engine = Engine::start();
    let loaded = engine.load(&path, LoadOptions { slots: 2, ..OPTIONS });
    assert!(matches!(loaded, Event::Loaded { .. }), "{loaded:?}");
    engine
});

fn held_to(schema: Value) -> Output {
    Output { schema: Some(Schema { schema, strict: false }), ..Output::default() }
}

fn person() -> Value {
    json!({
        "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 20 }, "age": { "type": "integer", "minimum": 0, "maximum": 120 } },
        "required": ["name", "age"],
        "additionalProperties": false,
    })
}

/// The answer as JSON.
fn json_answer(params: Sampling, schema: Value) -> Value {
    let answer = SHARED.generate_as(question("Describe a person."), params, held_to(schema)).finish();
    assert_eq!(answer.finish_reason, FinishReason::Stop, "{}", answer.text);
    serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text))
}

fn refusal(schema: Value, strict: bool) -> (ErrorCode, String) {
    let output = Output { schema: Some(Schema { schema, strict }), ..Output::default() };
    SHARED.generate_as(question("Describe a person."), greedy(4), output).error()
}

#[test]
fn an_answer_follows_its_schema_greedy_and_hot() {
    let hot = |seed| Sampling { temperature: 2.0, top_p: 1.0, top_k: 0, min_p: 0.0, seed: Some(seed), ..greedy(200) };
    for params in [greedy(200), hot(1), hot(2)] {
        let person = json_answer(params, person());
        assert!(person["name"].is_string());
        assert!((0..=120).contains(&person["age"].as_i64().unwrap()));
    }
}

#[test]
fn an_answer_is_one_of_the_values_that_are_allowed() {
    let colour = json_answer(greedy(20), json!({ "enum": ["red", "green"] }));
    assert!(colour == "red" || colour == "green");
}

#[test]
fn definitions_and_unions_are_followed() {
    let schema = json!({
        "type": "object",
        "properties": { "pet": { "anyOf": [{ "$ref": "#/$defs/Pet" }, { "type": "null" }] } },
        "required": ["pet"],
        "additionalProperties": false,
        "$defs": { "Pet": { "type": "object", "properties": { "legs": { "const": 4 } }, "required": ["legs"], "additionalProperties": false } },
    });
    let answer = json_answer(greedy(40), schema);
    assert!(answer == json!({ "pet": null }) || answer == json!({ "pet": { "legs": 4 } }), "{answer}");
}

#[test]
fn penalties_and_schemas_go_together() {
    let params = Sampling { repeat_penalty: 1.5, frequency_penalty: 1.0, ..greedy(200) };
    assert!(json_answer(params, person())["age"].is_i64());
}

#[test]
fn what_is_no_schema_is_refused() {
    let (code, message) = refusal(json!({ "type": "no such type" }), false);
    assert_eq!(code, ErrorCode::SchemaUnusable);
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
    assert_eq!(refusal(json!("object"), false).0, ErrorCode::SchemaUnusable);
}

#[test]
fn a_strict_schema_with_what_cannot_be_enforced_is_refused() {
    let schema = json!({ "type": "array", "uniqueItems": true });
    assert_eq!(refusal(schema.clone(), true).0, ErrorCode::SchemaUnusable);
    let lenient = SHARED.generate_as(question("List three numbers."), greedy(4), held_to(schema)).finish();
    assert!(lenient.text.starts_with('['));
}

#[test]
fn a_schema_that_costs_too_much_is_refused_soon_and_the_others_go_on() {
    let hostile = [
        json!({ "type": "string", "pattern": "^(a|b|ab){1,2000}(c{1,2000}d){1,2000}$" }),
        json!({ "type": "string", "pattern": "(.*a){50}.{500}b(.*c){50}" }),
        json!({ "type": "array", "items": { "type": "string", "minLength": 100_000 }, "minItems": 100_000 }),
    ];
    for schema in hostile {
        let answering = SHARED.generate_as(question("Write something."), greedy(4), held_to(schema));
        // Whether it is refused or can be written, it comes to an end.
        while !matches!(answering.events.recv_timeout(PATIENCE).unwrap(), Event::Error { .. } | Event::Done { .. }) {}
    }
    assert_eq!(
        SHARED.answer(question("What is the capital of France?"), greedy(64)).text,
        "The capital of France is Paris."
    );
}

/// The tokens of an answer with their log probabilities, and its text.
fn with_logprobs(alternatives: u32, params: Sampling) -> (Vec<TokenLogprob>, String) {
    let output = Output { logprobs: Some(alternatives), ..Output::default() };
    let answering = SHARED.generate_as(question("What is the capital of France?"), params, output);
    let (mut tokens, mut text) = (Vec::new(), String::new());
    for event in &answering.events {
        match event {
            Event::Logprobs { tokens: more, .. } => tokens.extend(more),
            Event::Text { text: more, .. } => text += &more,
            Event::Done { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    (tokens, text)
}

#[test]
fn tokens_with_log_probabilities_make_the_text() {
    let (tokens, text) = with_logprobs(0, greedy(64));
    assert_eq!(String::from_utf8(tokens.iter().flat_map(|token| token.bytes.clone()).collect()).unwrap(), text);
    assert!(tokens.iter().all(|token| token.logprob <= 0.0 && token.top.is_empty()));
}

#[test]
fn a_greedy_token_is_the_likeliest_of_its_alternatives() {
    let (tokens, _) = with_logprobs(5, greedy(8));
    for token in tokens {
        assert_eq!(token.top.len(), 5);
        assert_eq!((&token.top[0].bytes, token.top[0].logprob), (&token.bytes, token.logprob));
        assert!(token.top.is_sorted_by(|a, b| a.logprob >= b.logprob));
        assert!(token.top.iter().map(|token| token.logprob.exp()).sum::<f32>() <= 1.0 + 1e-4);
    }
}

#[test]
fn more_alternatives_than_are_told_are_refused() {
    let output = Output { logprobs: Some(21), ..Output::default() };
    let (code, message) = SHARED.generate_as(question("hi"), greedy(1), output).error();
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.starts_with("`logprobs`"), "{message}");
}

fn offered(choice: ToolChoice, parallel: bool) -> Output {
    let zone = json!({ "$ref": "#/$defs/Zone" });
    let parameters = json!({
        "type": "object",
        "properties": { "zone": zone },
        "required": ["zone"],
        "additionalProperties": false,
        "$defs": { "Zone": { "enum": ["UTC", "CET"] } },
    });
    let function = |name: &str, parameters| Function {
        name: name.to_owned(),
        description: Some("Tells the time".to_owned()),
        parameters,
        strict: false,
    };
    let functions = vec![function("now", Some(parameters)), function("today", None)];
    Output { tools: Some(Tools { functions, choice, parallel }), ..Output::default() }
}

/// The calls of an answer, and its text.
fn calls(output: Output, params: Sampling) -> (Vec<(String, Value)>, String) {
    let answering = CALLING.generate_as(question("What time is it in London?"), params, output);
    let (mut calls, mut text) = (Vec::new(), String::new());
    for event in &answering.events {
        match event {
            Event::ToolCall { name, arguments, .. } => calls.push((name, serde_json::from_str(&arguments).unwrap())),
            Event::Text { text: more, .. } => text += &more,
            Event::Done { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    (calls, text)
}

#[test]
fn a_required_call_is_a_call_with_arguments_by_its_schema() {
    let (calls, text) = calls(offered(ToolChoice::Named("now".to_owned()), false), greedy(100));
    assert_eq!(calls.len(), 1, "{text}");
    assert_eq!(calls[0].0, "now");
    assert!(calls[0].1 == json!({ "zone": "UTC" }) || calls[0].1 == json!({ "zone": "CET" }));
    assert_eq!(text, "");
}

#[test]
fn some_call_is_made_when_any_will_do() {
    let (calls, text) =
        calls(offered(ToolChoice::Required, false), Sampling { seed: Some(3), temperature: 1.0, ..greedy(100) });
    assert_eq!((calls.len(), text.as_str()), (1, ""));
    assert!(["now", "today"].contains(&calls[0].0.as_str()));
}

#[test]
fn a_model_that_may_call_may_answer_too() {
    let (calls, text) = calls(offered(ToolChoice::Auto, true), greedy(24));
    assert!(!calls.is_empty() || !text.is_empty());
}

#[test]
fn functions_are_part_of_the_prompt() {
    let output = |tools| Output { tools, ..Output::default() };
    let tokens = |output| CALLING.generate_as(question("hi"), greedy(1), output).finish().usage.prompt_tokens;
    let tools = offered(ToolChoice::Auto, true).tools;
    assert!(tokens(output(tools)) > tokens(output(None)) + 20);
}

#[test]
fn a_model_whose_template_knows_no_functions_refuses_them() {
    let answering = SHARED.generate_as(question("hi"), greedy(1), offered(ToolChoice::Auto, true));
    assert_eq!(answering.error().0, ErrorCode::ToolsUnsupported);
}

#[test]
fn a_function_that_cannot_be_enforced_is_named() {
    let functions = vec![Function {
        name: "now".to_owned(),
        description: None,
        parameters: Some(json!({ "type": "no such type" })),
        strict: true,
    }];
    let tools = Some(Tools { functions, choice: ToolChoice::Required, parallel: false });
    let (code, _) = CALLING.generate_as(question("hi"), greedy(1), Output { tools, ..Output::default() }).error();
    assert_eq!(code, ErrorCode::ToolsUnusable);
}
