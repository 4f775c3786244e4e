//! The service's settings: the common sections and its own.

mod access;
mod dashboard;
mod delivery;
mod fields;
mod funnels;
mod intake;
mod managers;
mod retention;
mod status;

use std::path::Path;
use std::sync::Arc;

use connection::{ALERT_DEFAULTS, ALERT_VARIABLES, AlertsConfig, DeliveryConfig, Opening};
use service_kit::config::{
    AmocrmConfig, ConfigErrors, DatabaseConfig, DatabaseUrl, Environment, EventsConfig, Loader,
    LogConfig, SecurityConfig, ServerConfig,
};
use service_kit::dashboard::DashboardConfig;
use service_kit::mail::{SMTP_DEFAULTS, SMTP_VARIABLES, SmtpConfig};

pub use self::access::{ACCESS_VARIABLES, AccessConfig};
pub(crate) use self::access::{FormKey, is_page, page_url};
pub use self::dashboard::DASHBOARD_VARIABLES;
use self::delivery::DELIVERY_VARIABLES;
pub use self::fields::{FIELDS_VARIABLES, FieldsConfig};
pub use self::funnels::{FUNNEL_VARIABLES, FunnelsConfig, WhatsappConfig};
pub(crate) use self::intake::stage_number;
pub use self::intake::{INTAKE_VARIABLES, IntakeConfig, StageNames};
pub use self::managers::{
    AssignmentStrategy, KeepClients, MANAGER_VARIABLES, ManagerRule, ManagersConfig, UserList,
};
pub use self::retention::{RETENTION_VARIABLES, RetentionConfig};
pub use self::status::{STATUS_VARIABLES, StatusConfig};

use crate::funnel::Funnels;

/// lead-intake's own defaults, over service-kit's.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub server: ServerConfig,
    /// Where data is kept.
    pub database: DatabaseUrl,
    /// The account, and the keys to it.
    pub amocrm: AmocrmConfig,
    /// Our own keys.
    pub security: SecurityConfig,
    /// Logs.
    pub log: LogConfig,
    /// Where events are published.
    pub events: EventsConfig,
    /// What is particular to this service.
    pub intake: IntakeConfig,
    /// Who is responsible for which lead.
    pub managers: ManagersConfig,
    /// Where the office is.
    pub dashboard: DashboardConfig,
    /// The deal's own fields.
    pub fields: FieldsConfig,
    /// How long things may take on the way to amoCRM.
    pub delivery: DeliveryConfig,
    /// Statuses in step with amoCRM.
    pub status: StatusConfig,
    /// What strangers may do.
    pub access: AccessConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// Whom to tell that something has to be looked at.
    pub alerts: AlertsConfig,
    /// Where e-mails go out.
    pub smtp: SmtpConfig,
    /// Where WhatsApp messages go out.
    pub whatsapp: WhatsappConfig,
    /// Messages to clients; `None` unless `INTAKE_FUNNELS` names a file.
    pub funnels: Option<Arc<Funnels>>,
}

impl Config {
    /// How the database is opened.
    pub(crate) fn opening(&self) -> Opening<'_> {
        Opening {
            service: "lead-intake",
            database: &self.database,
            security: &self.security,
            server: &self.server,
        }
    }

    /// Reads defaults, file and environment, and checks everything.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, one line each.
    pub fn load(environment: Environment, file: Option<&Path>) -> Result<Self, ConfigErrors> {
        let settings = Loader::new(environment)
            .defaults(SMTP_DEFAULTS)
            .defaults(ALERT_DEFAULTS)
            .defaults(DEFAULT_TOML)
            .variables(INTAKE_VARIABLES)
            .variables(MANAGER_VARIABLES)
            .variables(DASHBOARD_VARIABLES)
            .variables(FIELDS_VARIABLES)
            .variables(DELIVERY_VARIABLES)
            .variables(STATUS_VARIABLES)
            .variables(ACCESS_VARIABLES)
            .variables(RETENTION_VARIABLES)
            .variables(FUNNEL_VARIABLES)
            .variables(SMTP_VARIABLES)
            .variables(ALERT_VARIABLES)
            .file(file)
            .load()?;
        let mut problems = settings.problems();
        let server: ServerConfig = settings.section(&mut problems);
        let database: DatabaseConfig = settings.section(&mut problems);
        let smtp: SmtpConfig = settings.section(&mut problems);
        let whatsapp: WhatsappConfig = settings.section(&mut problems);
        let funnels: FunnelsConfig = settings.section(&mut problems);
        let funnels = funnels.load(&smtp, &whatsapp, &server, &mut problems);
        let config = Self {
            database: database
                .url()
                .unwrap_or_else(|_| DatabaseUrl::Sqlite("var/lead-intake.db".into())),
            amocrm: settings.section(&mut problems),
            security: settings.section(&mut problems),
            log: settings.section(&mut problems),
            events: settings.section(&mut problems),
            intake: settings.section(&mut problems),
            managers: settings.section(&mut problems),
            dashboard: settings.section(&mut problems),
            fields: settings.section(&mut problems),
            delivery: settings.section(&mut problems),
            status: settings.section(&mut problems),
            access: settings.section(&mut problems),
            retention: settings.section(&mut problems),
            alerts: settings.section(&mut problems),
            smtp,
            whatsapp,
            funnels: funnels.map(Arc::new),
            server,
        };
        config
            .server
            .check_exposure(&config.security, &mut problems);
        config.intake.check_patience(&config.server, &mut problems);
        config
            .intake
            .check_settling(&config.delivery, &config.amocrm, &mut problems);
        let webhook = config.intake.webhook_secret.as_ref();
        config
            .access
            .check_secrets(&config.security, webhook, &mut problems);
        config.alerts.check_smtp(&config.smtp, &mut problems);
        problems.into_result()?;
        Ok(config)
    }
}
