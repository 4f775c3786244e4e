//! `[delivery]`: what all deliveries have in common; the rest is said per subscriber.

use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use service_kit::clock::parse_span;
use service_kit::config::{Problems, Section, Variable};
use service_kit::egress::{Guard, Permissions};

/// A claim outlives the longest request by at least this much, or two workers could be at one event
/// (`reliability.md`, row 11).
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(15);

const PERMISSIONS: Permissions = Permissions {
    ports: "GATEWAY_ALLOW_PORTS",
    private: "allow_private = true of this subscriber, or by GATEWAY_ALLOW_NETWORKS",
};

/// An outage of an evening is no reason to give an endpoint up; three months of failures are.
const SHORTEST_DISABLE: Duration = Duration::from_hours(1);
const LONGEST_DISABLE: Duration = Duration::from_hours(90 * 24);

/// `[delivery]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryConfig {
    lease_ms: u64,
    disable_after: String,
    #[serde(default)]
    allow_networks: Option<String>,
    #[serde(default)]
    allow_ports: Option<String>,
}

impl DeliveryConfig {
    /// How long a claim lasts without being renewed.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// The longest timeout that a subscriber may have under this lease.
    pub fn longest_timeout(&self) -> Duration {
        self.lease().saturating_sub(LEASE_MARGIN)
    }

    /// After how long an endpoint that only fails is disabled.
    pub fn disable_after(&self) -> Duration {
        parse_span(&self.disable_after).unwrap_or(SHORTEST_DISABLE)
    }

    /// Says which addresses may be delivered to.
    pub fn guard(&self) -> Guard {
        let networks = read_list(self.allow_networks.as_deref()).unwrap_or_default();
        Guard::new(
            networks,
            read_list(self.allow_ports.as_deref()).unwrap_or_default(),
        )
        .permissions(PERMISSIONS)
    }
}

impl Section for DeliveryConfig {
    const NAME: &'static str = "delivery";

    fn validate(&self, problems: &mut Problems) {
        problems.range("delivery.lease_ms", self.lease_ms, 16_000, 600_000);
        if parse_span(&self.disable_after)
            .is_none_or(|span| !(SHORTEST_DISABLE..=LONGEST_DISABLE).contains(&span))
        {
            problems.report_value(
                "delivery.disable_after",
                &self.disable_after,
                "is no length of time between 1h and 90d",
            );
        }
        if let Err(part) = read_list::<IpNet>(self.allow_networks.as_deref()) {
            problems.report_value("delivery.allow_networks", &part, "is no network");
        }
        if let Err(part) = read_list::<NonZeroU16>(self.allow_ports.as_deref()) {
            problems.report_value("delivery.allow_ports", &part, "is no port");
        }
    }
}

/// The parts of a list with commas, or the part that is none.
fn read_list<T: FromStr>(text: Option<&str>) -> Result<Vec<T>, String> {
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().map_err(|_| part.to_owned()))
        .collect()
}

/// The variables of `[delivery]`.
pub const DELIVERY_VARIABLES: &[Variable] = &[
    Variable::plain(
        "GATEWAY_LEASE_MS",
        "delivery.lease_ms",
        "milliseconds from 16000 to 600000, at least 15000 more than the longest timeout_ms of a subscriber",
        "45000",
    ),
    Variable::plain(
        "GATEWAY_DISABLE_AFTER",
        "delivery.disable_after",
        "a length of time from 1h to 90d",
        "5d",
    ),
    Variable::plain(
        "GATEWAY_ALLOW_NETWORKS",
        "delivery.allow_networks",
        "networks separated by commas",
        "10.1.0.0/16, fd12:3456::/32",
    ),
    Variable::plain(
        "GATEWAY_ALLOW_PORTS",
        "delivery.allow_ports",
        "ports separated by commas",
        "8080, 8443",
    ),
];
