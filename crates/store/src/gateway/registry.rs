//! Who subscribes: written down in the file of the service or made with the admin API, the same for all instances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;

use super::{
    Gateway, NewSubscriber, Registry, SUBSCRIBER_NAME_LENGTH, SubscriberRow, SubscriberSecret,
    SubscriberSource, SubscriberState, circuit, removal, secrets,
};
use crate::clock::{instant, micros};
use crate::db::{Operation, Row, Sql, Tx};
use crate::error::{Result, StoreError, StoreErrorKind};
use crate::store::Inner;

/// Why a subscriber of the file is disabled that the file no longer names.
const ABSENT: &str = "the file no longer names it: write it there again, or remove it";

/// How often a read begins anew because somebody changed the subscribers meanwhile.
const READS: u32 = 5;

impl SubscriberSource {
    /// `file` or `api`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Api => "api",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        match text {
            "file" => Ok(Self::File),
            "api" => Ok(Self::Api),
            _ => Err(StoreError::internal("a subscriber has an unknown source")),
        }
    }
}

impl SubscriberState {
    /// `active`, `paused` or `disabled`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Disabled { .. } => "disabled",
        }
    }

    /// Whether it is to get events.
    pub fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

impl Gateway {
    /// All subscribers at one moment.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Decrypt`] when a secret opens with none of the keys.
    pub async fn registry(&self) -> Result<Registry> {
        for _ in 0..READS {
            let mut tx = self.inner.db.read().await?;
            // Asked first: later the server's time is known as well.
            let is_own_clock = tx.known_now().await?.is_some();
            let version = version(&mut tx).await?;
            let subscribers = read(&mut tx, &self.inner, None).await?;
            let read_at = if is_own_clock {
                None
            } else {
                Some(instant(tx.fresh_now().await?))
            };
            if self::version(&mut tx).await? == version {
                return Ok(Registry {
                    version,
                    subscribers,
                    read_at,
                });
            }
        }
        Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "the subscribers change too fast to be read",
        ))
    }

    /// The number of the present [`Registry`]: whether it has to be read again.
    pub async fn registry_version(&self) -> Result<i64> {
        let mut tx = self.inner.db.read().await?;
        version(&mut tx).await
    }

    /// The subscriber of this name.
    pub async fn subscriber(&self, name: &str) -> Result<Option<SubscriberRow>> {
        let mut tx = self.inner.db.read().await?;
        Ok(read(&mut tx, &self.inner, Some(name)).await?.pop())
    }

    /// Makes a subscriber, or changes the one of this name: its state stays, its circuit only if nothing changes.
    /// When this returns, no event that comes from now on misses it, on any instance.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] for a name with other characters than letters, digits, `-` and `_`;
    /// [`StoreErrorKind::Conflict`] if there is one of this name from another source.
    pub async fn put_subscriber(&self, new: NewSubscriber) -> Result<SubscriberRow> {
        check(&new)?;
        // What is left of one that had this name before is not for it.
        removal::throw_away(&self.inner, &new.name).await?;
        let name = new.name.clone();
        self.inner
            .db
            .write(Put {
                inner: Arc::clone(&self.inner),
                subscribers: vec![new],
                replace_files: false,
            })
            .await?;
        self.wake(&name).await?;
        self.subscriber(&name).await?.ok_or_else(|| {
            StoreError::new(
                StoreErrorKind::Conflict,
                "the subscriber was removed at once",
            )
        })
    }

    /// Makes these the subscribers of the file. Others that came from a file are disabled until the file names them again,
    /// or somebody [removes](Self::remove_subscriber) them: an old file, or a wrong one, must not cost what waits. Where all
    /// is the same nothing changes, so any number of instances may do this when they start.
    ///
    /// # Errors
    ///
    /// As [`put_subscriber`](Self::put_subscriber); nothing is changed then.
    pub async fn replace_file_subscribers(&self, subscribers: Vec<NewSubscriber>) -> Result<()> {
        let mut names = BTreeSet::new();
        for new in &subscribers {
            check(new)?;
            if new.source != SubscriberSource::File {
                return Err(StoreError::invalid(format!(
                    "subscriber {}: only subscribers of the file are expected here",
                    new.name
                )));
            }
            if !names.insert(&new.name) {
                return Err(StoreError::invalid(format!(
                    "subscriber {}: the name is there twice",
                    new.name
                )));
            }
        }
        for name in names {
            removal::throw_away(&self.inner, name).await?;
        }
        self.inner
            .db
            .write(Put {
                inner: Arc::clone(&self.inner),
                subscribers,
                replace_files: true,
            })
            .await
    }

    /// Pauses, disables or activates a subscriber, whether the file still names it or not; active again, its circuit is closed and what was put off is due.
    /// Returns whether there is one of this name.
    pub async fn set_subscriber_state(&self, name: &str, state: SubscriberState) -> Result<bool> {
        let is_active = state.is_active();
        let set = SetState {
            name: name.to_owned(),
            state,
        };
        let is_known = self.inner.db.write(set).await?;
        if is_known && is_active {
            self.wake(name).await?;
        }
        Ok(is_known)
    }

    /// Gives a subscriber a new secret; the ones before it stay valid for `keep_old_for`. Returns whether there is one
    /// of this name.
    pub async fn rotate_secret(
        &self,
        name: &str,
        new: SecretString,
        keep_old_for: Duration,
    ) -> Result<bool> {
        let rotate = RotateSecret {
            inner: Arc::clone(&self.inner),
            name: name.to_owned(),
            new,
            overlap: micros(keep_old_for),
        };
        self.inner.db.write(rotate).await
    }

    /// Removes a subscriber and throws its jobs away, in batches. It is removed at once; when this future is dropped or
    /// the process ends, [`throw_away_removed`](Self::throw_away_removed) goes on with the jobs. Returns whether there
    /// was one of this name.
    pub async fn remove_subscriber(&self, name: &str) -> Result<bool> {
        let remove = Remove {
            name: name.to_owned(),
        };
        let is_removed = self.inner.db.write(remove).await?;
        if is_removed {
            removal::throw_away(&self.inner, name).await?;
        }
        Ok(is_removed)
    }
}

fn check(new: &NewSubscriber) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=SUBSCRIBER_NAME_LENGTH).contains(&new.name.len()) && new.name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(StoreError::invalid(format!(
        "the name of a subscriber must be 1 to {SUBSCRIBER_NAME_LENGTH} letters, digits, `-` or `_`"
    )))
}

async fn version(tx: &mut Tx) -> Result<i64> {
    tx.query("SELECT version FROM gateway_registry WHERE id = 1")
        .fetch_one()
        .await?
        .int("version")
}

/// A text per question, so that each walks along the primary key.
macro_rules! subscribers {
    ($condition:literal) => {
        concat!(
            "SELECT name, source, settings, state, state_reason, failures, open_until, last_error, failing_since,
                 failed_at, absent_since, created_at, updated_at
             FROM gateway_subscribers WHERE ",
            $condition
        )
    };
}

async fn read(tx: &mut Tx, inner: &Inner, name: Option<&str>) -> Result<Vec<SubscriberRow>> {
    let rows = match name {
        Some(name) => {
            tx.query(subscribers!("name = $1"))
                .bind(name)
                .fetch_all()
                .await?
        }
        None => {
            tx.query(subscribers!("name > '' ORDER BY name"))
                .fetch_all()
                .await?
        }
    };
    let mut secrets: BTreeMap<String, Vec<SubscriberSecret>> = BTreeMap::new();
    for (name, secret) in secrets::read(tx, &inner.keyring, name).await? {
        secrets.entry(name).or_default().push(secret);
    }
    rows.iter()
        .map(|row| {
            let name = row.text("name")?;
            Ok(SubscriberRow {
                source: SubscriberSource::parse(&row.text("source")?)?,
                settings: row.json("settings")?,
                secrets: secrets.remove(&name).unwrap_or_default(),
                state: state(row)?,
                circuit: circuit::circuit(row)?,
                absent_since: row.opt_int("absent_since")?.map(instant),
                created_at: instant(row.int("created_at")?),
                updated_at: instant(row.int("updated_at")?),
                name,
            })
        })
        .collect()
}

/// What the file no longer names is disabled. What was set before stays stored, and holds again when the file names it.
fn state(row: &Row) -> Result<SubscriberState> {
    if row.opt_int("absent_since")?.is_some() {
        return Ok(SubscriberState::Disabled {
            reason: ABSENT.to_owned(),
        });
    }
    match row.text("state")?.as_str() {
        "active" => Ok(SubscriberState::Active),
        "paused" => Ok(SubscriberState::Paused),
        "disabled" => Ok(SubscriberState::Disabled {
            reason: row.opt_text("state_reason")?.unwrap_or_default(),
        }),
        _ => Err(StoreError::internal("a subscriber has an unknown state")),
    }
}

/// One change of the subscribers at a time. Accepting goes on meanwhile: what it reads is the version before.
async fn lock(tx: &mut Tx) -> Result<()> {
    let sql = Sql::either(
        "SELECT version FROM gateway_registry WHERE id = 1",
        "SELECT version FROM gateway_registry WHERE id = 1 FOR UPDATE",
    );
    tx.query(sql).fetch_one().await?;
    Ok(())
}

async fn bump(tx: &mut Tx) -> Result<()> {
    tx.query("UPDATE gateway_registry SET version = version + 1 WHERE id = 1")
        .execute()
        .await?;
    // Who waits for work looks at the subscribers too.
    tx.work_is_due();
    Ok(())
}

struct Put {
    inner: Arc<Inner>,
    subscribers: Vec<NewSubscriber>,
    replace_files: bool,
}

impl Operation for Put {
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<()> {
        lock(tx).await?;
        let mut is_changed = false;
        for new in &self.subscribers {
            is_changed |= put(tx, &self.inner, new).await?;
        }
        if self.replace_files {
            let known = tx
                .query("SELECT name, source FROM gateway_subscribers WHERE name > '' ORDER BY name")
                .fetch_all()
                .await?;
            for row in known {
                let name = row.text("name")?;
                let is_file = row.text("source")? == SubscriberSource::File.as_str();
                if is_file && !self.subscribers.iter().any(|new| new.name == name) {
                    is_changed |= absent(tx, &name).await?;
                }
            }
        }
        if is_changed {
            bump(tx).await?;
        }
        Ok(())
    }
}

/// The file no longer names it. Says whether that is news.
async fn absent(tx: &mut Tx, name: &str) -> Result<bool> {
    let now = tx.now().await?;
    let changed = tx
        .query(
            "UPDATE gateway_subscribers SET absent_since = $2, updated_at = $2
             WHERE name = $1 AND absent_since IS NULL",
        )
        .bind(name)
        .bind(now)
        .execute()
        .await?;
    Ok(changed > 0)
}

/// Says whether anything changed.
async fn put(tx: &mut Tx, inner: &Inner, new: &NewSubscriber) -> Result<bool> {
    let now = tx.now().await?;
    let known = tx
        .query("SELECT source, settings, absent_since FROM gateway_subscribers WHERE name = $1")
        .bind(&new.name)
        .fetch_optional()
        .await?;
    let mut is_changed = match known {
        None => {
            tx.query(
                "INSERT INTO gateway_subscribers (name, source, settings, state, created_at, updated_at)
                 VALUES ($1, $2, $3, 'active', $4, $4)",
            )
            .bind(&new.name)
            .bind(new.source.as_str())
            .bind(new.settings.to_string())
            .bind(now)
            .execute()
            .await?;
            tx.query("DELETE FROM gateway_removals WHERE subscriber = $1")
                .bind(&new.name)
                .execute()
                .await?;
            true
        }
        Some(row) if row.text("source")? != new.source.as_str() => {
            return Err(StoreError::new(
                StoreErrorKind::Conflict,
                format!(
                    "there is a subscriber {} already, and it comes from {}: choose another name, or remove that one",
                    new.name,
                    match new.source {
                        SubscriberSource::File => "the admin API",
                        SubscriberSource::Api => "the file",
                    }
                ),
            ));
        }
        Some(row)
            if row.json::<Value>("settings")? == new.settings
                && row.opt_int("absent_since")?.is_none() =>
        {
            false
        }
        Some(_) => {
            tx.query(
                "UPDATE gateway_subscribers SET settings = $2, updated_at = $3, absent_since = NULL WHERE name = $1",
            )
            .bind(&new.name)
            .bind(new.settings.to_string())
            .bind(now)
            .execute()
            .await?;
            circuit::reset(tx, &new.name).await?;
            true
        }
    };
    if let Some(secret) = &new.secret {
        let overlap = micros(new.keep_old_secret_for);
        is_changed |= secrets::replace(tx, &inner.keyring, &new.name, secret, overlap).await?;
    }
    Ok(is_changed)
}

struct SetState {
    name: String,
    state: SubscriberState,
}

impl Operation for SetState {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        lock(tx).await?;
        let now = tx.now().await?;
        let reason = match &self.state {
            SubscriberState::Disabled { reason } => Some(reason.as_str()),
            _ => None,
        };
        let changed = tx
            .query(
                "UPDATE gateway_subscribers SET state = $2, state_reason = $3, updated_at = $4 WHERE name = $1",
            )
            .bind(&self.name)
            .bind(self.state.as_str())
            .bind(reason)
            .bind(now)
            .execute()
            .await?;
        if changed == 0 {
            return Ok(false);
        }
        if self.state.is_active() {
            circuit::reset(tx, &self.name).await?;
            tx.query("UPDATE gateway_subscribers SET absent_since = NULL WHERE name = $1")
                .bind(&self.name)
                .execute()
                .await?;
        }
        bump(tx).await?;
        Ok(true)
    }
}

struct RotateSecret {
    inner: Arc<Inner>,
    name: String,
    new: SecretString,
    overlap: i64,
}

impl Operation for RotateSecret {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        lock(tx).await?;
        let now = tx.now().await?;
        let found = tx
            .query("UPDATE gateway_subscribers SET updated_at = $2 WHERE name = $1")
            .bind(&self.name)
            .bind(now)
            .execute()
            .await?;
        if found == 0 {
            return Ok(false);
        }
        let keyring = &self.inner.keyring;
        if secrets::replace(tx, keyring, &self.name, &self.new, self.overlap).await? {
            bump(tx).await?;
        }
        Ok(true)
    }
}

struct Remove {
    name: String,
}

impl Operation for Remove {
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool> {
        lock(tx).await?;
        let is_removed = remove(tx, &self.name).await?;
        if is_removed {
            bump(tx).await?;
        }
        Ok(is_removed)
    }
}

async fn remove(tx: &mut Tx, name: &str) -> Result<bool> {
    let now = tx.now().await?;
    let gone = tx
        .query("DELETE FROM gateway_subscribers WHERE name = $1")
        .bind(name)
        .execute()
        .await?;
    if gone == 0 {
        return Ok(false);
    }
    tx.query("DELETE FROM gateway_secrets WHERE subscriber = $1")
        .bind(name)
        .execute()
        .await?;
    tx.query(
        "INSERT INTO gateway_removals (subscriber, removed_at) VALUES ($1, $2)
         ON CONFLICT (subscriber) DO UPDATE SET removed_at = excluded.removed_at",
    )
    .bind(name)
    .bind(now)
    .execute()
    .await?;
    Ok(true)
}
