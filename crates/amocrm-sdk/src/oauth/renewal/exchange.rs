//! What happens under the lease: the exchange itself, and what its failures mean.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use super::{EXCHANGE_TIMEOUT, Renewer};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::oauth::{Claims, StoredTokens, not_connected};

/// No exchange begins when the lease was asked for this long ago: it has to end under the lease.
const LAST_START: Duration = Duration::from_secs(40);

/// What a failed exchange says.
enum Meaning {
    /// Nothing about the token: the same one is sent again, because the old one works until the new pair is used.
    Passing,
    /// The refresh token is refused.
    Token,
    /// The integration's keys, the tariff or the rights are wrong: a person has to act.
    Settings,
    /// It is not for us to try again now.
    Stop,
}

impl Renewer {
    /// `asked`: when the lease was asked for.
    pub(super) async fn renew_under_lease(
        &self,
        rejected: Option<&SecretString>,
        asked: Instant,
    ) -> Result<StoredTokens> {
        // Whoever held the lease before may have renewed between our look and our lease.
        let mut stored = self.stored().await?.ok_or_else(not_connected)?;
        let mut has_moved = false;
        let mut pause = Duration::from_millis(250);
        let mut last = None;
        loop {
            if self.is_good(&stored, rejected) {
                return Ok(stored);
            }
            let Some(refresh) = stored.tokens.refresh() else {
                return Err(needs_reconnect());
            };
            if asked.elapsed() >= LAST_START {
                return Err(last.unwrap_or_else(|| {
                    Error::new(
                        ErrorKind::Store,
                        Delivery::NotSent,
                        "the store was too slow for the renewal lease",
                    )
                }));
            }
            let error = match self.tokens.refresh(refresh, EXCHANGE_TIMEOUT).await {
                Ok(pair) => return self.keep(pair, Some(stored.generation)).await,
                Err(error) => error,
            };
            if hints_at_another_host(&error) && !has_moved && self.account_has_moved(&stored).await
            {
                has_moved = true;
                continue;
            }
            match meaning(&error) {
                Meaning::Passing => {}
                Meaning::Stop => return Err(error),
                Meaning::Settings => {
                    let error = error.with_kind(
                        ErrorKind::Rejected,
                        "amoCRM refused to renew for this integration",
                    );
                    return Err(self.remember_refusal(stored.generation, error));
                }
                Meaning::Token => {
                    let latest = self.stored().await?.ok_or_else(not_connected)?;
                    if latest.generation != stored.generation {
                        stored = latest;
                        continue;
                    }
                    let error = error.with_kind(
                        ErrorKind::NeedsReconnect,
                        "amoCRM refused the refresh token",
                    );
                    return Err(self.remember_refusal(stored.generation, error));
                }
            }
            last = Some(match error.kind() {
                // A page instead of an answer: a gateway's trouble, not the token's.
                ErrorKind::Unauthorized | ErrorKind::NotFound | ErrorKind::Rejected => {
                    error.with_kind(ErrorKind::Server, "the token service is not itself")
                }
                _ => error,
            });
            sleep(pause).await;
            pause *= 2;
        }
    }

    fn remember_refusal(&self, generation: u64, error: Error) -> Error {
        self.state(|state| state.refuse(generation, error.clone()));
        error
    }

    /// Asks where the account lives now; follows it when it moved.
    async fn account_has_moved(&self, stored: &StoredTokens) -> bool {
        let Some(refresh) = stored.tokens.refresh() else {
            return false;
        };
        let api_domain = Claims::read(stored.tokens.access()).and_then(|claims| claims.api_domain);
        match self
            .tokens
            .current_domain(refresh, api_domain.as_deref(), EXCHANGE_TIMEOUT)
            .await
        {
            Ok(domain) if domain != self.endpoint.domain() => {
                match self.endpoint.set_domain(&domain) {
                    Ok(()) => {
                        tracing::info!(domain, "the account was renamed");
                        true
                    }
                    Err(error) => {
                        tracing::warn!(%error, "amoCRM names an account's host that is none");
                        false
                    }
                }
            }
            Ok(_) => false,
            Err(error) => {
                tracing::debug!(%error, "the account's current host is unknown");
                false
            }
        }
    }
}

/// A renamed account shows as 401 or 404 (which the vendor's client takes for it), or perhaps as a redirect.
fn hints_at_another_host(error: &Error) -> bool {
    matches!(error.status(), Some(300..=399 | 401 | 404))
}

fn meaning(error: &Error) -> Meaning {
    let problem = error.problem();
    let hint = problem
        .and_then(|problem| problem.hint())
        .unwrap_or_default()
        .to_lowercase();
    match error.kind() {
        ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Transport
        | ErrorKind::Server
        | ErrorKind::Decode
        | ErrorKind::RateLimited => Meaning::Passing,
        ErrorKind::Unauthorized
        | ErrorKind::NotFound
        | ErrorKind::Rejected
        | ErrorKind::Validation => {
            let names_keys = ["client_id", "client_secret", "redirect uri"]
                .iter()
                .any(|key| hint.contains(key));
            let is_page = !problem.is_some_and(crate::Problem::is_json);
            let is_token = hint.contains("token")
                || hint.contains("account")
                || error.kind() != ErrorKind::Rejected;
            match () {
                () if names_keys => Meaning::Settings,
                () if is_page => Meaning::Passing,
                () if is_token => Meaning::Token,
                () => Meaning::Settings,
            }
        }
        ErrorKind::PaymentRequired | ErrorKind::Forbidden => Meaning::Settings,
        _ => Meaning::Stop,
    }
}

fn needs_reconnect() -> Error {
    Error::new(
        ErrorKind::NeedsReconnect,
        Delivery::NotSent,
        "there is no refresh token any more: an administrator has to connect the account again",
    )
}
