//! Webhooks of amoCRM: a stage changed there changes the status here.

use amocrm_sdk::webhook::{AccountRef, Action, Event, LeadEvent};
use amocrm_sdk::{PipelineId, StatusId};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use connection::{
    WEBHOOK_PATIENCE, check_webhook_account, is_signed_webhook, read_signed_webhook, read_webhook,
    refuse_webhook, webhook_too_slow,
};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiPath, Problem};
use store::{LeadRow, ReportKind, Stage, StageHeard, StageReport, StatusOrigin, Store};
use utoipa::ToSchema;

use super::error::ApiError;
use super::state::AppState;
use super::webhooks_answers::hear;
use super::webhooks_manager::{follow, tells_a_manager};
use crate::crm::{Crm, Mapping, Meaning};
use crate::webhook_path::WebhookPath;

/// How far amoCRM's clock may be ahead of ours.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// What became of a webhook.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookReceipt {
    /// Events in the body.
    pub events: usize,
    /// Status changes that were applied.
    pub applied: usize,
    /// Status changes that were known already, older than what is known, or our own coming back.
    pub known: usize,
    /// Events after which amoCRM is asked: they can be read in two ways.
    #[serde(default)]
    pub asked: usize,
}

/// Takes a webhook of amoCRM.
///
/// Its form body, or the same as JSON; or one event that webhook-gateway delivers: a CloudEvents 1.0 envelope, signed by the
/// Standard Webhooks scheme with INTAKE_GATEWAY_SECRET. Changes of stages are stored before the answer; everything else is
/// counted and left alone. If INTAKE_WEBHOOK_SECRET is set, unsigned bodies are taken only at the address with the secret.
#[utoipa::path(
    post,
    path = "/api/webhooks/amo",
    tag = "webhooks",
    request_body(content(
        (String = "application/x-www-form-urlencoded"),
        (Object = "application/json"),
        (Object = "application/cloudevents+json")
    )),
    responses(
        (status = 200, description = "Stored", body = WebhookReceipt),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The signature is missing, wrong or old", body = Problem, content_type = "application/problem+json"),
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
    receive_any(&state, None, &headers, &body).await
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
    receive_any(&state, Some(&secret), &headers, &body).await
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

/// One that is signed has to be right by its signature; one that is not, by its address.
async fn receive_any(
    state: &AppState,
    secret: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Json<WebhookReceipt>, ApiError> {
    let (heard, origin) = if is_signed_webhook(headers) {
        let keys = state.config.status.gateway_keys();
        let now = state.clock.now();
        let heard =
            read_signed_webhook(headers, body, keys.as_ref(), "INTAKE_GATEWAY_SECRET", now)?;
        (heard, StatusOrigin::Gateway)
    } else {
        check_secret(state, secret).await?;
        (read_webhook(headers, body)?, StatusOrigin::Webhook)
    };
    take(state, &heard.account, &heard.events, origin).await
}

/// The secret in the address is all the proof there is: amoCRM does not sign webhooks.
async fn check_secret(state: &AppState, given: Option<&str>) -> Result<(), ApiError> {
    let path = WebhookPath::new(&state.config, state.store.clone());
    // Whoever uses the gateway does not want anybody else's bodies at the open address.
    let is_open = given.is_none() && state.config.status.gateway_keys().is_some();
    if !is_open && path.admits(given).await? {
        return Ok(());
    }
    refuse_webhook("secret");
    Err(ApiError::NotFound("there is nothing here"))
}

async fn take(
    state: &AppState,
    account: &AccountRef,
    events: &[Event],
    origin: StatusOrigin,
) -> Result<Json<WebhookReceipt>, ApiError> {
    let work = async {
        check_webhook_account(&state.crm, account).await?;
        hear(state, events).await?;
        hear_all(state, events, origin).await
    };
    match tokio::time::timeout(WEBHOOK_PATIENCE, work).await {
        Ok(receipt) => receipt.map(Json),
        Err(_) => Err(webhook_too_slow().into()),
    }
}

/// Takes the events. The moves are durable together, or none of them is; a repeated body changes nothing.
async fn hear_all(
    state: &AppState,
    events: &[Event],
    origin: StatusOrigin,
) -> Result<WebhookReceipt, ApiError> {
    let mut receipt = WebhookReceipt {
        events: events.len(),
        ..WebhookReceipt::default()
    };
    for event in events {
        let (entity, action) = labels(event);
        metrics::counter!("webhook_events_total", "entity" => entity, "action" => action)
            .increment(1);
    }
    let Some(mapping) = Mapping::last_known(&state.crm).await? else {
        return Ok(receipt);
    };
    for event in events {
        if let Event::Lead(lead) = event
            && tells_a_manager(lead)
        {
            for row in find_rows(&state.store, &mapping, lead).await? {
                follow(&state.store, &state.crm, &row, lead).await?;
            }
        }
    }
    let reports: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Lead(lead) => report(&state.crm, &mapping, lead, origin),
            _ => None,
        })
        .collect();
    if reports.is_empty() {
        return Ok(receipt);
    }
    for heard in state.worker.hear(reports).await? {
        match heard {
            StageHeard::Followed(_) => receipt.applied += 1,
            StageHeard::Known(_) | StageHeard::Stale(_) => receipt.known += 1,
            StageHeard::Looking(_) => receipt.asked += 1,
            StageHeard::NotOurs => {}
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

/// Our leads behind an event's deal.
async fn find_rows(
    store: &Store,
    mapping: &Mapping,
    lead: &LeadEvent,
) -> Result<Vec<LeadRow>, ApiError> {
    let Ok(deal) = i64::try_from(lead.id.get()) else {
        return Ok(Vec::new());
    };
    let found = store
        .leads()
        .find_by_amo_leads(&mapping.account, &[deal])
        .await?;
    if !found.is_empty() {
        return Ok(found);
    }
    // A robot may change a deal before we have noted that it is ours; but it says so itself.
    Ok(match mapping.intake_id(&lead.custom_fields) {
        Some(intake_id) => store
            .leads()
            .get_by_intake(intake_id)
            .await?
            .into_iter()
            .collect(),
        None => Vec::new(),
    })
}

/// Whether a time lies further ahead than clocks differ.
pub(super) fn is_ahead(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    at > now + CLOCKS_DIFFER
}

/// What an event says of its deal's stage; `None` if nothing.
fn report(
    crm: &Crm,
    mapping: &Mapping,
    lead: &LeadEvent,
    origin: StatusOrigin,
) -> Option<StageReport> {
    let has_moved = lead.old_status_id.is_some() && lead.old_status_id != lead.status_id;
    let (pipeline, status) = (
        lead.pipeline_id.map(PipelineId::get),
        lead.status_id.map(StatusId::get),
    );
    let meaning = status.map_or(Meaning::Nothing, |status| {
        mapping.meaning(pipeline, status, crm.now())
    });
    let kind = match lead.action {
        // A stage that nobody knows may have been made a moment ago.
        Action::Status | Action::Update if meaning == Meaning::Unknown => ReportKind::Hint,
        Action::Status => ReportKind::Moved,
        Action::Update if has_moved => ReportKind::Moved,
        // A plain update repeats the stage without having changed it.
        Action::Update | Action::Delete | Action::Restore => ReportKind::Hint,
        _ => return None,
    };
    let is_there = !matches!(lead.action, Action::Delete | Action::Restore);
    let number = |id: u64| i64::try_from(id).ok();
    let stage = status.and_then(number).map(|status_id| Stage {
        pipeline_id: pipeline.and_then(number),
        status_id,
    });
    // Times are compared with each other: one that lies ahead of us would make every later report an old one, for ever. So
    // such a report is no more than a reason to ask.
    let told_at = lead.updated_at.filter(|at| !is_ahead(*at, crm.now()));
    let kind = if told_at == lead.updated_at {
        kind
    } else {
        ReportKind::Hint
    };
    Some(StageReport {
        account: mapping.account.clone(),
        amo_lead_id: number(lead.id.get())?,
        intake_id: mapping.intake_id(&lead.custom_fields),
        stage: stage.filter(|_| is_there),
        status: meaning.status().map(|status| status.as_str().to_owned()),
        told_at,
        kind,
        by_user: lead.modified_user_id.and_then(|user| number(user.get())),
        origin,
    })
}
