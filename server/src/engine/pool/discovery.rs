//! Where the replicas are: at the URLs of the configuration, or at every address that their names have now.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use anyhow::Context;
use reqwest::Url;
use tokio::{net::lookup_host, sync::watch, time::sleep};

use super::members::Members;
use crate::engine::Engine;

/// While no replica is known.
const SOON: Duration = Duration::from_secs(1);

/// A server at a URL and, where its name has several addresses, at one of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub url: String,
    pub ip: Option<IpAddr>,
}

impl Address {
    /// The URL without what may be a secret.
    pub fn name(&self) -> String {
        let Ok(url) = Url::parse(&self.url) else { return String::new() };
        let host = match self.ip {
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let port = url.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}{}", url.path().trim_end_matches('/'))
    }
}

/// Makes the engine that speaks to one address.
pub trait Connect: Fn(&Address) -> anyhow::Result<Arc<dyn Engine>> + Send + Sync + 'static {}
impl<F: Fn(&Address) -> anyhow::Result<Arc<dyn Engine>> + Send + Sync + 'static> Connect for F {}

/// Keep `members` to what the names of `urls` resolve to, until the program ends.
pub async fn follow(members: Arc<watch::Sender<Members>>, urls: Vec<String>, every: Duration, connect: impl Connect) {
    loop {
        let mut found = BTreeSet::new();
        let mut is_complete = true;
        for url in &urls {
            match resolve(url).await {
                Ok(addresses) => found.extend(addresses),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "the name of an engine cannot be resolved");
                    is_complete = false;
                }
            }
        }
        members.send_modify(|members| update(members, &found, is_complete, &connect));
        let has_any = members.borrow().iter().next().is_some();
        sleep(if has_any { every } else { every.min(SOON) }).await;
    }
}

/// A name server that is away takes nobody out of the pool.
fn update(members: &mut Members, found: &BTreeSet<Address>, is_complete: bool, connect: &impl Connect) {
    members.are_known = true;
    let names: BTreeSet<String> = found.iter().map(Address::name).collect();
    if is_complete {
        for replica in members.iter().filter(|replica| !names.contains(&replica.name)) {
            tracing::info!(replica = replica.name, "a replica has left");
        }
        members.retain(|replica| names.contains(&replica.name));
    }
    for address in found {
        if members.iter().any(|replica| replica.name == address.name()) {
            continue;
        }
        match connect(address) {
            Ok(engine) => {
                tracing::info!(replica = address.name(), "a replica has come");
                members.join(address.name(), engine);
            }
            Err(error) => tracing::error!(error = format!("{error:#}"), "a replica cannot be used"),
        }
    }
}

/// Every address of the URL's name. Of a name with addresses of both families those of IPv4 count: a server that has both
/// would be two replicas.
async fn resolve(url: &str) -> anyhow::Result<Vec<Address>> {
    let parsed = Url::parse(url).context("it is not in a URL")?;
    let host = parsed.host_str().context("there is none")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = parsed.port_or_known_default().unwrap_or_default();
    let addresses: Vec<IpAddr> = lookup_host((host, port)).await?.map(|address| address.ip()).collect();
    let has_v4 = addresses.iter().any(IpAddr::is_ipv4);
    let counting = addresses.into_iter().filter(|ip| ip.is_ipv4() || !has_v4);
    Ok(counting.map(|ip| Address { url: url.to_owned(), ip: Some(ip) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(url: &str, ip: Option<&str>) -> String {
        Address { url: url.to_owned(), ip: ip.map(|ip| ip.parse().unwrap()) }.name()
    }

    #[test]
    fn the_name_of_a_replica_holds_no_password_and_no_key() {
        assert_eq!(named("http://user:hunter2@gpu-1:8000/v1/?key=sk-1", None), "gpu-1:8000/v1");
        assert_eq!(named("https://engines/v1", Some("10.0.0.7")), "10.0.0.7:443/v1");
        assert_eq!(named("http://engines:8000", Some("fd00::7")), "[fd00::7]:8000");
    }

    #[tokio::test]
    async fn a_name_with_addresses_of_both_families_is_no_two_replicas() {
        let addresses = resolve("http://localhost:8000/v1").await.unwrap();

        assert_eq!(addresses.iter().map(Address::name).collect::<Vec<_>>(), ["127.0.0.1:8000/v1"]);
    }
}
