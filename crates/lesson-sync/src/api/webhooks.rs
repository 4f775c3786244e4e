//! Webhooks: managers move deals in amoCRM, and we hear of it.

use std::sync::Arc;

use amocrm_sdk::webhook::{Action, Event, LeadEvent};
use amocrm_sdk::{PipelineId, StatusId, UserId};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use connection::{
    Crm, WEBHOOK_PATIENCE, WebhookHeard, check_webhook_account, is_signed_webhook,
    read_signed_webhook, read_webhook, refuse_webhook, webhook_too_slow,
};
use http::{HeaderMap, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use service_kit::http::{ApiPath, Problem};
use store::{StageMove, Store};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

use super::ApiError;
use crate::config::Config;

/// How far amoCRM's clock may be ahead of ours: a time beyond that is no time.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);

/// What became of a webhook.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookReceipt {
    /// Events in the body.
    pub events: usize,
    /// Moves of students' deals by managers that were stored.
    pub managers: u64,
    /// Our own moves coming back.
    pub ours: u64,
}

/// Takes a webhook of amoCRM.
///
/// Moves of students' deals are stored before the answer; everything else is left alone. A repeated body changes nothing.
#[utoipa::path(
    post,
    path = "/webhooks/amocrm/{secret}",
    tag = "webhooks",
    params(("secret" = String, Path, description = "LESSON_WEBHOOK_SECRET")),
    request_body(content(
        (String = "application/x-www-form-urlencoded"),
        (Object = "application/json")
    )),
    responses(
        (status = 200, description = "Stored", body = WebhookReceipt),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It is about another account", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The secret is wrong", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn amocrm(
    State(config): State<Arc<Config>>,
    State(crm): State<Arc<Crm>>,
    State(store): State<Store>,
    ApiPath(given): ApiPath<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookReceipt>, ApiError> {
    // amoCRM does not sign webhooks: the address is all the proof there is.
    let secret = config.two_way.webhook_secret();
    let is_right = secret.is_some_and(|secret| {
        bool::from(given.as_bytes().ct_eq(secret.expose_secret().as_bytes()))
    });
    if !is_right {
        refuse_webhook("secret");
        let problem = Problem::new(StatusCode::NOT_FOUND).detail("there is nothing here");
        return Err(problem.into());
    }
    take(&config, &crm, &store, read_webhook(&headers, &body)?).await
}

/// Takes an event that webhook-gateway delivers.
///
/// A CloudEvents 1.0 envelope, signed by the Standard Webhooks scheme with LESSON_GATEWAY_SECRET.
#[utoipa::path(
    post,
    path = "/webhooks/gateway",
    tag = "webhooks",
    request_body(content = Object, content_type = "application/cloudevents+json"),
    responses(
        (status = 200, description = "Stored", body = WebhookReceipt),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "The signature is missing, wrong or old", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "It is about another account", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Not stored; send it again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn gateway(
    State(config): State<Arc<Config>>,
    State(crm): State<Arc<Crm>>,
    State(store): State<Store>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<WebhookReceipt>, ApiError> {
    if !is_signed_webhook(&headers) {
        refuse_webhook("signature");
        let problem = Problem::new(StatusCode::BAD_REQUEST);
        return Err(problem
            .detail("expected a signed delivery of webhook-gateway")
            .into());
    }
    let keys = config.two_way.gateway_keys();
    let heard = read_signed_webhook(
        &headers,
        &body,
        keys.as_ref(),
        "LESSON_GATEWAY_SECRET",
        crm.now(),
    )?;
    take(&config, &crm, &store, heard).await
}

/// What `GET /webhooks/test` answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct WebhookTest {
    /// `ok`.
    pub status: String,
    /// A sentence for people.
    pub message: String,
}

/// Says that the webhooks' address is reachable.
#[utoipa::path(
    get,
    path = "/webhooks/test",
    tag = "webhooks",
    responses((status = 200, description = "It is", body = WebhookTest))
)]
pub(crate) async fn test() -> Json<WebhookTest> {
    Json(WebhookTest {
        status: "ok".to_owned(),
        message: "webhooks of amoCRM are taken here by POST".to_owned(),
    })
}

async fn take(
    config: &Config,
    crm: &Crm,
    store: &Store,
    heard: WebhookHeard,
) -> Result<Json<WebhookReceipt>, ApiError> {
    let tells = config.two_way.callback().is_some();
    let work = async {
        check_webhook_account(crm, &heard.account).await?;
        let now = crm.now();
        let moves: Vec<_> = heard
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Lead(lead) => stage_move(lead, now),
                _ => None,
            })
            .collect();
        let events = heard.events.len();
        if moves.is_empty() {
            return Ok(WebhookReceipt {
                events,
                ..WebhookReceipt::default()
            });
        }
        let heard = store.lessons().hear_moves(moves, tells).await?;
        for (whose, count) in [("ours", heard.ours), ("managers", heard.managers)] {
            metrics::counter!("deal_moves_heard_total", "whose" => whose).increment(count);
        }
        Ok(WebhookReceipt {
            events,
            managers: heard.managers,
            ours: heard.ours,
        })
    };
    match tokio::time::timeout(WEBHOOK_PATIENCE, work).await {
        Ok(receipt) => receipt.map(Json),
        Err(_) => Err(webhook_too_slow().into()),
    }
}

/// The move that an event tells; `None` if it tells none. A plain edit repeats the stage without having changed it, so
/// only `status` counts.
fn stage_move(lead: &LeadEvent, now: DateTime<Utc>) -> Option<StageMove> {
    if lead.action != Action::Status {
        return None;
    }
    let number = |id: u64| i64::try_from(id).ok();
    let pipelines = (lead.pipeline_id, lead.old_pipeline_id);
    let stays = lead.old_status_id == lead.status_id
        && (pipelines.1.is_none() || pipelines.0 == pipelines.1);
    if stays {
        return None;
    }
    Some(StageMove {
        lead_id: number(lead.id.get())?,
        pipeline_id: lead.pipeline_id.map(PipelineId::get).and_then(number),
        old_stage_id: lead.old_status_id.map(StatusId::get).and_then(number),
        stage_id: lead.status_id.map(StatusId::get).and_then(number)?,
        by_user: lead.modified_user_id.map(UserId::get).and_then(number),
        moved_at: lead.updated_at.filter(|at| *at <= now + CLOCKS_DIFFER),
    })
}
