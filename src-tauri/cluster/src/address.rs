//! How the app itself reaches the deployed address: as a browser on this machine would.

use std::net::{Ipv4Addr, SocketAddr};

use reqwest::{Client, ClientBuilder};
use url::{Host, Url};

/// A client for what is under `url`, without any limits yet. No proxy of the environment stands before this machine.
pub(crate) fn client_for(url: &str) -> ClientBuilder {
    let client = Client::builder();
    let Ok(url) = Url::parse(url) else { return client };
    match url.host() {
        // Browsers know that these names are this machine; not every system's resolver does.
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
            client.no_proxy().resolve(name, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        }
        Some(Host::Ipv4(address)) if address.is_loopback() => client.no_proxy(),
        Some(Host::Ipv6(address)) if address.is_loopback() => client.no_proxy(),
        _ => client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_http;

    #[tokio::test]
    async fn every_name_under_localhost_is_this_machine() {
        let url = fake_http::serve(|_| fake_http::response(200, "text/plain", "here")).await;
        let url = url.replace("127.0.0.1", "flotilla-lab.localhost");
        let answer = client_for(&url).build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "here");
    }
}
