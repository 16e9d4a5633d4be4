//! One HTTP/1.1 connection. A pool would hide which request went over which connection, and that decides what Nagle's
//! algorithm and slow start do to it.

use std::net::Ipv4Addr;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
    http::request,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::net::{TcpSocket, TcpStream};

use crate::endpoint::Endpoint;

/// An open connection; requests go over it one after the other.
pub struct Connection {
    endpoint: Endpoint,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub async fn open(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let address = endpoint.address;
        let stream = TcpStream::connect(address).await.with_context(|| format!("{address} does not answer"))?;
        Self::over(stream, endpoint).await
    }

    /// The same from another address of this machine: Linux takes all of 127.0.0.0/8. Servers tell callers apart by it.
    pub async fn open_from(source: Ipv4Addr, endpoint: &Endpoint) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into()).with_context(|| format!("{source} cannot be called from"))?;
        let address = endpoint.address;
        let stream = socket.connect(address).await.with_context(|| format!("{address} does not answer"))?;
        Self::over(stream, endpoint).await
    }

    async fn over(stream: TcpStream, endpoint: &Endpoint) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its errors also reach the request that is under way.
        tokio::spawn(connection);
        Ok(Self { endpoint: endpoint.clone(), sender })
    }

    /// Sends JSON. Fails if the server has closed the connection instead of keeping it for the next request.
    pub async fn post(&mut self, path: &str, body: Bytes) -> anyhow::Result<Response<Incoming>> {
        let request = Request::post(self.endpoint.path(path))
            .header(HOST, self.endpoint.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        self.send(request).await
    }

    /// The first model that the server lists, which is its default.
    pub async fn first_model(&mut self) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct ModelList {
            data: Vec<Model>,
        }
        #[derive(Deserialize)]
        struct Model {
            id: String,
        }
        let list: ModelList = self.get("/models").await?;
        Ok(list.data.into_iter().next().context("the server has no model: install one first")?.id)
    }

    /// The events of a stream behind the one with the number `last_seen`.
    pub async fn follow(&mut self, path: &str, last_seen: usize) -> anyhow::Result<Response<Incoming>> {
        let request = self.get_request(path).header("last-event-id", last_seen);
        self.read(request).await
    }

    async fn get<T: DeserializeOwned>(&mut self, path: &str) -> anyhow::Result<T> {
        let request = self.get_request(path);
        Ok(serde_json::from_slice(&self.read(request).await?.collect().await?.to_bytes())?)
    }

    fn get_request(&self, path: &str) -> request::Builder {
        Request::get(self.endpoint.path(path)).header(HOST, self.endpoint.address.to_string())
    }

    /// Sends a request without a body, which has to be answered with 200.
    async fn read(&mut self, request: request::Builder) -> anyhow::Result<Response<Incoming>> {
        let request = request.body(Full::default())?;
        let path = request.uri().clone();
        let response = self.send(request).await?;
        ensure!(response.status() == StatusCode::OK, "{path} answered {}", response.status());
        Ok(response)
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await.context("the server closed the connection")?;
        Ok(self.sender.send_request(request).await?)
    }
}
