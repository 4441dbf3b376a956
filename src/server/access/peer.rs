//! Where a request comes from: the other end of the connection, or whom a trusted proxy names.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Networks of `server.behind_proxy`.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// As the config names them; what is no network was refused when it was loaded.
    pub fn new(networks: &[String]) -> Self {
        let network = |text: &String| match text.parse::<IpAddr>() {
            Ok(address) => Some(IpNet::from(address)),
            Err(_) => text.parse::<IpNet>().ok(),
        };
        Self(networks.iter().filter_map(network).collect())
    }

    /// Whether a peer is one of them.
    pub fn has(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// Who asks: the peer, or behind a trusted one whom `X-Forwarded-For` names last that is no proxy itself. What
    /// stands before that was written by the asker.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.has(client) {
            return client;
        }
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        for named in lines.join(",").rsplit(',') {
            let Some(address) = address(named.trim()) else { return client };
            client = address;
            if !self.has(client) {
                return client;
            }
        }
        client
    }
}

/// Whose an address is, where something is limited for each: one household of IPv6 has a whole network.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

/// `10.1.2.3`, `10.1.2.3:4711`, `2001:db8::1`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>();
    let with_port = || text.parse::<std::net::SocketAddr>().map(|address| address.ip());
    let bracketed = || text.trim_matches(['[', ']']).parse::<IpAddr>();
    bare.or_else(|_| with_port()).or_else(|_| bracketed()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(proxies: &[&str], peer: &str, forwarded: &[&str], expected: &str) {
        let networks: Vec<String> = proxies.iter().map(|text| (*text).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let client = Proxies::new(&networks).client(peer.parse().unwrap(), &headers);
        assert_eq!(client.to_string(), expected, "{proxies:?} {peer} {forwarded:?}");
    }

    // P7.4: an address is believed from a trusted proxy alone, and only what that one has added.
    #[test]
    fn the_client_is_whom_the_nearest_trusted_proxy_names_p7_4() {
        check(&[], "192.0.2.7", &["10.9.9.9"], "192.0.2.7");
        check(&["10.0.0.0/8"], "192.0.2.7", &["10.9.9.9"], "192.0.2.7");
        check(&["10.0.0.0/8"], "10.0.0.1", &[], "10.0.0.1");
        check(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.4"], "198.51.100.4");
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1, 198.51.100.4"], "198.51.100.4");
        check(&["10.0.0.0/8"], "10.0.0.1", &["1.1.1.1", "198.51.100.4, 10.0.0.2"], "198.51.100.4");
        check(&["10.0.0.0/8"], "10.0.0.1", &["10.3.3.3, 10.0.0.2"], "10.3.3.3");
        check(&["10.0.0.0/8"], "10.0.0.1", &["198.51.100.4, nonsense"], "10.0.0.1");
        check(&["10.0.0.1"], "10.0.0.1", &["198.51.100.4:51234"], "198.51.100.4");
        check(&["10.0.0.1"], "10.0.0.2", &["198.51.100.4"], "10.0.0.2");
        check(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1");
        check(&["2001:db8::/32"], "2001:db8::5", &["2001:db9::1"], "2001:db9::1");
    }
}
