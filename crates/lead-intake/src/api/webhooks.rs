//! Webhooks of amoCRM: a stage changed there changes the status here.

use std::sync::Arc;
use std::time::Duration;

use amocrm_sdk::webhook::{self, Action, Event, LeadEvent, Payload};
use amocrm_sdk::{AccountId, PipelineId, StatusId};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiPath, Problem};
use store::{LeadRow, StatusChange, StatusChanged, StatusOrigin, Store};
use utoipa::ToSchema;

use super::error::ApiError;
use super::state::AppState;
use super::webhooks_manager::{follow, tells_a_manager};
use crate::crm::{Crm, Mapping};
use crate::webhook_path::WebhookPath;

/// amoCRM waits two seconds (`01-auth-limits-webhooks.md` §6.9); after this we ask it to come again.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);

/// What became of a webhook.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookReceipt {
    /// Events in the body.
    pub events: usize,
    /// Status changes that were applied.
    pub applied: usize,
    /// Status changes that were known already, older than what is known, or our own coming back.
    pub known: usize,
}

/// Takes a webhook of amoCRM.
///
/// Its form body, or the same as JSON. Changes of stages are stored before the answer; everything else is counted and
/// left alone. If INTAKE_WEBHOOK_SECRET is set, only the address with the secret works.
#[utoipa::path(
    post,
    path = "/api/webhooks/amo",
    tag = "webhooks",
    request_body(content(
        (String = "application/x-www-form-urlencoded"),
        (Object = "application/json")
    )),
    responses(
        (status = 200, description = "Stored", body = WebhookReceipt),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It is about another account", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The secret is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receive(
    State(state): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookReceipt>, ApiError> {
    check_secret(&state, None).await?;
    take(&state, &headers, &body).await
}

/// Takes a webhook of amoCRM at the secret address.
#[utoipa::path(
    post,
    path = "/api/webhooks/amo/{secret}",
    tag = "webhooks",
    params(("secret" = String, Path, description = "INTAKE_WEBHOOK_SECRET")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Stored", body = WebhookReceipt),
        (status = 404, description = "The secret is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receive_secret(
    State(state): State<AppState>,
    ApiPath(secret): ApiPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookReceipt>, ApiError> {
    check_secret(&state, Some(&secret)).await?;
    take(&state, &headers, &body).await
}

/// Says that the webhook's address is reachable.
#[utoipa::path(
    get,
    path = "/api/webhooks/amo/test",
    tag = "webhooks",
    responses((status = 200, description = "It is", body = WebhookTest))
)]
pub(crate) async fn test() -> Json<WebhookTest> {
    Json(WebhookTest {
        status: "ok".to_owned(),
        message: "webhooks are taken here by POST; subscribe with: lead-intake provision"
            .to_owned(),
    })
}

/// What `GET /api/webhooks/amo/test` answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookTest {
    /// `ok`.
    pub status: String,
    /// A sentence for people.
    pub message: String,
}

/// The secret in the address is all the proof there is: amoCRM does not sign webhooks.
async fn check_secret(state: &AppState, given: Option<&str>) -> Result<(), ApiError> {
    let path = WebhookPath::new(&state.config, state.store.clone());
    if path.admits(given).await? {
        return Ok(());
    }
    metrics::counter!("webhook_refusals_total").increment(1);
    Err(ApiError::NotFound("there is nothing here"))
}

async fn take(
    state: &AppState,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Json<WebhookReceipt>, ApiError> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("application/json"));
    let parsed = if is_json {
        webhook::parse_json(body)
    } else {
        webhook::parse(body)
    };
    let payload = parsed.map_err(|error| {
        metrics::counter!("webhook_refusals_total").increment(1);
        ApiError::from(Problem::new(StatusCode::BAD_REQUEST).detail(error.to_string()))
    })?;
    let work = async {
        check_account(&state.crm, &payload).await?;
        apply_all(&state.store, &state.crm, &payload).await
    };
    match tokio::time::timeout(ANSWER_WITHIN, work).await {
        Ok(receipt) => receipt.map(Json),
        Err(_) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("storing took too long; send it again")
            .retry_after(5)
            .into()),
    }
}

/// A webhook of another account is none of our business.
async fn check_account(crm: &Crm, payload: &Payload) -> Result<(), ApiError> {
    let theirs = payload.account.id.map(AccountId::get);
    let ours = crm.account_id().await?;
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            metrics::counter!("webhook_refusals_total").increment(1);
            Err(Problem::new(StatusCode::FORBIDDEN)
                .detail("the webhook is about another account than the one we are connected to")
                .into())
        }
        _ => Ok(()),
    }
}

/// Applies the events in their order. A change that is known already changes nothing, so a repeated body is harmless.
async fn apply_all(
    store: &Store,
    crm: &Arc<Crm>,
    payload: &Payload,
) -> Result<WebhookReceipt, ApiError> {
    let mut receipt = WebhookReceipt {
        events: payload.events.len(),
        ..WebhookReceipt::default()
    };
    let mapping = Mapping::last_known(crm).await?;
    for event in &payload.events {
        let (entity, action) = labels(event);
        metrics::counter!("webhook_events_total", "entity" => entity, "action" => action)
            .increment(1);
        let Event::Lead(lead) = event else {
            continue;
        };
        let Some(mapping) = &mapping else {
            continue;
        };
        if tells_a_manager(lead)
            && let Some(row) = find_row(store, mapping, lead).await?
        {
            follow(store, crm, &row, lead).await?;
        }
        if !tells_a_move(lead) {
            continue;
        }
        match apply(store, crm, mapping, lead).await? {
            Some(StatusChanged::Applied(row)) => {
                receipt.applied += 1;
                tracing::info!(
                    lead.id = row.id,
                    lead.status = row.local_status,
                    "status follows amoCRM"
                );
            }
            Some(_) => receipt.known += 1,
            None => {}
        }
    }
    Ok(receipt)
}

/// What a metric says about an event. Names that we do not know come from outside: anybody could fill the metrics with
/// them, or with people's data.
fn labels(event: &Event) -> (String, String) {
    let other = || "other".to_owned();
    let entity = match event {
        Event::Unknown(_) => other(),
        known => known.entity_kind().to_string(),
    };
    let action = match event.action() {
        Action::Unknown(_) => other(),
        known => known.to_string(),
    };
    (entity, action)
}

/// A plain update repeats the stage without having changed it; taking that for a move would undo a change of ours that
/// is still on its way.
fn tells_a_move(lead: &LeadEvent) -> bool {
    let moved = lead.old_status_id.is_some() && lead.old_status_id != lead.status_id;
    match lead.action {
        Action::Status => true,
        Action::Update => moved,
        _ => false,
    }
}

async fn apply(
    store: &Store,
    crm: &Arc<Crm>,
    mapping: &Mapping,
    lead: &LeadEvent,
) -> Result<Option<StatusChanged>, ApiError> {
    let Some(stage) = lead.status_id.map(StatusId::get) else {
        return Ok(None);
    };
    let pipeline = lead.pipeline_id.map(PipelineId::get);
    let Some(status) = mapping.stages.status(pipeline, stage) else {
        tracing::debug!(deal.id = %lead.id, "the deal moved to a stage that means nothing to us");
        return Ok(None);
    };
    let Some(row) = find_row(store, mapping, lead).await? else {
        return Ok(None);
    };
    let change = StatusChange {
        status: status.as_str().to_owned(),
        amo_status_id: i64::try_from(stage).ok(),
        amo_pipeline_id: pipeline.and_then(|id| i64::try_from(id).ok()),
        changed_at: lead.updated_at.unwrap_or_else(|| crm.now()),
        origin: StatusOrigin::Crm,
    };
    Ok(Some(store.leads().set_status(row.id, change, None).await?))
}

/// Our lead behind an event's deal.
async fn find_row(
    store: &Store,
    mapping: &Mapping,
    lead: &LeadEvent,
) -> Result<Option<LeadRow>, ApiError> {
    let deal = i64::try_from(lead.id.get()).unwrap_or_default();
    // Leads that were accepted before any account was connected have no account.
    let mut row = store
        .leads()
        .find_by_amo_lead(&mapping.account, deal)
        .await?;
    if row.is_none() {
        row = store.leads().find_by_amo_lead("", deal).await?;
    }
    // A robot may move a deal before we have noted that it is ours; but it says so itself.
    if row.is_none()
        && let Some(intake_id) = mapping.intake_id(&lead.custom_fields)
    {
        row = store.leads().get_by_intake(intake_id).await?;
    }
    Ok(row)
}
