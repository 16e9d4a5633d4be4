//! What the page talks to, whichever server is behind it: a port on 127.0.0.1 that asks for a token.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use flotilla::{Config, config::Secret};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// The page's own origins: on Linux and macOS, and on Windows.
const PAGE_ORIGINS: [&str; 2] = ["tauri://localhost", "http://tauri.localhost"];

/// A server that answers the page of this app and nobody else.
pub struct Loopback {
    address: SocketAddr,
    token: Secret,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Loopback {
    /// Serve with what `server` makes of the listener and of a future that resolves when it is time to stop.
    pub fn start<F>(bound: Bound, server: impl FnOnce(TcpListener, Stop) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Bound { listener, address, token } = bound;
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server(listener, stopped));
        Self { address, token, stop, ended }
    }

    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn token(&self) -> &str {
        self.token.expose()
    }

    /// Stop and wait until everything behind the port is gone.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.ended.await {
            tracing::error!(%error, "the server did not end well");
        }
    }
}

/// Resolves when the server has to stop.
pub type Stop = oneshot::Receiver<()>;

/// A free port, and the token that its server will ask for.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    token: Secret,
}

impl Bound {
    /// Take a free port and make a token for it.
    pub async fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port on 127.0.0.1")?;
        Ok(Self { address: listener.local_addr()?, listener, token: new_token()? })
    }

    /// Close the server to everyone who is not the page of this app.
    pub fn restrict(&self, config: &mut Config) {
        config.listen_addr = self.address;
        config.access_token = Some(self.token.clone());
        config.allowed_hosts.clear();
        config.allowed_origins = PAGE_ORIGINS.map(str::to_owned).to_vec();
    }
}

/// 256 random bits in hexadecimal digits.
fn new_token() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}
