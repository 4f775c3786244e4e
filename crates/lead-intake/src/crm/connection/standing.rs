//! How the connection is, for people and programs that look.

use amocrm_sdk::oauth::Connection;

use super::Crm;
use crate::crm::CrmError;

/// How the connection is, without its secrets.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// Keys or a token are configured.
    pub(crate) configured: bool,
    /// The account, if it is known.
    pub(crate) account: Option<String>,
    /// A long-lived token is used.
    pub(crate) long_lived: bool,
    /// What is stored about the grant.
    pub(crate) connection: Option<Connection>,
    /// amoCRM refuses the grant.
    pub(crate) needs_reconnect: bool,
}

impl Standing {
    /// Whether requests can be made.
    pub(crate) fn connected(&self) -> bool {
        (self.long_lived || self.connection.is_some()) && !self.needs_reconnect
    }
}

impl Crm {
    /// How the connection is.
    pub(crate) async fn standing(&self) -> Result<Standing, CrmError> {
        let long_lived = self.config.access_token().is_some();
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
}
