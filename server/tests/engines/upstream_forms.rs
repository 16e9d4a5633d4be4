//! What engines behind HTTP are asked and answer besides plain chat: tools, schemas, probabilities, texts and vectors.

use std::time::Duration;

use flotilla::{
    chat::Parameters,
    engine::{
        ChatRequest, Delta, Effort, EmbedRequest, EmbedText, Engine, EngineError, Function, KeepAlive, Ollama, OpenAi,
        Output, PromptMessage, Role, Schema, Think, ToolCall, ToolChoice, Tools,
    },
};
use futures::StreamExt;
use serde_json::json;

use crate::support::{Player, Reply, config, greeting, read, user};

const MODEL: &str = "smollm2:135m";
const OPENAI_ANSWER: &[u8] = include_bytes!("fixtures/openai_answer.sse");
const OLLAMA_ANSWER: &[u8] = include_bytes!("fixtures/ollama_answer.ndjson");

async fn openai(reply: Reply) -> (Player, OpenAi) {
    let player = Player::playing(reply).await;
    let engine = OpenAi::new(&format!("{}/v1", player.url), &config(&[])).unwrap();
    (player, engine)
}

async fn ollama(reply: Reply) -> (Player, Ollama) {
    let player = Player::playing(reply).await;
    let engine = Ollama::new(&player.url, &config(&["--context-length", "2048"])).unwrap();
    (player, engine)
}

fn tools(choice: ToolChoice) -> Output {
    let parameters = Some(json!({ "type": "object" }));
    let functions = vec![Function { name: "now".to_owned(), description: None, parameters, strict: false }];
    Output { tools: Some(Tools { functions, choice, parallel: true }), ..Output::default() }
}

fn one_at_most(mut output: Output) -> Output {
    output.tools = output.tools.map(|tools| Tools { parallel: false, ..tools });
    output
}

fn asking(output: Output) -> ChatRequest {
    ChatRequest { output, ..greeting(MODEL) }
}

/// A question whose answer called a function that has returned.
fn called() -> Vec<PromptMessage> {
    let call = ToolCall { id: "call_a".into(), name: "now".into(), arguments: r#"{"zone":"UTC"}"#.into() };
    vec![
        user("What time is it?"),
        PromptMessage { tool_calls: vec![call], ..PromptMessage::new(Role::Assistant, "") },
        PromptMessage { tool_call_id: Some("call_a".into()), ..PromptMessage::new(Role::Tool, "12:00") },
    ]
}

fn continuing() -> ChatRequest {
    let parameters = Parameters { max_tokens: Some(3), ..Parameters::default() };
    ChatRequest::new(MODEL, "Once upon".to_owned(), parameters)
}

fn embedding() -> EmbedRequest {
    let texts = ["one", "two"].map(|text| EmbedText::Text(text.to_owned())).to_vec();
    EmbedRequest { model: MODEL.to_owned(), texts, truncate: true, keep_alive: None }
}

#[tokio::test]
async fn openais_pieces_of_a_call_are_put_together() {
    let events = [
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_a","function":{"name":"now","arguments":""}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"call_b","function":{"name":"day","arguments":"{}"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"zone\":"}}]}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"UTC\"}"}}]}}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let (_player, engine) = openai(Reply::ok(body)).await;

    let answer: Vec<_> = engine.chat(asking(tools(ToolChoice::Auto))).await.unwrap().collect().await;

    let call = |id: &str, name: &str, arguments: &str| {
        Delta::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() })
    };
    assert_eq!(answer[0].as_ref().unwrap(), &call("call_a", "now", r#"{"zone":"UTC"}"#));
    assert_eq!(answer[1].as_ref().unwrap(), &call("call_b", "day", "{}"));
    assert!(matches!(answer[2], Ok(Delta::Done(_))));
}

#[tokio::test]
async fn openai_is_asked_for_tools_forms_and_probabilities_as_it_names_them() {
    let (player, engine) = openai(Reply::ok(OPENAI_ANSWER)).await;
    let schema = Some(Schema { schema: json!({ "type": "object", "required": ["a"] }), strict: true });
    let output = Output { schema, logprobs: Some(2), ..one_at_most(tools(ToolChoice::Named("now".to_owned()))) };

    read(engine.chat(ChatRequest { prompt: called().into(), ..asking(output) }).await.unwrap()).await.1.unwrap();

    let body = player.last_request().body;
    assert_eq!(body["tools"][0]["type"], "function");
    assert_eq!(body["tools"][0]["function"]["name"], "now");
    assert_eq!(body["tool_choice"], json!({ "type": "function", "function": { "name": "now" } }));
    assert_eq!(body["parallel_tool_calls"], false);
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!((&body["logprobs"], &body["top_logprobs"]), (&json!(true), &json!(2)));
    assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["arguments"], r#"{"zone":"UTC"}"#);
    assert_eq!(body["messages"][2]["tool_call_id"], "call_a");
}

#[tokio::test]
async fn openais_probabilities_come_before_their_text() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"logprobs\":{\"content\":[{\"token\":\"Hi\",\"logprob\":-0.5,\
                \"bytes\":null,\"top_logprobs\":[]}]}}]}\n\ndata: [DONE]\n\n";
    let (_player, engine) = openai(Reply::ok(body)).await;

    let answer: Vec<_> =
        engine.chat(asking(Output { logprobs: Some(0), ..Output::default() })).await.unwrap().collect().await;

    let Ok(Delta::Logprobs(tokens)) = &answer[0] else { panic!("{answer:?}") };
    assert_eq!((tokens[0].bytes.as_slice(), tokens[0].logprob), (b"Hi".as_slice(), -0.5));
    assert_eq!(answer[1].as_ref().unwrap(), &Delta::Text("Hi".to_owned().into()));
}

#[tokio::test]
async fn openais_thoughts_are_read_under_either_name_and_once_under_both() {
    let events = [
        r#"{"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":"Hm. "}}]}"#,
        r#"{"choices":[{"delta":{"content":"","reasoning":"Well. "},"logprobs":{"content":[{"token":"x","logprob":-1,"bytes":null,"top_logprobs":[]}]}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":"So. ","reasoning":"So. "}}]}"#,
        r#"{"choices":[{"delta":{"reasoning":{"effort":"low"}}}]}"#,
        r#"{"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ];
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let (_player, engine) = openai(Reply::ok(body)).await;

    let answer: Vec<_> = engine.chat(greeting(MODEL)).await.unwrap().map(Result::unwrap).collect().await;

    let thoughts = ["Hm. ", "Well. ", "So. "].map(|thought| Delta::Reasoning(thought.to_owned()));
    assert_eq!((&answer[..3], &answer[3]), (&thoughts[..], &Delta::Text("Hi".to_owned().into())));
    assert!(matches!(answer[4..], [Delta::Done(_)]));
}

#[tokio::test]
async fn openai_continues_a_text() {
    let body = "data: {\"choices\":[{\"text\":\" a time\",\"finish_reason\":null}]}\n\n\
                data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
    let (player, engine) = openai(Reply::ok(body)).await;

    assert_eq!(read(engine.chat(continuing()).await.unwrap()).await.0, " a time");

    let request = player.last_request();
    assert_eq!((request.path.as_str(), &request.body["prompt"]), ("/v1/completions", &json!("Once upon")));
}

#[tokio::test]
async fn openais_vectors_come_in_the_order_of_their_texts() {
    let body = r#"{"data":[{"index":1,"embedding":[0,1]},{"index":0,"embedding":[1,0]}],"usage":{"prompt_tokens":2}}"#;
    let (player, engine) = openai(Reply::ok(body)).await;

    let embeddings = engine.embed(embedding()).await.unwrap();

    assert_eq!((embeddings.vectors, embeddings.tokens), (vec![vec![1.0, 0.0], vec![0.0, 1.0]], 2));
    let expected = json!({ "model": MODEL, "input": ["one", "two"], "encoding_format": "float" });
    assert_eq!(player.last_request().body, expected);
}

#[tokio::test]
async fn ollamas_calls_are_read_and_its_messages_have_objects() {
    let body = "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"now\",\"arguments\":{\"zone\":\"UTC\"}}}]},\"done\":false}\n\
                {\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    let (player, engine) = ollama(Reply::ok(body)).await;
    let request = ChatRequest { prompt: called().into(), ..asking(tools(ToolChoice::Auto)) };

    let answer: Vec<_> = engine.chat(request).await.unwrap().collect().await;

    let Ok(Delta::ToolCall(call)) = &answer[0] else { panic!("{answer:?}") };
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("now", r#"{"zone":"UTC"}"#));
    assert!(call.id.starts_with("call_"));
    let body = player.last_request().body;
    assert_eq!(body["tools"][0]["function"]["name"], "now");
    assert_eq!(body["messages"][1]["tool_calls"][0]["function"]["arguments"], json!({ "zone": "UTC" }));
}

#[tokio::test]
async fn ollama_cannot_be_made_to_call_a_tool_and_is_not_asked() {
    let (_player, engine) = ollama(Reply::ok(OLLAMA_ANSWER)).await;

    let refused = engine.chat(asking(tools(ToolChoice::Required))).await.err().unwrap();

    assert!(matches!(refused, EngineError::Unsupported { param: "tool_choice", .. }));
}

#[tokio::test]
async fn ollama_cannot_be_kept_to_one_call_and_is_not_asked() {
    let (_player, engine) = ollama(Reply::ok(OLLAMA_ANSWER)).await;

    let refused = engine.chat(asking(one_at_most(tools(ToolChoice::Auto)))).await.err().unwrap();

    assert!(matches!(refused, EngineError::Unsupported { param: "parallel_tool_calls", .. }));
}

#[tokio::test]
async fn a_model_of_ollama_that_knows_no_tools_is_told_apart() {
    let (_player, engine) = ollama(Reply::error(400, r#"{"error":"qwen does not support tools"}"#)).await;

    let refused = engine.chat(asking(tools(ToolChoice::Auto))).await.err().unwrap();

    assert!(matches!(refused, EngineError::ToolsUnsupported));
}

#[tokio::test]
async fn ollama_is_asked_for_a_form_and_probabilities_as_it_names_them() {
    let (player, engine) = ollama(Reply::ok(OLLAMA_ANSWER)).await;
    let output = Output { schema: Some(Schema::any_object()), logprobs: Some(3), ..Output::default() };

    read(engine.chat(asking(output)).await.unwrap()).await.1.unwrap();

    let body = player.last_request().body;
    assert_eq!((&body["format"], &body["logprobs"], &body["top_logprobs"]), (&json!("json"), &json!(true), &json!(3)));
}

#[tokio::test]
async fn ollama_continues_a_text_and_makes_vectors() {
    let body =
        "{\"response\":\" a time\",\"done\":false}\n{\"response\":\"\",\"done\":true,\"done_reason\":\"length\"}\n";
    let (player, engine) = ollama(Reply::ok(body)).await;
    assert_eq!(read(engine.chat(continuing()).await.unwrap()).await.0, " a time");
    let request = player.last_request();
    assert_eq!((request.path.as_str(), &request.body["raw"]), ("/api/generate", &json!(true)));

    player.play(Reply::ok(r#"{"embeddings":[[1,0],[0,1]],"prompt_eval_count":2}"#));
    let embeddings = engine.embed(embedding()).await.unwrap();
    assert_eq!((embeddings.vectors.len(), embeddings.tokens), (2, 2));
    let expected = json!({ "model": MODEL, "input": ["one", "two"], "truncate": true });
    assert_eq!(player.last_request().body, expected);
}

#[tokio::test]
async fn ollama_is_told_how_long_a_model_stays_in_seconds() {
    let (player, engine) = ollama(Reply::ok(OLLAMA_ANSWER)).await;
    for (keep_alive, expected) in [(KeepAlive::For(Duration::from_secs(300)), 300.0), (KeepAlive::Forever, -1.0)] {
        let request = ChatRequest { keep_alive: Some(keep_alive), ..greeting(MODEL) };
        read(engine.chat(request).await.unwrap()).await.1.unwrap();
        assert_eq!(player.last_request().body["keep_alive"], expected);
    }
    player.play(Reply::ok(r#"{"embeddings":[[1,0],[0,1]]}"#));
    engine.embed(EmbedRequest { keep_alive: Some(KeepAlive::AT_ONCE), ..embedding() }).await.unwrap();
    assert_eq!(player.last_request().body["keep_alive"], 0.0);
}

#[tokio::test]
async fn ollama_is_asked_to_think_only_when_the_caller_says_so_and_its_thoughts_are_read() {
    let body = "{\"message\":{\"content\":\"\",\"thinking\":\"Hm. \"},\"done\":false}\n\
                {\"message\":{\"content\":\"Hi\"},\"done\":false}\n\
                {\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
    let (player, engine) = ollama(Reply::ok(body)).await;
    let thinking = |think| ChatRequest { think: Some(think), ..greeting(MODEL) };

    let answer: Vec<_> = engine.chat(thinking(Think::Switch(true))).await.unwrap().map(Result::unwrap).collect().await;

    assert_eq!(answer[..2], [Delta::Reasoning("Hm. ".to_owned()), Delta::Text("Hi".to_owned().into())]);
    assert_eq!(player.last_request().body["think"], true);
    read(engine.chat(thinking(Think::Effort(Effort::High))).await.unwrap()).await.1.unwrap();
    assert_eq!(player.last_request().body["think"], "high");
    read(engine.chat(greeting(MODEL)).await.unwrap()).await.1.unwrap();
    assert!(player.last_request().body.get("think").is_none());

    player.play(Reply::ok("{\"response\":\"\",\"thinking\":\"Hm. \"}\n{\"response\":\"\",\"done\":true}\n"));
    let answer: Vec<_> = engine.chat(continuing()).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(answer[0], Delta::Reasoning("Hm. ".to_owned()));
}

#[tokio::test]
async fn a_server_of_openais_cannot_be_asked_to_think_and_is_not() {
    let (_player, engine) = openai(Reply::ok(OPENAI_ANSWER)).await;

    let refused = engine.chat(ChatRequest { think: Some(Think::Switch(true)), ..greeting(MODEL) }).await.err();

    assert!(matches!(refused, Some(EngineError::Unsupported { param: "think", .. })));
}

#[tokio::test]
async fn ollama_takes_no_tokens_and_is_not_asked() {
    let (_player, engine) = ollama(Reply::ok(OLLAMA_ANSWER)).await;

    let refused = engine.embed(EmbedRequest { texts: vec![EmbedText::Tokens(vec![1])], ..embedding() }).await.err();

    assert!(matches!(refused, Some(EngineError::Unsupported { param: "input", .. })));
}
