//! Counting attempts that failed: the dashboard shows them by reason, and alerts look at their sum.

use connection::CrmError;
use store::Store;

/// Counts an attempt that failed for a reason of our own words.
pub(crate) async fn count(store: &Store, reason: &'static str) {
    if let Err(error) = store.lessons().count_failure(reason).await {
        tracing::debug!("a failed attempt is not in the statistics: {error}");
    }
}

/// Counts an attempt that met this error. When the database is what fails, nothing can be written there either.
pub(crate) async fn count_error(store: &Store, error: &CrmError) {
    if !matches!(error, CrmError::Store(_)) {
        count(store, error.word()).await;
    }
}
