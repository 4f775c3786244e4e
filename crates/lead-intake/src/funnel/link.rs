//! The signed address that unsubscribes.
//!
//! It names a recipient by a number and holds no personal data. Scanners of links open it, so opening changes nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store::{Store, StoreError};

const PURPOSE: &str = "unsubscribe link";
const NUMBER: usize = 8;
/// As long as a signature has to be to be believed.
const SIGNATURE: usize = 16;

/// The address for a recipient.
pub(crate) fn unsubscribe_link(
    store: &Store,
    public_url: &str,
    recipient: i64,
) -> Result<String, StoreError> {
    let number = recipient.to_be_bytes();
    let signature = store.sign(PURPOSE, &number)?;
    let mut token = number.to_vec();
    token.extend_from_slice(&signature[..SIGNATURE]);
    let token = URL_SAFE_NO_PAD.encode(token);
    Ok(format!("{}/u/{token}", public_url.trim_end_matches('/')))
}

/// The recipient of a token that we made.
pub(crate) fn read_link(store: &Store, token: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (number, signature) = bytes.split_first_chunk::<NUMBER>()?;
    let is_ours = signature.len() == SIGNATURE && store.verify(PURPOSE, number, signature);
    is_ours.then(|| i64::from_be_bytes(*number))
}
