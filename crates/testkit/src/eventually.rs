//! Waiting without guessing how long.

use std::time::Duration;

use tokio::time::Instant;

/// How long something that has to happen may take: far more than it needs, also on a machine that builds for others.
pub const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);

/// Asks again until the answer is there; panics when it does not come.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "it did not happen within {PATIENCE:?}: {what}"
        );
        tokio::time::sleep(POLL).await;
    }
}
