//! Subscribers' secrets at rest: encrypted, numbered, valid side by side for a while.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{Gateway, SubscriberSecret};
use crate::clock::instant;
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError};
use crate::keyring::Keyring;
use crate::store::Inner;

/// More are never valid at once; the oldest go.
const KEPT: i64 = 10;
/// How many secrets are sealed anew per transaction.
const ROTATE_BATCH: i64 = 50;

/// Binds a ciphertext to its row: moved to another row, it does not open.
fn place(subscriber: &str, number: i64) -> Vec<u8> {
    format!("gateway_secrets|{}|{subscriber}|{number}", subscriber.len()).into_bytes()
}

fn unseal(keyring: &Keyring, sealed: &[u8], subscriber: &str, number: i64) -> Result<SecretString> {
    let plaintext = keyring.open(sealed, &place(subscriber, number))?;
    std::str::from_utf8(&plaintext)
        .map(SecretString::from)
        .map_err(|_| StoreError::internal("a stored secret is not text"))
}

/// A secret with the name of its subscriber.
pub(super) type Named = (String, SubscriberSecret);

/// The secrets of all subscribers or of one, the newest first.
pub(super) async fn read(
    tx: &mut Tx,
    keyring: &Keyring,
    subscriber: Option<&str>,
) -> Result<Vec<Named>> {
    let now = tx.now().await?;
    let query = match subscriber {
        Some(name) => tx
            .query(
                "SELECT subscriber, number, sealed, expires_at FROM gateway_secrets
                 WHERE subscriber = $2 AND (expires_at IS NULL OR expires_at > $1)
                 ORDER BY subscriber, number DESC",
            )
            .bind(now)
            .bind(name),
        None => tx
            .query(
                "SELECT subscriber, number, sealed, expires_at FROM gateway_secrets
                 WHERE subscriber > '' AND (expires_at IS NULL OR expires_at > $1)
                 ORDER BY subscriber, number DESC",
            )
            .bind(now),
    };
    let rows = query.fetch_all().await?;
    rows.iter()
        .map(|row| {
            let (name, number) = (row.text("subscriber")?, row.int("number")?);
            let sealed = row.opt_bytes("sealed")?.unwrap_or_default();
            let secret = SubscriberSecret {
                secret: unseal(keyring, &sealed, &name, number)?,
                expires_at: row.opt_int("expires_at")?.map(instant),
            };
            Ok((name, secret))
        })
        .collect()
}

/// Makes `secret` the one in force, unless it is. What was in force stays valid for `overlap`. Says whether anything
/// changed.
pub(super) async fn replace(
    tx: &mut Tx,
    keyring: &Keyring,
    subscriber: &str,
    secret: &SecretString,
    overlap: i64,
) -> Result<bool> {
    let now = tx.now().await?;
    let newest = tx
        .query(
            "SELECT number, sealed FROM gateway_secrets WHERE subscriber = $1 ORDER BY number DESC LIMIT 1",
        )
        .bind(subscriber)
        .fetch_optional()
        .await?;
    let mut number = 1;
    if let Some(row) = newest {
        let known = row.int("number")?;
        let sealed = row.opt_bytes("sealed")?.unwrap_or_default();
        let known_secret = unseal(keyring, &sealed, subscriber, known)?;
        if known_secret.expose_secret() == secret.expose_secret() {
            return Ok(false);
        }
        number = known + 1;
    }
    tx.query(
        "UPDATE gateway_secrets SET expires_at = $2
         WHERE subscriber = $1 AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(subscriber)
    .bind(now.saturating_add(overlap))
    .execute()
    .await?;
    tx.query(
        "DELETE FROM gateway_secrets WHERE subscriber = $1 AND (expires_at <= $2 OR number <= $3)",
    )
    .bind(subscriber)
    .bind(now)
    .bind(number - KEPT)
    .execute()
    .await?;
    tx.query(
        "INSERT INTO gateway_secrets (subscriber, number, sealed, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(subscriber)
    .bind(number)
    .bind(keyring.seal(secret.expose_secret().as_bytes(), &place(subscriber, number))?)
    .bind(now)
    .execute()
    .await?;
    Ok(true)
}

impl Gateway {
    /// Seals every secret that another key has sealed with the first key of the keyring. Returns how many there were.
    pub(crate) async fn rotate_keys(&self) -> Result<u64> {
        let mut total = 0;
        let mut after = Some((String::new(), 0));
        while let Some(from) = after {
            let rotate = RotateKeys {
                inner: Arc::clone(&self.inner),
                after: from,
            };
            let (resealed, last) = self.inner.db.write(rotate).await?;
            total += resealed;
            after = last;
        }
        Ok(total)
    }
}

struct RotateKeys {
    inner: Arc<Inner>,
    after: (String, i64),
}

impl Operation for RotateKeys {
    type Output = (u64, Option<(String, i64)>);

    async fn run(&self, tx: &mut Tx) -> Result<Self::Output> {
        let keyring = &self.inner.keyring;
        let rows = tx
            .query(
                "SELECT subscriber, number, sealed FROM gateway_secrets
                 WHERE (subscriber, number) > ($1, $2) ORDER BY subscriber, number LIMIT $3",
            )
            .bind(&self.after.0)
            .bind(self.after.1)
            .bind(ROTATE_BATCH)
            .fetch_all()
            .await?;
        let (mut resealed, mut last) = (0, None);
        for row in rows {
            let (subscriber, number) = (row.text("subscriber")?, row.int("number")?);
            let old = row.opt_bytes("sealed")?.unwrap_or_default();
            if !keyring.is_current(&old) {
                let place = place(&subscriber, number);
                let plaintext = keyring.open(&old, &place)?;
                resealed += tx
                    .query("UPDATE gateway_secrets SET sealed = $3 WHERE subscriber = $1 AND number = $2")
                    .bind(&subscriber)
                    .bind(number)
                    .bind(keyring.seal(&plaintext, &place)?)
                    .execute()
                    .await?;
            }
            last = Some((subscriber, number));
        }
        Ok((resealed, last))
    }
}
