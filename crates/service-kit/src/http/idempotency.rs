//! The header by which a client says that a request is the same.

use http::HeaderMap;

use super::FieldError;

/// The header.
const HEADER: &str = "idempotency-key";
/// The longest key.
const MAX_KEY: usize = 255;

/// The `Idempotency-Key` of a request, if it has one. Put whatever it is valid within in front of it.
///
/// # Errors
///
/// When it is empty, too long or not printable.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, FieldError> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(None);
    };
    let key = value.to_str().map(str::trim).unwrap_or_default();
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(FieldError::new(
            "Idempotency-Key",
            format!("expected 1 to {MAX_KEY} printable ASCII characters"),
        ));
    }
    Ok(Some(key.to_owned()))
}
