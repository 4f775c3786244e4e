//! Where data is kept.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Problems, Section};

/// `[database]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    url: SecretString,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: SecretString::from("sqlite://var/service.db"),
        }
    }
}

impl DatabaseConfig {
    /// The parsed address.
    ///
    /// # Errors
    ///
    /// A fragment saying what is wrong with it, without repeating it.
    pub fn url(&self) -> Result<DatabaseUrl, &'static str> {
        DatabaseUrl::parse(self.url.expose_secret())
    }
}

impl Section for DatabaseConfig {
    const NAME: &'static str = "database";

    fn validate(&self, problems: &mut Problems) {
        if let Err(wrong) = self.url() {
            problems.report("database.url", wrong);
        }
    }
}

/// One of the two databases we speak to.
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A server; the address holds a password.
    Postgres(SecretString),
}

impl DatabaseUrl {
    /// Reads an address, in the forms people bring along from other tools: `postgresql://`, `postgresql+asyncpg://`,
    /// `sqlite://relative`, `sqlite:///absolute`, `sqlite:///./relative`.
    ///
    /// # Errors
    ///
    /// A fragment saying what is wrong, without repeating the address.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text
            .trim()
            .split_once(':')
            .ok_or("the address has no scheme such as sqlite:// or postgres://")?;
        // SQLAlchemy names its driver after a plus sign; ours needs no name.
        let scheme = scheme.split('+').next().unwrap_or_default();
        match scheme {
            "sqlite" => {
                let path = rest.split('?').next().unwrap_or_default();
                let path = path.strip_prefix("//").unwrap_or(path);
                let path = path
                    .strip_prefix('/')
                    .filter(|path| path.starts_with("./") || path.starts_with("../"))
                    .unwrap_or(path);
                if path.is_empty() || path == "/" || path.ends_with(":memory:") {
                    return Err("the address names no file; leads must survive a restart");
                }
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "postgres" | "postgresql" => {
                let rest = rest
                    .strip_prefix("//")
                    .filter(|rest| !rest.is_empty())
                    .ok_or("the address names no host")?;
                Ok(Self::Postgres(SecretString::from(format!(
                    "postgres://{rest}"
                ))))
            }
            _ => Err("the address is neither sqlite:// nor postgres://"),
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// The address in one form: `sqlite://path` or `postgres://…`.
    pub fn to_secret(&self) -> SecretString {
        match self {
            Self::Sqlite(path) => SecretString::from(format!("sqlite://{}", path.display())),
            Self::Postgres(url) => url.clone(),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows a file's path, and of a server only that it is one.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://[redacted]"),
        }
    }
}
