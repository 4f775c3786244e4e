//! What an address is for, after the registries of IANA for special-purpose addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anywhere in the internet.
    Public,
    /// This machine or this network: where some subscribers really are.
    Private(&'static str),
    /// Where no subscriber is.
    Never(&'static str),
    /// Where a cloud gives its machines their credentials, and nobody may ever look for us.
    Metadata,
}

/// What machines of clouds ask for their credentials. Most are link-local; these are not.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // Amazon
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
];

/// Marks the second half of an ISATAP address (RFC 5214, 6.1).
const ISATAP: u16 = 0x5efe;

/// An IPv4 address that is written as IPv6, as what it is.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    use Reach::{Metadata, Never, Private, Public};
    if METADATA_V4.contains(&address) {
        return Metadata;
    }
    match address.octets() {
        [0, ..] => Never("unspecified"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("private"),
        [100, 64..=127, ..] => Private("shared (CGNAT)"),
        [127, ..] => Private("loopback"),
        // Link-local, and most clouds' metadata services.
        [169, 254, ..] => Metadata,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Never("documentation"),
        [198, 18..=19, ..] => Never("benchmark"),
        [224..=239, ..] => Never("multicast"),
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => Never("reserved"),
        _ => Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    use Reach::{Metadata, Never, Private, Public};
    if METADATA_V6.contains(&address) {
        return Metadata;
    }
    let parts = address.segments();
    let last = v4(parts[6], parts[7]);
    match parts {
        [0, 0, 0, 0, 0, 0, 0, 0] => Never("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Private("loopback"),
        // Compatible, mapped and translated forms of IPv4, and NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, 0, 0, 0, 0, ..] => reach_v4(last),
        [0x64, 0xff9b, 1, ..] => match reach_v4(last) {
            Public | Private(_) => Private("local NAT64"),
            narrower => narrower,
        },
        // 6to4 carries its router's address, Teredo its server's and, with the bits turned, its client's.
        [0x2002, high, low, ..] => reach_v4(v4(high, low)),
        [0x2001, 0, high, low, ..] => {
            narrower(reach_v4(v4(high, low)), reach_v4(v4(!parts[6], !parts[7])))
        }
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Never("documentation"),
        [0x2001, 0..=0x1ff, ..] => Never("reserved"),
        // ISATAP puts an IPv4 address behind any prefix.
        [0x2000..=0x3fff, _, _, _, 0 | 0x200, part, ..] if part == ISATAP => reach_v4(last),
        [0x2000..=0x3fff, ..] => Public,
        [0xfc00..=0xfdff, ..] => Private("private"),
        [0xfe80..=0xfebf, ..] => Never("link-local"),
        [0xfec0..=0xfeff, ..] => Private("site-local"),
        [0xff00..=0xffff, ..] => Never("multicast"),
        // Only 2000::/3 has been given out.
        _ => Never("reserved"),
    }
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

fn narrower(one: Reach, other: Reach) -> Reach {
    match (one, other) {
        (Reach::Metadata, _) | (_, Reach::Metadata) => Reach::Metadata,
        (Reach::Never(kind), _) | (_, Reach::Never(kind)) => Reach::Never(kind),
        (Reach::Private(kind), _) | (_, Reach::Private(kind)) => Reach::Private(kind),
        (Reach::Public, Reach::Public) => Reach::Public,
    }
}
