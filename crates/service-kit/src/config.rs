//! Configuration: compiled-in defaults, then an optional file, then the environment.
//!
//! ```
//! use service_kit::config::{Environment, Loader, ServerConfig};
//!
//! # fn main() -> Result<(), service_kit::config::ConfigErrors> {
//! let environment = Environment::from_pairs([("SERVER_PORT", "8100")]);
//! let settings = Loader::new(environment).load()?;
//! let mut problems = settings.problems();
//! let server: ServerConfig = settings.section(&mut problems);
//! problems.into_result()?;
//! assert_eq!(server.address(), "127.0.0.1:8100");
//! # Ok(())
//! # }
//! ```
//!
//! A value that is empty counts as unset, in the environment and in the file. All problems are reported together, each
//! with the variable's name, what was wrong, what is expected and an example; a secret's value is never repeated.

mod amocrm;
mod database;
mod environment;
mod events;
mod loader;
mod logging;
mod problem;
mod security;
mod server;
mod time_zone;
mod variable;

pub use self::amocrm::{AmocrmConfig, OAuthCredentials};
pub use self::database::{DatabaseConfig, DatabaseUrl};
pub use self::environment::Environment;
pub use self::events::EventsConfig;
pub use self::loader::{Loader, Section, Settings};
pub use self::logging::{LogConfig, LogFormat};
pub use self::problem::{ConfigErrors, ConfigProblem, Problems};
pub use self::security::{EncryptionKeys, SecurityConfig};
pub use self::server::{ServerConfig, is_loopback};
pub use self::time_zone::utc_offset;
pub use self::variable::{COMMON_VARIABLES, Variable};

/// The reference of all common settings: commented, compiled in, and the lowest layer of every configuration.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");
