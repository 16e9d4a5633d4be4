//! A server at a real socket that answers with recorded bytes: for tests of what reads answers.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Answer every request with what `answer` makes of its head and body; gives the address.
pub(crate) async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = String::new();
                while !is_whole(&request) {
                    let mut buffer = [0; 4096];
                    match connection.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => request.push_str(&String::from_utf8_lossy(&buffer[..count])),
                    }
                }
                let _ = connection.write_all(&answer(&request)).await;
                let _ = connection.shutdown().await;
            });
        }
    });
    url
}

/// A response that ends with its connection, as a stream that a proxy cuts off does.
pub(crate) fn response(code: u16, content_type: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {code} X\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n{body}").into_bytes()
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
