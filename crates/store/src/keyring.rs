//! Encryption of secrets at rest: XChaCha20-Poly1305 under named keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Result, StoreError, StoreErrorKind};

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
/// The first byte of every sealed value: the layout `[1][length of the key id][key id][nonce][ciphertext and tag]`.
const LAYOUT: u8 = 1;
const MAX_ID_LEN: usize = 32;
/// Shorter signatures could be guessed.
const MIN_SIGNATURE: usize = 16;
const UNNAMED: &str = "default";

/// The keys that seal secrets: the first one encrypts, all of them decrypt.
///
/// `ENCRYPTION_KEY` is one base64 key of 32 bytes, or several with names: `2027:BASE64,2026:BASE64`. To rotate, put a
/// new key in front, restart, run [`Store::reseal`](crate::Store::reseal), then remove the old one.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<NamedKey>,
}

#[derive(Clone)]
struct NamedKey {
    id: String,
    cipher: XChaCha20Poly1305,
    /// Signs; derived, so that a signature says nothing about the key that encrypts.
    signer: Hmac<Sha256>,
}

impl Keyring {
    /// No keys: everything works but reading and writing secrets. For `migrate` and `doctor`.
    pub fn none() -> Self {
        Self { keys: Vec::new() }
    }

    /// Reads `ENCRYPTION_KEY`.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Invalid`] with what was expected; the message never shows the key.
    pub fn parse(text: &SecretString) -> Result<Self> {
        let mut keys: Vec<NamedKey> = Vec::new();
        for (index, part) in text.expose_secret().split(',').map(str::trim).enumerate() {
            let (id, encoded) = part.split_once(':').unwrap_or((UNNAMED, part));
            let place = format!("ENCRYPTION_KEY, key {}", index + 1);
            let valid_id = !id.is_empty()
                && id.len() <= MAX_ID_LEN
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if !valid_id {
                return Err(StoreError::invalid(format!(
                    "{place}: the name before the colon must be 1 to {MAX_ID_LEN} letters, digits, `-`, `_` or `.`"
                )));
            }
            if keys.iter().any(|key| key.id == id) {
                return Err(StoreError::invalid(format!(
                    "{place}: the name `{id}` is used twice; write `name:base64,other:base64`"
                )));
            }
            let bytes = decode(encoded).ok_or_else(|| {
                StoreError::invalid(format!(
                    "{place}: expected {KEY_LEN} random bytes in base64, as `openssl rand -base64 {KEY_LEN}` prints"
                ))
            })?;
            keys.push(NamedKey {
                id: id.to_owned(),
                cipher: XChaCha20Poly1305::new(&Key::from(*bytes)),
                signer: signer(&bytes[..]),
            });
        }
        Ok(Self { keys })
    }

    /// A new random key in the form that [`parse`](Self::parse) reads.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn generate_key() -> Result<SecretString> {
        let key = Zeroizing::new(random::<KEY_LEN>()?);
        Ok(SecretString::from(STANDARD.encode(key.as_slice())))
    }

    /// Encrypts `plaintext`, bound to the place `aad` it is stored at.
    pub(crate) fn seal(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        let key = self.keys.first().ok_or_else(|| {
            StoreError::invalid("a secret is to be stored, but ENCRYPTION_KEY is not set")
        })?;
        let nonce = random::<NONCE_LEN>()?;
        let sealed = key
            .cipher
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad,
                },
            )
            .map_err(|_| StoreError::internal("encryption failed"))?;
        let id = key.id.as_bytes();
        let mut blob = Vec::with_capacity(2 + id.len() + NONCE_LEN + sealed.len());
        // A name has at most `MAX_ID_LEN` bytes.
        blob.extend([LAYOUT, u8::try_from(id.len()).unwrap_or(u8::MAX)]);
        blob.extend_from_slice(id);
        blob.extend_from_slice(&nonce);
        blob.extend_from_slice(&sealed);
        Ok(blob)
    }

    /// Decrypts what [`seal`](Self::seal) made for the same place.
    pub(crate) fn open(&self, blob: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let unreadable = |message: String| StoreError::new(StoreErrorKind::Decrypt, message);
        let (id, nonce, sealed) =
            split(blob).ok_or_else(|| unreadable("a sealed value is malformed".into()))?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or_else(|| {
            unreadable(format!(
                "a secret is sealed with the key `{id}`, which ENCRYPTION_KEY does not hold"
            ))
        })?;
        key.cipher
            .decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad })
            .map(Zeroizing::new)
            .map_err(|_| {
                unreadable(format!(
                    "a secret does not open with the key `{id}`: another key had this name, or the row was changed"
                ))
            })
    }

    /// A signature that is bound to `purpose`.
    pub(crate) fn sign(&self, purpose: &str, message: &[u8]) -> Result<[u8; 32]> {
        let key = self.keys.first().ok_or_else(|| {
            StoreError::invalid("something is to be signed, but ENCRYPTION_KEY is not set")
        })?;
        Ok(key.mac(purpose, message).finalize().into_bytes().into())
    }

    /// Whether any of the keys made `signature`, which may be cut down to 16 bytes.
    pub(crate) fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        signature.len() >= MIN_SIGNATURE
            && self.keys.iter().any(|key| {
                key.mac(purpose, message)
                    .verify_truncated_left(signature)
                    .is_ok()
            })
    }

    /// Whether there are older keys beside the one that encrypts.
    pub(crate) fn is_rotating(&self) -> bool {
        self.keys.len() > 1
    }

    /// Whether `blob` is sealed with the key that encrypts now.
    pub(crate) fn is_current(&self, blob: &[u8]) -> bool {
        match (self.keys.first(), split(blob)) {
            (Some(key), Some((id, ..))) => key.id == id,
            _ => false,
        }
    }
}

impl NamedKey {
    fn mac(&self, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
        self.signer
            .clone()
            // The length keeps purpose and message apart.
            .chain_update((purpose.len() as u64).to_be_bytes())
            .chain_update(purpose)
            .chain_update(message)
    }
}

fn signer(key: &[u8]) -> Hmac<Sha256> {
    let keyed = |key: &[u8]| {
        <Hmac<Sha256> as KeyInit>::new_from_slice(key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of every length"))
    };
    let derived = keyed(key)
        .chain_update("amocrm-store signatures")
        .finalize();
    keyed(&derived.into_bytes())
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.id))
            .finish()
    }
}

fn decode(encoded: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let encoded = encoded.trim();
    let bytes = STANDARD
        .decode(encoded)
        .or_else(|_| URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')))
        .map(Zeroizing::new)
        .ok()?;
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

fn split(blob: &[u8]) -> Option<(&str, [u8; NONCE_LEN], &[u8])> {
    let (&[LAYOUT, id_len], rest) = blob.split_first_chunk::<2>()? else {
        return None;
    };
    let (id, rest) = rest.split_at_checked(usize::from(id_len))?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
    Some((std::str::from_utf8(id).ok()?, *nonce, sealed))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| StoreError::internal("the operating system gives no randomness"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(names: &[(&str, u8)]) -> Keyring {
        let text = names
            .iter()
            .map(|(name, byte)| format!("{name}:{}", STANDARD.encode([*byte; KEY_LEN])))
            .collect::<Vec<_>>()
            .join(",");
        Keyring::parse(&SecretString::from(text)).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_only_with_its_key_in_its_place() {
        let old = ring(&[("a", 1)]);
        let both = ring(&[("b", 2), ("a", 1)]);
        let blob = old.seal(b"secret", b"row 1").unwrap();

        assert_eq!(*both.open(&blob, b"row 1").unwrap(), b"secret");
        assert!(!both.is_current(&blob));
        for (ring, place) in [
            (&both, "row 2"),
            (&ring(&[("b", 2)]), "row 1"),
            (&ring(&[("a", 3)]), "row 1"),
        ] {
            let error = ring.open(&blob, place.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Decrypt);
        }
        for cut in 0..blob.len() {
            assert!(both.open(&blob[..cut], b"row 1").is_err());
        }
    }

    #[test]
    fn a_signature_holds_for_its_purpose_its_message_and_every_key_of_the_ring() {
        let signature = ring(&[("a", 1)]).sign("link", b"7").unwrap();
        let rotated = ring(&[("b", 2), ("a", 1)]);
        assert!(rotated.verify("link", b"7", &signature));
        assert!(rotated.verify("link", b"7", &signature[..16]));
        for (ring, purpose, message, signature) in [
            (&rotated, "link", &b"8"[..], &signature[..]),
            (&rotated, "lin", b"k7", &signature),
            (&rotated, "link", b"7", &signature[..15]),
            (&rotated, "link", b"7", &[]),
            (&ring(&[("b", 2)]), "link", b"7", &signature),
            (&Keyring::none(), "link", b"7", &signature),
        ] {
            assert!(!ring.verify(purpose, message, signature));
        }
        assert!(Keyring::none().sign("link", b"7").is_err());
    }

    #[test]
    fn a_bad_key_is_refused_with_its_place_and_without_its_text() {
        let good = Keyring::generate_key().unwrap();
        assert!(Keyring::parse(&good).is_ok());
        let good = good.expose_secret();
        for (text, hint) in [
            ("hunter2".to_owned(), "32 random bytes"),
            (format!("a:{good},a:{good}"), "used twice"),
            (format!("{good},{good}"), "used twice"),
            (format!("a b:{good}"), "name before the colon"),
            (String::new(), "32 random bytes"),
        ] {
            let error = Keyring::parse(&SecretString::from(text))
                .unwrap_err()
                .to_string();
            assert!(error.contains(hint), "{error}");
            assert!(
                !error.contains("hunter2") && !error.contains(good),
                "{error}"
            );
        }
    }
}
