//! Signatures: of requests over method, body, type, date and path; of hooks over the body alone.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method};
use md5::{Digest, Md5};
use sha1::Sha1;

use super::problem::ChatProblem;
use crate::answer::hex;

/// How far a request's date may be from now.
const VALID_SECONDS: i64 = 15 * 60;
const SIGNATURE: &str = "x-signature";

/// HMAC-SHA1 in lowercase hexadecimal digits.
pub(super) fn sign(secret: &str, message: &[u8]) -> String {
    match Hmac::<Sha1>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(message);
            hex(&mac.finalize().into_bytes())
        }
        // HMAC takes keys of any length.
        Err(_) => String::new(),
    }
}

/// Lets a request pass whose signature is right and not older than 15 minutes. The scheme before 2019, over the body alone, is not taken.
pub(super) fn verify(
    secret: &str,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: i64,
) -> Result<(), ChatProblem> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let (md5, date) = (header("content-md5"), header("date"));
    let content_type = header("content-type");
    let message = [method.as_str(), md5, content_type, date, path].join("\n");
    let dated = chrono::DateTime::parse_from_rfc2822(date).map(|date| date.timestamp());
    let is_fresh = dated.is_ok_and(|at| now.abs_diff(at) <= VALID_SECONDS.unsigned_abs());
    let is_good = is_fresh
        && md5 == hex(&Md5::digest(body))
        && header(SIGNATURE) == sign(secret, message.as_bytes());
    if is_good {
        Ok(())
    } else {
        Err(ChatProblem::signature())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the notes, 01 §6.10.
    #[test]
    fn a_hook_is_signed_over_its_body() {
        assert_eq!(
            sign("demo-channel-secret", br#"{"ping":"pong"}"#),
            "570a3420762bd5cc12862a46b41dfd87e68a726c"
        );
        assert_eq!(hex(&Md5::digest(b"")), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
