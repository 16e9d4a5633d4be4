//! Where requests go: only ever to this machine.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    str::FromStr,
};

use anyhow::{Context, bail, ensure};
use hyper::Uri;

/// The base URL of an OpenAI-compatible server, such as `http://127.0.0.1:8000/v1`.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub address: SocketAddr,
    /// What stands before `/chat/completions`, without a slash at its end.
    pub prefix: String,
}

impl Endpoint {
    /// Flotilla's own address.
    pub fn of_server(address: SocketAddr) -> Self {
        Self { address, prefix: "/v1".to_owned() }
    }

    /// The same server's own API.
    pub fn own(&self) -> Self {
        Self { prefix: "/api".to_owned(), ..self.clone() }
    }

    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }
}

impl FromStr for Endpoint {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> anyhow::Result<Self> {
        let url: Uri = url.parse().context("this is not a URL")?;
        ensure!(url.scheme_str() == Some("http"), "the URL has to start with http://");
        let host = url.host().context("the URL names no host")?.trim_matches(['[', ']']);
        let addresses = (host, url.port_u16().unwrap_or(80)).to_socket_addrs().context("the host is unknown")?;
        // A load generator that can be pointed at other people's machines is a weapon.
        let Some(address) = addresses.into_iter().find(|address| address.ip().is_loopback()) else {
            bail!("{host} is another machine: this program only sends load to its own");
        };
        Ok(Self { address, prefix: url.path().trim_end_matches('/').to_owned() })
    }
}

/// For programs that have to be told where they listen. They are free again before those take them; nobody else asks for ports
/// here.
pub fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?, other.local_addr()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_url_keeps_its_path() {
        let endpoint: Endpoint = "http://127.0.0.1:8080/v1/".parse().unwrap();

        assert_eq!(endpoint.address, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(endpoint.path("/models"), "/v1/models");
    }

    #[test]
    fn another_machine_is_refused() {
        for url in ["http://192.0.2.1/v1", "https://127.0.0.1/v1", "127.0.0.1:8080"] {
            assert!(url.parse::<Endpoint>().is_err(), "{url}");
        }
    }
}
