//! The service, put together.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use connection::{Opening, patiently};
use service_kit::clock::{SharedClock, SystemClock};
use service_kit::http::{bind, serve_beside};
use service_kit::metrics::Metrics;
use store::{Options, Store, SubscriberSource};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::account::{self, Accounts, Enricher};
use crate::api::{self, AppState};
use crate::config::Config;
use crate::delivery::Deliverer;
use crate::figures::FIGURES;
use crate::health::health;
use crate::ingest::Intake;
use crate::operate::{Desk, Feed, keep_sweeping};
use crate::routing::{self, Routing};

/// webhook-gateway with its database open.
#[derive(Debug, Clone)]
pub struct App {
    state: AppState,
}

impl App {
    /// Opens the database and migrates it.
    ///
    /// # Errors
    ///
    /// When the database cannot be used, or there is no encryption key and none may be made. The text says what to do.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let store = opening(&config).migrated(Options::new()).await?;
        Ok(Self::with_store(config, store, SystemClock::shared()))
    }

    /// The service over a database that is open and migrated, with a clock of the caller's.
    pub fn with_store(config: Config, store: Store, clock: SharedClock) -> Self {
        let config = Arc::new(config);
        let accounts = Accounts::new(&config, &store, &clock);
        let routing = Routing::new(store.clone());
        let enricher = Enricher::new(&config, accounts.clone(), Arc::clone(&clock));
        let intake = Intake::new(
            &config,
            accounts,
            routing,
            store.clone(),
            Arc::clone(&clock),
        );
        let desk = Desk::new(
            Arc::clone(&config),
            intake.clone(),
            store.clone(),
            Arc::clone(&clock),
        );
        let feed = Feed::new(store.clone());
        Self {
            state: AppState {
                config,
                store,
                clock,
                intake,
                enricher,
                desk,
                feed,
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

    /// What people do with the gateway.
    pub(crate) fn desk(&self) -> &Desk {
        &self.state.desk
    }

    /// The HTTP interface, without workers.
    pub fn router(&self) -> Router {
        let metrics = Metrics::install();
        metrics.describe(FIGURES);
        let health = health(&self.state.store, self.accounts());
        api::routes(&self.state, health, metrics)
    }

    /// Everything that is done beside the HTTP interface, until the token is cancelled.
    pub async fn work(&self, shutdown: CancellationToken) {
        let state = &self.state;
        let watch = account::keep(
            self.accounts().clone(),
            state.store.clone(),
            Arc::clone(&state.clock),
            state.config.server.public_url(),
            state.config.gateway.watch_every(),
            shutdown.clone(),
        );
        let sweep = keep_sweeping(
            Arc::clone(&state.config),
            state.store.clone(),
            shutdown.clone(),
        );
        let streams = async {
            shutdown.cancelled().await;
            // They would hold up the end: nobody else closes them.
            state.feed.close();
        };
        let deliverer = Deliverer::new(
            Arc::clone(&state.config),
            state.store.clone(),
            Arc::clone(&state.clock),
        )
        .enriching(state.enricher.clone());
        tokio::join!(
            Box::pin(watch),
            self.routing().follow(shutdown.clone()),
            sweep,
            streams,
            Box::pin(deliverer.run(shutdown.clone(), state.config.server.drain()))
        );
    }

    /// Makes the subscribers of `gateway.toml` those of the database. Everything that serves or delivers does this first.
    /// Without the file they stay as they are: whoever starts in the wrong folder must not lose them.
    ///
    /// # Errors
    ///
    /// When the database cannot be used, or has a subscriber of the same name that was made with the admin API.
    pub async fn begin(&self) -> anyhow::Result<()> {
        let subscribers = self
            .config()
            .subscribers
            .iter()
            .map(routing::stored)
            .collect::<Result<_, _>>()?;
        let gateway = self.store().gateway();
        if self.config().has_file {
            gateway
                .replace_file_subscribers(subscribers)
                .await
                .context("gateway.toml: the subscribers cannot be taken over")?;
        }
        for row in gateway.registry().await?.subscribers {
            let is_file = row.source == SubscriberSource::File;
            let name = &row.name;
            if is_file && !self.config().has_file {
                tracing::warn!(
                    subscriber.name = name,
                    "there is no gateway.toml here; the subscriber stays as the last one had it"
                );
            } else if row.absent_since.is_some() {
                tracing::warn!(
                    subscriber.name = name,
                    "gateway.toml no longer names the subscriber: nothing is sent to it, and its events wait; write it \
                     there again, or remove it with webhook-gateway subscribers remove"
                );
            }
        }
        self.routing().reload().await?;
        Ok(())
    }

    /// Subscribes in amoCRM.
    ///
    /// # Errors
    ///
    /// When PUBLIC_URL is unset, or amoCRM cannot be asked or refuses. The text says what to do.
    pub async fn subscribe(
        &self,
        arguments: &account::Subscribe,
        out: &mut (dyn std::io::Write + Send),
    ) -> anyhow::Result<()> {
        account::subscribe(self, arguments, out).await
    }

    /// Says how the subscriptions in amoCRM stand. Returns whether all of them work.
    ///
    /// # Errors
    ///
    /// When there is no such account, or `out` cannot be written to.
    pub async fn status(
        &self,
        arguments: &account::Status,
        out: &mut (dyn std::io::Write + Send),
    ) -> anyhow::Result<bool> {
        account::status(self, arguments, out).await
    }

    /// Removes the subscriptions in amoCRM.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub async fn unsubscribe(
        &self,
        choice: &account::Choice,
        out: &mut (dyn std::io::Write + Send),
    ) -> anyhow::Result<()> {
        account::unsubscribe(self, choice, out).await
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
        tracing::info!(database = %self.state.config.database, "database open");
        patiently(&self.state.config.database, || self.begin()).await?;
        let (app, token) = (self.clone(), shutdown.clone());
        let work = async move { Box::pin(app.work(token)).await };
        let drain = self.state.config.server.drain();
        let ended = serve_beside(work, listener, self.router(), shutdown, drain).await;
        self.state.store.close().await;
        tracing::info!("stopped");
        ended
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.state.intake.accounts
    }

    pub(crate) fn routing(&self) -> &Routing {
        &self.state.intake.routing
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.state.clock
    }
}

/// How the database is opened.
pub(crate) fn opening(config: &Config) -> Opening<'_> {
    Opening {
        service: "webhook-gateway",
        database: &config.database,
        security: &config.security,
        server: &config.server,
    }
}
