//! The platform's key.

use http::{HeaderMap, StatusCode, header};
use secrecy::ExposeSecret as _;
use service_kit::http::{Problem, Role};
use subtle::ConstantTimeEq as _;

use super::ApiError;
use crate::config::Config;

const KEY_HEADER: &str = "x-api-key";

/// Admits who knows LESSON_API_KEY, OPERATOR_TOKEN or ADMIN_TOKEN. Without a key only this machine reaches the service.
pub(super) fn admit(config: &Config, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(key) = config.lessons.api_key() else {
        return Ok(());
    };
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|it| it.strip_prefix("Bearer "));
    let given = text(KEY_HEADER).or(bearer).map(str::trim);
    let is_key = given.is_some_and(|given| {
        let is_equal = given.as_bytes().ct_eq(key.expose_secret().as_bytes());
        bool::from(is_equal)
    });
    if is_key || config.security.access().proves(headers, Role::Operator) {
        return Ok(());
    }
    metrics::counter!("lessons_refused_total").increment(1);
    Err(Problem::new(StatusCode::UNAUTHORIZED)
        .detail("the key is missing or wrong: send LESSON_API_KEY as the header X-Api-Key")
        .into())
}
