//! Waiting for something to become true: by looking, often, and not for ever.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Our own service answers in a millisecond.
pub(crate) const OFTEN: Duration = Duration::from_millis(20);
/// amoCRM counts every look; the manager's program has seven a second.
pub(crate) const SELDOM: Duration = Duration::from_millis(250);
/// Nothing in the story takes longer, or it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Looks until there is something; at the deadline the last look's words are the error.
pub(crate) async fn until<T>(
    longest: Duration,
    every: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + longest;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() >= deadline => {
                anyhow::bail!("{seen} ({} s waited)", longest.as_secs())
            }
            Err(_) => sleep(every).await,
        }
    }
}
