use std::{fs, io::ErrorKind, net::TcpListener};

use reqwest::{
    Client, StatusCode,
    header::{HOST, ORIGIN},
};
use serde_json::{Value, json};

use crate::support::{App, Home, eventually};

#[tokio::test]
async fn the_server_behind_the_window_answers_nobody_else() {
    let home = Home::new();
    let app = home.open().await;
    let connection = app.connection().await;
    assert_eq!(connection.token.len(), 64);
    let models = || Client::new().get(format!("{}/api/models", connection.base_url));
    let status = async |request: reqwest::RequestBuilder| request.send().await.unwrap().status();

    assert_eq!(status(models().bearer_auth(&connection.token)).await, StatusCode::OK);
    assert_eq!(status(models()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(models().bearer_auth("0".repeat(64))).await, StatusCode::UNAUTHORIZED);
    let allowed = || models().bearer_auth(&connection.token);
    for origin in ["https://example.org", "http://localhost:3000", "null", "tauri://example.org"] {
        assert_eq!(status(allowed().header(ORIGIN, origin)).await, StatusCode::FORBIDDEN, "from {origin}");
    }
    for host in ["example.org", "127.0.0.1.example.org", "192.168.0.1"] {
        assert_eq!(status(allowed().header(HOST, host)).await, StatusCode::FORBIDDEN, "to {host}");
    }
}

#[tokio::test]
async fn each_start_has_a_token_of_its_own() {
    let home = Home::new();
    let first = home.open().await.connection().await;
    let second = Home::new().open().await.connection().await;
    assert_ne!(first.token, second.token);
}

#[tokio::test]
async fn web_links_open_outside_and_other_links_do_not_open() {
    let home = Home::new();
    let links = home.record_opened_links();
    let app = home.open().await;

    let refused = app.invoke("open_external", json!({ "url": "file:///etc/passwd" })).await.unwrap_err();
    assert_eq!(refused["kind"], "invalid_address");
    app.invoke("open_external", json!({ "url": "https://example.org/a?b=c" })).await.unwrap();

    let opened = async || fs::read_to_string(&links).unwrap_or_default();
    assert!(eventually(async || !opened().await.is_empty()).await, "no link was opened");
    assert_eq!(opened().await, "https://example.org/a?b=c\n");
}

#[tokio::test]
async fn the_page_can_call_our_commands_and_no_others() {
    let home = Home::new();
    let app = home.open().await;
    for command in [
        "plugin:event|listen",
        "plugin:window|close",
        "plugin:webview|create_webview_window",
        "plugin:path|resolve_directory",
        "plugin:window-state|save_window_state",
        "plugin:shell|open",
        "start",
    ] {
        assert!(app.invoke(command, json!({})).await.is_err(), "{command} was allowed");
    }
}

#[tokio::test]
async fn hostile_arguments_are_refused_and_the_app_goes_on() {
    let home = Home::new();
    let app = home.open().await;
    for url in [json!(1), json!([]), json!({}), json!(true), json!(""), json!("x".repeat(1 << 20)), json!("http://\0")]
    {
        app.invoke("open_external", json!({ "url": url })).await.unwrap_err();
        app.invoke("set_server", json!({ "url": url })).await.unwrap_err();
    }
    assert_eq!(app.connection().await.server, None);
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let home = Home::new();
    let app = home.open().await;
    for (attempt, directive) in [
        ("fetch('https://example.org/').catch(() => {})", "connect-src"),
        ("new Image().src = 'https://example.org/a.png'", "img-src"),
        ("append('script', 'src', 'https://example.org/a.js')", "script-src-elem"),
        ("append('script', 'textContent', 'window.escaped = true')", "script-src-elem"),
    ] {
        assert_eq!(violation(&app, attempt).await, directive, "for {attempt}");
    }
}

#[tokio::test]
async fn the_page_cannot_leave_the_app() {
    let home = Home::new();
    let app = home.open().await;
    app.element("textarea[data-composer]").await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = json!(format!("http://{}/", elsewhere.local_addr().unwrap()));
    for attempt in [
        "window.open(arguments[0])",
        "document.body.append(Object.assign(document.createElement('iframe'), { src: arguments[0] }))",
        "window.location.assign(arguments[0])",
    ] {
        app.page.execute(attempt, vec![url.clone()]).await.unwrap();
    }
    app.element("textarea[data-composer]").await;
    assert_eq!(app.page.current_url().await.unwrap().scheme(), "tauri");
    assert_eq!(app.page.windows().await.unwrap().len(), 1);
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn scripts_come_from_the_app_alone() {
    let config: Value = serde_json::from_str(include_str!("../../../tauri.conf.json")).unwrap();
    let policy = &config["app"]["security"]["csp"];
    assert_eq!(policy["default-src"], "'none'");
    assert_eq!(policy["script-src"], "'self'");
    assert_eq!(policy["frame-src"], "'none'");
    assert_eq!(policy["object-src"], "'none'");
    assert_eq!(config["app"]["withGlobalTauri"], false);
}

/// Which line of the content security policy a script in the page runs into.
async fn violation(app: &App, script: &str) -> String {
    let script = format!(
        "const done = arguments[0];
        const append = (tag, property, value) =>
            document.body.append(Object.assign(document.createElement(tag), {{ [property]: value }}));
        document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective), {{ once: true }});
        {script};"
    );
    let directive = app.page.execute_async(&script, vec![]).await;
    directive.unwrap_or_else(|error| panic!("{script}: {error}")).as_str().unwrap().to_owned()
}
