//! Tokens that amoCRM gives to widgets and bots, to show your backend who asks.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Sha256, Sha512};
use url::Url;

use super::Credentials;
use crate::de;
use crate::id::{AccountId, UserId};
use crate::links::{EntityRef, EntityType};

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefused {
    /// It is no token of this kind.
    #[error("the token is not a JWT of the expected kind")]
    Malformed,
    /// It was signed with another key, or changed on the way.
    #[error("the token's signature is not the integration's")]
    Signature,
    /// It was made for another integration or another backend.
    #[error("the token was made for another receiver")]
    Audience,
    /// It is over, or not valid yet.
    #[error("the token is not valid at this time")]
    Expired,
}

/// Who uses a widget: the token of the header `X-Auth-Token` that `this.$authorizedAjax` sends (30 minutes).
///
/// Source: <https://www.amocrm.ru/developers/content/web_sdk/mechanics>.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WidgetToken {
    /// The account's address: `https://acme.amocrm.ru`.
    #[serde(rename = "iss", default, deserialize_with = "de::text")]
    pub issuer: String,
    /// The token's own id: it is your business whether it may come twice.
    #[serde(rename = "jti", default, deserialize_with = "de::opt_text")]
    pub token_id: Option<String>,
    /// The account.
    pub account_id: AccountId,
    /// The first part of its host.
    #[serde(default, deserialize_with = "de::text")]
    pub subdomain: String,
    /// The user.
    pub user_id: UserId,
    /// Whether they administrate the account. Not in every token.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_admin: Option<bool>,
    /// The integration.
    #[serde(rename = "client_uuid", default, deserialize_with = "de::text")]
    pub client_id: String,
    /// When it expires.
    #[serde(
        rename = "exp",
        default,
        deserialize_with = "de::opt_time::deserialize"
    )]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which bot asks: the `token` of a `widget_request` of Salesbot or Marketingbot.
///
/// Source: the vendor's PHP client, `parseBotDisposableToken`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct BotToken {
    /// The account's address: `https://acme.amocrm.ru`.
    #[serde(rename = "iss", default, deserialize_with = "de::text")]
    pub issuer: String,
    /// The account.
    pub account_id: AccountId,
    /// The first part of its host.
    #[serde(default, deserialize_with = "de::text")]
    pub subdomain: String,
    /// The integration.
    #[serde(rename = "client_uuid", default, deserialize_with = "de::text")]
    pub client_id: String,
    /// `salesbot` or `marketingbot`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub bot_type: Option<String>,
    #[serde(default, deserialize_with = "de::opt_number")]
    entity_id: Option<u64>,
    #[serde(default, deserialize_with = "de::opt_number")]
    entity_type: Option<u64>,
    /// When it expires.
    #[serde(
        rename = "exp",
        default,
        deserialize_with = "de::opt_time::deserialize"
    )]
    pub expires_at: Option<DateTime<Utc>>,
}

impl WidgetToken {
    /// Reads a token that this integration's widget sent to its backend.
    ///
    /// # Errors
    ///
    /// [`TokenRefused`], checked in this order: signature (HS256 with the integration's secret), audience (the origin of
    /// the redirect URI, and the integration), time.
    pub fn verify(
        token: &str,
        credentials: &Credentials,
        now: DateTime<Utc>,
    ) -> Result<Self, TokenRefused> {
        let jwt = Jwt::read(token, "HS256", &credentials.client_secret)?;
        jwt.is_for(credentials, true)?;
        jwt.is_valid_at(now)?;
        jwt.claims()
    }
}

impl BotToken {
    /// Reads a token that a bot sent to this integration's backend.
    ///
    /// # Errors
    ///
    /// [`TokenRefused`], checked in this order: signature (HS512 with the integration's secret), audience (the
    /// integration, and, where the token names one, the origin of the redirect URI), time.
    pub fn verify(
        token: &str,
        credentials: &Credentials,
        now: DateTime<Utc>,
    ) -> Result<Self, TokenRefused> {
        let jwt = Jwt::read(token, "HS512", &credentials.client_secret)?;
        jwt.is_for(credentials, false)?;
        jwt.is_valid_at(now)?;
        jwt.claims()
    }

    /// What the bot works on: a lead or a customer.
    pub fn entity(&self) -> Option<EntityRef> {
        let entity_type = match self.entity_type? {
            2 => EntityType::Leads,
            12 => EntityType::Customers,
            _ => return None,
        };
        Some(EntityRef {
            entity_type,
            id: self.entity_id?,
        })
    }
}

/// A token whose signature is right.
struct Jwt(Value);

impl Jwt {
    fn read(token: &str, algorithm: &str, secret: &SecretString) -> Result<Self, TokenRefused> {
        let mut parts = token.trim().split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenRefused::Malformed);
        };
        // The algorithm is ours to choose: a token that chooses `none` or another one is refused.
        if json(header)?["alg"] != algorithm {
            return Err(TokenRefused::Malformed);
        }
        let signed = &token.trim()[..header.len() + 1 + payload.len()];
        let signature = bytes(signature)?;
        let key = secret.expose_secret().as_bytes();
        let is_right = match algorithm {
            "HS256" => is_signed::<Hmac<Sha256>>(key, signed, &signature),
            _ => is_signed::<Hmac<Sha512>>(key, signed, &signature),
        };
        if !is_right {
            return Err(TokenRefused::Signature);
        }
        json(payload).map(Self)
    }

    fn is_for(&self, credentials: &Credentials, names_receiver: bool) -> Result<(), TokenRefused> {
        let audience = &self.0["aud"];
        let origin = Url::parse(&credentials.redirect_uri)
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default();
        let named = |audience: &Value| {
            audience
                .as_str()
                .is_some_and(|audience| audience.trim_end_matches('/') == origin)
        };
        let is_here = match audience {
            Value::Null => !names_receiver,
            Value::Array(several) => several.iter().any(named),
            one => named(one),
        };
        let integration = &self.0["client_uuid"];
        let is_ours = integration.is_null() || *integration == credentials.client_id.as_str();
        if is_here && is_ours {
            Ok(())
        } else {
            Err(TokenRefused::Audience)
        }
    }

    /// A token without an end would be valid for ever: amoCRM's have one.
    fn is_valid_at(&self, now: DateTime<Utc>) -> Result<(), TokenRefused> {
        let time = |claim: &str| self.0[claim].as_i64();
        let has_begun = time("nbf").is_none_or(|begin| begin <= now.timestamp());
        let goes_on = time("exp").is_some_and(|end| now.timestamp() < end);
        if has_begun && goes_on {
            Ok(())
        } else {
            Err(TokenRefused::Expired)
        }
    }

    fn claims<T: DeserializeOwned>(self) -> Result<T, TokenRefused> {
        serde_json::from_value(self.0).map_err(|_| TokenRefused::Malformed)
    }
}

fn is_signed<M: Mac + KeyInit>(key: &[u8], signed: &str, signature: &[u8]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return false;
    };
    mac.update(signed.as_bytes());
    mac.verify_slice(signature).is_ok()
}

fn bytes(part: &str) -> Result<Vec<u8>, TokenRefused> {
    URL_SAFE_NO_PAD
        .decode(part.trim_end_matches('='))
        .map_err(|_| TokenRefused::Malformed)
}

fn json(part: &str) -> Result<Value, TokenRefused> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| TokenRefused::Malformed)
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jwt")
    }
}
