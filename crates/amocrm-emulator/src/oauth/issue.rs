//! Codes and tokens without a consent page: for the credentials printed at the start and for the control API.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::hosts::base_domain;
use crate::oauth::all_scopes;
use crate::oauth::state::{Grant, IssuedPair};
use crate::world::World;

const DAY_SECONDS: i64 = 86_400;
/// A long-lived token may be asked for from one day to five years (Kommo, "long-lived token").
const LONG_LIVED_DAYS: std::ops::RangeInclusive<i64> = 1..=5 * 366;
const DEFAULT_DAYS: i64 = 365;

/// For whom something is issued. What is not said is the first: account, integration, administrator; and all scopes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IssueRequest {
    pub(crate) account_id: Option<u64>,
    pub(crate) client_id: Option<String>,
    pub(crate) user_id: Option<u64>,
    pub(crate) scopes: Option<Vec<String>>,
    /// How long a long-lived token lives.
    pub(crate) days: Option<i64>,
}

/// A long-lived token, as the integration's settings show it once.
#[derive(Serialize)]
pub(crate) struct LongLived {
    /// The same as `access_token`, as `POST /_emulator/codes` answers a `code`.
    pub(crate) token: String,
    pub(crate) access_token: String,
    pub(crate) token_id: String,
    pub(crate) expires_at: i64,
}

impl IssueRequest {
    /// A fresh authorization code.
    pub(crate) fn code(&self, app: &App) -> Result<String, String> {
        let now = app.clock().now();
        let code = app
            .with_world(|world| Ok::<_, String>(world.oauth.issue_code(self.grant(world)?, now)))?;
        app.mark_changed();
        Ok(code)
    }

    /// A fresh token pair.
    pub(crate) fn pair(&self, app: &App) -> Result<IssuedPair, String> {
        let now = app.clock().now();
        let pair = app.with_world(|world| {
            let grant = self.grant(world)?;
            let domain = domain_of(world, grant.account_id);
            Ok::<_, String>(
                world
                    .oauth
                    .issue_pair_for(grant, now, |_| domain.to_owned()),
            )
        })?;
        app.mark_changed();
        Ok(pair)
    }

    /// A fresh long-lived token. Its expiry is a date, so it lies on midnight UTC.
    pub(crate) fn long_lived(&self, app: &App) -> Result<LongLived, String> {
        let now = app.clock().now();
        let days = self.days.unwrap_or(DEFAULT_DAYS);
        if !LONG_LIVED_DAYS.contains(&days) {
            return Err(format!("days: expected 1 to {}", LONG_LIVED_DAYS.end()));
        }
        let expires_at =
            (now + days * DAY_SECONDS + DAY_SECONDS - 1).div_euclid(DAY_SECONDS) * DAY_SECONDS;
        let (token_id, access_token) = app.with_world(|world| {
            let grant = self.grant(world)?;
            let domain = domain_of(world, grant.account_id);
            Ok::<_, String>(
                world
                    .oauth
                    .issue_long_lived(grant, now, expires_at, |_| domain.to_owned()),
            )
        })?;
        app.mark_changed();
        Ok(LongLived {
            token: access_token.clone(),
            access_token,
            token_id,
            expires_at,
        })
    }

    fn grant(&self, world: &World) -> Result<Grant, String> {
        let mut accounts = world.accounts.iter();
        let account = match self.account_id {
            Some(id) => accounts.find(|account| account.id == id),
            None => accounts.next(),
        };
        let account = account.ok_or("account_id: no such account")?;
        let mut integrations = account.integrations.iter();
        let integration = match &self.client_id {
            Some(id) => integrations.find(|integration| integration.client_id == *id),
            None => integrations.next(),
        };
        let integration = integration.ok_or("client_id: no such integration in the account")?;
        let user = match self.user_id {
            Some(id) => account.user(id),
            None => account.users.iter().find(|user| user.is_admin),
        };
        let user = user.ok_or("user_id: no such user in the account")?;
        Ok(Grant {
            account_id: account.id,
            user_id: user.id,
            client_id: integration.client_id.clone(),
            scopes: self.scopes.clone().unwrap_or_else(all_scopes),
            revoked: false,
        })
    }
}

fn domain_of(world: &World, account_id: u64) -> &'static str {
    let account = world
        .accounts
        .iter()
        .find(|account| account.id == account_id);
    base_domain(account.map_or("ru", |account| &account.tld))
}
