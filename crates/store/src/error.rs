//! What can go wrong, in few words.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Why the store could not do what was asked.
///
/// It never holds a value of a row, a secret, or the password of the database URL: only what happened and where.
/// The kinds say what to do next.
pub struct StoreError {
    kind: StoreErrorKind,
    message: Cow<'static, str>,
    /// The database says that nothing happened, and that the same again may work at once.
    undone: bool,
}

/// What happened, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The database cannot be reached, is locked by somebody else or gave up a conflicting transaction. Nothing is
    /// known to be stored. Answer 503 and try again later; no restart is needed.
    Unavailable,
    /// The disk is full. Reads still work. Answer 503; free some space.
    Full,
    /// A row with this key exists already, or a rule between rows was broken. Trying again will not help.
    Conflict,
    /// The database file is damaged. Stop, and restore a backup.
    Corrupt,
    /// A secret cannot be read with the keys at hand. Look at `ENCRYPTION_KEY`: was a key removed too early?
    Decrypt,
    /// The database was migrated by a newer release than this one. Run the newer binary.
    SchemaTooNew,
    /// The database lacks tables this release needs. Run `migrate`.
    SchemaMissing,
    /// What was asked makes no sense: a malformed URL, an empty key, a negative limit.
    Invalid,
    /// A bug, ours or the database's. The message tells which statement.
    Internal,
}

impl StoreError {
    pub(crate) fn new(kind: StoreErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            undone: false,
        }
    }

    fn undone(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            undone: true,
            ..Self::new(StoreErrorKind::Unavailable, message)
        }
    }

    /// Whether the transaction certainly was rolled back and deserves another try at once. Says nothing about an
    /// error of `COMMIT`.
    pub(crate) fn is_undone(&self) -> bool {
        self.undone
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StoreErrorKind::Invalid, message)
    }

    pub(crate) fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StoreErrorKind::Internal, message)
    }

    /// The same error for another caller.
    pub(crate) fn repeat(&self) -> Self {
        Self {
            undone: self.undone,
            ..Self::new(self.kind, self.message.clone())
        }
    }

    /// What happened, and what to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether the same call may succeed later without anybody repairing the program: 503 rather than 500.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Unavailable | StoreErrorKind::Full
        )
    }

    /// Translates an error of the driver.
    ///
    /// The driver's error is not kept as a source: PostgreSQL's carries values of rows in its details.
    pub(crate) fn from_sqlx(error: &sqlx::Error) -> Self {
        use StoreErrorKind::{Internal, Unavailable};
        match error {
            sqlx::Error::Database(error) => {
                if let Some(error) = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
                    return Self::from_postgres(error);
                }
                Self::from_sqlite(error.code().as_deref(), error.message())
            }
            sqlx::Error::Io(error) => Self::undone(format!(
                "the connection to the database broke: {}",
                error.kind()
            )),
            sqlx::Error::PoolTimedOut => {
                Self::new(Unavailable, "no connection to the database became free")
            }
            sqlx::Error::PoolClosed => Self::new(Unavailable, "the store is closed"),
            sqlx::Error::WorkerCrashed => Self::new(Unavailable, "the database thread ended"),
            sqlx::Error::Tls(_) => Self::new(Unavailable, "TLS with the database server failed"),
            // The driver reports a server that went away in the middle of an answer as a protocol error.
            sqlx::Error::Protocol(_) => {
                Self::undone("the database server broke off the conversation")
            }
            sqlx::Error::Configuration(_) => Self::invalid("the database URL cannot be understood"),
            sqlx::Error::ColumnDecode { index, .. } => Self::new(
                Internal,
                format!("column {index} holds a value of another type"),
            ),
            sqlx::Error::ColumnNotFound(column) => {
                Self::new(Internal, format!("there is no column {column}"))
            }
            _ => Self::new(Internal, "the database driver failed"),
        }
    }

    fn from_sqlite(code: Option<&str>, message: &str) -> Self {
        use StoreErrorKind::{Conflict, Corrupt, Full, Internal, SchemaMissing, Unavailable};
        // The low byte is the primary result code: <https://www.sqlite.org/rescode.html>.
        let extended: i32 = code.and_then(|code| code.parse().ok()).unwrap_or(1);
        match extended & 0xff {
            5 | 6 => Self::new(Unavailable, "another process is writing to the database"),
            13 => Self::new(Full, "the disk is full"),
            11 | 26 => Self::new(Corrupt, "the database file is damaged"),
            // Read-only, I/O error, cannot open, lock protocol, no memory, interrupted.
            8 | 10 | 14 | 15 | 7 | 9 => Self::new(
                Unavailable,
                format!("SQLite cannot use its file ({extended}): {message}"),
            ),
            // Only names of tables and columns are in these messages.
            19 => Self::new(Conflict, message.to_owned()),
            1 if message.starts_with("no such table") || message.starts_with("no such column") => {
                Self::new(SchemaMissing, format!("{message}: run `migrate`"))
            }
            _ => Self::new(Internal, format!("SQLite error {extended}: {message}")),
        }
    }

    fn from_postgres(error: &sqlx::postgres::PgDatabaseError) -> Self {
        use StoreErrorKind::{Conflict, Full, Internal, SchemaMissing, Unavailable};
        // <https://www.postgresql.org/docs/15/errcodes-appendix.html>
        let code = error.code();
        match code {
            "53100" => Self::new(Full, "the database server's disk is full"),
            "40001" | "40P01" => Self::undone("a conflicting transaction won"),
            // Terminated by an administrator, or by a shutdown.
            "57P01" | "57P02" => Self::undone("the database server ended the connection"),
            "25006" => Self::new(Unavailable, "the database server is read-only"),
            "42P01" | "42703" => Self::new(SchemaMissing, "a table is missing: run `migrate`"),
            _ if code.starts_with("08") || code.starts_with("53") || code.starts_with("57") => {
                Self::new(
                    Unavailable,
                    format!("the database server cannot serve now ({code})"),
                )
            }
            // A lock or statement timeout of ours.
            "55P03" => Self::new(Unavailable, "a lock was not given in time"),
            _ if code.starts_with("23") => Self::new(
                Conflict,
                format!(
                    "constraint {} was broken",
                    error.constraint().unwrap_or("?")
                ),
            ),
            _ if code.starts_with("28") || code == "3D000" => Self::new(
                Unavailable,
                format!("the database server refused us: {}", error.message()),
            ),
            // Messages quote identifiers and types; values are in the details, which stay here.
            _ => Self::new(Internal, format!("PostgreSQL error {code}")),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::from_sqlx(&error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreError")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl Error for StoreError {}

/// What every operation of the store returns.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;
