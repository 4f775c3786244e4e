//! How many requests one address may send.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use http::{Extensions, HeaderMap, StatusCode};

use super::{Problem, TrustedProxies};

/// So many addresses are remembered at most, some 10 MB. If that many come within the time that the limit looks back,
/// it is a flood from everywhere, which no limit per address holds off: the memory begins anew, so that visitors get
/// through.
const MAX_ADDRESSES: usize = 100_000;

/// A provider gives every customer at least so much of IPv6 (RFC 6177): one customer is one client.
const IPV6_CUSTOMER_BITS: u32 = 64;

/// So many in such a time, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// Allows so many at once instead of the whole count.
    #[must_use]
    pub fn burst(mut self, burst: NonZeroU32) -> Self {
        self.burst = burst;
        self
    }

    fn quota(self) -> Quota {
        let spacing = (self.per / self.count.get()).max(Duration::from_nanos(1));
        Quota::with_period(spacing)
            .unwrap_or_else(|| unreachable!("the spacing is not zero"))
            .allow_burst(self.burst)
    }
}

impl FromStr for Rate {
    type Err = &'static str;

    /// `30/min`, `5/s`, `100/h`.
    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (count, unit) = text.split_once('/').ok_or("is no rate")?;
        let count = count
            .trim()
            .parse()
            .map_err(|_| "does not begin with a number of at least 1")?;
        let per = match unit.trim() {
            "s" | "sec" | "second" => Duration::from_secs(1),
            "m" | "min" | "minute" => Duration::from_mins(1),
            "h" | "hour" => Duration::from_hours(1),
            _ => return Err("names no unit of time that is known"),
        };
        Ok(Self {
            count,
            per,
            burst: count,
        })
    }
}

type Addresses<C> =
    RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A limit for each address. Clones count together; other processes count for themselves.
#[derive(Clone)]
pub struct RateLimit<C: Clock = DefaultClock> {
    inner: Arc<Inner<C>>,
}

struct Inner<C: Clock> {
    quota: Quota,
    clock: C,
    proxies: TrustedProxies,
    addresses: RwLock<Addresses<C>>,
    has_warned: AtomicBool,
}

impl RateLimit {
    /// Limits every address to this rate. Behind `proxies` it is their clients that count.
    pub fn new(rate: Rate, proxies: TrustedProxies) -> Self {
        Self::with_clock(rate, proxies, DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn with_clock(rate: Rate, proxies: TrustedProxies, clock: C) -> Self {
        let quota = rate.quota();
        let addresses = RwLock::new(RateLimiter::hashmap_with_clock(quota, clock.clone()));
        Self {
            inner: Arc::new(Inner {
                quota,
                clock,
                proxies,
                addresses,
                has_warned: AtomicBool::new(false),
            }),
        }
    }

    /// Counts a request, or refuses it with 429.
    ///
    /// Programs of this machine are not counted: a proxy that tells nothing of its clients would have all visitors
    /// share one address.
    pub fn admit(&self, extensions: &Extensions, headers: &HeaderMap) -> Result<(), Box<Problem>> {
        let Some(client) = self.inner.proxies.client(extensions, headers) else {
            return Ok(());
        };
        if client.is_unnamed_proxy && !self.inner.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                proxy.address = %client.address,
                "requests come through a proxy that TRUSTED_PROXIES does not name: all its visitors count as one"
            );
        }
        if client.is_local {
            return Ok(());
        }
        self.count(client.address).map_err(|wait| {
            metrics::counter!("rate_limited_total").increment(1);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS)
                .detail("too many requests from your address; try again later")
                .retry_after(seconds.max(1));
            Box::new(problem)
        })
    }

    /// Counts a request of this address; how long to wait, if there were too many.
    fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let inner = &*self.inner;
        let is_crowded = {
            let addresses = inner
                .addresses
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            addresses
                .check_key(&customer(address))
                .map_err(|refusal| refusal.wait_time_from(inner.clock.now()))?;
            addresses.len() > MAX_ADDRESSES
        };
        if is_crowded {
            self.make_room();
        }
        Ok(())
    }

    fn make_room(&self) {
        let inner = &*self.inner;
        let mut addresses = inner
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if addresses.len() <= MAX_ADDRESSES {
            return;
        }
        addresses.retain_recent();
        // Unless much of it is old, this would be done again for nearly every request.
        if addresses.len() > MAX_ADDRESSES / 2 {
            *addresses = RateLimiter::hashmap_with_clock(inner.quota, inner.clock.clone());
        }
    }
}

impl<C: Clock> fmt::Debug for RateLimit<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("quota", &self.inner.quota)
            .finish_non_exhaustive()
    }
}

/// The address that a customer is counted under.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mask = u128::MAX << (128 - IPV6_CUSTOMER_BITS);
            IpAddr::from((u128::from(address) & mask).to_be_bytes())
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit(rate: &str) -> (RateLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let rate = rate.parse().unwrap();
        let limit = RateLimit::with_clock(rate, TrustedProxies::default(), clock.clone());
        (limit, clock)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_a_burst_and_then_the_rate() {
        let (limit, clock) = limit("6/min");
        for _ in 0..6 {
            limit.count(ip("192.0.2.1")).unwrap();
        }
        assert_eq!(limit.count(ip("192.0.2.1")), Err(Duration::from_secs(10)));
        limit.count(ip("192.0.2.2")).unwrap();
        clock.advance(Duration::from_secs(10));
        limit.count(ip("192.0.2.1")).unwrap();
        assert!(limit.count(ip("192.0.2.1")).is_err());
    }

    #[test]
    fn a_customer_of_ipv6_is_one_client_and_an_address_is_not_two() {
        let (limit, _) = limit("2/min");
        limit.count(ip("2001:db8:0:1::1")).unwrap();
        limit.count(ip("2001:db8:0:1:ffff::2")).unwrap();
        assert!(limit.count(ip("2001:db8:0:1::3")).is_err());
        limit.count(ip("2001:db8:0:2::1")).unwrap();
        limit.count(ip("192.0.2.1")).unwrap();
        limit.count(ip("::ffff:192.0.2.1")).unwrap();
        assert!(limit.count(ip("192.0.2.1")).is_err());
    }

    #[test]
    fn a_million_addresses_take_no_more_memory_than_the_limit_and_shut_nobody_out() {
        let (limit, _) = limit("5/min");
        let known = || limit.inner.addresses.read().unwrap().len();
        for number in 0..1_000_000_u32 {
            limit
                .count(IpAddr::V4(Ipv4Addr::from_bits(number)))
                .unwrap();
            if number % 10_000 == 0 {
                assert!(known() <= MAX_ADDRESSES + 1, "{}", known());
            }
        }
        limit.count(IpAddr::V6(Ipv6Addr::LOCALHOST)).unwrap();
    }

    #[test]
    fn what_is_old_is_forgotten_first() {
        let (limit, clock) = limit("5/min");
        let crowd = |numbers: std::ops::Range<u32>| {
            for number in numbers {
                limit
                    .count(IpAddr::V4(Ipv4Addr::from_bits(number)))
                    .unwrap();
            }
        };
        crowd(0..90_000);
        clock.advance(Duration::from_hours(1));
        while limit.count(ip("192.0.2.1")).is_ok() {}
        crowd(90_000..110_000);
        assert!(limit.inner.addresses.read().unwrap().len() < 30_000);
        assert!(limit.count(ip("192.0.2.1")).is_err());
    }

    #[test]
    fn a_rate_is_a_number_and_a_unit() {
        assert_eq!(
            "30/min".parse::<Rate>().unwrap().quota().burst_size().get(),
            30
        );
        let rate: Rate = "30 / minute".parse().unwrap();
        let rate = rate.burst(NonZeroU32::new(5).unwrap());
        assert_eq!(rate.quota().burst_size().get(), 5);
        assert_eq!(rate.quota().replenish_interval(), Duration::from_secs(2));
        for wrong in ["30", "0/min", "-1/s", "x/min", "30/fortnight", ""] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
