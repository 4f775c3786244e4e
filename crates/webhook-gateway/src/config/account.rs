//! An account whose webhooks come here.

use std::fmt;

use amocrm_sdk::webhook::WebhookEvent;
use secrecy::SecretString;
use service_kit::config::AmocrmConfig;

/// An account: the address that its webhooks come to, and the keys to it.
#[derive(Clone)]
pub struct AccountConfig {
    /// What it is called here: in filters, lists, metrics.
    pub name: String,
    /// Last segment of the address that its webhooks come to. `None`: it is made from the encryption key, for the one
    /// account without a file.
    pub secret: Option<SecretString>,
    /// The keys to it.
    pub amocrm: AmocrmConfig,
    /// Its number; without it, it is learnt from the token or the grant.
    pub account_id: Option<u64>,
    /// What amoCRM is asked to send; `None`: as GATEWAY_EVENTS say.
    pub events: Option<Vec<WebhookEvent>>,
}

impl AccountConfig {
    /// The name of the account without a file.
    pub const ONLY: &str = "main";

    /// The account of `AMOCRM_*` and `GATEWAY_WEBHOOK_SECRET`.
    pub fn only(amocrm: AmocrmConfig, secret: Option<SecretString>) -> Self {
        Self {
            name: Self::ONLY.to_owned(),
            secret,
            amocrm,
            account_id: None,
            events: None,
        }
    }
}

impl fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountConfig")
            .field("name", &self.name)
            .field("account_id", &self.account_id)
            .finish_non_exhaustive()
    }
}
