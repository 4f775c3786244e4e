//! Access tokens have the outside of a JWT: claims that can be read, a signature nobody outside can check.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use uuid::Uuid;

use crate::oauth::state::Grant;

/// An RS256 signature of a 2048-bit key has this many bytes.
const SIGNATURE_BYTES: usize = 256;

/// The header of real access tokens, in their order.
#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    jti: &'a str,
}

/// The claims of real access tokens, in their order.
#[derive(Serialize)]
pub(crate) struct Claims<'a> {
    aud: &'a str,
    jti: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    /// The user's number, as a string.
    sub: String,
    grant_type: &'static str,
    account_id: u64,
    base_domain: &'a str,
    version: u8,
    scopes: &'a [String],
    hash_uuid: Uuid,
    api_domain: String,
}

impl<'a> Claims<'a> {
    pub(crate) fn new(
        grant: &'a Grant,
        jti: &'a str,
        issued_at: i64,
        expires_at: i64,
        base_domain: &'a str,
    ) -> Self {
        Self {
            aud: &grant.client_id,
            jti,
            iat: issued_at,
            nbf: issued_at,
            exp: expires_at,
            sub: grant.user_id.to_string(),
            grant_type: "",
            account_id: grant.account_id,
            base_domain,
            version: 2,
            scopes: &grant.scopes,
            hash_uuid: Uuid::new_v4(),
            api_domain: format!("api-b.{base_domain}"),
        }
    }
}

/// The token. The signature is random: amoCRM does not publish its key, so clients can only read, and the emulator looks tokens
/// up by their digest.
pub(crate) fn encode(claims: &Claims<'_>, jti: &str) -> String {
    let header = Header {
        typ: "JWT",
        alg: "RS256",
        jti,
    };
    let header = serde_json::to_string(&header).unwrap_or_default();
    let claims = serde_json::to_string(claims).unwrap_or_default();
    let signature: Vec<u8> = std::iter::repeat_with(Uuid::new_v4)
        .flat_map(Uuid::into_bytes)
        .take(SIGNATURE_BYTES)
        .collect();
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
        URL_SAFE_NO_PAD.encode(signature)
    )
}
