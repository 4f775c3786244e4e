//! `/api/subscribers`: who gets which events.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_kit::http::{ApiJson, ApiPath, Problem};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::config::SubscriberSettings;
use crate::operate::{Desk, OVERLAP, OperateError, SubscriberView, read_settings};

/// A new subscriber: its name, perhaps a secret of its own, and its settings beside them.
#[derive(Debug, ToSchema)]
pub(crate) struct NewSubscriber {
    /// Letters, digits, `-` and `_`; it becomes part of addresses and metrics.
    #[schema(example = "crm-sync")]
    name: String,
    /// `whsec_` and the Base64 of 24 to 64 bytes. Without it one is made, and shown in the answer, this once.
    #[schema(value_type = Option<String>)]
    secret: Option<SecretString>,
    #[schema(inline)]
    #[serde(flatten)]
    settings: SubscriberSettings,
}

impl NewSubscriber {
    /// Reads it by hand: `flatten` would let misspelt settings pass.
    fn read(mut body: Map<String, Value>) -> Result<Self, OperateError> {
        let text = |name: &str, value: Option<Value>| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(OperateError::field(name, "expected a text")),
        };
        let name = text("name", body.remove("name"))?;
        let secret = text("secret", body.remove("secret"))?;
        Ok(Self {
            name: name.ok_or_else(|| OperateError::field("name", "is missing"))?,
            secret: secret.map(SecretString::from),
            settings: read_settings(Value::Object(body))?,
        })
    }
}

/// Every subscriber.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SubscriberList {
    /// By name.
    subscribers: Vec<SubscriberView>,
}

/// A subscriber with the secret that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct SubscriberWithSecret {
    #[serde(flatten)]
    subscriber: SubscriberView,
    /// Checks the signatures of deliveries. It is shown now and never again.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: String,
}

/// How a secret is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// The new secret; without it one is made.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    secret: Option<SecretString>,
    /// For how many hours the old one signs as well: 0 to 720, 24 unless given.
    #[serde(default)]
    keep_old_hours: Option<u32>,
}

/// The test event that was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestSent {
    /// Its id: `GET /api/events/{id}/deliveries` tells how it went.
    event: String,
}

/// Lists all subscribers.
#[utoipa::path(
    get,
    path = "/api/subscribers",
    tag = "subscribers",
    responses((status = 200, description = "All of them, without secrets", body = SubscriberList))
)]
pub(crate) async fn list(State(desk): State<Desk>) -> Result<Json<SubscriberList>, ApiError> {
    let subscribers = desk.subscribers().await?;
    Ok(Json(SubscriberList { subscribers }))
}

/// Makes a subscriber. From the answer on no event misses it.
#[utoipa::path(
    post,
    path = "/api/subscribers",
    tag = "subscribers",
    request_body = NewSubscriber,
    responses(
        (status = 201, description = "It was made; the secret is shown this once", body = SubscriberWithSecret),
        (status = 409, description = "There is one of this name", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(desk): State<Desk>,
    ApiJson(body): ApiJson<Map<String, Value>>,
) -> Result<(StatusCode, Json<SubscriberWithSecret>), ApiError> {
    let new = NewSubscriber::read(body)?;
    let (subscriber, secret) = desk.create(&new.name, &new.settings, new.secret).await?;
    Ok((StatusCode::CREATED, Json(shown_once(subscriber, &secret))))
}

/// Shows a subscriber.
#[utoipa::path(
    get,
    path = "/api/subscribers/{name}",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The subscriber, without secrets", body = SubscriberView),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<SubscriberView>, ApiError> {
    Ok(Json(desk.subscriber(&name).await?))
}

/// Gives a subscriber other settings. Its secrets, pauses, and what waits for it stay.
#[utoipa::path(
    put,
    path = "/api/subscribers/{name}",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    request_body = SubscriberSettings,
    responses(
        (status = 200, description = "It was changed", body = SubscriberView),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It stands in gateway.toml", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn replace(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
    ApiJson(settings): ApiJson<Value>,
) -> Result<Json<SubscriberView>, ApiError> {
    let settings = read_settings(settings)?;
    Ok(Json(desk.replace(&name, &settings).await?))
}

/// Ends a subscription. What waits for it is thrown away.
#[utoipa::path(
    delete,
    path = "/api/subscribers/{name}",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It stands in gateway.toml", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remove(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    desk.remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stops deliveries to a subscriber. Its events wait.
#[utoipa::path(
    post,
    path = "/api/subscribers/{name}/pause",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "It is paused", body = SubscriberView),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn pause(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<SubscriberView>, ApiError> {
    Ok(Json(desk.pause(&name).await?))
}

/// Goes on with deliveries: to one that a person paused, or that was disabled with 410.
#[utoipa::path(
    post,
    path = "/api/subscribers/{name}/resume",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "It gets events again", body = SubscriberView),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn resume(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<SubscriberView>, ApiError> {
    Ok(Json(desk.resume(&name).await?))
}

/// Gives a subscriber a new secret. For some hours deliveries carry the signatures of both.
#[utoipa::path(
    post,
    path = "/api/subscribers/{name}/rotate-secret",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    request_body = Rotation,
    responses(
        (status = 200, description = "The new secret is shown this once", body = SubscriberWithSecret),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Fields are wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rotate(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
    body: Bytes,
) -> Result<Json<SubscriberWithSecret>, ApiError> {
    // Nothing at all means: as usual.
    let rotation: Rotation = if body.is_empty() {
        Rotation::default()
    } else {
        Json::from_bytes(&body).map_err(Problem::from)?.0
    };
    let keep_old = rotation
        .keep_old_hours
        .map_or(OVERLAP, |hours| Duration::from_hours(u64::from(hours)));
    let (subscriber, secret) = desk.rotate(&name, rotation.secret, keep_old).await?;
    Ok(Json(shown_once(subscriber, &secret)))
}

/// Sends a test event to this subscriber alone, on the way that all events take.
#[utoipa::path(
    post,
    path = "/api/subscribers/{name}/test",
    tag = "subscribers",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 202, description = "It is in the queue", body = TestSent),
        (status = 404, description = "There is no such subscriber", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn test(
    State(desk): State<Desk>,
    ApiPath(name): ApiPath<String>,
) -> Result<(StatusCode, Json<TestSent>), ApiError> {
    let event = desk.test(&name).await?;
    Ok((StatusCode::ACCEPTED, Json(TestSent { event })))
}

fn shown_once(subscriber: SubscriberView, secret: &SecretString) -> SubscriberWithSecret {
    SubscriberWithSecret {
        subscriber,
        secret: secret.expose_secret().to_owned(),
    }
}
