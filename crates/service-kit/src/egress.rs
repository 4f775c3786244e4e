//! Where deliveries may go: whoever may name an address must not reach our own network through it (SSRF).
//!
//! An address is looked at twice. [`Guard::check_url`] says at once what is wrong with one that a person has written. And
//! every connection is made by a [`CheckedResolver`]: the name is resolved, *all* its addresses are checked, and the
//! connection goes to one of those and to nothing else, so a name that is public when it is asked for and private a
//! moment later gains nothing. An address that is written as a number is never resolved, so it is checked with the URL
//! before each attempt. [`client`] makes a client that keeps to this.

mod network;
mod resolver;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::redirect::Policy;
use url::{Host, Url};

use self::network::{Reach, plain, reach};

pub use self::resolver::{CheckedResolver, Lookup, SystemLookup};

/// A receiver that cannot even be connected to in this time is away, however patient its sender is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than most servers keep an idle connection, so that few requests meet one that is closing.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);

/// Ports of receivers that need no permission.
const USUAL_PORTS: [u16; 2] = [80, 443];
/// Longer addresses are no addresses.
const LONGEST_URL: usize = 2_048;

/// Decides which addresses may be connected to.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    networks: Vec<IpNet>,
    ports: Vec<u16>,
    permissions: Permissions,
}

/// By which settings people permit what is refused: a refusal names them.
#[derive(Debug, Clone, Copy)]
pub struct Permissions {
    /// Other ports than 80 and 443.
    pub ports: &'static str,
    /// Addresses of this machine and of private networks.
    pub private: &'static str,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            ports: "nothing",
            private: "nothing",
        }
    }
}

/// Why an address is not connected to, in one sentence for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Guard {
    /// `networks` may be reached by everybody, whatever lies in them but the metadata services of clouds, and `ports` are allowed beside 80 and 443.
    pub fn new(networks: Vec<IpNet>, ports: Vec<u16>) -> Self {
        Self {
            networks,
            ports,
            permissions: Permissions::default(),
        }
    }

    /// What a refusal names.
    #[must_use]
    pub fn permissions(self, permissions: Permissions) -> Self {
        Self {
            permissions,
            ..self
        }
    }

    /// Checks an address as it is written, without asking anybody for its name. `allow_private` is the receiver's: it
    /// opens loopback and private addresses and all ports, and never the metadata services of clouds.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the address: it may hold a password.
    pub fn check_url(&self, url: &Url, allow_private: bool) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::new(
                "only http and https addresses are delivered to",
            ));
        }
        if url.as_str().len() > LONGEST_URL {
            return Err(Refused::new("the address is longer than 2048 characters"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::new(
                "a name or password in the address is refused; use `headers` for credentials",
            ));
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) if is_localhost(name) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(Host::Domain(name)) if !name.trim_matches('.').is_empty() => None,
            _ => return Err(Refused::new("the address has no host")),
        };
        if let Some(address) = address {
            self.check_address(address, allow_private)?;
        }
        let port = url.port_or_known_default().unwrap_or_default();
        let is_open = USUAL_PORTS.contains(&port)
            || self.ports.contains(&port)
            || allow_private
            || address.is_some_and(|address| self.is_listed(address));
        if !is_open || port == 0 {
            return Err(Refused::new(format!(
                "port {port} is refused; 80 and 443 are allowed, others by {}",
                self.permissions.ports
            )));
        }
        Ok(())
    }

    /// Checks an address that is about to be connected to.
    ///
    /// # Errors
    ///
    /// What kind of address it is.
    pub fn check_address(&self, address: IpAddr, allow_private: bool) -> Result<(), Refused> {
        match reach(address) {
            Reach::Metadata => Err(Refused::new("a metadata service's address is refused")),
            _ if self.is_listed(address) => Ok(()),
            Reach::Public => Ok(()),
            Reach::Private(_) if allow_private => Ok(()),
            Reach::Private(kind) => Err(Refused::new(format!(
                "a {kind} address is refused; it is allowed by {}",
                self.permissions.private
            ))),
            Reach::Never(kind) => Err(Refused::new(format!("a {kind} address is refused"))),
        }
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        let plain = plain(address);
        self.networks
            .iter()
            .any(|network| network.contains(&address) || network.contains(&plain))
    }
}

/// A client that connects where the guard lets it, and to nothing else. One with `allow_private` has connections of its
/// own: one that was made by permission must not serve a receiver who has none.
///
/// # Errors
///
/// When this machine has no TLS that works.
pub fn client(
    guard: &Guard,
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
    user_agent: &str,
) -> reqwest::Result<reqwest::Client> {
    let resolver = CheckedResolver::new(guard.clone(), allow_private, lookup);
    reqwest::Client::builder()
        .user_agent(user_agent)
        .dns_resolver(Arc::new(resolver))
        // A proxy would resolve the name itself, unchecked.
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        // An answer that unpacks to gigabytes is not asked for.
        .no_gzip()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .build()
}

/// Names that mean this machine to everybody (RFC 6761, 6.3).
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Address, whether anybody may be sent there, whether a subscriber with `allow_private` may be.
    const FORMS: &[(&str, bool, bool)] = &[
        // Ordinary receivers.
        ("https://hooks.example.com/amo", true, true),
        ("http://hooks.example.com:80/", true, true),
        ("https://hooks.example.com./", true, true),
        ("https://пример.рф/hook", true, true),
        ("https://93.184.216.34/", true, true),
        ("https://[2606:2800:220:1:248:1893:25c8:1946]/", true, true),
        ("https://8.8.8.8:443/", true, true),
        ("http://172.15.255.255/", true, true),
        ("http://172.32.0.1/", true, true),
        ("http://100.63.255.255/", true, true),
        ("http://100.128.0.1/", true, true),
        ("http://[64:ff9b::808:808]/", true, true),
        ("http://[2002:808:808::1]/", true, true),
        ("http://[::ffff:8.8.8.8]/", true, true),
        // Other schemes, ports, and passwords.
        ("ftp://hooks.example.com/", false, false),
        ("file:///etc/passwd", false, false),
        ("gopher://hooks.example.com/", false, false),
        ("unix:/run/docker.sock", false, false),
        ("javascript:alert(1)", false, false),
        ("data:text/plain,x", false, false),
        ("https://user:secret@hooks.example.com/", false, false),
        ("https://user@hooks.example.com/", false, false),
        ("https://:secret@hooks.example.com/", false, false),
        ("https://hooks.example.com@127.0.0.1/", false, false),
        ("https://hooks.example.com:22/", false, true),
        ("https://hooks.example.com:6379/", false, true),
        ("https://hooks.example.com:0/", false, false),
        ("https://8.8.8.8:8443/", false, true),
        // Loopback in its spellings; `url` understands them as browsers and C libraries do.
        ("http://127.0.0.1/", false, true),
        ("http://localhost/", false, true),
        ("http://LOCALHOST.:8000/", false, true),
        ("http://hooks.localhost/", false, true),
        ("http://127.1/", false, true),
        ("http://127.0.1/", false, true),
        ("http://127.255.255.254/", false, true),
        ("http://0x7f.1/", false, true),
        ("http://0x7f000001/", false, true),
        ("http://0X7F.0x0.0x0.0x1/", false, true),
        ("http://2130706433/", false, true),
        ("http://017700000001/", false, true),
        ("http://0177.0.0.01/", false, true),
        ("http://127.0.0.1./", false, true),
        ("http://%31%32%37.0.0.1/", false, true),
        ("http://127%2e0%2e0%2e1/", false, true),
        ("http://127。0。0。1/", false, true),
        ("http://①②⑦.⓪.⓪.①/", false, true),
        ("http:\\\\127.0.0.1/", false, true),
        ("http:/127.0.0.1/", false, true),
        ("http://[::1]/", false, true),
        ("http://[0:0:0:0:0:0:0:1]/", false, true),
        ("http://[::ffff:127.0.0.1]/", false, true),
        ("http://[::ffff:7f00:1]/", false, true),
        ("http://[::127.0.0.1]/", false, true),
        ("http://[::ffff:0:127.0.0.1]/", false, true),
        ("http://[64:ff9b::7f00:1]/", false, true),
        ("http://[64:ff9b::10.0.0.1]/", false, true),
        ("http://[2002:7f00:1::]/", false, true),
        ("http://[2002:a00:1::1]/", false, true),
        // Teredo: the server's address, then the client's with its bits turned.
        ("http://[2001:0:7f00:1::f7f7:f7f7]/", false, true),
        ("http://[2001:0:808:808::80ff:fffe]/", false, true),
        ("http://[2606:2800::5efe:127.0.0.1]/", false, true),
        ("http://[2606:2800::200:5efe:10.0.0.1]/", false, true),
        // Private networks, shared address space, and unique local addresses.
        ("http://10.0.0.1/", false, true),
        ("http://10.255.255.255/", false, true),
        ("http://172.16.0.1/", false, true),
        ("http://172.31.255.255/", false, true),
        ("http://192.168.1.1/", false, true),
        ("http://100.64.0.1/", false, true),
        ("http://100.127.255.255/", false, true),
        ("http://[fc00::1]/", false, true),
        ("http://[fd12:3456:789a::1]/", false, true),
        ("http://[64:ff9b:1::a00:1]/", false, true),
        ("http://[fec0::1]/", false, true),
        // What nobody has a receiver at, and the metadata services.
        ("http://169.254.169.254/latest/meta-data/", false, false),
        ("http://169.254.170.2/", false, false),
        ("http://0xa9fea9fe/", false, false),
        ("http://2852039166/", false, false),
        ("http://[::ffff:169.254.169.254]/", false, false),
        ("http://[::ffff:a9fe:a9fe]/", false, false),
        ("http://[64:ff9b::a9fe:a9fe]/", false, false),
        ("http://[2002:a9fe:a9fe::]/", false, false),
        ("http://[fd00:ec2::254]/", false, false),
        ("http://[fd20:ce::254]/", false, false),
        ("http://100.100.100.200/", false, false),
        ("http://168.63.129.16/", false, false),
        ("http://192.0.0.192/", false, false),
        ("http://[fe80::1]/", false, false),
        ("http://[febf::1]/", false, false),
        ("http://0.0.0.0/", false, false),
        ("http://0/", false, false),
        ("http://0.1.2.3/", false, false),
        ("http://[::]/", false, false),
        ("http://[::ffff:0.0.0.0]/", false, false),
        ("http://192.0.2.1/", false, false),
        ("http://198.51.100.1/", false, false),
        ("http://203.0.113.1/", false, false),
        ("http://198.18.0.1/", false, false),
        ("http://192.88.99.1/", false, false),
        ("http://224.0.0.1/", false, false),
        ("http://239.255.255.255/", false, false),
        ("http://240.0.0.1/", false, false),
        ("http://255.255.255.255/", false, false),
        ("http://[ff02::1]/", false, false),
        ("http://[2001:db8::1]/", false, false),
        ("http://[3fff::1]/", false, false),
        ("http://[100::1]/", false, false),
        ("http://[2001:10::1]/", false, false),
        ("http://[4000::1]/", false, false),
    ];

    #[test]
    fn an_address_is_judged_by_where_it_leads_however_it_is_written() {
        assert!(FORMS.len() >= 60);
        let guard = Guard::default();
        for (text, anybody, allowed) in FORMS {
            let judged = |private| {
                // What is no URL at all cannot be a subscriber's either.
                Url::parse(text).is_ok_and(|url| guard.check_url(&url, private).is_ok())
            };
            assert_eq!(judged(false), *anybody, "{text} for anybody");
            assert_eq!(judged(true), *allowed, "{text} with allow_private");
        }
    }

    #[test]
    fn listed_networks_and_ports_are_open_to_everybody() {
        let guard = Guard::new(
            vec!["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()],
            vec![8443],
        );
        for (text, expected) in [
            ("http://10.1.2.3/", true),
            ("http://10.1.2.3:9000/", true),
            ("http://[::ffff:10.1.2.3]/", true),
            ("http://10.2.0.1/", false),
            ("http://[fd00::1]:3000/", true),
            ("http://[fd00:1::1]/", false),
            ("https://hooks.example.com:8443/", true),
            ("https://hooks.example.com:8444/", false),
            ("http://[fd00:ec2::254]/", false),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(guard.check_url(&url, false).is_ok(), expected, "{text}");
        }
    }

    #[test]
    fn no_list_opens_a_metadata_service() {
        let all = ["0.0.0.0/0", "::/0"].map(|network| network.parse().unwrap());
        let guard = Guard::new(all.into(), Vec::new());
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
        ] {
            let refused = guard.check_address(address.parse().unwrap(), true);
            assert!(refused.is_err(), "{address}");
        }
        assert!(
            guard
                .check_address("198.18.0.1".parse().unwrap(), false)
                .is_ok()
        );
    }

    #[test]
    fn a_refusal_does_not_repeat_the_address() {
        let url = Url::parse("https://user:canary@10.0.0.1/canary").unwrap();
        let refused = Guard::default().check_url(&url, false).unwrap_err();
        assert!(!refused.to_string().contains("canary"));
    }
}
