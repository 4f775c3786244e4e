//! What was given up, and its revival.

use store::{DeadLetter, LESSON_SYNC, Store, StoreError};

/// Puts a letter back into the queue. `false` if it is not there any more.
pub(crate) async fn revive(store: &Store, letter: &DeadLetter) -> Result<bool, StoreError> {
    let is_back = match student_of(letter) {
        Some(student) => store.lessons().retry_failed(student, letter.id).await?,
        None => store.jobs().replay(letter.id).await?,
    };
    if is_back {
        tracing::info!(
            letter.id = letter.id,
            job.kind = letter.kind,
            "a dead letter was put back into the queue"
        );
    }
    Ok(is_back)
}

/// The student whose lessons a letter is about.
pub(crate) fn student_of(letter: &DeadLetter) -> Option<i64> {
    (letter.kind == LESSON_SYNC).then(|| letter.payload.as_i64())?
}
