//! Token pairs at rest: encrypted, numbered by generation, renewed by one process at a time.
//!
//! Every save is a new row. The pair before it keeps its (encrypted) secret, in case the process that saved died
//! before it could use the new one and support has to look; the ones before that keep only their dates.

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::BoxError;
use amocrm_sdk::oauth::{Lease, Saved, StoredTokens, TokenKey, TokenPair, TokenStore};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::clock::{instant, micros};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::{Result, StoreError};
use crate::meta;
use crate::store::Inner;

/// How many rows [`Tokens::rotate_keys`] seals anew per transaction.
const ROTATE_BATCH: i64 = 50;
/// A lease that began further in the future than this was granted before the clock was set back: it is void.
const CLOCK_SLACK_MICROS: i64 = 60_000_000;

/// Token pairs of all accounts; implements the SDK's `TokenStore`.
#[derive(Debug, Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

/// What is known about a pair without decrypting it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenGeneration {
    /// Its number; grows by one with every save.
    pub generation: u64,
    /// When it was received from amoCRM.
    pub obtained_at: DateTime<Utc>,
    /// When amoCRM stops accepting its access token.
    pub expires_at: DateTime<Utc>,
    /// When it was replaced or forgotten; `None` for the pair in force.
    pub deactivated_at: Option<DateTime<Utc>>,
    /// Whether the encrypted secret is still there.
    pub has_secret: bool,
}

impl Tokens {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The grants with a pair in force.
    pub async fn list(&self) -> Result<Vec<TokenKey>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT client_id, account FROM token_grants WHERE active_generation IS NOT NULL
             ORDER BY client_id, account",
        )
        .fetch_all()
        .await?
        .iter()
        .map(|row| Ok(TokenKey::new(row.text("client_id")?, row.text("account")?)))
        .collect()
    }

    /// The newest generations of a grant, newest first: the audit trail.
    pub async fn generations(&self, key: &TokenKey, limit: u32) -> Result<Vec<TokenGeneration>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(
            "SELECT generation, obtained_at, expires_at, deactivated_at,
                    CASE WHEN sealed IS NULL THEN CAST(0 AS BIGINT) ELSE CAST(1 AS BIGINT) END AS has_secret
             FROM tokens WHERE client_id = $1 AND account = $2 ORDER BY generation DESC LIMIT $3",
        )
        .bind(&key.client_id)
        .bind(&key.account)
        .bind(i64::from(limit))
        .fetch_all()
        .await?
        .iter()
        .map(|row| {
            Ok(TokenGeneration {
                generation: unsigned(row.int("generation")?),
                obtained_at: instant(row.int("obtained_at")?),
                expires_at: instant(row.int("expires_at")?),
                deactivated_at: row.opt_int("deactivated_at")?.map(instant),
                has_secret: row.int("has_secret")? != 0,
            })
        })
        .collect()
    }

    /// Takes over a refresh token that was configured: in the place of generation `replaces`, or of none, and once.
    /// Returns whether it was taken.
    ///
    /// What was taken over is remembered in `setting` as `mark`, in the same transaction: of several processes that are
    /// started with the same token one takes it over, and it does not come back after it was used up or an
    /// administrator has disconnected the account. The pair has an access token that has always been expired, so the
    /// first call renews.
    pub async fn adopt(
        &self,
        key: &TokenKey,
        refresh: &SecretString,
        replaces: Option<u64>,
        setting: &str,
        mark: &str,
    ) -> Result<bool> {
        let never = DateTime::UNIX_EPOCH;
        let adopt = Adopt {
            inner: Arc::clone(&self.inner),
            key: key.clone(),
            tokens: TokenPair::new("", Some(refresh.clone()), never, never),
            replaces: replaces.map(signed),
            setting: setting.to_owned(),
            mark: mark.to_owned(),
        };
        self.inner.db.write(adopt).await
    }

    /// Seals every secret that another key has sealed with the first key of the keyring. Returns how many there
    /// were. When one opens with none of the keys, the ones before it are sealed anew all the same.
    pub(crate) async fn rotate_keys(&self) -> Result<u64> {
        let mut total = 0;
        let mut after = (String::new(), String::new(), 0);
        loop {
            let batch = self
                .inner
                .db
                .write(RotateKeys {
                    inner: Arc::clone(&self.inner),
                    after: after.clone(),
                })
                .await?;
            total += batch.resealed;
            match batch.last {
                Some(last) => after = last,
                None => return Ok(total),
            }
        }
    }
}

#[async_trait]
impl TokenStore for Tokens {
    async fn load(&self, key: &TokenKey) -> Result<Option<StoredTokens>, BoxError> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(
                "SELECT t.generation, t.sealed, t.obtained_at, t.expires_at
                 FROM token_grants g JOIN tokens t ON t.client_id = g.client_id
                  AND t.account = g.account AND t.generation = g.active_generation
                 WHERE g.client_id = $1 AND g.account = $2",
            )
            .bind(&key.client_id)
            .bind(&key.account)
            .fetch_optional()
            .await?;
        let stored = row.map(|row| self.stored(key, &row)).transpose()?;
        Ok(stored)
    }

    async fn save(
        &self,
        key: &TokenKey,
        tokens: &TokenPair,
        expected: Option<u64>,
    ) -> Result<Saved, BoxError> {
        let save = Save {
            inner: Arc::clone(&self.inner),
            key: key.clone(),
            tokens: tokens.clone(),
            expected: expected.map(signed),
        };
        Ok(self.inner.db.write(save).await?)
    }

    async fn lease(&self, key: &TokenKey, ttl: Duration) -> Result<Option<Lease>, BoxError> {
        let take = TakeLease {
            key: key.clone(),
            owner: self.inner.owner.name().to_owned(),
            ttl: micros(ttl),
        };
        Ok(self.inner.db.write(take).await?)
    }

    async fn release(&self, key: &TokenKey, lease: &Lease) -> Result<(), BoxError> {
        let release = ReleaseLease {
            key: key.clone(),
            owner: self.inner.owner.name().to_owned(),
            fence: signed(lease.fence),
        };
        Ok(self.inner.db.write(release).await?)
    }

    async fn forget(&self, key: &TokenKey) -> Result<bool, BoxError> {
        Ok(self.inner.db.write(Forget { key: key.clone() }).await?)
    }
}

impl Tokens {
    fn stored(&self, key: &TokenKey, row: &Row) -> Result<StoredTokens> {
        let generation = row.int("generation")?;
        let sealed = row
            .opt_bytes("sealed")?
            .ok_or_else(|| StoreError::internal("the pair in force has no secret"))?;
        let plaintext = self.inner.keyring.open(&sealed, &place(key, generation))?;
        let secrets: Secrets = serde_json::from_slice(&plaintext)
            .map_err(|_| StoreError::internal("a stored pair has another shape"))?;
        Ok(StoredTokens {
            tokens: TokenPair::new(
                secrets.access.clone(),
                secrets.refresh.clone().map(SecretString::from),
                instant(row.int("obtained_at")?),
                instant(row.int("expires_at")?),
            ),
            generation: unsigned(generation),
        })
    }
}

/// What is encrypted.
#[derive(Serialize, Deserialize)]
struct Secrets {
    access: String,
    refresh: Option<String>,
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.access.zeroize();
        self.refresh.zeroize();
    }
}

fn seal(inner: &Inner, key: &TokenKey, generation: i64, tokens: &TokenPair) -> Result<Vec<u8>> {
    let secrets = Secrets {
        access: tokens.access().expose_secret().to_owned(),
        refresh: tokens
            .refresh()
            .map(|token| token.expose_secret().to_owned()),
    };
    let plaintext = serde_json::to_vec(&secrets)
        .map(Zeroizing::new)
        .map_err(|_| StoreError::internal("a pair cannot be written as JSON"))?;
    inner.keyring.seal(&plaintext, &place(key, generation))
}

/// Binds a ciphertext to its row: moved to another row, it does not open. Lengths go first, so that no two rows have
/// the same text.
fn place(key: &TokenKey, generation: i64) -> Vec<u8> {
    format!(
        "tokens|{}|{}|{}|{}|{generation}",
        key.client_id.len(),
        key.client_id,
        key.account.len(),
        key.account
    )
    .into_bytes()
}

struct Save {
    inner: Arc<Inner>,
    key: TokenKey,
    tokens: TokenPair,
    expected: Option<i64>,
}

impl Operation for Save {
    type Output = Saved;

    async fn run(&self, tx: &mut Tx) -> Result<Saved> {
        ensure_grant(tx, &self.key).await?;
        // The compare-and-swap; on PostgreSQL it also locks the grant until the commit.
        let swapped = tx
            .query(
                "UPDATE token_grants SET generation = generation + 1, active_generation = generation + 1
                 WHERE client_id = $1 AND account = $2 AND ($3 IS NULL OR active_generation = $3)
                 RETURNING generation",
            )
            .bind(&self.key.client_id)
            .bind(&self.key.account)
            .bind(self.expected)
            .fetch_optional()
            .await?;
        let Some(swapped) = swapped else {
            return Ok(Saved::Superseded);
        };
        let generation = swapped.int("generation")?;
        put_in_force(tx, &self.inner, &self.key, generation, &self.tokens).await?;
        Ok(Saved::Stored(unsigned(generation)))
    }
}

struct Adopt {
    inner: Arc<Inner>,
    key: TokenKey,
    tokens: TokenPair,
    replaces: Option<i64>,
    setting: String,
    mark: String,
}

impl Operation for Adopt {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        ensure_grant(tx, &self.key).await?;
        // Locked before the mark is read: whoever comes second sees what the first one has left.
        let grant = tx
            .query(Sql::either(
                "SELECT generation, active_generation FROM token_grants WHERE client_id = $1 AND account = $2",
                "SELECT generation, active_generation FROM token_grants WHERE client_id = $1 AND account = $2
                 FOR UPDATE",
            ))
            .bind(&self.key.client_id)
            .bind(&self.key.account)
            .fetch_optional()
            .await?
            .ok_or_else(|| StoreError::internal("a grant is gone that was just made"))?;
        let known: Option<String> = meta::read(tx, &self.setting).await?;
        if known.as_ref() == Some(&self.mark)
            || grant.opt_int("active_generation")? != self.replaces
        {
            return Ok(false);
        }
        let generation = grant.int("generation")? + 1;
        tx.query(
            "UPDATE token_grants SET generation = $3, active_generation = $3
             WHERE client_id = $1 AND account = $2",
        )
        .bind(&self.key.client_id)
        .bind(&self.key.account)
        .bind(generation)
        .execute()
        .await?;
        put_in_force(tx, &self.inner, &self.key, generation, &self.tokens).await?;
        meta::write(tx, &self.setting, &self.mark).await?;
        Ok(true)
    }
}

/// Writes the pair of a grant that has just got `generation`; the one before it keeps its secret.
async fn put_in_force(
    tx: &mut Tx,
    inner: &Inner,
    key: &TokenKey,
    generation: i64,
    tokens: &TokenPair,
) -> Result<()> {
    let now = tx.now().await?;
    deactivate(tx, key, now).await?;
    tx.query(
        "INSERT INTO tokens (client_id, account, generation, sealed, obtained_at, expires_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&key.client_id)
    .bind(&key.account)
    .bind(generation)
    .bind(seal(inner, key, generation, tokens)?)
    .bind(tokens.obtained_at().timestamp_micros())
    .bind(tokens.expires_at().timestamp_micros())
    .bind(now)
    .execute()
    .await?;
    wipe_before(tx, key, generation - 1).await
}

struct Forget {
    key: TokenKey,
}

impl Operation for Forget {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let now = tx.now().await?;
        let changed = tx
            .query(
                "UPDATE token_grants SET active_generation = NULL
                 WHERE client_id = $1 AND account = $2 AND active_generation IS NOT NULL",
            )
            .bind(&self.key.client_id)
            .bind(&self.key.account)
            .execute()
            .await?;
        deactivate(tx, &self.key, now).await?;
        // The account was disconnected: nothing of its secrets stays.
        wipe_before(tx, &self.key, i64::MAX).await?;
        Ok(changed > 0)
    }
}

async fn deactivate(tx: &mut Tx, key: &TokenKey, now: i64) -> Result<()> {
    tx.query(
        "UPDATE tokens SET deactivated_at = $3
         WHERE client_id = $1 AND account = $2 AND deactivated_at IS NULL",
    )
    .bind(&key.client_id)
    .bind(&key.account)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

async fn wipe_before(tx: &mut Tx, key: &TokenKey, generation: i64) -> Result<()> {
    tx.query(
        "UPDATE tokens SET sealed = NULL
         WHERE client_id = $1 AND account = $2 AND generation < $3 AND sealed IS NOT NULL",
    )
    .bind(&key.client_id)
    .bind(&key.account)
    .bind(generation)
    .execute()
    .await?;
    Ok(())
}

struct TakeLease {
    key: TokenKey,
    owner: String,
    ttl: i64,
}

impl Operation for TakeLease {
    type Output = Option<Lease>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<Lease>> {
        ensure_grant(tx, &self.key).await?;
        let now = tx.fresh_now().await?;
        let taken = tx
            .query(
                "UPDATE token_grants
                 SET fence = fence + 1, lease_owner = $3, lease_started_at = $4, lease_until = $5
                 WHERE client_id = $1 AND account = $2
                   AND (lease_until IS NULL OR lease_until <= $4 OR lease_started_at > $6)
                 RETURNING fence",
            )
            .bind(&self.key.client_id)
            .bind(&self.key.account)
            .bind(&self.owner)
            .bind(now)
            .bind(now.saturating_add(self.ttl))
            .bind(now.saturating_add(CLOCK_SLACK_MICROS))
            .fetch_optional()
            .await?;
        taken
            .map(|row| {
                Ok(Lease {
                    fence: unsigned(row.int("fence")?),
                })
            })
            .transpose()
    }
}

struct ReleaseLease {
    key: TokenKey,
    owner: String,
    fence: i64,
}

impl Operation for ReleaseLease {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        tx.query(
            "UPDATE token_grants SET lease_owner = NULL, lease_started_at = NULL, lease_until = NULL
             WHERE client_id = $1 AND account = $2 AND lease_owner = $3 AND fence = $4",
        )
        .bind(&self.key.client_id)
        .bind(&self.key.account)
        .bind(&self.owner)
        .bind(self.fence)
        .execute()
        .await?;
        Ok(())
    }
}

async fn ensure_grant(tx: &mut Tx, key: &TokenKey) -> Result<()> {
    tx.query(
        "INSERT INTO token_grants (client_id, account) VALUES ($1, $2)
         ON CONFLICT (client_id, account) DO NOTHING",
    )
    .bind(&key.client_id)
    .bind(&key.account)
    .execute()
    .await?;
    Ok(())
}

struct RotateKeys {
    inner: Arc<Inner>,
    after: (String, String, i64),
}

struct Rotated {
    resealed: u64,
    last: Option<(String, String, i64)>,
}

impl Operation for RotateKeys {
    type Output = Rotated;

    async fn run(&self, tx: &mut Tx) -> Result<Rotated> {
        let (client_id, account, generation) = &self.after;
        let rows = tx
            .query(
                "SELECT client_id, account, generation, sealed FROM tokens
                 WHERE sealed IS NOT NULL AND (client_id, account, generation) > ($1, $2, $3)
                 ORDER BY client_id, account, generation LIMIT $4",
            )
            .bind(client_id)
            .bind(account)
            .bind(*generation)
            .bind(ROTATE_BATCH)
            .fetch_all()
            .await?;
        let mut rotated = Rotated {
            resealed: 0,
            last: None,
        };
        for row in rows {
            let key = TokenKey::new(row.text("client_id")?, row.text("account")?);
            let generation = row.int("generation")?;
            let Some(old) = row.opt_bytes("sealed")? else {
                continue;
            };
            if !self.inner.keyring.is_current(&old) {
                let place = place(&key, generation);
                let plaintext = self.inner.keyring.open(&old, &place)?;
                // The old text is compared: it may have been wiped meanwhile.
                rotated.resealed += tx
                    .query(
                        "UPDATE tokens SET sealed = $4
                         WHERE client_id = $1 AND account = $2 AND generation = $3 AND sealed = $5",
                    )
                    .bind(&key.client_id)
                    .bind(&key.account)
                    .bind(generation)
                    .bind(self.inner.keyring.seal(&plaintext, &place)?)
                    .bind(old)
                    .execute()
                    .await?;
            }
            rotated.last = Some((key.client_id, key.account, generation));
        }
        Ok(rotated)
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
