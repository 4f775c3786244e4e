//! The hook by which amoCRM tells that the integration was switched off.

use amocrm_sdk::AccountId;
use amocrm_sdk::oauth::DisabledHook;
use amocrm_sdk::webhook::{AccountRef, Event, IntegrationEvent};
use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use bytes::Bytes;
use http::StatusCode;
use service_kit::http::Problem;

use super::receive::{find, nothing_here, refuse, store};
use super::{Arrived, Intake, Receipt};

/// Takes amoCRM's word that the integration was switched off in the account.
///
/// The address for the field "URL for the hook about disabling" of the integration. The signature is checked; the
/// subscribers get an event `amocrm.integration.disabled.v1`, and the tokens, which are worth nothing any more, are
/// forgotten.
#[utoipa::path(
    get,
    path = "/webhooks/amocrm/{secret}/disabled",
    tag = "webhooks",
    params(
        ("secret" = String, Path, description = "The account's secret"),
        ("account_id" = u64, Query, description = "The account's number"),
        ("client_uuid" = String, Query, description = "The integration's id"),
        ("signature" = String, Query, description = "HMAC of both with the integration's secret"),
    ),
    responses(
        (status = 200, description = "Stored", body = Receipt),
        (status = 400, description = "A parameter is missing", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The signature is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The secret is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn disabled(
    State(intake): State<Intake>,
    Path(secret): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Json<Receipt>, Problem> {
    let account = find(
        &intake,
        Some(&secret),
        request.headers(),
        request.extensions(),
    )
    .ok_or_else(nothing_here)?;
    let hook = DisabledHook::parse(query.as_deref().unwrap_or_default())
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST).detail(error.to_string()))?;
    let refused = |detail: &str| {
        refuse("signature");
        Problem::new(StatusCode::FORBIDDEN).detail(detail)
    };
    let credentials = account.crm.credentials().ok_or_else(|| {
        refused(
            "the integration's keys are not configured here, so the signature cannot be checked",
        )
    })?;
    if !hook.verify(&credentials.client_id, &credentials.client_secret) {
        return Err(refused("the signature is not amoCRM's"));
    }
    if account.id().is_some_and(|ours| ours != hook.account_id) {
        return Err(refused(
            "it is about another account than that of this address",
        ));
    }
    let mut from = AccountRef::default();
    from.id = Some(AccountId::new(hook.account_id));
    let event = Event::Integration(IntegrationEvent::disabled(&hook.client_id));
    // What was signed, without the signature, which could be used again.
    let said = form_urlencoded::Serializer::new(String::new())
        .append_pair("account_id", &hook.account_id.to_string())
        .append_pair("client_uuid", &hook.client_id)
        .finish();
    let arrived = Arrived {
        at: intake.clock.now(),
        request_id: None,
        content_type: Some("application/x-www-form-urlencoded".to_owned()),
        body: Bytes::from(said),
        account: from,
        events: vec![event],
        problem: None,
    };
    let receipt = store(&intake, account, arrived).await?;
    tracing::error!(
        account.name = account.name,
        account.id = hook.account_id,
        "the integration was disabled in the account"
    );
    if let Err(error) = account.crm.disconnect().await {
        tracing::warn!("the tokens of the account cannot be forgotten: {error}");
    }
    Ok(Json(receipt))
}
