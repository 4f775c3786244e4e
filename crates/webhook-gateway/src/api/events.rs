//! `/api/events`: what came, what it carries, and what became of it.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use service_kit::clock::read_since;
use service_kit::http::{ApiPath, ApiQuery, Problem};
use store::EventFilter;
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;
use crate::operate::{
    DeliveryView, Desk, EventDetail, EventPage, OperateError, PAGE, RawBody, RequestPage,
    RequestView,
};

/// What to look for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only this account's, by its name in the gateway.
    account: Option<String>,
    /// Only of this type, such as leads.status, or of all that begin so: leads.*
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Only about this, such as leads/40000001.
    subject: Option<String>,
    /// Only those that came since: 90m, 12h, 3d, a day, or an instant.
    since: Option<String>,
    /// Only those that came before: 90m, 12h, 3d, a day, or an instant.
    until: Option<String>,
    /// Only those that were for this subscriber.
    subscriber: Option<String>,
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// Which requests.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RequestFilterQuery {
    /// Only this account's, by its name in the gateway.
    account: Option<String>,
    /// Only those that could not be read, or not all of them.
    unparsed: Option<bool>,
    /// The `next` of the page before.
    after: Option<i64>,
    /// How many, at most 250; 50 unless given.
    limit: Option<u32>,
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryList {
    /// Subscriber by subscriber.
    deliveries: Vec<DeliveryView>,
}

/// Searches events, the newest first.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "events",
    params(Filter),
    responses(
        (status = 200, description = "A page", body = EventPage),
        (status = 422, description = "A parameter is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(desk): State<Desk>,
    ApiQuery(query): ApiQuery<Filter>,
) -> Result<Json<EventPage>, ApiError> {
    Ok(Json(desk.events(filter(query, &desk)?).await?))
}

fn filter(query: Filter, desk: &Desk) -> Result<EventFilter, OperateError> {
    let when = |name: &str, text: Option<String>| {
        text.filter(|text| !text.is_empty())
            .map(|text| read_since(&text, desk.now()))
            .transpose()
            .map_err(|message| OperateError::field(name, message))
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let mut filter = EventFilter::default();
    filter.account = given(query.account);
    filter.kind = given(query.kind);
    filter.subject = given(query.subject);
    filter.subscriber = given(query.subscriber);
    filter.since = when("since", query.since)?;
    filter.until = when("until", query.until)?;
    filter.after = query.after;
    filter.limit = query.limit.unwrap_or(PAGE);
    Ok(filter)
}

/// Shows an event with its envelope and deliveries.
#[utoipa::path(
    get,
    path = "/api/events/{id}",
    tag = "events",
    params(("id" = String, Path, description = "The event's id, evt_…")),
    responses(
        (status = 200, description = "The event", body = EventDetail),
        (status = 404, description = "There is no such event", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<EventDetail>, ApiError> {
    Ok(Json(desk.event(&id).await?))
}

/// Gives the body of the webhook that brought the event, byte for byte.
#[utoipa::path(
    get,
    path = "/api/events/{id}/body",
    tag = "events",
    params(("id" = String, Path, description = "The event's id, evt_…")),
    responses(
        (status = 200, description = "The body as amoCRM sent it, with its type", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "There is no such event, or its body was kept long enough", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn body(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ApiError> {
    let event = desk.event_row(&id).await?;
    Ok(attachment(desk.body(event.request).await?))
}

/// Tells what became of an event, attempt by attempt.
#[utoipa::path(
    get,
    path = "/api/events/{id}/deliveries",
    tag = "events",
    params(("id" = String, Path, description = "The event's id, evt_…")),
    responses(
        (status = 200, description = "Its deliveries", body = DeliveryList),
        (status = 404, description = "There is no such event", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn deliveries(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<DeliveryList>, ApiError> {
    let deliveries = desk.deliveries(&id).await?;
    Ok(Json(DeliveryList { deliveries }))
}

/// Lists webhooks as they came, those too that could not be read, the newest first.
#[utoipa::path(
    get,
    path = "/api/requests",
    tag = "events",
    params(RequestFilterQuery),
    responses((status = 200, description = "A page", body = RequestPage))
)]
pub(crate) async fn requests(
    State(desk): State<Desk>,
    ApiQuery(query): ApiQuery<RequestFilterQuery>,
) -> Result<Json<RequestPage>, ApiError> {
    let account = query.account.filter(|text| !text.is_empty());
    let page = desk
        .requests(
            account,
            query.unparsed.unwrap_or(false),
            query.after,
            query.limit.unwrap_or(PAGE),
        )
        .await?;
    Ok(Json(page))
}

/// Shows a webhook as it came, without its body.
#[utoipa::path(
    get,
    path = "/api/requests/{id}",
    tag = "events",
    params(("id" = i64, Path, description = "The request's number")),
    responses(
        (status = 200, description = "The request", body = RequestView),
        (status = 404, description = "There is no such request", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn request(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<i64>,
) -> Result<Json<RequestView>, ApiError> {
    Ok(Json(desk.request(id).await?))
}

/// Gives the body of a webhook, byte for byte.
#[utoipa::path(
    get,
    path = "/api/requests/{id}/body",
    tag = "events",
    params(("id" = i64, Path, description = "The request's number")),
    responses(
        (status = 200, description = "The body as amoCRM sent it, with its type", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "There is no such request, or its body was kept long enough", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn request_body(
    State(desk): State<Desk>,
    ApiPath(id): ApiPath<i64>,
) -> Result<Response, ApiError> {
    Ok(attachment(desk.body(id).await?))
}

/// A file to be saved, never shown: it was written by whoever knows the address of the webhooks.
fn attachment(body: RawBody) -> Response {
    let kind = body
        .content_type
        .and_then(|kind| HeaderValue::try_from(kind).ok())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let name = format!("attachment; filename=\"webhook-{}\"", body.request);
    let mut response = Body::from(body.bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'"),
    );
    response
}
