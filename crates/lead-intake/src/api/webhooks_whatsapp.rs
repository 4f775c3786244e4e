//! `/api/webhooks/whatsapp`: what the Cloud API reports about our messages, and what clients write.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiQuery, Problem};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use super::error::ApiError;
use super::state::AppState;
use crate::funnel::hear_whatsapp;

const NOTHING: &str = "there is nothing here";

/// What WhatsApp asks when the webhook is configured.
#[derive(Deserialize)]
pub(crate) struct Verification {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.verify_token")]
    verify_token: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
}

/// What became of a webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct WhatsappReceipt {
    /// Reports about our messages that were news.
    pub receipts: usize,
    /// Messages of clients that we know.
    pub answers: usize,
}

/// Shows WhatsApp that the address is ours.
#[utoipa::path(
    get,
    path = "/api/webhooks/whatsapp",
    tag = "webhooks",
    params(
        ("hub.mode" = String, Query, description = "subscribe"),
        ("hub.verify_token" = String, Query, description = "WHATSAPP_VERIFY_TOKEN"),
        ("hub.challenge" = String, Query, description = "Digits to repeat"),
    ),
    responses(
        (status = 200, description = "The challenge, repeated", body = String),
        (status = 403, description = "The token is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No funnels, or no WHATSAPP_VERIFY_TOKEN", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn verify(
    State(state): State<AppState>,
    ApiQuery(asked): ApiQuery<Verification>,
) -> Result<Response, ApiError> {
    let expected = match (&state.config.funnels, &state.config.whatsapp.verify_token) {
        (Some(_), Some(token)) => token.expose_secret(),
        _ => return Err(ApiError::NotFound(NOTHING)),
    };
    let given = asked.verify_token.unwrap_or_default();
    let is_right = bool::from(given.as_bytes().ct_eq(expected.as_bytes()));
    let challenge = asked
        .challenge
        // Only what WhatsApp sends is repeated: digits are no page.
        .filter(|text| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    match challenge {
        Some(challenge) if is_right && asked.mode.as_deref() == Some("subscribe") => {
            Ok(challenge.into_response())
        }
        _ => {
            metrics::counter!("webhook_refusals_total").increment(1);
            Err(Problem::new(StatusCode::FORBIDDEN)
                .detail("the verify token is not WHATSAPP_VERIFY_TOKEN")
                .into())
        }
    }
}

/// Takes a webhook of WhatsApp. Its signature is checked; what it tells is stored before the answer.
#[utoipa::path(
    post,
    path = "/api/webhooks/whatsapp",
    tag = "webhooks",
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 200, description = "Stored", body = WhatsappReceipt),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The signature is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No funnels, or no WHATSAPP_APP_SECRET", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receive(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WhatsappReceipt>, ApiError> {
    let (funnels, secret) = match (&state.config.funnels, &state.config.whatsapp.app_secret) {
        (Some(funnels), Some(secret)) => (funnels, secret.expose_secret()),
        _ => return Err(ApiError::NotFound(NOTHING)),
    };
    let signature = headers
        .get("x-hub-signature-256")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !is_signed(secret.as_bytes(), &body, signature) {
        metrics::counter!("webhook_refusals_total").increment(1);
        return Err(Problem::new(StatusCode::FORBIDDEN)
            .detail("the signature is not that of WHATSAPP_APP_SECRET")
            .into());
    }
    let number = state.config.whatsapp.phone_number_id.as_deref();
    let heard = hear_whatsapp(&state.store, funnels, number, &body).await?;
    let Some(heard) = heard else {
        metrics::counter!("webhook_refusals_total").increment(1);
        return Err(Problem::new(StatusCode::BAD_REQUEST)
            .detail("the body is no webhook of WhatsApp's")
            .into());
    };
    Ok(Json(WhatsappReceipt {
        receipts: heard.receipts,
        answers: heard.answers,
    }))
}

fn is_signed(secret: &[u8], body: &[u8], header: &str) -> bool {
    let Some(signature) = header.strip_prefix("sha256=").and_then(unhex) else {
        return false;
    };
    <Hmac<Sha256>>::new_from_slice(secret)
        .is_ok_and(|mac| mac.chain_update(body).verify_slice(&signature).is_ok())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secrets_signature_of_this_body_is_believed() {
        // `printf '{}' | openssl dgst -sha256 -hmac secret`
        let right = "sha256=77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13";
        assert!(is_signed(b"secret", b"{}", right));
        for (secret, body, header) in [
            (&b"other"[..], &b"{}"[..], right),
            (b"secret", b"{ }", right),
            (b"secret", b"{}", &right[7..]),
            (b"secret", b"{}", "sha256="),
            (b"secret", b"{}", "sha256=zz"),
            (b"secret", b"{}", "sha256=7"),
            (b"secret", b"{}", &right[..right.len() - 2]),
            (b"secret", b"{}", ""),
        ] {
            assert!(!is_signed(secret, body, header), "{header}");
        }
    }
}
