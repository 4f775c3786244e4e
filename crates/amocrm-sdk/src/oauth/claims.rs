//! What an access token says about itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::de;

/// The claims of an access token, read but **not** verified: amoCRM does not publish its key.
///
/// Observed, not promised by the documentation: everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Claims {
    /// The integration.
    #[serde(rename = "aud", deserialize_with = "lenient")]
    pub client_id: Option<String>,
    /// The user who gave consent.
    #[serde(rename = "sub", deserialize_with = "de::opt_number")]
    pub user_id: Option<u64>,
    /// The account.
    #[serde(deserialize_with = "de::opt_number")]
    pub account_id: Option<u64>,
    /// `amocrm.ru` or `kommo.com`.
    #[serde(deserialize_with = "lenient")]
    pub base_domain: Option<String>,
    /// Host of the calls that all accounts share, such as the look-up of a renamed account.
    #[serde(deserialize_with = "lenient")]
    pub api_domain: Option<String>,
    /// `crm`, `notifications`, `files`, …
    #[serde(deserialize_with = "lenient")]
    pub scopes: Vec<String>,
    /// When the token expires.
    #[serde(rename = "exp", deserialize_with = "de::opt_time::deserialize")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When the token was issued.
    #[serde(rename = "iat", deserialize_with = "de::opt_time::deserialize")]
    pub issued_at: Option<DateTime<Utc>>,
}

impl Claims {
    /// Reads the claims of an access token. `None` when it is not a JWT.
    pub fn read(token: &SecretString) -> Option<Self> {
        let payload = token.expose_secret().split('.').nth(1)?;
        let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// One claim of an unexpected shape does not cost the others.
fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned + Default,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}
