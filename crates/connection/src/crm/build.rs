//! Making the client of an account.

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::Client;
use amocrm_sdk::metrics::Event;
use amocrm_sdk::oauth::TokenKey;
use amocrm_sdk::quota::Limits;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Crm, Linked};
use crate::{CrmError, meter};

/// A whole call with its retries. A job's lease may be shorter: it is renewed while its holder lives.
const CALL_DEADLINE: Duration = Duration::from_mins(1);

impl Crm {
    /// A client for `account`, which lives at `host` if it was renamed, with the right that is configured.
    pub(super) fn build(&self, account: &str, host: Option<&str>) -> Result<Linked, CrmError> {
        let clock = Arc::clone(&self.clock);
        let store = self.store.clone();
        let limits = Limits::per_integration(self.setup.amocrm.integration_rps)
            .account(self.setup.amocrm.account_rps);
        let key = self.token_key(account);
        let mut builder = Client::builder(account)
            .quota(Arc::new(self.store.quota(&key, &limits)))
            .timeout(self.setup.call_timeout)
            .blocked_for(self.setup.block_pause)
            .deadline(CALL_DEADLINE)
            .user_agent(format!(
                "{}/{}",
                self.setup.service,
                env!("CARGO_PKG_VERSION")
            ))
            .metrics(move |event: &Event| meter::record(event, &store))
            .clock(amocrm_sdk::Clock::new(move || clock.now()));
        if let Some(host) = host {
            builder = builder.host(host);
        }
        if let Some(base) = self.setup.amocrm.base_url() {
            builder = builder.base_url(base);
        }
        if let Some(proxy) = self.setup.amocrm.proxy() {
            builder = builder.proxy(proxy.expose_secret());
        }
        builder = match (self.setup.amocrm.access_token(), self.credentials()) {
            (Some(token), _) => builder.long_lived_token(SecretString::from(token.expose_secret())),
            (None, Some(credentials)) => builder.oauth(credentials, Arc::new(self.store.tokens())),
            (None, None) => return Err(CrmError::NotConfigured),
        };
        Ok(Linked {
            account: account.to_owned(),
            client: builder.build()?,
            obtained_at: None,
        })
    }

    /// Whose tokens and whose budget these are.
    pub(super) fn token_key(&self, account: &str) -> TokenKey {
        let client_id = match (
            self.setup.amocrm.access_token(),
            self.setup.amocrm.credentials(),
        ) {
            (None, Some(keys)) => keys.client_id,
            _ => "long-lived".to_owned(),
        };
        TokenKey::new(client_id, account)
    }
}
