//! Keys under which a request is taken once.

use std::fmt;
use std::time::Duration;

use crate::clock::micros;
use crate::db::Tx;
use crate::error::Result;

/// How long an `Idempotency-Key` is remembered, usually.
pub const IDEMPOTENCY_LIFE: Duration = Duration::from_hours(24);

/// The `Idempotency-Key` of a request, and what tells its body from another.
#[derive(Clone)]
pub struct IdempotencyKey {
    /// The header's value; put whatever it is valid within in front of it.
    pub key: String,
    /// A hash of the body. The same key with another fingerprint is refused:
    /// [`Accepted::KeyReused`](crate::Accepted::KeyReused).
    pub fingerprint: String,
    /// How long it is remembered; [`IDEMPOTENCY_LIFE`] for what a client has promised to be unique.
    pub life: Duration,
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyKey").finish_non_exhaustive()
    }
}

/// Who had a key before.
pub(crate) enum Before {
    /// Nobody.
    Nobody,
    /// The same request. Where it made a lead, this is the lead's number.
    Same(i64),
    /// A request with another body.
    Another,
}

/// Takes the key, or tells who has it. On PostgreSQL a second request with the same key waits here until the first has
/// committed.
pub(crate) async fn take(tx: &mut Tx, key: &IdempotencyKey, now: i64) -> Result<Before> {
    tx.query("DELETE FROM idempotency_keys WHERE key = $1 AND expires_at <= $2")
        .bind(&key.key)
        .bind(now)
        .execute()
        .await?;
    let taken = tx
        .query(
            "INSERT INTO idempotency_keys (key, fingerprint, lead_id, expires_at) VALUES ($1, $2, 0, $3)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(&key.key)
        .bind(&key.fingerprint)
        .bind(now.saturating_add(micros(key.life)))
        .execute()
        .await?;
    if taken > 0 {
        return Ok(Before::Nobody);
    }
    let known = tx
        .query("SELECT fingerprint, lead_id FROM idempotency_keys WHERE key = $1")
        .bind(&key.key)
        .fetch_one()
        .await?;
    Ok(if known.text("fingerprint")? == key.fingerprint {
        Before::Same(known.int("lead_id")?)
    } else {
        Before::Another
    })
}
