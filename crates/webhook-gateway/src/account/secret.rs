//! The last segment of an account's address: all the proof there is, for amoCRM signs nothing.

use secrecy::{ExposeSecret as _, SecretString};
use service_kit::hex;
use sha2::{Digest as _, Sha256};
use store::Store;
use subtle::ConstantTimeEq as _;

/// What the encryption key signs to make an address, so that nothing else is ever signed alike.
const PURPOSE: &str = "gateway.address";

/// What a webhook's address has to end with.
pub(super) enum Address {
    /// As it is configured, with its hash: hashes are of one length.
    Given(SecretString, [u8; 32]),
    /// Made from the encryption key, for an account that was given none: the same on every instance and after every
    /// start, and kept nowhere. `None` if there is no key. While the key is changed, the address made from the old one
    /// goes on being taken.
    Made(Option<SecretString>),
}

impl Address {
    pub(super) fn new(given: Option<&SecretString>, store: &Store, account: &str) -> Self {
        if let Some(secret) = given {
            return Self::Given(secret.clone(), digest(secret.expose_secret()));
        }
        let made = store.sign(PURPOSE, account.as_bytes());
        Self::Made(made.ok().map(|bytes| SecretString::from(hex(&bytes))))
    }

    /// What is told to amoCRM.
    pub(super) fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Given(secret, _) => Some(secret),
            Self::Made(secret) => secret.as_ref(),
        }
    }

    /// Whether this is it. Takes the same time wherever the first difference is.
    pub(super) fn is(&self, given: &str, store: &Store, account: &str) -> bool {
        match self {
            Self::Given(_, known) => bool::from(known.ct_eq(&digest(given))),
            Self::Made(None) => false,
            Self::Made(Some(_)) => store.verify(
                PURPOSE,
                account.as_bytes(),
                &unhex(given).unwrap_or_default(),
            ),
        }
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..64)
        .step_by(2)
        .map(|place| u8::from_str_radix(text.get(place..place + 2)?, 16).ok())
        .collect()
}
