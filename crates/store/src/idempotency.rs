//! Keys under which a request is taken once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::micros;
use crate::db::{Sql, Tx};
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

/// A key that somebody has stays theirs, unless its life is over. In one order by everybody: on PostgreSQL who comes
/// second waits here until the first has committed.
const TAKE_ALL: Sql = Sql::either(
    "INSERT INTO idempotency_keys (key, fingerprint, lead_id, expires_at)
     SELECT k.value->>'key', k.value->>'fingerprint', 0, k.value->>'expires_at'
     FROM json_each($2) AS k WHERE true ORDER BY k.key
     ON CONFLICT (key) DO UPDATE SET
         fingerprint = iif(idempotency_keys.expires_at <= $1, excluded.fingerprint, idempotency_keys.fingerprint),
         lead_id = iif(idempotency_keys.expires_at <= $1, 0, idempotency_keys.lead_id),
         expires_at = iif(idempotency_keys.expires_at <= $1, excluded.expires_at, idempotency_keys.expires_at)
     RETURNING key, fingerprint",
    "INSERT INTO idempotency_keys (key, fingerprint, lead_id, expires_at)
     SELECT key, fingerprint, 0, expires_at
     FROM json_to_recordset($2::json) AS k (key text, fingerprint text, expires_at bigint)
     ORDER BY key COLLATE \"C\"
     ON CONFLICT (key) DO UPDATE SET
         fingerprint = CASE WHEN idempotency_keys.expires_at <= $1
             THEN excluded.fingerprint ELSE idempotency_keys.fingerprint END,
         lead_id = CASE WHEN idempotency_keys.expires_at <= $1 THEN 0 ELSE idempotency_keys.lead_id END,
         expires_at = CASE WHEN idempotency_keys.expires_at <= $1
             THEN excluded.expires_at ELSE idempotency_keys.expires_at END
     RETURNING key, fingerprint",
);

/// Takes many keys at once, for what stands for no lead. Returns whose each is now: the fingerprint of the body that was
/// the first to use it.
pub(crate) async fn take_all<'a>(
    tx: &mut Tx,
    keys: impl Iterator<Item = &'a IdempotencyKey>,
) -> Result<HashMap<String, String>> {
    // The first of them to use a key takes it.
    let mut asked: BTreeMap<&str, &IdempotencyKey> = BTreeMap::new();
    for key in keys {
        asked.entry(&key.key).or_insert(key);
    }
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let now = tx.now().await?;
    let asked: Value = asked
        .values()
        .map(|key| {
            json!({
                "key": key.key,
                "fingerprint": key.fingerprint,
                "expires_at": now.saturating_add(micros(key.life)),
            })
        })
        .collect();
    let rows = tx
        .query(TAKE_ALL)
        .bind(now)
        .bind(asked.to_string())
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("key")?, row.text("fingerprint")?)))
        .collect()
}
