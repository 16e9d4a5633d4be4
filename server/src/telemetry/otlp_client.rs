//! The HTTP client of the exporter, which runs on a thread of its own without a Tokio runtime.

use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use reqwest::{Client, redirect};
use tokio::runtime::Handle;

/// For a batch of spans. The exporter's own limit (OTEL_EXPORTER_OTLP_TIMEOUT) counts between its tries only.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct OtlpClient {
    client: Client,
    runtime: Handle,
}

impl OtlpClient {
    /// On the Tokio runtime that this is called on.
    pub fn new() -> anyhow::Result<Self> {
        // A redirect could lead the headers, which may hold a key, to somewhere else.
        let client = Client::builder().timeout(TIMEOUT).redirect(redirect::Policy::none()).build();
        let client = client.context("the HTTP client of the traces cannot be set up")?;
        Ok(Self { client, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for OtlpClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = self.runtime.spawn(async move {
            let mut response = client.execute(request.try_into()?).await?;
            let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
            Ok::<_, reqwest::Error>((status, headers, response.bytes().await?))
        });
        let (status, headers, body) = sending.await?.map_err(reqwest::Error::without_url)?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}
