//! The service's settings: the common sections, its own, and the accounts and subscribers of `gateway.toml`.

mod account;
mod dashboard;
mod delivery;
mod enrichment;
mod file;
mod gateway;
mod retention;
mod subscriber;

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use service_kit::config::{
    AmocrmConfig, ConfigErrors, DatabaseConfig, DatabaseUrl, Environment, EventsConfig, Loader,
    LogConfig, Problems, SecurityConfig, ServerConfig,
};
use service_kit::dashboard::DashboardConfig;

pub use self::account::AccountConfig;
pub use self::dashboard::DASHBOARD_VARIABLES;
pub use self::delivery::{DELIVERY_VARIABLES, DeliveryConfig};
pub use self::enrichment::{ENRICHMENT_VARIABLES, EnrichmentConfig};
use self::file::Surroundings;
pub use self::file::{FileError, FileSubscriber, GatewayFile};
pub(crate) use self::gateway::read_events;
pub use self::gateway::{GATEWAY_VARIABLES, GatewayConfig};
pub use self::retention::{RETENTION_VARIABLES, RetentionConfig};
pub(crate) use self::subscriber::is_pattern;
pub use self::subscriber::{Destination, Enrich, OnFailure, SubscriberSettings, is_name};

/// webhook-gateway's own defaults, over service-kit's.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");

/// The file that is read if it is there and no other is named.
const FILE: &str = "gateway.toml";

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
    /// Where the office is.
    pub dashboard: DashboardConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// The accounts whose webhooks come here: those of the file, or the one of `AMOCRM_*`.
    pub accounts: Vec<AccountConfig>,
    /// Whether there is a file. Without one nothing is known of its subscribers, which is not the same as none.
    pub has_file: bool,
    /// The subscribers of the file. Others are made with the admin API, and live in the database.
    pub subscribers: Vec<FileSubscriber>,
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
            .variables(DASHBOARD_VARIABLES)
            .variables(RETENTION_VARIABLES)
            .file(file)
            .load()?;
        let mut problems = settings.problems();
        let no_problems = settings.problems();
        let database: DatabaseConfig = settings.section(&mut problems);
        let mut config = Self {
            accounts: Vec::new(),
            subscribers: Vec::new(),
            has_file: false,
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
            dashboard: settings.section(&mut problems),
            retention: settings.section(&mut problems),
            environment,
        };
        config
            .server
            .check_exposure(&config.security, &mut problems);
        config.read_file(&no_problems, &mut problems);
        config.check_secrets(&mut problems);
        problems.into_result()?;
        Ok(config)
    }

    /// Reads accounts and subscribers.
    fn read_file(&mut self, no_problems: &Problems, problems: &mut Problems) {
        let file = match &self.gateway.file {
            Some(file) => Some(file.clone()),
            None => Some(PathBuf::from(FILE)).filter(|file| file.exists()),
        };
        self.has_file = file.is_some();
        let read = file.and_then(|file| {
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => {
                    let wrong = format!("{} cannot be read: {error}", file.display());
                    problems.report("gateway.file", wrong);
                    return None;
                }
            };
            let around = Surroundings {
                environment: &self.environment,
                delivery: &self.delivery,
                enriching: self.enrichment.timeout(),
                common: &self.amocrm,
                has_nats: self.events.nats_url.is_some(),
                problems: no_problems,
            };
            match GatewayFile::parse(&text, around) {
                Ok(read) => Some(read),
                Err(errors) => {
                    for error in errors {
                        let place = format!("{}, line {}", file.display(), error.line);
                        problems.report(&place, error.message);
                    }
                    None
                }
            }
        });
        let read = read.unwrap_or_default();
        if !read.accounts.is_empty() && self.gateway.webhook_secret.is_some() {
            problems.report(
                "gateway.webhook_secret",
                "is set beside [[account]]: whose is it? Give each account its own secret and unset this one",
            );
        }
        self.subscribers = read.subscribers;
        self.accounts = read.accounts;
        if self.accounts.is_empty() {
            let secret = self.gateway.webhook_secret.clone();
            self.accounts
                .push(AccountConfig::only(self.amocrm.clone(), secret));
        }
    }

    /// Refuses one secret in two places: addresses end up in logs of proxies and in amoCRM.
    fn check_secrets(&self, problems: &mut Problems) {
        for account in &self.accounts {
            let secret = account.secret.as_ref();
            let token = secret.and_then(|it| self.security.token_like(it.expose_secret()));
            if let Some(token) = token {
                problems.report(
                    "gateway.webhook_secret",
                    format!(
                        "the secret of the account {} is the same as {token}: addresses end up in logs of proxies and \
                         in amoCRM",
                        account.name
                    ),
                );
            }
        }
    }
}
