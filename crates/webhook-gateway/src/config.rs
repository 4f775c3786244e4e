//! The service's settings: the common sections, its own, and the accounts and subscribers of `gateway.toml`.

mod delivery;
mod enrichment;
mod gateway;
mod retention;
mod span;
mod subscriber;

use std::path::Path;

use service_kit::config::{
    AmocrmConfig, ConfigErrors, DatabaseConfig, DatabaseUrl, Environment, EventsConfig, Loader,
    LogConfig, SecurityConfig, ServerConfig,
};

pub use self::delivery::{DELIVERY_VARIABLES, DeliveryConfig};
pub use self::enrichment::{ENRICHMENT_VARIABLES, EnrichmentConfig};
pub use self::gateway::{GATEWAY_VARIABLES, GatewayConfig};
pub use self::retention::{RETENTION_VARIABLES, RetentionConfig};
pub use self::span::parse_span;
pub use self::subscriber::{Destination, Enrich, OnFailure, SubscriberSettings, is_name};

/// webhook-gateway's own defaults, over service-kit's.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub server: ServerConfig,
    /// Where data is kept.
    pub database: DatabaseUrl,
    /// The account, and the keys to it, unless `gateway.toml` names accounts.
    pub amocrm: AmocrmConfig,
    /// Our own keys.
    pub security: SecurityConfig,
    /// Logs.
    pub log: LogConfig,
    /// Where NATS is.
    pub events: EventsConfig,
    /// What is particular to this service.
    pub gateway: GatewayConfig,
    /// How events are delivered.
    pub delivery: DeliveryConfig,
    /// How events are completed with what amoCRM says now.
    pub enrichment: EnrichmentConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// What the process was started with; values are read by name when they are needed, and never shown.
    pub environment: Environment,
}

impl Config {
    /// Reads defaults, file and environment, and checks everything.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, one line each.
    pub fn load(environment: Environment, file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let settings = Loader::new(environment.clone())
            .defaults(DEFAULT_TOML)
            .variables(GATEWAY_VARIABLES)
            .variables(DELIVERY_VARIABLES)
            .variables(ENRICHMENT_VARIABLES)
            .variables(RETENTION_VARIABLES)
            .file(file)
            .load()?;
        let mut problems = settings.problems();
        let database: DatabaseConfig = settings.section(&mut problems);
        let config = Self {
            server: settings.section(&mut problems),
            database: database
                .url()
                .unwrap_or_else(|_| DatabaseUrl::Sqlite("var/webhook-gateway.db".into())),
            amocrm: settings.section(&mut problems),
            security: settings.section(&mut problems),
            log: settings.section(&mut problems),
            events: settings.section(&mut problems),
            gateway: settings.section(&mut problems),
            delivery: settings.section(&mut problems),
            enrichment: settings.section(&mut problems),
            retention: settings.section(&mut problems),
            environment,
        };
        config
            .server
            .check_exposure(&config.security, &mut problems);
        problems.into_result()?;
        Ok(config)
    }
}
