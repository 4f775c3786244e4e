//! What the stories are told with.

mod clock;
mod database;
mod gateway;
mod nats;
mod receiver;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use self::clock::TestClock;
pub(crate) use self::database::{TestDatabase, databases, is_all_required};
pub(crate) use self::gateway::TestGateway;
pub(crate) use self::nats::TestNats;
pub(crate) use self::receiver::{Reaction, Receiver};

/// Long enough for a machine that builds for others too.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// Looks again and again until there is something, and says what was missing if there never is.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(POLL).await;
    }
}
