//! The service's settings: the common sections and its own.

mod courses;
mod finals;
mod lessons;
mod retention;
mod two_way;

use std::path::Path;
use std::sync::Arc;

use connection::{ALERT_DEFAULTS, ALERT_VARIABLES, AlertsConfig, DeliveryConfig, Opening};
use service_kit::config::{
    AmocrmConfig, ConfigErrors, DatabaseConfig, DatabaseUrl, Environment, EventsConfig, Loader,
    LogConfig, SecurityConfig, ServerConfig,
};
use service_kit::dashboard::DashboardConfig;
use service_kit::mail::{SMTP_DEFAULTS, SMTP_VARIABLES, SmtpConfig};

pub use self::courses::{Course, Courses, DealRule, Lesson, Named};
pub use self::finals::{FinalAction, FinalTask};
pub use self::lessons::{LESSON_VARIABLES, LessonsConfig};
pub use self::retention::RetentionConfig;
pub use self::two_way::{Callback, TWO_WAY_VARIABLES, TwoWayConfig};

/// lesson-sync's own defaults, over service-kit's.
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
    /// How long things may take on the way to amoCRM.
    pub delivery: DeliveryConfig,
    /// Where the office is.
    pub dashboard: DashboardConfig,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// Whom to tell that something has to be looked at.
    pub alerts: AlertsConfig,
    /// Where e-mails go out.
    pub smtp: SmtpConfig,
    /// What is particular to this service.
    pub lessons: LessonsConfig,
    /// What managers do in amoCRM comes back.
    pub two_way: TwoWayConfig,
    /// The courses, from variables or from a file.
    pub courses: Arc<Courses>,
}

impl Config {
    /// Reads defaults, file and environment, and checks everything.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, one line each.
    pub fn load(environment: Environment, file: Option<&Path>) -> Result<Self, ConfigErrors> {
        Self::read(environment, file, true)
    }

    /// As [`load`](Self::load), for commands that a newcomer needs before there are courses: what those lack is not told.
    ///
    /// # Errors
    ///
    /// Everything else that is wrong, one line each.
    pub fn load_account(
        environment: Environment,
        file: Option<&Path>,
    ) -> Result<Self, ConfigErrors> {
        Self::read(environment, file, false)
    }

    fn read(
        environment: Environment,
        file: Option<&Path>,
        needs_courses: bool,
    ) -> Result<Self, ConfigErrors> {
        let settings = Loader::new(environment)
            .defaults(SMTP_DEFAULTS)
            .defaults(ALERT_DEFAULTS)
            .defaults(DEFAULT_TOML)
            .variables(LESSON_VARIABLES)
            .variables(TWO_WAY_VARIABLES)
            .variables(ALERT_VARIABLES)
            .variables(SMTP_VARIABLES)
            .file(file)
            .load()?;
        let mut problems = settings.problems();
        let database: DatabaseConfig = settings.section(&mut problems);
        // Nothing is published yet; the section may be there all the same.
        let _: EventsConfig = settings.section(&mut problems);
        let lessons: LessonsConfig = settings.section(&mut problems);
        let courses = if needs_courses {
            lessons.courses(&mut problems)
        } else {
            lessons.courses(&mut settings.problems())
        };
        let config = Self {
            server: settings.section(&mut problems),
            database: database
                .url()
                .unwrap_or_else(|_| DatabaseUrl::Sqlite("var/lesson-sync.db".into())),
            amocrm: settings.section(&mut problems),
            security: settings.section(&mut problems),
            log: settings.section(&mut problems),
            delivery: settings.section(&mut problems),
            two_way: settings.section(&mut problems),
            dashboard: settings.section(&mut problems),
            retention: settings.section(&mut problems),
            alerts: settings.section(&mut problems),
            smtp: settings.section(&mut problems),
            lessons,
            courses: Arc::new(courses),
        };
        config
            .server
            .check_exposure(&config.security, &mut problems);
        config
            .lessons
            .check_key(&config.server, &config.security, &mut problems);
        config
            .two_way
            .check_secrets(&config.security, &mut problems);
        config.alerts.check_smtp(&config.smtp, &mut problems);
        problems.into_result()?;
        Ok(config)
    }

    /// How the database is opened.
    pub(crate) fn opening(&self) -> Opening<'_> {
        Opening {
            service: "lesson-sync",
            database: &self.database,
            security: &self.security,
            server: &self.server,
        }
    }
}
