//! Signed webhooks between services: Standard Webhooks 1.0 with symmetric keys (`v1`).
//!
//! A delivery carries three headers: `webhook-id`, the same for every attempt; `webhook-timestamp`, the unix seconds of
//! this attempt; `webhook-signature`, `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`, several of them with
//! spaces between while keys are changed.
//!
//! ```
//! use chrono::DateTime;
//! use secrecy::SecretString;
//! use service_kit::signature::SigningKeys;
//!
//! let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
//! let keys = SigningKeys::parse(&secret).map_err(|error| error.to_string())?;
//! let now = DateTime::from_timestamp(1_795_219_200, 0).ok_or("no time")?;
//! let headers = keys.headers("evt_1", now, b"{}").ok_or("no header")?;
//! let signed = keys.verify(&headers, b"{}", now)?;
//! assert_eq!(signed.id, "evt_1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Changing a key: the receiver is given the new secret beside the old one, then the sender gets the new one, then the
//! receiver forgets the old one. Nothing is lost meanwhile.
//!
//! Source: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
/// Shorter keys are refused; longer ones than the other bound are no keys (the specification, "Symmetric").
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// How far a timestamp may be from now, either way: what every library of the scheme takes.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);
/// More signatures than this are not looked at.
const MAX_SIGNATURES: usize = 16;

/// The header with the delivery's id.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// The header with the attempt's time.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The header with the signatures.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Keys that sign and check. The sender signs with all, the receiver is content with any.
#[derive(Clone)]
pub struct SigningKeys(Vec<Key>);

/// Wiped when it is dropped.
#[derive(Clone)]
struct Key(SecretSlice<u8>);

/// A delivery whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Its id: the same for every attempt.
    pub id: String,
    /// When this attempt was signed.
    pub signed_at: DateTime<Utc>,
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A header is missing or cannot be read.
    #[error("webhook-id, webhook-timestamp and webhook-signature are needed")]
    Headers,
    /// The timestamp is too far from now: an old delivery repeated by somebody, or a clock that is wrong.
    #[error("webhook-timestamp is more than five minutes from now")]
    Timestamp,
    /// No signature is right.
    #[error("no signature in webhook-signature is right")]
    Signature,
}

impl SigningKeys {
    /// Reads secrets `whsec_BASE64` with spaces between, the newest first.
    ///
    /// # Errors
    ///
    /// Says what is expected, without the value.
    pub fn parse(secrets: &SecretString) -> Result<Self, &'static str> {
        let keys: Option<Vec<Key>> = secrets
            .expose_secret()
            .split_whitespace()
            .map(|secret| {
                let encoded = secret.strip_prefix(SECRET_PREFIX)?;
                let bytes = STANDARD.decode(encoded).ok()?;
                KEY_BYTES
                    .contains(&bytes.len())
                    .then(|| Key(SecretSlice::from(bytes)))
            })
            .collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(keys)),
            _ => Err("whsec_ and the Base64 of 24 to 64 bytes; several with spaces between"),
        }
    }

    /// The value of `webhook-signature`. The time is that of the attempt, so every attempt is signed anew.
    pub fn sign(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> String {
        let timestamp = at.timestamp().to_string();
        let signatures: Vec<String> = self
            .0
            .iter()
            .filter_map(|key| key.mac(id, &timestamp, body))
            .map(|mac| format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
            .collect();
        signatures.join(" ")
    }

    /// The three headers of an attempt. `None` if the id cannot stand in a header.
    pub fn headers(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert(WEBHOOK_ID, HeaderValue::from_str(id).ok()?);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(at.timestamp()));
        let signature = HeaderValue::from_str(&self.sign(id, at, body)).ok()?;
        headers.insert(WEBHOOK_SIGNATURE, signature);
        Some(headers)
    }

    /// Checks a delivery, in a time that does not tell how much of a signature was right.
    ///
    /// # Errors
    ///
    /// It is not to be believed: answer 401.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Signed, SignatureError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(id), Some(timestamp), Some(signatures)) = (
            text(WEBHOOK_ID).filter(|id| !id.is_empty()),
            text(WEBHOOK_TIMESTAMP),
            text(WEBHOOK_SIGNATURE),
        ) else {
            return Err(SignatureError::Headers);
        };
        let signed_at = timestamp
            .parse()
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .ok_or(SignatureError::Headers)?;
        if (now - signed_at).abs() > TOLERANCE {
            return Err(SignatureError::Timestamp);
        }
        let given: Vec<Vec<u8>> = signatures
            .split(' ')
            .take(MAX_SIGNATURES)
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .collect();
        let is_right = self.0.iter().any(|key| {
            given.iter().any(|signature| {
                key.mac(id, timestamp, body)
                    .is_some_and(|mac| mac.verify_slice(signature).is_ok())
            })
        });
        if !is_right {
            return Err(SignatureError::Signature);
        }
        Ok(Signed {
            id: id.to_owned(),
            signed_at,
        })
    }
}

impl Key {
    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(mac)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.0.len())
    }
}
