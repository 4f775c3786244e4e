//! The service, put together.

use std::sync::Arc;

use axum::Router;
use connection::{Alerts, Setup};
use service_kit::clock::{SharedClock, SystemClock};
use service_kit::http::{bind, serve_beside};
use service_kit::metrics::Metrics;
use store::{FAILED_LEADS, JobsOptions, Options, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::{self, AppState, Visitors};
use crate::config::Config;
use crate::crm::Crm;
use crate::figures::FIGURES;
use crate::funnel::Sender;
use crate::health::{QUEUE, health};
use crate::worker::{Deliveries, Worker};

/// The store gives up a job a little after the worker would have: only if workers die so fast that none can report it.
const MAX_CLAIMS: u32 = crate::worker::MAX_CLAIMS + 10;

/// lead-intake with its database open.
#[derive(Debug, Clone)]
pub struct App {
    state: AppState,
    sender: Option<Sender>,
    alerts: Option<Alerts>,
}

impl App {
    /// Opens the database and migrates it.
    ///
    /// # Errors
    ///
    /// When the database cannot be used, or there is no encryption key and none may be made. The text says what to do.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let options = Self::store_options(&config);
        let store = config.opening().migrated(options).await?;
        Ok(Self::with_store(config, store, SystemClock::shared()))
    }

    /// How the service uses its database: for a store that the caller opens, with a clock of its own for instance.
    pub fn store_options(config: &Config) -> Options {
        Options::new()
            .jobs(JobsOptions::default().max_claims(MAX_CLAIMS))
            .time_zone(config.dashboard.time_zone())
            .funnels(config.funnels.is_some())
    }

    /// The service over a database that is open with [`store_options`](Self::store_options) and migrated, with a clock of the
    /// caller's.
    pub fn with_store(config: Config, store: Store, clock: SharedClock) -> Self {
        let config = Arc::new(config);
        let setup = Setup::new("lead-intake", config.amocrm.clone()).times(&config.delivery);
        let crm = Arc::new(Crm::new(setup, store.clone(), Arc::clone(&clock)));
        let visitors = Visitors::new(&config);
        let deliveries = Deliveries::new();
        let worker = Worker::new(
            Arc::clone(&config),
            store.clone(),
            Arc::clone(&crm),
            deliveries.clone(),
        );
        let sender = Sender::new(Arc::clone(&config), store.clone(), Arc::clone(&clock));
        let alerts = Alerts::new(
            &config.alerts,
            &config.smtp,
            Arc::clone(&crm),
            QUEUE,
            FAILED_LEADS,
        );
        Self {
            sender,
            alerts,
            state: AppState {
                config,
                store,
                crm,
                deliveries,
                worker,
                clock,
                visitors,
            },
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
        let health = health(&self.state.store, &self.state.crm);
        api::routes(&self.state, health, metrics)
    }

    /// Delivers leads, sends messages if there are funnels, and tells somebody if that goes wrong, until the token is
    /// cancelled.
    pub async fn work(&self, shutdown: CancellationToken) {
        let drain = self.state.config.server.drain();
        let worker = &self.state.worker;
        let reconcile = async {
            if let Some(every) = self.state.config.status.reconcile_every() {
                Box::pin(crate::reconcile::keep(worker, every, shutdown.clone())).await;
            }
        };
        let messages = async {
            if let Some(sender) = self.sender.clone() {
                Box::pin(sender.run(shutdown.clone(), drain)).await;
            }
        };
        let alerts = async {
            if let Some(alerts) = &self.alerts {
                Box::pin(alerts.run(shutdown.clone(), drain)).await;
            }
        };
        tokio::join!(
            Box::pin(worker.clone().run(shutdown.clone(), drain)),
            reconcile,
            messages,
            alerts
        );
    }

    /// Listens, serves and delivers until the token is cancelled; then lets what is in flight end.
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
        self.say_hello().await;
        // Beside the start, not before it; a request that needs the table at once waits for it anyway.
        tokio::task::spawn_blocking(crate::lead::phone::load_table);
        let (app, token) = (self.clone(), shutdown.clone());
        let work = async move { Box::pin(app.work(token)).await };
        let drain = self.state.config.server.drain();
        let ended = serve_beside(work, listener, self.router(), shutdown, drain).await;
        self.state.store.close().await;
        tracing::info!("stopped");
        ended
    }

    pub(crate) fn crm(&self) -> &Crm {
        &self.state.crm
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.state.worker
    }

    async fn say_hello(&self) {
        let config = &self.state.config;
        tracing::info!(database = %config.database, "database open");
        warn_of_the_public(config);
        match self.state.crm.linked().await {
            Ok(linked) => tracing::info!(account.host = linked.account, "connected to amoCRM"),
            Err(error) => tracing::warn!("leads are taken and wait in the queue: {error}"),
        }
    }
}

/// What is allowed and yet unwise on an address that strangers reach.
fn warn_of_the_public(config: &Config) {
    if config.server.is_loopback() {
        return;
    }
    if config.access.rate().is_none() {
        tracing::warn!(
            "INTAKE_RATE_LIMIT is off: one address can fill the queue and the account with leads"
        );
    }
}
