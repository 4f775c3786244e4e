//! What a failure of amoCRM means for a job.

use std::time::Duration;

use amocrm_sdk::{Delivery, ErrorKind, Problem};
use store::StoreError;

/// Why something could not be done in amoCRM.
#[derive(Debug, thiserror::Error)]
pub enum CrmError {
    /// No keys of an integration and no token are configured.
    #[error(
        "amoCRM is not configured: set AMOCRM_CLIENT_ID, AMOCRM_CLIENT_SECRET and AMOCRM_REDIRECT_URI, or \
         AMOCRM_ACCESS_TOKEN with AMOCRM_DOMAIN"
    )]
    NotConfigured,
    /// Nobody has connected an account yet.
    #[error("amoCRM is not connected: open /api/auth/amo as an administrator of the account")]
    NotConnected,
    /// amoCRM, or the way to it.
    #[error("{0}")]
    Sdk(#[from] amocrm_sdk::Error),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The account lacks something that somebody has to create.
    #[error("{0}")]
    Missing(String),
    /// What was to be changed no longer exists.
    #[error("{0}")]
    Gone(String),
    /// amoCRM refuses the grant that we have.
    #[error("amoCRM refuses our access: open /api/auth/amo as an administrator of the account")]
    Refused,
}

/// What to do with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody can do anything now: wait for a connection, then go on without counting an attempt.
    Hold,
    /// Try again later, at the earliest after this long.
    Retry(Option<Duration>),
    /// Trying again changes nothing.
    Fail,
}

impl CrmError {
    /// What to do with the job that met this error.
    pub fn verdict(&self) -> Verdict {
        let error = match self {
            Self::NotConfigured | Self::NotConnected | Self::Refused => return Verdict::Hold,
            Self::Gone(_) => return Verdict::Fail,
            Self::Store(_) | Self::Missing(_) => return Verdict::Retry(None),
            Self::Sdk(error) => error,
        };
        match error.kind() {
            ErrorKind::NotConnected | ErrorKind::NeedsReconnect | ErrorKind::Unauthorized => {
                Verdict::Hold
            }
            _ if self.is_unexplained() => Verdict::Retry(error.retry_after()),
            // A refusal of this very request: it will be refused again.
            ErrorKind::Validation | ErrorKind::Rejected | ErrorKind::InvalidInput => Verdict::Fail,
            // Rights and tariffs are repaired by people, and then the lead has to arrive.
            ErrorKind::Forbidden | ErrorKind::PaymentRequired | ErrorKind::NotFound => {
                Verdict::Retry(None)
            }
            _ => Verdict::Retry(error.retry_after()),
        }
    }

    /// Whether amoCRM may have acted although no answer came.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Sdk(error) if error.delivery() == Delivery::Unknown || error.kind() == ErrorKind::Decode)
    }

    /// Whether it will befall other jobs as well.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Sdk(error) if matches!(
                error.kind(),
                ErrorKind::Connect
                    | ErrorKind::Timeout
                    | ErrorKind::Transport
                    | ErrorKind::RateLimited
                    | ErrorKind::Blocked
                    | ErrorKind::Forbidden
                    | ErrorKind::PaymentRequired
                    | ErrorKind::Server
                    | ErrorKind::Deadline
            )
        )
    }

    /// Whether a refusal may be of the moment (408, 409, 423, 425…) or of somebody on the way (a proxy's plain 400): amoCRM
    /// does not say what is wrong with the request.
    pub fn is_unexplained(&self) -> bool {
        let Self::Sdk(error) = self else {
            return false;
        };
        let explains = |problem: &Problem| {
            problem.title().is_some()
                || problem.detail().is_some()
                || problem.entity_errors().next().is_some()
        };
        error.kind() == ErrorKind::Rejected
            && match error.status() {
                Some(400) => !error.problem().is_some_and(explains),
                Some(413 | 415 | 422) => false,
                _ => true,
            }
    }

    /// Whether the refused values, and not the whole request, are at fault.
    pub fn is_validation(&self) -> bool {
        matches!(self, Self::Sdk(error) if error.kind() == ErrorKind::Validation)
    }

    /// Whether amoCRM does not take the responsible user: they were removed.
    pub fn refuses_manager(&self) -> bool {
        let Self::Sdk(error) = self else {
            return false;
        };
        let errors = error.validation_errors().iter();
        errors
            .map(|refusal| refusal.path.as_str())
            .any(|path| path.ends_with("responsible_user_id"))
    }

    /// Whether the connection has to be made anew by a person.
    pub fn needs_reconnect(&self) -> bool {
        matches!(
            self,
            Self::Sdk(error) if matches!(error.kind(), ErrorKind::NeedsReconnect | ErrorKind::Unauthorized)
        )
    }

    /// Whether the grant itself is refused. A 401 says less: an access token may be refused the moment it was given, by
    /// a host that has not heard of it, and the next one will do.
    pub fn refuses_grant(&self) -> bool {
        matches!(self, Self::Sdk(error) if error.kind() == ErrorKind::NeedsReconnect)
    }

    /// One word for metrics and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::NotConnected => "not_connected",
            Self::Store(_) => "store",
            Self::Missing(_) => "missing",
            Self::Gone(_) => "gone",
            Self::Refused => "refused",
            Self::Sdk(error) => error.kind().as_str(),
        }
    }
}
