//! When a delivery that failed is tried again: pure functions of what is stored.
//!
//! The schedule is that of Standard Webhooks. It is counted in attempts, not in the time since the event: an event that
//! waits behind another, or while its subscriber is paused, loses none of its attempts.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The pause before each attempt (<https://github.com/standard-webhooks/standard-webhooks>, "Deliverability and
/// reliability"): 75 h 35 min in all.
const PAUSES: [Duration; 10] = [
    Duration::ZERO,
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// Jitter is added, never taken away: up to this part of the pause.
const JITTER: f64 = 0.1;
/// A receiver may ask for at most this much patience.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(24);
/// A receiver that is throttled is not asked again sooner, whatever it says.
const SHORTEST_RETRY_AFTER: Duration = Duration::from_secs(1);

/// For how long one event is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// `retry_hours`.
    pub(crate) retry_for: Duration,
    /// `skip_after`: later events of the entity wait no longer than this.
    pub(crate) skip_after: Option<Duration>,
}

impl Patience {
    fn limit(self) -> Duration {
        self.skip_after
            .map_or(self.retry_for, |skip| skip.min(self.retry_for))
    }

    /// The pause after the failed attempt number `made`, counted from 1. `None`: that was the last one.
    ///
    /// Where the limit falls between two attempts, the last one is at the limit.
    pub(crate) fn pause_after(self, made: u32) -> Option<Duration> {
        let made = usize::try_from(made).unwrap_or(usize::MAX).max(1);
        let so_far: Duration = PAUSES.iter().take(made).sum();
        let left = self.limit().saturating_sub(so_far);
        let pause = PAUSES.get(made)?;
        (!left.is_zero()).then(|| (*pause).min(left))
    }

    /// What a dead letter says.
    pub(crate) fn exhausted(self, made: u32) -> String {
        let skipped = self
            .skip_after
            .is_some_and(|skip| skip < self.retry_for && self.pause_after(made).is_none());
        if skipped {
            format!(
                "skipped after {made} failed attempts, so that later events of the entity go on"
            )
        } else {
            format!("given up after {made} failed attempts")
        }
    }
}

/// Adds up to a tenth; `random` is from 0 to 1.
pub(crate) fn with_jitter(pause: Duration, random: f64) -> Duration {
    pause.saturating_add(pause.mul_f64(JITTER * random.clamp(0.0, 1.0)))
}

/// Reads `Retry-After`: seconds or a date. Longer waits than a day are a day; what cannot be read is nothing.
pub(crate) fn read_retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let wait = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // More digits than fit are meant as "very long".
        text.parse()
            .map_or(LONGEST_RETRY_AFTER, Duration::from_secs)
    } else {
        let at = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
        (at - now).to_std().unwrap_or_default()
    };
    Some(wait.clamp(SHORTEST_RETRY_AFTER, LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn patience(retry_for: Duration, skip_after: Option<Duration>) -> Patience {
        Patience {
            retry_for,
            skip_after,
        }
    }

    /// Seconds between attempts until it is given up.
    fn pauses(patience: Patience) -> Vec<u64> {
        (1..)
            .map_while(|made| patience.pause_after(made))
            .map(|pause| pause.as_secs())
            .collect()
    }

    #[test]
    fn the_schedule_is_that_of_standard_webhooks() {
        let whole = pauses(patience(76 * HOUR, None));
        assert_eq!(
            whole,
            [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
        );
        assert_eq!(whole.iter().sum::<u64>(), 75 * 3_600 + 35 * 60 + 5);
    }

    #[test]
    fn a_limit_cuts_the_schedule_and_is_itself_the_last_attempt() {
        assert_eq!(pauses(patience(HOUR, None)), [5, 300, 1_800, 1_495]);
        let skipping = patience(76 * HOUR, Some(Duration::from_mins(10)));
        assert_eq!(pauses(skipping), [5, 300, 295]);
        assert_eq!(skipping.pause_after(u32::MAX), None);
        assert!(skipping.exhausted(4).starts_with("skipped"));
        assert!(
            patience(HOUR, Some(76 * HOUR))
                .exhausted(5)
                .starts_with("given up")
        );
    }

    #[test]
    fn jitter_is_only_ever_added() {
        for (random, expected) in [
            (0.0, 100_000),
            (0.5, 105_000),
            (1.0, 110_000),
            (9.0, 110_000),
        ] {
            let jittered = with_jitter(Duration::from_secs(100), random);
            assert_eq!(jittered.as_millis(), expected);
        }
    }

    #[test]
    fn a_receiver_may_ask_for_up_to_a_day() {
        let now = DateTime::from_timestamp(1_445_412_420, 0).unwrap(); // 07:27:00
        for (text, seconds) in [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", Some(1)),
            ("86401", Some(86_400)),
            ("99999999999999999999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:00:00 GMT", Some(1)),
            ("Fri, 31 Dec 2066 23:59:59 GMT", Some(86_400)),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(read_retry_after(text, now), expected, "{text}");
        }
    }
}
