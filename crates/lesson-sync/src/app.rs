//! The service, put together.

use std::sync::Arc;

use axum::Router;
use connection::{Alerts, Crm, Setup, amocrm_part, database_part, disk_part, queue_part};
use service_kit::clock::{SharedClock, SystemClock};
use service_kit::health::Health;
use service_kit::http::{bind, serve_beside};
use service_kit::metrics::Metrics;
use store::{FAILED_LESSONS, JobsOptions, Options, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, AppState};
use crate::callbacks::Callbacks;
use crate::config::Config;
use crate::figures::FIGURES;
use crate::finals::Finals;
use crate::sync::{MAX_CLAIMS, QUEUE, Syncer};

/// lesson-sync with its database open.
#[derive(Debug, Clone)]
pub struct App {
    state: AppState,
    syncer: Syncer,
    finals: Finals,
    callbacks: Callbacks,
    alerts: Option<Alerts>,
}

impl App {
    /// Opens the database and migrates it.
    ///
    /// # Errors
    ///
    /// When the database cannot be used, or there is no encryption key and none may be made. The text says what to do.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let store = config
            .opening()
            .migrated(Self::store_options(&config))
            .await?;
        Ok(Self::with_store(config, store, SystemClock::shared()))
    }

    /// How the service uses its database: for a store that the caller opens, with a clock of its own for instance.
    pub fn store_options(config: &Config) -> Options {
        // The store gives up a job a little after the worker would have.
        Options::new()
            .jobs(JobsOptions::default().max_claims(MAX_CLAIMS + 10))
            .time_zone(config.dashboard.time_zone())
    }

    /// The service over a database that is open with [`store_options`](Self::store_options) and migrated, with a clock of the
    /// caller's.
    pub fn with_store(config: Config, store: Store, clock: SharedClock) -> Self {
        let config = Arc::new(config);
        let setup = Setup::new("lesson-sync", config.amocrm.clone()).times(&config.delivery);
        let crm = Arc::new(Crm::new(setup, store.clone(), clock));
        let syncer = Syncer::new(Arc::clone(&config), Arc::clone(&crm));
        let finals = Finals::new(Arc::clone(&config), Arc::clone(&crm));
        let callbacks = Callbacks::new(Arc::clone(&config), Arc::clone(&crm), syncer.clone());
        let alerts = Alerts::new(
            &config.alerts,
            &config.smtp,
            Arc::clone(&crm),
            QUEUE,
            FAILED_LESSONS,
        );
        Self {
            syncer,
            finals,
            callbacks,
            alerts,
            state: AppState { config, store, crm },
        }
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.state.store
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// The HTTP interface, without workers.
    pub fn router(&self) -> Router {
        let metrics = Metrics::install();
        metrics.describe(connection::FIGURES);
        metrics.describe(FIGURES);
        api::routes(&self.state, self.health(), metrics)
    }

    /// Moves deals, and tells somebody if that goes wrong, until the token is cancelled.
    pub async fn work(&self, shutdown: CancellationToken) {
        let drain = self.state.config.server.drain();
        let finals = Box::pin(self.finals.run(shutdown.clone(), drain));
        let callbacks = Box::pin(self.callbacks.run(shutdown.clone(), drain));
        let alerts = async {
            if let Some(alerts) = &self.alerts {
                Box::pin(alerts.run(shutdown.clone(), drain)).await;
            }
        };
        let moves = Box::pin(self.syncer.run(shutdown.clone(), drain));
        tokio::join!(moves, finals, callbacks, alerts);
    }

    /// Listens, serves and moves deals until the token is cancelled; then lets what is in flight end.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn run(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let listener = bind(&self.state.config.server.address()).await?;
        self.run_on(listener, shutdown).await
    }

    /// As [`run`](Self::run), on a listener of the caller's.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn run_on(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        tracing::info!(database = %self.state.config.database, "database open");
        match self.state.crm.linked().await {
            Ok(linked) => tracing::info!(account.host = linked.account, "connected to amoCRM"),
            Err(error) => tracing::warn!("lessons are taken and wait in the queue: {error}"),
        }
        let (app, token) = (self.clone(), shutdown.clone());
        let work = async move { Box::pin(app.work(token)).await };
        let drain = self.state.config.server.drain();
        let ended = serve_beside(work, listener, self.router(), shutdown, drain).await;
        self.state.store.close().await;
        tracing::info!("stopped");
        ended
    }

    pub(crate) fn crm(&self) -> &Arc<Crm> {
        &self.state.crm
    }

    pub(crate) fn syncer(&self) -> &Syncer {
        &self.syncer
    }

    /// The database has to take writes, or lessons cannot be taken: 503. amoCRM may be away, lessons wait in the queue.
    fn health(&self) -> Health {
        let store = &self.state.store;
        let health = amocrm_part(database_part(Health::new(), store), &self.state.crm);
        disk_part(queue_part(health, store, QUEUE), store)
    }
}
