//! One line per cause and second: an outage of the database must not fill the disk with lines that all say so.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How long a cause has been told of.
const QUIET: Duration = Duration::from_secs(1);
/// How many causes are remembered before old ones are looked for.
const MANY: usize = 1_000;

/// Leaves out warnings and errors that were told less than a second ago.
///
/// The cause of a warning is the place that warns, whichever lead it is about. The cause of an error is what it says:
/// somebody has to look at each lead that failed, so none of those is left out.
#[derive(Debug, Default)]
pub(super) struct OncePerSecond {
    told: Mutex<HashMap<Cause, Instant>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Cause(Identifier, u64);

impl OncePerSecond {
    fn is_news(&self, cause: Cause, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told
            .get(&cause)
            .is_some_and(|at| now.duration_since(*at) < QUIET)
        {
            return false;
        }
        if told.len() >= MANY {
            told.retain(|_, at| now.duration_since(*at) < QUIET);
        }
        told.insert(cause, now);
        true
    }
}

impl<S: Subscriber> Layer<S> for OncePerSecond {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let level = *metadata.level();
        if level > Level::WARN {
            return true;
        }
        let mut what = Words(DefaultHasher::new());
        if level == Level::ERROR {
            event.record(&mut what);
        }
        let cause = Cause(metadata.callsite(), what.0.finish());
        let is_news = self.is_news(cause, Instant::now());
        if !is_news {
            metrics::counter!("log_lines_left_out_total").increment(1);
        }
        is_news
    }
}

/// A hash of everything that an event says.
struct Words(DefaultHasher);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        field.name().hash(&mut self.0);
        format!("{value:?}").hash(&mut self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cause_is_told_once_a_second_and_every_failed_lead_is_told() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().with_writer(move || writer.clone()))
            .with(OncePerSecond::default());
        let guard = tracing::subscriber::set_default(subscriber);
        for second in 0..3 {
            for lead in 0..50 {
                tracing::info!(lead, "taken");
                tracing::warn!(lead, "away");
                tracing::error!("full");
                tracing::error!(lead = second * 100 + lead, "refused");
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        drop(guard);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |word: &str| text.matches(word).count();
        assert_eq!((count("taken"), count("refused")), (150, 150));
        assert_eq!((count("away"), count("full")), (3, 3));
    }
}
