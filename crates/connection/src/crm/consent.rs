//! Consent: the page an administrator is sent to, and what comes back.

use amocrm_sdk::ErrorKind;
use amocrm_sdk::oauth::{AuthorizeUrl, Callback, ConsentMode, Credentials};
use secrecy::SecretString;
use url::Url;

use super::Crm;
use crate::CrmError;

/// What amoCRM says of the integration's keys while there is no grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysProbe {
    /// It knows them.
    Accepted,
    /// It refuses them, in these words.
    Refused(String),
    /// It cannot be asked: the account is not known.
    Unknown,
}

impl Crm {
    /// The keys of the integration.
    pub fn credentials(&self) -> Option<Credentials> {
        let keys = self.setup.amocrm.credentials()?;
        // `Url` writes an empty path as a slash; the registered address has to be met exactly.
        let redirect_uri = self.setup.amocrm.redirect_uri().unwrap_or_default();
        Some(Credentials::new(
            keys.client_id,
            keys.client_secret,
            redirect_uri,
        ))
    }

    /// The page where an administrator gives consent.
    pub fn authorize_url(&self, state: &str) -> Result<Url, CrmError> {
        let credentials = self.credentials().ok_or(CrmError::NotConfigured)?;
        // The administrator's own tab is sent there and has to come back in it: no other window waits for this one.
        let mut url = AuthorizeUrl::new(credentials.client_id)
            .state(state)
            .mode(ConsentMode::PostMessage);
        let is_kommo = self
            .setup
            .amocrm
            .domain()
            .is_some_and(|domain| domain.ends_with(".kommo.com"));
        if let Some(base) = self.setup.amocrm.base_url() {
            url = url.base_url(base);
        } else if is_kommo {
            url = url.kommo();
        }
        Ok(url.build()?)
    }

    /// Reads the query of a request to the redirect URI. Where requests go to `AMOCRM_BASE_URL`, whatever the account's
    /// host, any host may have given consent: the client secret is not sent there.
    pub fn read_callback(&self, query: &str) -> amocrm_sdk::Result<Callback> {
        match self.setup.amocrm.base_url() {
            Some(_) => Callback::parse_for(query, |_| true),
            None => Callback::parse(query),
        }
    }

    /// Whether a grant of this account may be taken: the configured one, or any of the vendor's.
    pub fn accepts(&self, account: &str) -> Result<(), String> {
        let is_renamed = self.with(|state| {
            let linked = state.linked.as_ref();
            linked.is_some_and(|linked| linked.client.domain() == account)
        });
        match self.setup.amocrm.domain() {
            Some(_) if is_renamed => Ok(()),
            Some(domain) if domain != account && self.setup.amocrm.base_url().is_none() => Err(
                format!("consent was given by {account}, but AMOCRM_DOMAIN is {domain}"),
            ),
            _ => Ok(()),
        }
    }

    /// Asks amoCRM whether it knows the keys, by a code that nobody gave out: what it complains of tells.
    pub async fn probe_keys(&self) -> Result<KeysProbe, CrmError> {
        let Some(linked) = self.client().await? else {
            return Ok(KeysProbe::Unknown);
        };
        let code = SecretString::from(format!("{}-doctor", self.setup.service));
        let Err(error) = linked.client.oauth().exchange_code(&code).await else {
            // No server should give tokens for this.
            return Ok(KeysProbe::Unknown);
        };
        let hint = error.problem().and_then(|problem| problem.hint());
        match (error.kind(), hint) {
            (_, Some(hint)) if hint.contains("client") || hint.contains("edirect") => {
                Ok(KeysProbe::Refused(hint.to_owned()))
            }
            (ErrorKind::Rejected | ErrorKind::Validation, _) => Ok(KeysProbe::Accepted),
            _ => Err(error.into()),
        }
    }
}
