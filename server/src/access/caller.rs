use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use ipnet::IpNet;

use crate::{
    chat::admission::{Call, Caller},
    state::AppState,
};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Whoever has sent a request that came from `peer`. A proxy adds the address that it was called from to the end of
/// X-Forwarded-For; what stands before that may be made up, so it counts only when a proxy of ours wrote it.
fn caller_of(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Caller {
    let forwarded = headers.get_all(FORWARDED_FOR).iter();
    let forwarded: Vec<_> = forwarded.flat_map(|value| value.to_str().unwrap_or_default().split(',')).collect();
    let mut address = peer.to_canonical();
    for entry in forwarded.into_iter().rev() {
        let is_proxy = proxies.iter().any(|network| network.contains(&address));
        match address_in(entry) {
            Some(before) if is_proxy => address = before,
            _ => break,
        }
    }
    Caller::at(address)
}

/// Some proxies write the port too.
fn address_in(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

impl FromRequestParts<AppState> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ConnectInfo(address)| address.ip());
        Ok(Self::new(caller_of(peer, &parts.headers, &state.config.trusted_proxies)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "10.42.0.7";

    /// Who calls from `peer` with these X-Forwarded-For headers, when 10.42.0.0/16 and fd00::/8 are proxies of ours.
    #[track_caller]
    fn caller(peer: &str, forwarded: &[&str]) -> Caller {
        let forwarded = forwarded.iter().map(|value| (FORWARDED_FOR.parse().unwrap(), value.parse().unwrap()));
        let proxies = ["10.42.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()];
        caller_of(peer.parse().unwrap(), &forwarded.collect(), &proxies)
    }

    fn at(address: &str) -> Caller {
        Caller::at(address.parse().unwrap())
    }

    #[test]
    fn a_caller_is_where_its_connection_comes_from() {
        assert_eq!(caller("203.0.113.9", &[]), at("203.0.113.9"));
        assert_eq!(caller("::ffff:203.0.113.9", &[]), at("203.0.113.9"));
    }

    #[test]
    fn a_header_of_a_stranger_counts_nothing() {
        assert_eq!(caller("203.0.113.9", &["198.51.100.1"]), at("203.0.113.9"));
    }

    #[test]
    fn a_proxy_of_ours_says_who_called_it() {
        for forwarded in ["203.0.113.9", " 203.0.113.9 ", "203.0.113.9:4711", "::ffff:203.0.113.9"] {
            assert_eq!(caller(PEER, &[forwarded]), at("203.0.113.9"), "{forwarded}");
        }
        assert_eq!(caller("fd00::1", &["[2001:db8::1]:443"]), at("2001:db8::1"));
    }

    #[test]
    fn what_the_client_itself_wrote_before_the_proxy_counts_nothing() {
        assert_eq!(caller(PEER, &["198.51.100.1, 203.0.113.9"]), at("203.0.113.9"));
        assert_eq!(caller(PEER, &["198.51.100.1", "203.0.113.9"]), at("203.0.113.9"));
        assert_eq!(caller(PEER, &["198.51.100.1, 203.0.113.9, 10.42.3.3"]), at("203.0.113.9"));
    }

    #[test]
    fn nonsense_of_a_proxy_leaves_the_proxy() {
        assert_eq!(caller(PEER, &["unknown"]), at(PEER));
        assert_eq!(caller(PEER, &[""]), at(PEER));
    }
}
