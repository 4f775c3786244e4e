//! Who a request comes from, directly or through proxies.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

/// The addresses of proxies whose word about their clients is believed.
///
/// A header about the client's address is written by whoever sends it. It is read only if the connection comes from one
/// of these networks, and from its end backwards as long as the addresses are trusted ones too: what a client put in
/// front of it itself is never reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address of the client, as far back as it can be believed.
    pub address: IpAddr,
    /// A program of this machine, which speaks for itself and for no client.
    pub is_local: bool,
    /// Somebody wrote on whose behalf the request comes, and is not trusted: a proxy that the settings do not name?
    pub is_unnamed_proxy: bool,
}

impl TrustedProxies {
    /// Whether the word of this address is believed.
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether everybody is trusted, so that anybody chooses the address he is counted under.
    pub fn trust_everybody(&self) -> bool {
        self.networks
            .iter()
            .any(|network| network.prefix_len() == 0)
    }

    /// The client of a request; `None` if the request did not come through a socket.
    ///
    /// `X-Forwarded-For` is read first, `Forwarded` (RFC 7239) if there is none.
    pub fn client(&self, extensions: &Extensions, headers: &HeaderMap) -> Option<Client> {
        let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
        let peer = peer.ip().to_canonical();
        let is_forwarded = headers.contains_key(FORWARDED_FOR) || headers.contains_key(FORWARDED);
        if !self.trust(peer) || !is_forwarded {
            return Some(Client {
                address: peer,
                is_local: peer.is_loopback() && !is_forwarded,
                is_unnamed_proxy: is_forwarded && is_private(peer),
            });
        }
        let mut address = peer;
        for hop in hops(headers) {
            // A name, `unknown` or nonsense: nothing before it can be believed.
            let Some(hop) = hop else { break };
            address = hop;
            if !self.trust(hop) {
                break;
            }
        }
        Some(Client {
            address,
            is_local: false,
            is_unnamed_proxy: false,
        })
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Addresses and networks, separated by commas: `10.0.0.0/8, ::1`. `none` is nobody.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("none"));
        let networks = parts
            .map(|part| {
                let network = part.parse().map(|network: IpNet| network.trunc());
                network
                    .or_else(|_| part.parse().map(|address: IpAddr| IpNet::from(address)))
                    .map_err(|_| part.to_owned())
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { networks })
    }
}

/// The addresses that the headers name, the last proxy's word first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let (name, is_rfc) = if headers.contains_key(FORWARDED_FOR) {
        (FORWARDED_FOR, false)
    } else {
        (FORWARDED, true)
    };
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(move |line| {
        let elements: Vec<_> = line
            .to_str()
            .unwrap_or_default()
            .split(',')
            .map(|element| {
                if is_rfc {
                    parameter(element)
                } else {
                    Some(element)
                }
            })
            .map(|node| node.and_then(node_address))
            .collect();
        elements.into_iter().rev()
    })
}

/// The value of `for` in `for="[2001:db8::1]:4711";proto=https`.
fn parameter(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    })
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`, in quotes or not.
fn node_address(node: &str) -> Option<IpAddr> {
    let node = node.trim().trim_matches('"');
    let bare = node.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| node.parse().ok().map(|socket: SocketAddr| socket.ip()))
        .map(|address| address.to_canonical())
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn client(peer: &str, headers: &[(&'static str, &str)], trusted: &str) -> Client {
        let mut extensions = Extensions::new();
        let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
        extensions.insert(ConnectInfo(peer));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let trusted: TrustedProxies = trusted.parse().unwrap();
        trusted.client(&extensions, &map).unwrap()
    }

    #[test]
    fn a_header_is_believed_as_far_as_trusted_proxies_wrote_it() {
        const TRUSTED: &str = "10.0.0.0/8, 127.0.0.1, fd00::/8";
        let xff = |value| vec![("x-forwarded-for", value)];
        let forwarded = |value| vec![("forwarded", value)];
        for (peer, headers, expected) in [
            // Nobody in between; the header of a stranger is his own invention.
            ("198.51.100.1", vec![], "198.51.100.1"),
            ("198.51.100.1", xff("192.0.2.7"), "198.51.100.1"),
            // One proxy, two proxies, a client that lies in front of them.
            ("10.0.0.1", xff("192.0.2.7"), "192.0.2.7"),
            ("10.0.0.1", xff("192.0.2.7, 10.0.0.2"), "192.0.2.7"),
            ("10.0.0.1", xff("1.1.1.1, 192.0.2.7"), "192.0.2.7"),
            (
                "10.0.0.1",
                xff("10.9.9.9, 192.0.2.7, 10.0.0.2"),
                "192.0.2.7",
            ),
            (
                "10.0.0.1",
                vec![
                    ("x-forwarded-for", "1.1.1.1"),
                    ("x-forwarded-for", "192.0.2.7"),
                ],
                "192.0.2.7",
            ),
            // Everybody is a proxy of ours: the first of them is the client.
            ("10.0.0.1", xff("10.0.0.3, 10.0.0.2"), "10.0.0.3"),
            // Nonsense is where believing ends.
            ("10.0.0.1", xff("192.0.2.7, unknown"), "10.0.0.1"),
            ("10.0.0.1", xff(""), "10.0.0.1"),
            ("10.0.0.1", xff("192.0.2.7, <script>, 10.0.0.2"), "10.0.0.2"),
            // Ports, brackets, mapped addresses.
            ("10.0.0.1", xff("192.0.2.7:1234"), "192.0.2.7"),
            ("10.0.0.1", xff("[2001:db8::7]:1234"), "2001:db8::7"),
            ("10.0.0.1", xff("2001:db8::7"), "2001:db8::7"),
            ("::ffff:10.0.0.1", xff("::ffff:192.0.2.7"), "192.0.2.7"),
            ("fd00::1", xff("2001:db8::7"), "2001:db8::7"),
            // The standard's header, only if the customary one is missing.
            (
                "10.0.0.1",
                forwarded("for=192.0.2.7;proto=https, for=10.0.0.2"),
                "192.0.2.7",
            ),
            (
                "10.0.0.1",
                forwarded("proto=https;For=\"[2001:db8::7]:4711\""),
                "2001:db8::7",
            ),
            ("10.0.0.1", forwarded("for=_hidden"), "10.0.0.1"),
            (
                "10.0.0.1",
                vec![
                    ("forwarded", "for=1.1.1.1"),
                    ("x-forwarded-for", "192.0.2.7"),
                ],
                "192.0.2.7",
            ),
        ] {
            let found = client(peer, &headers, TRUSTED).address;
            assert_eq!(found.to_string(), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn a_local_program_is_told_from_a_local_proxy_and_from_one_nobody_named() {
        let trusted = "127.0.0.0/8, ::1";
        assert!(client("127.0.0.1", &[], trusted).is_local);
        assert!(client("::1", &[], trusted).is_local);
        let through = client("127.0.0.1", &[("x-forwarded-for", "127.0.0.1")], trusted);
        assert!(!through.is_local);
        let docker = client("172.17.0.1", &[("x-forwarded-for", "192.0.2.7")], trusted);
        assert!(docker.is_unnamed_proxy && !docker.is_local);
        assert!(!client("198.51.100.1", &[("x-forwarded-for", "x")], trusted).is_unnamed_proxy);
    }

    #[test]
    fn what_is_no_network_is_told() {
        assert_eq!(
            "10.0.0.0/8, proxy.example".parse::<TrustedProxies>(),
            Err("proxy.example".to_owned())
        );
        assert_eq!(
            "none".parse::<TrustedProxies>(),
            Ok(TrustedProxies::default())
        );
        assert!(
            "0.0.0.0/0"
                .parse::<TrustedProxies>()
                .unwrap()
                .trust_everybody()
        );
    }
}
