//! When a failed webhook is tried again, and when its subscription is switched off.

use std::collections::VecDeque;

const MINUTE_MS: i64 = 60_000;
/// The window in which invalid answers are counted (amoCRM, "webhooks format").
const DISABLING_WINDOW_SECONDS: i64 = 2 * 3600;
/// More invalid answers than this in the window, and the latest one invalid: the subscription is disabled.
const DISABLING_ANSWERS: usize = 100;

/// The answer's status as amoCRM counts: 0 stands for no answer at all.
pub(super) fn is_success(status: u16) -> bool {
    (100..=299).contains(&status)
}

/// The pause before the next attempt after `attempts` of them, the last of which ended with `status`; `None` gives up.
pub(super) fn next_pause_ms(attempts: u32, status: u16) -> Option<i64> {
    let is_server_side = status == 499 || (500..=599).contains(&status);
    match attempts {
        1 => Some(5 * MINUTE_MS),
        2 => Some(15 * MINUTE_MS),
        3 if is_server_side => Some(15 * MINUTE_MS),
        4 if is_server_side => Some(60 * MINUTE_MS),
        _ => None,
    }
}

/// Adds an invalid answer to those of a subscription and says whether it was one too many.
pub(super) fn is_disabling(invalid: &mut VecDeque<i64>, now: i64) -> bool {
    invalid.push_back(now);
    while invalid
        .front()
        .is_some_and(|at| now - at >= DISABLING_WINDOW_SECONDS)
    {
        invalid.pop_front();
    }
    invalid.len() > DISABLING_ANSWERS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses_in_minutes(status: u16) -> Vec<i64> {
        (1..)
            .map_while(|attempts| next_pause_ms(attempts, status))
            .map(|ms| ms / MINUTE_MS)
            .collect()
    }

    #[test]
    fn servers_that_fail_get_five_attempts_and_those_that_refuse_three() {
        for status in [499, 500, 503, 599] {
            assert_eq!(pauses_in_minutes(status), [5, 15, 15, 60]);
        }
        for status in [0, 301, 404, 410, 422] {
            assert_eq!(pauses_in_minutes(status), [5, 15]);
        }
    }

    #[test]
    fn the_hundred_and_first_invalid_answer_within_two_hours_disables() {
        let mut invalid = VecDeque::new();
        assert!((0..100).all(|at| !is_disabling(&mut invalid, at)));
        assert!(is_disabling(&mut invalid.clone(), 100));
        assert!(
            !is_disabling(&mut invalid, DISABLING_WINDOW_SECONDS),
            "the first one is two hours old by then"
        );
    }
}
