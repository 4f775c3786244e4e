//! Where a service listens, and who may call it.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use url::{Host, Url};

use super::{Problems, Section, SecurityConfig};
use crate::http::TrustedProxies;

/// `[server]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// Address under which the outside world reaches this service.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Origins whose pages may call the API, separated by commas.
    #[serde(default)]
    pub frontend_url: Option<String>,
    /// Proxies whose word about their clients is believed, separated by commas.
    #[serde(default)]
    pub trusted_proxies: Option<String>,
    /// A request that takes longer is answered with 503.
    pub request_timeout_ms: u64,
    /// How long work in flight may take to end after SIGTERM.
    pub drain_ms: u64,
}

impl ServerConfig {
    /// `host:port`, as `bind` wants it.
    pub fn address(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// Where a program of this machine reaches the service: an address that stands for all is listened on at loopback
    /// as well.
    pub fn local_address(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => {
                format!("127.0.0.1:{}", self.port)
            }
            Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("[::1]:{}", self.port),
            _ => self.address(),
        }
    }

    /// Whether only this machine can reach the service.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The public address, if there is one.
    pub fn public_url(&self) -> Option<Url> {
        self.public_url.as_deref().and_then(web_url)
    }

    /// The origins of [`frontend_url`](Self::frontend_url), in the form browsers send them.
    pub fn frontend_origins(&self) -> Vec<String> {
        self.frontend_urls()
            .filter_map(web_url)
            .map(|url| url.origin().ascii_serialization())
            .collect()
    }

    /// The proxies whose word about their clients is believed.
    pub fn proxies(&self) -> TrustedProxies {
        self.read_proxies().unwrap_or_default()
    }

    /// [`request_timeout_ms`](Self::request_timeout_ms) as a duration.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// [`drain_ms`](Self::drain_ms) as a duration.
    pub fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }

    /// Refuses an address that others can reach while the administrator's endpoints are open to everybody.
    pub fn check_exposure(&self, security: &SecurityConfig, problems: &mut Problems) {
        // An empty host is a section that could not be read, which has been told already.
        if !self.host.is_empty() && !self.is_loopback() && security.admin_token.is_none() {
            problems.report(
                "security.admin_token",
                format!(
                    "is unset while SERVER_HOST={} lets other machines in; set it, or listen on 127.0.0.1",
                    self.host
                ),
            );
        }
    }

    fn read_proxies(&self) -> Result<TrustedProxies, String> {
        self.trusted_proxies.as_deref().unwrap_or_default().parse()
    }

    fn frontend_urls(&self) -> impl Iterator<Item = &str> {
        self.frontend_url
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
    }
}

/// Whether a host, as it stands in a setting or an address, is this machine.
pub fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.is_loopback();
    }
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost",
        Err(_) => false,
    }
}

impl Section for ServerConfig {
    const NAME: &'static str = "server";

    fn validate(&self, problems: &mut Problems) {
        let named = |character: char| character.is_ascii_alphanumeric() || ".-".contains(character);
        if self.host.parse::<IpAddr>().is_err()
            && (self.host.is_empty() || !self.host.chars().all(named))
        {
            problems.report_value("server.host", &self.host, "is no address");
        }
        if let Some(url) = self.public_url.as_deref()
            && web_url(url).is_none_or(|url| url.query().is_some())
        {
            problems.report_value("server.public_url", &url, "is no such address");
        }
        for url in self.frontend_urls().filter(|url| web_url(url).is_none()) {
            problems.report_value("server.frontend_url", &url, "is no origin");
        }
        match self.read_proxies() {
            Err(part) => {
                problems.report_value(
                    "server.trusted_proxies",
                    &part,
                    "is neither an address nor a network",
                );
            }
            Ok(proxies) if proxies.trust_everybody() => problems.report(
                "server.trusted_proxies",
                "trusts everybody, so that anybody could choose the address he is counted under",
            ),
            Ok(_) => {}
        }
        problems.range(
            "server.request_timeout_ms",
            self.request_timeout_ms,
            1_000,
            600_000,
        );
        problems.range("server.drain_ms", self.drain_ms, 0, 600_000);
    }
}

/// An absolute http(s) address with a host.
pub(super) fn web_url(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}
