// Verifies a signed delivery of webhook-gateway (Standard Webhooks 1.0) with the scheme's own crate, and reads the event
// with the SDK's types:
//
//   standardwebhooks = "1"
//   amocrm-sdk = { version = "0.1", default-features = false }
//   http = "1"

use std::error::Error;

use amocrm_sdk::webhook::CloudEvent;
use http::HeaderMap;
use standardwebhooks::Webhook;

/// The event, if one of the secrets has signed these bytes within the last five minutes. Store it under its `id`, or see
/// that you have it already; then answer 2xx.
pub fn verify(
    secrets: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CloudEvent, Box<dyn Error + Send + Sync>> {
    let mut wrong = "there is no secret".into();
    for secret in secrets.split_whitespace() {
        match Webhook::new(secret)?.verify(body, headers) {
            Ok(()) => return Ok(CloudEvent::from_json(body)?),
            Err(error) => wrong = error.into(),
        }
    }
    Err(wrong)
}
