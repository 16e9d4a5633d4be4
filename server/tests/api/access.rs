use axum::{
    body::Body,
    http::{HeaderName, Method, StatusCode, header},
};
use flotilla::engine::Scripted;

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
