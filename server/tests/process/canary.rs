//! One word is said in every place that holds a text or a secret, in requests that succeed and in requests that fail,
//! and then it is looked for in everything that the server tells about itself.

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{collector::Collector, support::Server};

const CANARY: &str = "quokka-7d1f";

/// What the upstream makes of a request, by the model that is asked for.
const MODELS: [&str; 6] = ["answers", "refuses", "fails", "breaks", "garbles", "leaves"];

/// An OpenAI-compatible server that repeats its prompt, whatever goes wrong: the model's name says what does.
async fn echoing_upstream() -> String {
    async fn chat(Json(request): Json<Value>) -> Response {
        let echo = request.to_string();
        let event = |event: Value| format!("data: {event}\n\n");
        // Asked to go on with an answer that broke off it says no more, or it would be asked for ever.
        let goes_on =
            request["messages"].as_array().is_some_and(|messages| messages.last().unwrap()["role"] == "assistant");
        let text =
            if goes_on { String::new() } else { event(json!({ "choices": [{ "delta": { "content": echo } }] })) };
        let error = json!({ "error": { "message": echo, "type": echo, "code": echo } });
        match request["model"].as_str().unwrap() {
            "refuses" => (StatusCode::BAD_REQUEST, Json(error)).into_response(),
            "fails" => (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response(),
            "breaks" => (text + &event(error)).into_response(),
            "garbles" => (text + &event(json!({ "choices": echo }))).into_response(),
            "leaves" => text.into_response(),
            _ => (text + "data: [DONE]\n\n").into_response(),
        }
    }
    async fn models() -> Json<Value> {
        let models = MODELS.map(|model| json!({ "id": model }));
        Json(json!({ "data": models }))
    }
    let router = Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(chat))
        .route("/v1/embeddings", post(chat))
        .route("/v1/models", get(models));
    serve(router).await
}

/// The same as an Ollama.
async fn echoing_ollama() -> String {
    async fn chat(Json(request): Json<Value>) -> Response {
        let echo = request.to_string();
        let goes_on =
            request["messages"].as_array().is_some_and(|messages| messages.last().unwrap()["role"] == "assistant");
        let message = json!({ "role": "assistant", "content": if goes_on { "" } else { &echo } });
        let text = format!("{}\n", json!({ "message": message, "response": echo, "done": false }));
        let error = json!({ "error": echo });
        match request["model"].as_str().unwrap().split(':').next().unwrap() {
            "refuses" => (StatusCode::BAD_REQUEST, Json(error)).into_response(),
            "fails" => (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response(),
            "breaks" => format!("{text}{error}\n").into_response(),
            "garbles" => format!("{text}{}\n", json!({ "message": echo })).into_response(),
            "leaves" => text.into_response(),
            _ => format!("{text}{}\n", json!({ "done": true, "done_reason": "stop" })).into_response(),
        }
    }
    async fn tags() -> Json<Value> {
        let models = MODELS.map(|model| json!({ "name": format!("{model}:latest"), "size": 1 }));
        Json(json!({ "models": models }))
    }
    let router = Router::new()
        .route("/api/chat", post(chat))
        .route("/api/generate", post(chat))
        .route("/api/embed", post(chat))
        .route("/api/ps", get(async || Json(json!({ "models": [] }))))
        .route("/api/tags", get(tags));
    serve(router).await
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Requests of both dialects that say it in every field that shapes an answer.
fn of_every_form(model: &str) -> Vec<(&'static str, Value)> {
    let schema = json!({ "type": "object", "properties": { CANARY: { "type": "string", "description": CANARY } } });
    let function = json!({ "name": CANARY, "description": CANARY, "parameters": schema });
    let tools = json!([{ "type": "function", "function": function }]);
    let unusable = json!({ "type": CANARY, "pattern": format!("({CANARY}") });
    let messages = json!([{ "role": "user", "content": CANARY }]);
    let arguments = json!({ CANARY: CANARY });
    let openai_call = json!({ "name": CANARY, "arguments": arguments.to_string() });
    let called_by_openai = json!([
        { "role": "user", "content": CANARY },
        { "role": "assistant", "tool_calls": [{ "id": CANARY, "type": "function", "function": openai_call }] },
        { "role": "tool", "tool_call_id": CANARY, "content": CANARY },
    ]);
    let called_by_ollama = json!([
        { "role": "user", "content": CANARY },
        { "role": "assistant", "tool_calls": [{ "function": { "name": CANARY, "arguments": arguments } }] },
        { "role": "tool", "content": CANARY },
    ]);
    let choice = json!({ "type": "function", "function": { "name": CANARY } });
    let format = |schema: &Value| json!({ "type": "json_schema", "json_schema": { "name": CANARY, "schema": schema } });
    let (openai, ollama) = ("/v1/chat/completions", "/api/chat");
    let of = |mut body: Value| {
        body["model"] = json!(model);
        body["max_tokens"] = json!(8);
        body
    };
    let of_ollama = |mut body: Value| {
        body["model"] = json!(model);
        body["options"] = json!({ "stop": [CANARY], "num_predict": 8 });
        body
    };
    vec![
        (openai, of(json!({ "messages": messages, "stop": [CANARY], "user": CANARY, "metadata": { CANARY: CANARY } }))),
        (openai, of(json!({ "messages": messages, "tools": tools }))),
        (openai, of(json!({ "messages": messages, "tools": tools, "tool_choice": choice }))),
        (openai, of(json!({ "messages": called_by_openai, "tools": tools }))),
        (openai, of(json!({ "messages": messages, "response_format": format(&schema) }))),
        (openai, of(json!({ "messages": messages, "response_format": format(&unusable) }))),
        (ollama, of_ollama(json!({ "messages": messages, "tools": tools }))),
        (ollama, of_ollama(json!({ "messages": called_by_ollama, "tools": tools }))),
        (ollama, of_ollama(json!({ "messages": messages, "format": schema }))),
        (ollama, of_ollama(json!({ "messages": messages, "format": unusable }))),
    ]
}

/// Say the word in every way there is; returns what the server told about itself over HTTP.
async fn say_it_everywhere(server: &Server, token: &str, models: &[&str]) -> String {
    let send = async |request: reqwest::RequestBuilder| {
        let answer = request.bearer_auth(token).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap_or_default())
    };
    let at = |path: &str| format!("{}{path}", server.url);
    let messages = json!([
        { "role": "system", "content": format!("You are called {CANARY}.") },
        { "role": "user", "content": format!("Repeat after me: {CANARY}") },
    ]);
    for model in models {
        for stream in [false, true] {
            let body = json!({ "model": model, "messages": messages, "stream": stream, "max_tokens": 8 });
            for path in ["/v1/chat/completions", "/api/chat"] {
                send(server.client.post(at(path)).json(&body)).await;
            }
        }
        let of_other_paths = [
            ("/v1/completions", json!({ "model": model, "prompt": CANARY, "max_tokens": 8 })),
            ("/v1/embeddings", json!({ "model": model, "input": CANARY })),
            ("/v1/responses", json!({ "model": model, "input": CANARY, "instructions": CANARY })),
            ("/api/generate", json!({ "model": model, "prompt": CANARY, "system": CANARY, "stream": false })),
            ("/api/embed", json!({ "model": model, "input": [CANARY] })),
        ];
        for (path, body) in of_other_paths.into_iter().chain(of_every_form(model)) {
            send(server.client.post(at(path)).json(&body)).await;
        }
        let conversation = json!({ "model": model, "system_prompt": CANARY, "title": CANARY });
        let (_, conversation) = send(server.client.post(at("/api/conversations")).json(&conversation)).await;
        let conversation: Value = serde_json::from_str(&conversation).unwrap();
        let path = format!("/api/conversations/{}/messages", conversation["id"].as_str().unwrap());
        let (_, turn) = send(server.client.post(at(&path)).json(&json!({ "content": CANARY }))).await;
        let turn: Value = serde_json::from_str(&turn).unwrap();
        send(server.client.get(at(&format!("/api/runs/{}/events", turn["run_id"].as_str().unwrap())))).await;
    }
    let (_, found) = send(server.client.get(at(&format!("/api/conversations?query={CANARY}")))).await;
    assert!(found.contains(CANARY), "{found}");
    // Nothing of these is accepted.
    send(server.client.post(at("/v1/chat/completions")).body(format!("{{\"messages\": {CANARY}"))).await;
    send(server.client.post(at("/v1/chat/completions")).json(&json!({ "messages": CANARY }))).await;
    send(server.client.post(at("/api/chat")).json(&json!({ "messages": [{ "role": CANARY }] }))).await;
    let (status, _) = send(server.client.post(at(&format!("/v1/{CANARY}"))).header("cookie", CANARY)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let stranger = server.client.get(at("/v1/models")).bearer_auth(format!("wrong-{CANARY}"));
    stranger.send().await.unwrap();
    let (status, metrics) = send(server.client.get(at("/metrics"))).await;
    assert_eq!(status, StatusCode::OK);
    metrics
}

async fn assert_it_kept_silent(server: Server, collector: &Collector, metrics: &str) {
    server.terminate();
    let log = server.log_at_the_end().await;
    assert!(log.contains("DEBUG"), "the log is not at its most talkative: {log}");
    let spans = collector.text();
    assert!(!collector.spans().is_empty());
    assert!(metrics.contains("flotilla_answers_total"), "{metrics}");
    for (place, text) in [("log", log.as_str()), ("traces", &spans), ("metrics", metrics)] {
        let leak = text.find(CANARY).map(|at| {
            let start = text[..at].char_indices().rev().nth(300).map_or(0, |(start, _)| start);
            text[start..at + CANARY.len()].to_owned()
        });
        assert_eq!(leak, None, "the {place} tells what was said");
    }
}

#[tokio::test]
async fn nothing_that_was_said_to_another_engine_and_no_secret_is_in_logs_traces_or_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let token = format!("token-{CANARY}");
    let key = format!("key-{CANARY}");
    let settings = [collector.setting(), ("RUST_LOG", "debug"), ("ACCESS_TOKEN", &token), ("OPENAI_API_KEY", &key)];
    let server = Server::in_front_of(&echoing_upstream().await, &settings, &folder.path().join("data"));
    let metrics = say_it_everywhere(&server, &token, &MODELS).await;
    assert_it_kept_silent(server, &collector, &metrics).await;
}

#[tokio::test]
async fn nothing_that_was_said_to_an_ollama_is_in_logs_traces_or_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let token = format!("token-{CANARY}");
    let url = echoing_ollama().await;
    let settings = [collector.setting(), ("RUST_LOG", "debug"), ("ACCESS_TOKEN", &token), ("OLLAMA_URL", &url)];
    let server = Server::serving(&settings, &folder.path().join("data"));
    let metrics = say_it_everywhere(&server, &token, &MODELS).await;
    assert_it_kept_silent(server, &collector, &metrics).await;
}

#[tokio::test]
async fn nothing_that_was_said_to_the_own_engine_is_in_logs_traces_or_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    let token = format!("token-{CANARY}");
    let settings = [collector.setting(), ("RUST_LOG", "debug"), ("ACCESS_TOKEN", &token)];
    let server = Server::with_starter_model_and(&settings, &folder.path().join("data"));
    let metrics = say_it_everywhere(&server, &token, &["smollm2:135m"]).await;
    assert_it_kept_silent(server, &collector, &metrics).await;
}
