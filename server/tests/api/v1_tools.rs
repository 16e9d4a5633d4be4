//! Functions that the model may call, in OpenAI's dialect.

use flotilla::engine::{Role, Scripted, Step, ToolCall, ToolChoice};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const PATH: &str = "/v1/chat/completions";

fn call(id: &str, name: &str, arguments: &str) -> Step {
    Step::Call(ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: arguments.to_owned() })
}

/// A model that asks for the time in two places.
async fn calling() -> TestServer {
    let script = vec![call("call_a", "now", r#"{"zone":"UTC"}"#), call("call_b", "now", r#"{"zone":"CET"}"#)];
    TestServer::new(Scripted::new(script)).await
}

fn tools() -> Value {
    let parameters = json!({ "type": "object", "properties": { "zone": { "type": "string" } } });
    json!([{ "type": "function", "function": { "name": "now", "description": "The time", "parameters": parameters } }])
}

async fn ask(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "messages": [{ "role": "user", "content": "What time is it?" }], "tools": tools() });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post(PATH, body).await
}

#[tokio::test]
async fn calls_have_ids_and_their_arguments_are_a_text() {
    let answer = ask(&calling().await, json!({})).await.json();
    assert_snapshot!(
        answer["choices"][0],
        @r#"{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_a","type":"function","function":{"name":"now","arguments":"{\"zone\":\"UTC\"}"}},{"id":"call_b","type":"function","function":{"name":"now","arguments":"{\"zone\":\"CET\"}"}}]},"finish_reason":"tool_calls","logprobs":null}"#
    );
}

#[tokio::test]
async fn streamed_calls_have_their_index_and_id_and_name_come_once() {
    let text = ask(&calling().await, json!({ "stream": true })).await.text();
    let chunks: Vec<Value> = text
        .split_terminator("\n\n")
        .filter_map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).ok())
        .collect();
    let pieces: Vec<_> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .map(|calls| calls[0].to_string())
        .collect();
    assert_snapshot!(pieces.join("\n"), @r#"
    {"index":0,"id":"call_a","type":"function","function":{"name":"now","arguments":""}}
    {"index":0,"function":{"arguments":"{\"zone\":\"UTC\"}"}}
    {"index":1,"id":"call_b","type":"function","function":{"name":"now","arguments":""}}
    {"index":1,"function":{"arguments":"{\"zone\":\"CET\"}"}}
    "#);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
}

#[tokio::test]
async fn functions_reach_the_engine_with_the_choice() {
    let server = calling().await;
    for (choice, expected) in [
        (json!(null), ToolChoice::Auto),
        (json!("auto"), ToolChoice::Auto),
        (json!("required"), ToolChoice::Required),
        (json!({ "type": "function", "function": { "name": "now" } }), ToolChoice::Named("now".to_owned())),
    ] {
        ask(&server, json!({ "tool_choice": choice, "parallel_tool_calls": false })).await;
        let tools = server.engine.last_request().unwrap().output.tools.unwrap();
        assert_eq!((tools.choice, tools.parallel), (expected, false));
        assert_eq!(tools.functions[0].name, "now");
    }
}

#[tokio::test]
async fn a_model_that_must_not_call_is_offered_nothing() {
    let server = calling().await;
    ask(&server, json!({ "tool_choice": "none" })).await;
    assert_eq!(server.engine.last_request().unwrap().output.tools, None);
}

#[tokio::test]
async fn calls_and_what_they_returned_are_part_of_the_conversation() {
    let server = calling().await;
    let called = json!([{ "id": "call_a", "type": "function", "function": { "name": "now", "arguments": "{}" } }]);
    let messages = json!([
        { "role": "user", "content": "What time is it?" },
        { "role": "assistant", "content": null, "tool_calls": called },
        { "role": "tool", "tool_call_id": "call_a", "content": "12:00" },
    ]);
    ask(&server, json!({ "messages": messages })).await;
    let sent = server.engine.last_request().unwrap().prompt.messages().to_vec();
    assert_eq!(sent[1].tool_calls, [ToolCall { id: "call_a".into(), name: "now".into(), arguments: "{}".into() }]);
    assert_eq!(
        (sent[2].role, sent[2].tool_call_id.as_deref(), sent[2].content.as_str()),
        (Role::Tool, Some("call_a"), "12:00")
    );
}

#[tokio::test]
async fn calls_that_cannot_be_sent_are_refused_by_name() {
    let server = calling().await;
    let called = json!([{ "id": "call_a", "type": "function", "function": { "name": "now", "arguments": "noon" } }]);
    let messages = json!([{ "role": "assistant", "tool_calls": called }, { "role": "user", "content": "hello" }]);
    let error = ask(&server, json!({ "messages": messages })).await.json();
    assert_eq!(error["error"]["param"], "messages[0].tool_calls[0].function.arguments");
    let error =
        ask(&server, json!({ "tool_choice": { "type": "function", "function": { "name": "later" } } })).await.json();
    assert_eq!(error["error"]["param"], "tool_choice");
}

#[tokio::test]
async fn a_hostile_schema_is_refused_by_name_wherever_it_stands() {
    let server = calling().await;
    let any = json!({ "anyOf": vec![json!({ "type": "string" }); 20] });
    let schema = json!({ "allOf": vec![any; 20] });
    let tool = json!([{ "type": "function", "function": { "name": "now", "parameters": schema } }]);
    let error = ask(&server, json!({ "tools": tool })).await.json();
    assert_eq!(error["error"]["param"], "tools[0].function.parameters");
    let format = json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema } });
    let error = ask(&server, json!({ "response_format": format })).await.json();
    assert_eq!(error["error"]["param"], "response_format.json_schema.schema");
}

#[tokio::test]
async fn the_form_of_the_answer_reaches_the_engine() {
    let server = calling().await;
    ask(&server, json!({ "response_format": { "type": "json_object" } })).await;
    let schema = server.engine.last_request().unwrap().output.schema.unwrap();
    assert_eq!(schema.schema, json!({ "type": "object" }));
    let person = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "person", "schema": person, "strict": true } });
    ask(&server, json!({ "response_format": format })).await;
    let schema = server.engine.last_request().unwrap().output.schema.unwrap();
    assert_eq!((schema.schema, schema.strict), (person, true));
}
