//! What the engines that are reached over HTTP have in common: a client, its limits, and lines out of a response.

pub mod wire;

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url, redirect};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tokio_util::{
    codec::{AnyDelimiterCodec, FramedRead},
    io::StreamReader,
};

use super::EngineError;
use crate::telemetry::spans;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For questions that need no model.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest line, and the longest event, that is taken from an answer.
pub const MAX_LINE_BYTES: usize = 1 << 20;
const MAX_ERROR_BYTES: usize = 64 << 10;
const MAX_LIST_BYTES: usize = 8 << 20;

/// An HTTP server that runs models.
pub struct Upstream {
    client: Client,
    /// Without a slash at its end.
    base: String,
    /// How messages to users call it.
    name: &'static str,
    setting: &'static str,
}

impl Upstream {
    /// `setting` is the name of the setting that `url` comes from.
    pub fn new(name: &'static str, setting: &'static str, url: &str) -> anyhow::Result<Self> {
        // The value is left out of the errors: it may hold a password.
        let parsed = Url::parse(url).with_context(|| format!("{setting} is not a URL"))?;
        let ("http" | "https", Some(host)) = (parsed.scheme(), parsed.host_str()) else {
            bail!("{setting} must begin with http:// or https://");
        };
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let client = if is_here { client().no_proxy() } else { client() };
        let client = client.build().context("the HTTP client cannot be set up")?;
        Ok(Self { client, base: url.trim_end_matches('/').to_owned(), name, setting })
    }

    /// The same, but of all the addresses that the URL's name may have this one, where it matters which. A proxy would
    /// choose by itself, so there is none then.
    pub fn at(self, address: Option<IpAddr>) -> anyhow::Result<Self> {
        let Some(address) = address else { return Ok(self) };
        let url = Url::parse(&self.base)?;
        let host = url.host_str().unwrap_or_default();
        // The port is the URL's.
        let client = client().no_proxy().resolve(host, SocketAddr::new(address, 0));
        Ok(Self { client: client.build().context("the HTTP client cannot be set up")?, ..self })
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    /// Wait for the head of the response, whatever its status.
    pub async fn send(&self, request: RequestBuilder, limit: Duration) -> Result<Response, EngineError> {
        match timeout(limit, request.headers(spans::headers()).send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                let error = anyhow::Error::new(error.without_url());
                tracing::warn!(error = format!("{error:#}"), "{} cannot be reached", self.name);
                Err(self.unreachable())
            }
            Err(_) => Err(EngineError::Timeout),
        }
    }

    /// The body of a successful response as JSON.
    pub async fn json<T: DeserializeOwned>(&self, response: Response) -> Result<T, EngineError> {
        let body = timeout(LOOKUP_TIMEOUT, read_up_to(MAX_LIST_BYTES, response)).await;
        let body = body.map_err(|_| EngineError::Timeout)?;
        serde_json::from_slice(&body).map_err(|error| {
            // The error itself may quote what was read.
            tracing::warn!(error = ?error.classify(), "{} gave an answer that cannot be read", self.name);
            self.unreachable()
        })
    }

    fn unreachable(&self) -> EngineError {
        EngineError::Unavailable(format!(
            "{} cannot be reached; check that it runs and that {} is right",
            self.name, self.setting
        ))
    }
}

fn client() -> ClientBuilder {
    // A redirect could lead prompts and the key to somewhere else.
    Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(redirect::Policy::none())
}

/// The body of an error. It is cut where it becomes unreasonably long.
pub async fn error_body(response: Response) -> Vec<u8> {
    timeout(LOOKUP_TIMEOUT, read_up_to(MAX_ERROR_BYTES, response)).await.unwrap_or_default()
}

/// The lines of a body without their line feeds, each as soon as it is there. What stands after the last line feed is
/// the last line. A body that breaks off, or that has a line of over [`MAX_LINE_BYTES`], ends with an error.
pub fn lines(response: Response) -> impl Stream<Item = Result<Bytes, EngineError>> + Send {
    let body = StreamReader::new(response.bytes_stream().map_err(std::io::Error::other));
    let codec = AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), Vec::new(), MAX_LINE_BYTES);
    FramedRead::new(body, codec).map_err(|error| {
        tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "an answer broke off");
        EngineError::Interrupted
    })
}

async fn read_up_to(limit: usize, response: Response) -> Vec<u8> {
    let mut chunks = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
        if body.len() == limit {
            break;
        }
    }
    body
}
