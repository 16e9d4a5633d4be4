use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    response::Redirect,
    routing::{get, post},
};
use desktop::{loopback::Loopback, remote, server_url::ServerUrl};
use futures::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::support::Home;

#[tokio::test]
async fn requests_go_on_without_what_belongs_to_this_computer() {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let echo = async move |request: Request| {
        let (parts, body) = request.into_parts();
        *keep.lock().unwrap() = Some((parts.uri.to_string(), parts.headers));
        let body = axum::body::to_bytes(body, 1024).await.unwrap();
        ([(header::SET_COOKIE, "session=1"), (header::CONTENT_TYPE, "text/plain")], body)
    };
    let loopback = in_front_of(Router::new().route("/api/chat", post(echo))).await;

    let request = ask(&loopback).post(format!("{}/api/chat?a=b", loopback.base_url()));
    let request = request.header("origin", "tauri://localhost").header("cookie", "a=b").header("last-event-id", "7");
    let answer = request.body("hello").send().await.unwrap();

    assert_eq!(answer.headers().get("set-cookie"), None);
    assert_eq!(answer.headers()["access-control-allow-origin"], "tauri://localhost");
    assert_eq!(answer.text().await.unwrap(), "hello");
    let (uri, headers): (String, HeaderMap) = seen.lock().unwrap().take().unwrap();
    assert_eq!(uri, "/api/chat?a=b");
    assert_eq!(headers["last-event-id"], "7");
    for name in ["authorization", "cookie", "origin"] {
        assert_eq!(headers.get(name), None, "{name} went on");
    }
}

#[tokio::test]
async fn the_servers_own_token_goes_on_in_the_place_of_ours() {
    let whose = async |headers: HeaderMap| headers[header::AUTHORIZATION].to_str().unwrap().to_owned();
    let loopback = in_front_of(Router::new().route("/api/models", get(whose))).await;
    let request = ask(&loopback).get(format!("{}/api/models", loopback.base_url()));
    let answer = request.header("x-server-authorization", "Bearer theirs").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "Bearer theirs");
}

#[tokio::test]
async fn an_answer_comes_through_piece_by_piece() {
    let (pieces, stream) = mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
    let body = Arc::new(Mutex::new(Some(Body::from_stream(UnboundedReceiverStream::new(stream)))));
    let events = move || std::future::ready(body.lock().unwrap().take().unwrap());
    let loopback = in_front_of(Router::new().route("/api/runs/1/events", get(events))).await;

    pieces.send(Ok("one".into())).unwrap();
    let answer = ask(&loopback).get(format!("{}/api/runs/1/events", loopback.base_url())).send().await.unwrap();
    let mut body = answer.bytes_stream();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    pieces.send(Ok("two".into())).unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), "two");
    drop(pieces);
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn an_error_of_the_server_comes_through_as_it_is() {
    let refuse = async || (StatusCode::NOT_FOUND, Json(json!({ "error": { "code": "not_found" } })));
    let loopback = in_front_of(Router::new().route("/api/models", get(refuse))).await;
    let answer = models(&loopback).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "not_found");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let redirect = async || Redirect::temporary("http://127.0.0.1:9/");
    let loopback = in_front_of(Router::new().route("/api/models", get(redirect))).await;
    let answer = models(&loopback).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(answer.headers().get("location"), None);
}

#[tokio::test]
async fn a_server_that_went_away_is_named() {
    let loopback = remote::start(nobody().await).await.unwrap();
    let answer = models(&loopback).await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let error = answer.json::<Value>().await.unwrap();
    assert_eq!(error["error"]["code"], "server_unreachable");
}

#[tokio::test]
async fn the_way_through_is_for_our_page_only() {
    let loopback = in_front_of(Router::new().route("/api/models", get(async || "secret"))).await;
    let url = format!("{}/api/models", loopback.base_url());
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();
    assert_eq!(status(Client::new().get(&url)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(ask(&loopback).get(&url).header("origin", "https://example.org")).await, StatusCode::FORBIDDEN);
    assert_eq!(status(ask(&loopback).get(&url).header("host", "example.org")).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_address_where_no_flotilla_answers_is_refused_with_the_reason() {
    let other = serve(Router::new().route("/health", get(async || "fine"))).await;
    let refusal = remote::check(&other).await.unwrap_err().to_string();
    assert!(refusal.contains("not a Flotilla server"), "{refusal}");
    let refusal = remote::check(&nobody().await).await.unwrap_err().to_string();
    assert!(refusal.contains("does not answer"), "{refusal}");
}

#[tokio::test]
async fn the_window_talks_to_the_chosen_server_also_after_a_restart() {
    let server = serve(
        Router::new()
            .route("/health", get(async || Json(json!({ "status": "ok" }))))
            .route("/api/models", get(async || Json(json!({ "models": [], "default": "elsewhere" })))),
    )
    .await;
    let home = Home::new();
    let app = home.open().await;
    let unknown = nobody().await.to_string();
    assert_eq!(app.invoke("set_server", json!({ "url": unknown })).await.unwrap_err()["kind"], "server_unreachable");
    assert_eq!(app.connection().await.server, None);
    app.invoke("set_server", json!({ "url": server.to_string() })).await.unwrap();
    drop(app);

    let app = home.open().await;
    let connection = app.connection().await;
    assert_eq!(connection.server, Some(server.to_string()));
    let answer = Client::new().get(format!("{}/api/models", connection.base_url)).bearer_auth(connection.token);
    assert_eq!(answer.send().await.unwrap().json::<Value>().await.unwrap()["default"], "elsewhere");

    app.invoke("set_server", json!({ "url": null })).await.unwrap();
    assert_eq!(app.connection().await.server, None);
}

async fn in_front_of(server: Router) -> Loopback {
    remote::start(serve(server).await).await.unwrap()
}

async fn serve(router: Router) -> ServerUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, router).await });
    url.parse().unwrap()
}

/// An address at which nothing answers.
async fn nobody() -> ServerUrl {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

/// A client with the token.
fn ask(loopback: &Loopback) -> Client {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {}", loopback.token()).parse().unwrap());
    Client::builder().default_headers(headers).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn models(loopback: &Loopback) -> reqwest::Response {
    ask(loopback).get(format!("{}/api/models", loopback.base_url())).send().await.unwrap()
}
