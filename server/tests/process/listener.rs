use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::Server;

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "", 0);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.expect("cut off").unwrap();
}

#[tokio::test]
async fn half_a_request_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "", 0);
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: loc").await.unwrap();
    let asked = Instant::now();
    server.terminate();
    assert!(server.ended().await.success());
    assert!(asked.elapsed() < Duration::from_secs(5));
}
