//! `POST /api/leads`: taking a lead.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};
use service_kit::http::{FieldError, Problem};
use store::{
    Accepted, DeliveryState, IDEMPOTENCY_LIFE, IdempotencyKey, LeadRow, NewLeadRow, Store, Utm,
};
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::ApiError;
use super::reply::Reply;
use super::state::AppState;
use super::view::Receipt;
use super::visitor::take_text;
use crate::lead::{
    BodyRules, FormError, LeadForm, LeadStatus, Read, hash, read_form, read_json, read_multipart,
};
use crate::worker::Job;

/// How often a waiting request looks at the database, for deliveries by another process.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Field of a form that is new for each visitor.
const TOKEN: &str = "_token";
/// How long the same content of a form is the same submission.
const DOUBLE_SUBMIT: Duration = Duration::from_mins(10);
/// Says that the answer is about an earlier request.
const REPLAYED: &str = "idempotency-replayed";

/// A lead as a page posts it. A phone or an e-mail is needed.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "only describes the body; it is read field by field"
)]
pub(crate) struct NewLead {
    /// The visitor's name.
    #[schema(example = "Тест Тестов")]
    name: Option<String>,
    /// In any spelling; without a country code it is a Russian one (INTAKE_PHONE_REGION).
    #[schema(example = "+79001234567")]
    phone: Option<String>,
    /// E-mail address.
    #[schema(example = "test@example.com")]
    email: Option<String>,
    #[schema(example = "google")]
    utm_source: Option<String>,
    #[schema(example = "cpc")]
    utm_medium: Option<String>,
    #[schema(example = "asia_deals_test")]
    utm_campaign: Option<String>,
    utm_content: Option<String>,
    utm_term: Option<String>,
    /// Becomes a note of the deal.
    comment: Option<String>,
    /// A list, or one text with commas.
    #[schema(value_type = Option<Vec<String>>, example = json!(["site"]))]
    tags: Option<Value>,
    /// Price of the deal: a whole number.
    #[schema(example = 150_000)]
    price: Option<i64>,
    /// What is sold: one of the list's options, in any case.
    #[schema(example = "Вилла")]
    object: Option<String>,
    /// What it costs.
    #[schema(example = 12_500_000)]
    object_price: Option<f64>,
    /// What the agency earns.
    #[schema(example = 375_000)]
    commission: Option<f64>,
    /// How the payment stands: one of the list's options, in any case.
    #[schema(example = "Не оплачено")]
    payment_status: Option<String>,
    /// Further fields of the deal, by name or code.
    #[schema(value_type = Option<Object>, example = json!({"Объект": "Вилла"}))]
    custom_fields: Option<Value>,
}

/// Takes a lead.
///
/// The lead is durable before the answer is sent. 201 says that amoCRM has it; 202 that it is on its way. Sending the
/// same `Idempotency-Key` again gives the same lead, for 24 hours.
///
/// An HTML form may be posted as well, urlencoded or multipart; a browser is then sent to `_redirect` or shown a page,
/// and the same form sent twice is one lead.
#[utoipa::path(
    post,
    path = "/api/leads",
    tag = "leads",
    request_body(
        content(
            (NewLead = "application/json"),
            (NewLead = "application/x-www-form-urlencoded"),
            (NewLead = "multipart/form-data")
        )
    ),
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Any text that is new for a new lead"),
        ("X-Form-Key" = Option<String>, Header, description = "A key of INTAKE_FORM_KEY, if that is set; the field form_key does the same"),
    ),
    responses(
        (status = 201, description = "amoCRM has it", body = Receipt),
        (status = 202, description = "Stored; it is delivered as soon as amoCRM takes it", body = Receipt),
        (status = 303, description = "A browser that posted a form is sent to its next page"),
        (status = 400, description = "The body cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The form's key is missing or wrong", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 64 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is of a type that is not taken", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong, or the key was used for another body", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests from this address", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is away; send it again, best with an Idempotency-Key", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut reply = Reply::of(&state.config, &parts.headers);
    let outcome = take(&state, parts, body, &mut reply).await;
    reply.answer(outcome)
}

async fn take(
    state: &AppState,
    parts: Parts,
    body: Body,
    reply: &mut Reply,
) -> Result<Response, ApiError> {
    state.visitors.admit(&parts)?;
    let headers = parts.headers.clone();
    // The parts hold the limit of the body.
    let body = Bytes::from_request(Request::from_parts(parts, body), &())
        .await
        .map_err(|rejection| {
            ApiError::from(Problem::new(rejection.status()).detail(rejection.body_text()))
        })?;
    let mut body = read_body(&headers, body).await?;
    reply.read_redirects(&mut body);
    let token = if reply.is_form() {
        take_text(&mut body, TOKEN)
    } else {
        None
    };
    let source = state.visitors.check_key(&headers, &mut body)?;
    let is_suspect = state.visitors.is_suspect(&headers, &mut body);
    let rules = BodyRules {
        region: state.config.intake.phone_region(),
    };
    let Read { mut form, ignored } = read_json(body, rules).map_err(ApiError::Fields)?;
    if let Some(source) = source
        && !form.tags.contains(&source)
    {
        form.tags.push(source);
    }
    if is_suspect {
        return put_aside(state, &form, ignored).await;
    }
    let key = match idempotency_key(&headers, &form)? {
        None if reply.is_form() => Some(double_submit_key(token.as_deref(), &form)),
        key => key,
    };
    accept(state, form, key, ignored).await
}

/// What fills a field that nobody sees is answered like everybody, and not delivered. It is kept, because a browser or
/// a clumsy form may have done it for a person.
async fn put_aside(
    state: &AppState,
    form: &LeadForm,
    ignored: Vec<String>,
) -> Result<Response, ApiError> {
    let payload = serde_json::to_value(form).map_err(|_| ApiError::from(Problem::internal()))?;
    let quarantine = state.store.quarantine();
    let suspect = quarantine
        .put(
            Uuid::now_v7(),
            &payload,
            "a field that people do not see was filled",
        )
        .await?;
    metrics::counter!("leads_quarantined_total").increment(1);
    tracing::info!(
        suspect.id = suspect.id,
        "a submission filled the honeypot and was put aside"
    );
    let receipt = Receipt::of_suspect(&suspect, ignored);
    Ok((StatusCode::ACCEPTED, Json(receipt)).into_response())
}

async fn accept(
    state: &AppState,
    form: LeadForm,
    key: Option<IdempotencyKey>,
    ignored: Vec<String>,
) -> Result<Response, ApiError> {
    // Listening begins before the job exists, so that no delivery is missed.
    let mut deliveries = state.deliveries.subscribe();
    let account = state.crm.account_name().await?.unwrap_or_default();
    let new = new_row(Uuid::now_v7(), form, account)?;
    let leads = state.store.leads();
    let (row, replayed) = match leads.accept(new, key, Job::delivery()).await? {
        Accepted::Created(row) => {
            metrics::counter!("leads_accepted_total").increment(1);
            tracing::info!(lead.id = row.id, "lead accepted");
            (row, false)
        }
        Accepted::Replayed(row) => (row, true),
        Accepted::KeyReused => {
            return Err(ApiError::Fields(vec![FieldError::new(
                "Idempotency-Key",
                "this key was used for another lead within 24 hours; take a new key for a new lead",
            )]));
        }
    };
    let wait = if state.worker.is_moving() {
        state.config.intake.short_wait()
    } else {
        Duration::ZERO
    };
    let row = wait_for_delivery(&state.store, &mut deliveries, row, wait).await;
    // The lead is durable: whatever fails from here on is no reason to say otherwise.
    let site = state.crm.site().await.unwrap_or_default();
    Ok(answer(&row, &Receipt::of(&row, &site, ignored), replayed))
}

async fn read_body(headers: &HeaderMap, body: Bytes) -> Result<Map<String, Value>, ApiError> {
    let text_of = |name| {
        headers
            .get(name)
            .and_then(|it: &HeaderValue| it.to_str().ok())
    };
    if text_of(header::CONTENT_ENCODING).is_some_and(|it| !it.eq_ignore_ascii_case("identity")) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail("send the body as it is, without Content-Encoding")
            .into());
    }
    let content_type = text_of(header::CONTENT_TYPE).unwrap_or("application/json");
    let media_type = content_type.split(';').next().unwrap_or_default();
    match media_type.trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => read_form(&body).map_err(form_problem),
        "multipart/form-data" => read_multipart(content_type, body)
            .await
            .map_err(form_problem),
        // `text/plain` is what a browser sends for JSON when a page avoids the preflight.
        "application/json" | "text/plain" => match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Problem::new(StatusCode::BAD_REQUEST)
                .detail("the body has to be a JSON object such as {\"phone\": \"+79001234567\"}")
                .into()),
            Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST)
                .detail(format!(
                    "the body is not JSON: error at line {}, column {}",
                    error.line(),
                    error.column()
                ))
                .into()),
        },
        _ => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .detail(
                "send application/json, application/x-www-form-urlencoded or multipart/form-data",
            )
            .into()),
    }
}

fn form_problem(error: FormError) -> ApiError {
    match error {
        FormError::TooManyFields => Problem::new(StatusCode::PAYLOAD_TOO_LARGE)
            .detail("the form has more than 1000 fields")
            .into(),
        FormError::Malformed => Problem::new(StatusCode::BAD_REQUEST)
            .detail("the body is not multipart/form-data with a boundary")
            .into(),
    }
}

/// Recognises a form that was sent twice: by a double click, by reloading, by going back. The content is always part
/// of it, because a page that is not made anew for each visitor gives all of them one token. With a token the same
/// content is the same lead for a day; without one for some minutes, after which a person may well ask again.
fn double_submit_key(token: Option<&str>, form: &LeadForm) -> IdempotencyKey {
    let fingerprint = form.fingerprint();
    let (prefix, life) = match token {
        Some(_) => ("token", IDEMPOTENCY_LIFE),
        None => ("same", DOUBLE_SUBMIT),
    };
    let token = token.map(hash).unwrap_or_default();
    IdempotencyKey {
        key: format!("form/{prefix}/{token}/{fingerprint}"),
        fingerprint,
        life,
    }
}

fn idempotency_key(
    headers: &HeaderMap,
    form: &LeadForm,
) -> Result<Option<IdempotencyKey>, ApiError> {
    let key = service_kit::http::idempotency_key(headers)
        .map_err(|error| ApiError::Fields(vec![error]))?;
    Ok(key.map(|key| IdempotencyKey {
        key: format!("leads/{key}"),
        fingerprint: form.fingerprint(),
        life: IDEMPOTENCY_LIFE,
    }))
}

pub(super) fn new_row(
    intake_id: Uuid,
    form: LeadForm,
    account: String,
) -> Result<NewLeadRow, ApiError> {
    let payload = serde_json::to_value(&form).map_err(|_| ApiError::from(Problem::internal()))?;
    let mark = |name: &str| form.utm.get(name).cloned();
    Ok(NewLeadRow {
        intake_id,
        account,
        utm: Utm {
            source: mark("source"),
            medium: mark("medium"),
            campaign: mark("campaign"),
            content: mark("content"),
            term: mark("term"),
        },
        name: form.name,
        phone: form.phone,
        email: form.email,
        payload,
        local_status: LeadStatus::New.as_str().to_owned(),
    })
}

/// Waits until the lead is delivered or has failed, or the time is over. What comes back is what the database says.
async fn wait_for_delivery(
    store: &Store,
    deliveries: &mut tokio::sync::broadcast::Receiver<i64>,
    row: LeadRow,
    wait: Duration,
) -> LeadRow {
    let deadline = Instant::now() + wait;
    let mut row = row;
    while matches!(
        row.delivery,
        DeliveryState::Queued | DeliveryState::Delivering
    ) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let ours = async {
            // A receiver that fell behind looks as well.
            while deliveries.recv().await.is_ok_and(|id| id != row.id) {}
        };
        let _ = timeout(left.min(LOOK_EVERY), ours).await;
        match store.leads().get(row.id).await {
            Ok(Some(now)) => row = now,
            Ok(None) | Err(_) => break,
        }
    }
    row
}

fn answer(row: &LeadRow, receipt: &Receipt, replayed: bool) -> Response {
    let status = if row.delivery == DeliveryState::Delivered {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    let mut response = (status, Json(receipt)).into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/leads/{}", row.id)) {
        headers.insert(header::LOCATION, location);
    }
    if replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
