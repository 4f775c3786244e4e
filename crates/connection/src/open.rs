//! Opening a service's database.

use std::time::Duration;

use anyhow::Context as _;
use service_kit::config::{DatabaseUrl, SecurityConfig, ServerConfig};
use store::{Keyring, Options, Store, StoreError, StoreErrorKind};
use tokio::time::Instant;

/// How long a start waits for a database server, and the pause between looks.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// What a database is opened by.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The service, for what is told to people.
    pub service: &'static str,
    /// Where it is.
    pub database: &'a DatabaseUrl,
    /// The keys that seal tokens.
    pub security: &'a SecurityConfig,
    /// Where the service listens: on an address of this machine a key may be made.
    pub server: &'a ServerConfig,
}

impl Opening<'_> {
    /// Opens the database, and waits for a server that is not there yet: machines start in any order. Then brings its
    /// tables up to date, and seals secrets with the newest key.
    ///
    /// # Errors
    ///
    /// When the database cannot be used, or there is no encryption key and none may be made. The text says what to do.
    pub async fn migrated(self, options: Options) -> anyhow::Result<Store> {
        patiently(self.database, || self.ready(options.clone())).await
    }

    async fn ready(self, options: Options) -> anyhow::Result<Store> {
        let store = self.once(options).await?;
        let applied = store
            .migrate()
            .await
            .context("DATABASE_URL: the tables cannot be made")?;
        for name in applied {
            tracing::info!(migration = name, "database migrated");
        }
        let resealed = store.reseal().await.context("ENCRYPTION_KEY")?;
        if resealed > 0 {
            tracing::info!(
                secrets = resealed,
                "everything is sealed with the first key of ENCRYPTION_KEY; the others can be removed"
            );
        }
        Ok(store)
    }

    /// Opens the database now. The key ring of `options` is replaced.
    ///
    /// # Errors
    ///
    /// As [`migrated`](Self::migrated).
    pub async fn once(self, options: Options) -> anyhow::Result<Store> {
        let keys = self
            .security
            .encryption_keys(self.server, self.database)
            .map_err(anyhow::Error::msg)?;
        if let Some(file) = &keys.generated {
            tracing::warn!(
                file = %file.display(),
                "ENCRYPTION_KEY is unset: a key was made and is kept in this file; keep it with the backups"
            );
        }
        let keyring = Keyring::parse(&keys.keys).context("ENCRYPTION_KEY")?;
        Store::open(&self.database.to_secret(), options.keyring(keyring))
            .await
            .with_context(|| {
                format!(
                    "DATABASE_URL: {} cannot be opened; expected sqlite://path or \
                     postgres://user:password@host:port/name, for example DATABASE_URL=sqlite://var/{}.db",
                    self.database, self.service
                )
            })
    }
}

/// Does what a start needs of its database, again and again while a server is not there yet or goes away meanwhile:
/// machines start in any order. What can be done twice only.
///
/// # Errors
///
/// What the attempt says, at once if the server is there or the database is a file, after half a minute if it is not.
pub async fn patiently<T, F>(database: &DatabaseUrl, attempt: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let started = Instant::now();
    loop {
        let error = match attempt().await {
            Err(error) if matches!(database, DatabaseUrl::Postgres(_)) => error,
            outcome => return outcome,
        };
        let is_away = error
            .downcast_ref::<StoreError>()
            .is_some_and(|error| error.kind() == StoreErrorKind::Unavailable);
        if !is_away || started.elapsed() > PATIENCE {
            return Err(error);
        }
        tracing::warn!("the database is waited for: {error:#}");
        tokio::time::sleep(PAUSE).await;
    }
}
