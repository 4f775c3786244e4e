//! Small things: settings by name, and single-use states that expire.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::micros;
use crate::db::{Operation, Tx};
use crate::error::{Result, StoreError};
use crate::store::Inner;

/// Settings and states. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Meta {
    inner: Arc<Inner>,
}

impl Meta {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The setting `key`, read as `T`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`](crate::StoreErrorKind::Invalid) when it holds something else than a `T`.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let mut tx = self.inner.db.read().await?;
        read(&mut tx, key).await
    }

    /// Stores the setting `key`. Not for secrets: it is stored in clear.
    pub async fn put(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        let put = PutSetting {
            key: key.to_owned(),
            value: to_json(value)?,
        };
        self.inner.db.write(put).await
    }

    /// Removes the setting `key`. Returns whether there was one.
    pub async fn remove(&self, key: &str) -> Result<bool> {
        let key = key.to_owned();
        self.inner.db.write(RemoveSetting { key }).await
    }

    /// Remembers a single-use `state` for `life`, with what belongs to it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Conflict`](crate::StoreErrorKind::Conflict) when it is in use.
    pub async fn put_state(
        &self,
        state: &str,
        payload: &(impl Serialize + ?Sized),
        life: Duration,
    ) -> Result<()> {
        let put = PutState {
            state: state.to_owned(),
            payload: to_json(payload)?,
            life: micros(life),
        };
        self.inner.db.write(put).await
    }

    /// Uses up `state`: the first caller within its life gets the payload, everybody else `None`.
    pub async fn take_state(&self, state: &str) -> Result<Option<Value>> {
        let state = state.to_owned();
        self.inner.db.write(TakeState { state }).await
    }
}

/// The setting `key`, inside the transaction that depends on it.
pub(crate) async fn read<T: DeserializeOwned>(tx: &mut Tx, key: &str) -> Result<Option<T>> {
    let row = tx
        .query("SELECT value FROM settings WHERE key = $1")
        .bind(key)
        .fetch_optional()
        .await?;
    row.map(|row| {
        serde_json::from_str(&row.text("value")?).map_err(|_| {
            StoreError::invalid(format!(
                "setting {key} has another shape than this release expects"
            ))
        })
    })
    .transpose()
}

/// Stores the setting `key` together with what else the transaction does.
pub(crate) async fn write(
    tx: &mut Tx,
    key: &str,
    value: &(impl Serialize + Sync + ?Sized),
) -> Result<()> {
    let put = PutSetting {
        key: key.to_owned(),
        value: to_json(value)?,
    };
    put.run(tx).await
}

/// Stores the setting `key` if there is none yet. Returns whether it was stored.
pub(crate) async fn put_first(tx: &mut Tx, key: &str, value: &str) -> Result<bool> {
    let now = tx.now().await?;
    let stored = tx
        .query(
            "INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(key)
        .bind(to_json(value)?)
        .bind(now)
        .execute()
        .await?;
    Ok(stored > 0)
}

fn to_json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|_| StoreError::invalid("a value cannot be written as JSON"))
}

struct PutSetting {
    key: String,
    value: String,
}

impl Operation for PutSetting {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        tx.query(
            "INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
        )
        .bind(&self.key)
        .bind(&self.value)
        .bind(now)
        .execute()
        .await?;
        Ok(())
    }
}

struct RemoveSetting {
    key: String,
}

impl Operation for RemoveSetting {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        let gone = tx
            .query("DELETE FROM settings WHERE key = $1")
            .bind(&self.key)
            .execute()
            .await?;
        Ok(gone > 0)
    }
}

struct PutState {
    state: String,
    payload: String,
    life: i64,
}

impl Operation for PutState {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        let now = tx.now().await?;
        tx.query("INSERT INTO states (state, payload, expires_at) VALUES ($1, $2, $3)")
            .bind(&self.state)
            .bind(&self.payload)
            .bind(now.saturating_add(self.life))
            .execute()
            .await?;
        Ok(())
    }
}

struct TakeState {
    state: String,
}

impl Operation for TakeState {
    type Output = Option<Value>;

    async fn run(&self, tx: &mut Tx) -> Result<Option<Value>> {
        let now = tx.now().await?;
        let row = tx
            .query("DELETE FROM states WHERE state = $1 RETURNING payload, expires_at")
            .bind(&self.state)
            .fetch_optional()
            .await?;
        match row {
            Some(row) if row.int("expires_at")? > now => Ok(Some(row.json("payload")?)),
            _ => Ok(None),
        }
    }
}
