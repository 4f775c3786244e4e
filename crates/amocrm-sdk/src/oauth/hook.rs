//! The request that amoCRM sends when an integration is switched off in an account.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::error::{Error, Result};

/// "Access revoked": the query of the `GET` to the URL in the integration's settings.
///
/// ```
/// use amocrm_sdk::oauth::DisabledHook;
///
/// let hook = DisabledHook::parse(concat!(
///     "account_id=31000001&client_uuid=11111111-2222-4333-8444-555555555555",
///     "&signature=71ee26197c8420797266dbd73b770ab37423b91d21b007df215ecf3543c750f2"
/// ))?;
/// assert!(hook.verify("11111111-2222-4333-8444-555555555555", &"demo-integration-secret".into()));
/// assert_eq!(hook.account_id, 31_000_001);
/// # Ok::<(), amocrm_sdk::Error>(())
/// ```
///
/// Source: <https://www.amocrm.ru/developers/content/oauth/step-by-step>.
#[derive(Clone)]
#[non_exhaustive]
pub struct DisabledHook {
    /// The account that switched the integration off.
    pub account_id: u64,
    /// The integration.
    pub client_id: String,
    signature: String,
}

impl DisabledHook {
    /// Reads the query string (without `?`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput), naming the parameter that is missing or wrong.
    pub fn parse(query: &str) -> Result<Self> {
        let find = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .ok_or_else(|| Error::invalid_input(format!("the request lacks `{name}`")))
        };
        let account_id = find("account_id")?
            .parse()
            .map_err(|_| Error::invalid_input("`account_id` is not a number"))?;
        Ok(Self {
            account_id,
            client_id: find("client_uuid")?,
            signature: find("signature")?,
        })
    }

    /// Whether amoCRM itself signed it, for this integration. Compares in constant time.
    pub fn verify(&self, client_id: &str, client_secret: &SecretString) -> bool {
        if self.client_id != client_id {
            return false;
        }
        let Some(signature) = crate::hex::decode(&self.signature) else {
            return false;
        };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(client_secret.expose_secret().as_bytes())
        else {
            return false;
        };
        // The documentation says "concatenation"; only its sample code shows the pipe between the two.
        mac.update(format!("{}|{}", self.client_id, self.account_id).as_bytes());
        mac.verify_slice(&signature).is_ok()
    }
}

impl fmt::Debug for DisabledHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisabledHook")
            .field("account_id", &self.account_id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
