//! How the connection is, for people and programs that look.

use amocrm_sdk::oauth::{Claims, Connection};
use chrono::{DateTime, Utc};
use store::{StoreError, TokenGeneration};

use super::{Crm, Linked, REFUSED_SETTING};
use crate::CrmError;

/// How the connection is, without its secrets.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Keys or a token are configured.
    pub configured: bool,
    /// The account, if it is known.
    pub account: Option<String>,
    /// A long-lived token is used.
    pub long_lived: bool,
    /// What is stored about the grant.
    pub connection: Option<Connection>,
    /// amoCRM refuses the grant.
    pub needs_reconnect: bool,
}

impl Standing {
    /// Whether requests can be made.
    pub fn connected(&self) -> bool {
        (self.long_lived || self.connection.is_some()) && !self.needs_reconnect
    }
}

impl Crm {
    /// How the connection is.
    pub async fn standing(&self) -> Result<Standing, CrmError> {
        let long_lived = self.setup.amocrm.access_token().is_some();
        let linked = if self.is_configured() {
            self.client().await?
        } else {
            None
        };
        let connection = match &linked {
            Some(linked) if !long_lived => linked.client.oauth().connection().await?,
            _ => None,
        };
        if !long_lived {
            self.notice(connection.as_ref());
        }
        Ok(Standing {
            configured: self.is_configured(),
            account: linked.map(|linked| linked.account),
            long_lived,
            connection,
            needs_reconnect: self.with(|state| state.broken.is_some()),
        })
    }

    /// Whether amoCRM refuses the grant in force, whichever process has found that. A long-lived token is never known to
    /// be refused: nothing here would notice a new one.
    pub async fn is_refused(&self) -> Result<bool, CrmError> {
        if self.setup.amocrm.access_token().is_some() {
            return Ok(false);
        }
        let Some(account) = self.account_name().await? else {
            return Ok(false);
        };
        let setting = self.setup.setting(REFUSED_SETTING);
        let Some(refused) = self.store.meta().get::<u64>(&setting).await? else {
            return Ok(false);
        };
        let in_force = self.in_force(&account).await?;
        Ok(in_force.is_some_and(|in_force| in_force.generation == refused))
    }

    /// Notes for everybody that amoCRM refuses the tokens of `linked`, unless others are in force by now.
    pub(super) async fn remember_refusal(&self, linked: &Linked) {
        let remember = async {
            let in_force = self.in_force(&linked.account).await?;
            let refused = in_force.filter(|it| Some(it.obtained_at) == linked.obtained_at);
            let setting = self.setup.setting(REFUSED_SETTING);
            let meta = self.store.meta();
            match refused {
                Some(refused) if meta.get(&setting).await? != Some(refused.generation) => {
                    meta.put(&setting, &refused.generation).await
                }
                _ => Ok::<_, StoreError>(()),
            }
        };
        if let Err(error) = remember.await {
            tracing::warn!("that amoCRM refuses our access is not stored: {error}");
        }
    }

    /// The tokens in force, without decrypting them.
    pub(super) async fn in_force(
        &self,
        account: &str,
    ) -> Result<Option<TokenGeneration>, StoreError> {
        let key = self.token_key(account);
        let newest = self.store.tokens().generations(&key, 1).await?.pop();
        Ok(newest.filter(|newest| newest.deactivated_at.is_none()))
    }

    /// When tokens of the account were received or renewed lately, the last first.
    pub async fn renewals(&self, limit: u32) -> Result<Vec<DateTime<Utc>>, CrmError> {
        let is_renewed = self.is_configured() && self.setup.amocrm.access_token().is_none();
        let Some(linked) = (if is_renewed {
            self.client().await?
        } else {
            None
        }) else {
            return Ok(Vec::new());
        };
        let key = self.token_key(&linked.account);
        let generations = self.store.tokens().generations(&key, limit).await?;
        Ok(generations.into_iter().map(|it| it.obtained_at).collect())
    }

    /// When the configured long-lived token ends, if it says so.
    pub fn long_lived_until(&self) -> Option<DateTime<Utc>> {
        Claims::read(self.setup.amocrm.access_token()?)?.expires_at
    }

    /// What the token says that it may be used for; empty if it says nothing.
    pub async fn scopes(&self) -> Result<Vec<String>, CrmError> {
        let claims = match self.setup.amocrm.access_token() {
            Some(token) => Claims::read(token),
            None => self
                .standing()
                .await?
                .connection
                .and_then(|connection| connection.claims),
        };
        Ok(claims.map(|claims| claims.scopes).unwrap_or_default())
    }
}
