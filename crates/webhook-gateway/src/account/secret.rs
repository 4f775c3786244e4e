//! The address of the one account that was given none.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::config::Config;

/// What the encryption key signs, so that nothing else is ever signed alike.
const PURPOSE: &[u8] = b"webhook-gateway: the address of webhooks, version 1";
/// Bytes of it that are used.
const BYTES: usize = 20;

/// Secrets made from the encryption keys, the newest first: the same on every instance and after every start, and kept
/// nowhere. None if there is no key.
pub(crate) fn made_secrets(config: &Config) -> Vec<SecretString> {
    if config
        .accounts
        .iter()
        .all(|account| account.secret.is_some())
    {
        return Vec::new();
    }
    let Ok(keys) = config
        .security
        .encryption_keys(&config.server, &config.database)
    else {
        return Vec::new();
    };
    keys.keys
        .expose_secret()
        .split(',')
        .filter_map(|key| {
            let key = key.trim();
            let encoded = key.split_once(':').map_or(key, |(_, encoded)| encoded);
            make(&STANDARD.decode(encoded).ok()?)
        })
        .collect()
}

fn make(key: &[u8]) -> Option<SecretString> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(PURPOSE);
    let made = mac.finalize().into_bytes();
    let text = made
        .iter()
        .take(BYTES)
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    Some(SecretString::from(text))
}
