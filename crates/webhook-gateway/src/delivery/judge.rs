//! What follows from an answer: a pure function of it and of what is stored.

use std::time::Duration;

use store::{AttemptOutcome, CircuitPolicy, CircuitStep, Next, RetryAfter};

use super::reply::Answer;
use super::schedule::{Patience, with_jitter};

/// A throttled receiver that does not say for how long is left alone for this.
const UNTOLD_PAUSE: Duration = Duration::from_secs(5);

/// What is recorded of an attempt, and what is done then.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: AttemptOutcome,
    pub(crate) next: Next,
    pub(crate) circuit: CircuitStep,
    /// The receiver wants nothing any more.
    pub(crate) disable: Option<&'static str>,
}

/// The attempt before the verdict.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tried {
    /// How many attempts were counted before this one.
    pub(crate) before: u32,
    /// From 0 to 1.
    pub(crate) random: f64,
}

/// Judges an answer.
pub(crate) fn judge(answer: &Answer, tried: Tried, patience: Patience) -> Verdict {
    let (status, reason, asked) = match answer {
        Answer::Taken { status } => {
            return Verdict {
                outcome: AttemptOutcome::Delivered { status: *status },
                next: Next::Done,
                circuit: CircuitStep::Succeeded,
                disable: None,
            };
        }
        Answer::Refused {
            status,
            retry_after,
        } => (Some(*status), in_words(*status), *retry_after),
        Answer::Failed { reason } => (None, reason.clone(), None),
    };
    let circuit = match status {
        // A receiver that reads events lives.
        Some(status) if is_about_the_event(status) => CircuitStep::Succeeded,
        _ => CircuitStep::Failed {
            error: reason.clone(),
            policy: CircuitPolicy::default(),
            // Whoever asks for patience asks it for all events.
            retry_after: asked.filter(|_| matches!(status, Some(429 | 503))),
        },
    };
    let made = tried.before.saturating_add(1);
    let next = match status {
        // It was not looked at, or will be when a person says so: that is no attempt.
        Some(429 | 410) => {
            let pause = with_jitter(asked.unwrap_or(UNTOLD_PAUSE), tried.random);
            Next::Retry(RetryAfter::new(pause, reason.clone()).uncounted())
        }
        _ => match patience.pause_after(made) {
            Some(pause) => {
                let pause = with_jitter(pause.max(asked.unwrap_or_default()), tried.random);
                Next::Retry(RetryAfter::new(pause, reason.clone()))
            }
            None => Next::Dead {
                reason: patience.exhausted(made),
            },
        },
    };
    Verdict {
        outcome: AttemptOutcome::Failed { status, reason },
        next,
        circuit,
        disable: (status == Some(410)).then_some("it answered 410 Gone"),
    }
}

/// Whether a refusal is about what is in the event: others may pass. Everything else, such as a server's error,
/// a redirect or a missing page, would meet every event alike.
fn is_about_the_event(status: u16) -> bool {
    (400..500).contains(&status)
        && !matches!(
            status,
            401 | 403 | 404 | 405 | 407 | 408 | 410 | 421 | 425 | 426 | 429 | 451
        )
}

fn in_words(status: u16) -> String {
    let meaning = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    let note = if (300..400).contains(&status) {
        "; redirects are not followed"
    } else {
        ""
    };
    match meaning {
        Some(meaning) => format!("answered {status} {meaning}{note}"),
        None => format!("answered {status}{note}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        retry_for: Duration::from_hours(76),
        skip_after: None,
    };

    fn after(answer: &Answer, before: u32) -> Verdict {
        let tried = Tried {
            before,
            random: 0.0,
        };
        judge(answer, tried, PATIENCE)
    }

    fn refused(status: u16, retry_after: Option<u64>) -> Answer {
        Answer::Refused {
            status,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_is_taken_is_done_and_shows_that_the_endpoint_lives() {
        let verdict = after(&Answer::Taken { status: Some(204) }, 3);
        assert!(matches!(verdict.next, Next::Done));
        assert_eq!(verdict.circuit, CircuitStep::Succeeded);
    }

    #[test]
    fn failures_are_of_the_endpoint_and_refusals_of_an_event_show_that_it_lives() {
        let failed = |answer: &Answer| {
            matches!(
                after(answer, 0).circuit,
                CircuitStep::Failed {
                    retry_after: None,
                    ..
                }
            )
        };
        let reason = "no connection".to_owned();
        assert!(failed(&Answer::Failed { reason }));
        for status in [
            301, 302, 307, 401, 403, 404, 408, 410, 429, 500, 502, 503, 504, 599,
        ] {
            assert!(failed(&refused(status, None)), "{status}");
        }
        for status in [400, 406, 409, 413, 415, 418, 422, 431] {
            // A receiver that reads events is there.
            let verdict = after(&refused(status, None), 0);
            assert_eq!(verdict.circuit, CircuitStep::Succeeded, "{status}");
        }
    }

    #[test]
    fn a_throttled_attempt_is_not_counted_and_everybody_waits() {
        let verdict = after(&refused(429, Some(120)), 9);
        // Ten counted attempts would be a dead letter.
        assert!(matches!(verdict.next, Next::Retry(_)));
        assert!(matches!(
            verdict.circuit,
            CircuitStep::Failed { retry_after: Some(pause), .. } if pause.as_secs() == 120
        ));
        let verdict = after(&refused(500, None), 9);
        assert!(matches!(verdict.next, Next::Dead { .. }));
    }

    #[test]
    fn gone_disables_and_the_event_waits() {
        let verdict = after(&refused(410, None), 9);
        assert!(verdict.disable.is_some());
        assert!(matches!(verdict.next, Next::Retry(_)));
        assert!(after(&refused(404, None), 0).disable.is_none());
    }

    #[test]
    fn reasons_are_words() {
        assert_eq!(in_words(500), "answered 500 Internal Server Error");
        assert_eq!(
            in_words(301),
            "answered 301 Moved Permanently; redirects are not followed"
        );
        assert_eq!(in_words(599), "answered 599");
    }
}
