use axum::{
    body::Body,
    http::{HeaderName, Method, StatusCode, header},
};
use flotilla::{engine::Scripted, routes::ApiDoc};
use utoipa::OpenApi;

use crate::support::{TestServer, request};

async fn status(server: &TestServer, path: &str, headers: &[(HeaderName, &str)]) -> StatusCode {
    let mut request = request(Method::GET, path, Body::empty());
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    server.send(request).await.status
}

#[tokio::test]
async fn with_a_token_every_api_path_asks_for_it_and_probes_do_not() {
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--access-token", "s3cret"]).await;
    for path in ["/api/models", "/api/conversations", "/v1/models", "/metrics", "/api/openapi.json"] {
        assert_eq!(status(&server, path, &[]).await, StatusCode::UNAUTHORIZED, "{path}");
        for wrong in ["Bearer s3cre", "Bearer s3crets", "Bearer ", "s3cret", "Basic s3cret"] {
            let headers = [(header::AUTHORIZATION, wrong)];
            assert_eq!(status(&server, path, &headers).await, StatusCode::UNAUTHORIZED, "{path} {wrong}");
        }
        assert_eq!(status(&server, path, &[(header::AUTHORIZATION, "Bearer s3cret")]).await, StatusCode::OK, "{path}");
    }
    assert_eq!(status(&server, "/health", &[]).await, StatusCode::OK);
    assert_eq!(status(&server, "/readyz", &[]).await, StatusCode::OK);
}

#[tokio::test]
async fn with_a_token_every_route_but_the_probes_asks_for_it() {
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--access-token", "s3cret"]).await;
    let schema = serde_json::to_value(ApiDoc::openapi()).unwrap();
    for (path, methods) in schema["paths"].as_object().unwrap() {
        let expected = match path.as_str() {
            "/health" | "/readyz" => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        };
        for method in methods.as_object().unwrap().keys() {
            let request = request(method.to_uppercase().parse().unwrap(), &path.replace("{id}", "1"), Body::empty());
            assert_eq!(server.send(request).await.status, expected, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_uis_files_load_without_a_token() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<!doctype html>").unwrap();
    let flags = ["--access-token", "s3cret", "--ui-dir", folder.path().to_str().unwrap()];
    let server = TestServer::with_flags(Scripted::new(vec![]), &flags).await;
    for path in ["/", "/index.html", "/c/0190"] {
        let page = server.get(path).await;
        assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "<!doctype html>"), "{path}");
    }
    assert_eq!(status(&server, "/api/models", &[]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_server_on_loopback_answers_to_loopback_names_only() {
    let server = TestServer::answering(&["hi"]).await;
    for host in ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"] {
        assert_eq!(status(&server, "/api/models", &[(header::HOST, host)]).await, StatusCode::OK, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.7", "[::2]"] {
        assert_eq!(status(&server, "/api/models", &[(header::HOST, host)]).await, StatusCode::FORBIDDEN, "{host}");
    }
}

#[tokio::test]
async fn a_name_that_the_settings_allow_is_answered_too() {
    let server =
        TestServer::with_flags(Scripted::new(vec![]), &["--allowed-hosts", "chat.example,other.example"]).await;
    assert_eq!(status(&server, "/api/models", &[(header::HOST, "other.example")]).await, StatusCode::OK);
    assert_eq!(status(&server, "/api/models", &[(header::HOST, "third.example")]).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_server_on_another_address_answers_to_any_name() {
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--listen-addr", "0.0.0.0:0"]).await;
    assert_eq!(status(&server, "/api/models", &[(header::HOST, "chat.example")]).await, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_unless_the_settings_allow_them() {
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--allowed-origins", "tauri://localhost"]).await;
    for origin in ["http://localhost", "tauri://localhost"] {
        assert_eq!(status(&server, "/api/models", &[(header::ORIGIN, origin)]).await, StatusCode::OK, "{origin}");
    }
    for origin in ["http://evil.example", "http://localhost:9999", "null"] {
        assert_eq!(
            status(&server, "/api/models", &[(header::ORIGIN, origin)]).await,
            StatusCode::FORBIDDEN,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn without_a_host_header_the_called_name_stands_in_the_address() {
    let server = TestServer::answering(&["hi"]).await;
    for (address, origin, expected) in [
        ("http://localhost:8000", None, StatusCode::OK),
        ("http://localhost:8000", Some("http://localhost:8000"), StatusCode::OK),
        ("http://localhost:8000", Some("http://localhost:9999"), StatusCode::FORBIDDEN),
        ("http://localhost:8000", Some("null"), StatusCode::FORBIDDEN),
        ("http://evil.example", None, StatusCode::FORBIDDEN),
        ("", None, StatusCode::FORBIDDEN),
    ] {
        let mut request = request(Method::GET, &format!("{address}/api/models"), Body::empty());
        request.headers_mut().remove(header::HOST);
        if let Some(origin) = origin {
            request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(server.send(request).await.status, expected, "from {origin:?} to {address:?}");
    }
}

#[tokio::test]
async fn without_any_name_no_origin_is_our_own() {
    // On an address that is not loopback no name is asked for, so the origin alone decides.
    let server = TestServer::with_flags(Scripted::new(vec![]), &["--listen-addr", "0.0.0.0:0"]).await;
    for origin in ["null", "http://evil.example"] {
        let mut request = request(Method::GET, "/api/models", Body::empty());
        request.headers_mut().remove(header::HOST);
        request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
        assert_eq!(server.send(request).await.status, StatusCode::FORBIDDEN, "{origin}");
    }
}

#[tokio::test]
async fn an_allowed_origin_may_ask_before_it_sends_a_token() {
    let flags = ["--allowed-origins", "tauri://localhost", "--access-token", "s3cret"];
    let server = TestServer::with_flags(Scripted::new(vec![]), &flags).await;
    let mut question = request(Method::OPTIONS, "/v1/chat/completions", Body::empty());
    for (name, value) in [
        ("origin", "tauri://localhost"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
    ] {
        question.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = server.send(question).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["access-control-allow-origin"], "tauri://localhost");
    assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().contains("x-stainless-lang"));
}
