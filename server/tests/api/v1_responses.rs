use axum::http::StatusCode;
use flotilla::engine::{EngineError, Role, Scripted, Step, ToolCall};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Response, TestServer};

const PATH: &str = "/v1/responses";

async fn ask(server: &TestServer, fields: Value) -> Response {
    let mut body = json!({ "model": "scripted", "input": "Say hello" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    server.post(PATH, body).await
}

async fn server() -> TestServer {
    TestServer::answering(&["Hello", " there"]).await
}

/// The events of a stream, whose SSE name is their type.
fn events(response: &Response) -> Vec<Value> {
    let text = response.text();
    let event = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: ").unwrap(), data["type"]);
        data
    };
    text.split_terminator("\n\n").map(event).collect()
}

fn types(events: &[Value]) -> String {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_response_has_openais_shape() {
    let response = ask(&server().await, json!({ "instructions": "Be brief", "temperature": 0.5 })).await.json();
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")));
    let message = &response["output"][0];
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["content"], json!([{ "type": "output_text", "text": "Hello there", "annotations": [] }]));
    assert_eq!(response["usage"]["output_tokens"], 2);
    assert_eq!((&response["store"], &response["instructions"]), (&json!(false), &json!("Be brief")));
}

#[tokio::test]
async fn the_events_of_a_stream_come_in_the_documented_order() {
    let events = events(&ask(&server().await, json!({ "stream": true })).await);
    assert_snapshot!(types(&events), @"
    response.created
    response.in_progress
    response.output_item.added
    response.content_part.added
    response.output_text.delta
    response.output_text.delta
    response.output_text.done
    response.content_part.done
    response.output_item.done
    response.completed
    ");
    let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(events[6]["text"], "Hello there");
    assert_eq!(events[9]["response"]["output"][0]["content"][0]["text"], "Hello there");
    assert_eq!(events[4]["item_id"], events[9]["response"]["output"][0]["id"]);
}

#[tokio::test]
async fn a_call_of_a_function_is_an_item_of_its_own() {
    let call = ToolCall { id: "call_a".into(), name: "now".into(), arguments: r#"{"zone":"UTC"}"#.into() };
    let script = vec![Step::Text("Let me see.".to_owned()), Step::Call(call)];
    let server = TestServer::new(Scripted::new(script)).await;
    let tools = json!([{ "type": "function", "name": "now", "parameters": { "type": "object" } }]);
    let response = ask(&server, json!({ "tools": tools })).await.json();
    let called = &response["output"][1];
    assert_eq!(
        (&called["type"], &called["call_id"], &called["name"]),
        (&json!("function_call"), &json!("call_a"), &json!("now"))
    );
    assert_eq!(called["arguments"], r#"{"zone":"UTC"}"#);
    let events = events(&ask(&server, json!({ "tools": tools, "stream": true })).await);
    assert_snapshot!(types(&events[5..]), @"
    response.output_text.done
    response.content_part.done
    response.output_item.done
    response.output_item.added
    response.function_call_arguments.delta
    response.function_call_arguments.done
    response.output_item.done
    response.completed
    ");
    assert_eq!(events[9]["output_index"], 1);
}

#[tokio::test]
async fn items_become_the_conversation() {
    let server = server().await;
    let input = json!([
        { "role": "developer", "content": "Be brief" },
        { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "What time is it?" }] },
        { "type": "function_call", "call_id": "call_a", "name": "now", "arguments": "{}" },
        { "type": "function_call", "call_id": "call_b", "name": "now", "arguments": "" },
        { "type": "function_call_output", "call_id": "call_a", "output": "12:00" },
    ]);
    ask(&server, json!({ "input": input, "instructions": "You are a clock" })).await;
    let sent = server.engine.last_request().unwrap().prompt.messages().to_vec();
    let roles: Vec<_> = sent.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::System, Role::User, Role::Assistant, Role::Tool]);
    assert_eq!(sent[3].tool_calls.len(), 2);
    assert_eq!(sent[4].tool_call_id.as_deref(), Some("call_a"));
}

#[tokio::test]
async fn an_answer_that_was_cut_is_incomplete() {
    let server = server().await;
    let response = ask(&server, json!({ "max_output_tokens": 1 })).await.json();
    assert_eq!(
        (&response["status"], &response["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    let events = events(&ask(&server, json!({ "max_output_tokens": 1, "stream": true })).await);
    assert_eq!(events.last().unwrap()["type"], "response.incomplete");
}

#[tokio::test]
async fn a_form_reaches_the_engine() {
    let server = server().await;
    let format = json!({ "type": "json_schema", "name": "x", "schema": { "type": "object" }, "strict": true });
    ask(&server, json!({ "text": { "format": format } })).await;
    assert!(server.engine.last_request().unwrap().output.schema.unwrap().strict);
}

#[tokio::test]
async fn wishes_that_take_a_memory_are_refused_by_name() {
    let server = server().await;
    for (fields, param) in [
        (json!({ "previous_response_id": "resp_1" }), "previous_response_id"),
        (json!({ "conversation": "conv_1" }), "conversation"),
        (json!({ "store": true }), "store"),
        (json!({ "background": true }), "background"),
        (json!({ "truncation": "auto" }), "truncation"),
        (json!({ "tools": [{ "type": "web_search" }] }), "tools[0].type"),
        (json!({ "input": [{ "type": "reasoning" }] }), "input[0].type"),
    ] {
        let response = ask(&server, fields).await;
        let error = &response.json()["error"];
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert_eq!((&error["code"], &error["param"]), (&json!("unsupported_parameter"), &json!(param)));
    }
    assert_eq!(ask(&server, json!({ "store": false, "truncation": "disabled" })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn inputs_that_cannot_be_sent_are_refused_by_name() {
    let server = server().await;
    for (fields, param) in [
        (json!({ "input": "" }), "input"),
        (json!({ "input": [] }), "input"),
        (json!({ "input": 5 }), "input"),
        (json!({ "input": [{ "role": "user" }] }), "input[0].content"),
        (json!({ "input": [{ "content": "hello" }] }), "input[0].role"),
        (json!({ "input": [{ "type": "function_call", "name": "now" }] }), "input[0].call_id"),
        (json!({ "input": [{ "type": "function_call_output", "call_id": "a" }] }), "input[0].output"),
        (json!({ "max_output_tokens": 0 }), "max_output_tokens"),
        (json!({ "temperature": 3 }), "temperature"),
        (json!({ "tools": [{ "type": "function" }] }), "tools[0].name"),
        (json!({ "text": { "format": { "type": "json_schema", "name": "x" } } }), "text.format.schema"),
    ] {
        let response = ask(&server, fields).await;
        assert_eq!((response.status, &response.json()["error"]["param"]), (StatusCode::BAD_REQUEST, &json!(param)));
    }
}

#[tokio::test]
async fn an_engine_that_dies_in_the_middle_is_one_error_event() {
    let script = vec![Step::Text("Hel".to_owned()), Step::Fail(|| EngineError::Interrupted)];
    let server = TestServer::new(Scripted::new(script)).await;
    let events = events(&ask(&server, json!({ "stream": true })).await);
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["code"]), (&json!("error"), &json!("engine_interrupted")));
    assert_eq!(last["sequence_number"], events.len() as u64 - 1);
    assert_eq!(ask(&server, json!({})).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_conversation_that_does_not_fit_is_refused_by_name() {
    let server = TestServer::new(Scripted::new(vec![]).with_context_length(1)).await;
    let error = ask(&server, json!({})).await.json();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["param"]),
        (&json!("context_length_exceeded"), &json!("input"))
    );
}
