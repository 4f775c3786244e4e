//! What people and programs are shown: the same in the API, on the command line and on the page. No secret is part of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{
    AttemptOutcome, AttemptRow, DeadLetter, DeliveryRow, EventRow, RequestRow, SubscriberRow,
    SubscriberSource, SubscriberState,
};
use utoipa::ToSchema;

use crate::config::{Destination, SubscriberSettings};

/// What a kind of jobs begins with; the subscriber's name follows.
pub(crate) const KIND_PREFIX: &str = "gateway/";

/// A subscriber, without its secrets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SubscriberView {
    /// Its name.
    #[schema(example = "crm-sync")]
    pub(crate) name: String,
    /// Where it was written down: `file` (gateway.toml) or `api`.
    pub(crate) source: String,
    /// Whether it gets events: `active`, `paused` (by a person), `disabled` (by itself with 410, or by a person) or
    /// `failing` (its endpoint failed several times; it is tried again after a pause).
    #[schema(example = "active")]
    pub(crate) state: String,
    /// Why it gets none.
    pub(crate) reason: Option<String>,
    /// When a failing endpoint is tried again.
    pub(crate) retry_at: Option<DateTime<Utc>>,
    /// Since when it fails.
    pub(crate) failing_since: Option<DateTime<Utc>>,
    /// Its settings.
    pub(crate) settings: SubscriberSettings,
    /// How many secrets sign its deliveries: two while one takes the place of the other.
    pub(crate) secrets: usize,
    /// When the last of the old secrets stops signing.
    pub(crate) old_secret_until: Option<DateTime<Utc>>,
    /// When it was made.
    pub(crate) created_at: DateTime<Utc>,
    /// When it was changed last.
    pub(crate) updated_at: DateTime<Utc>,
}

impl SubscriberView {
    /// The row as it is shown at this time. Settings that cannot be read any more are shown as if there were none.
    pub(crate) fn of(row: &SubscriberRow, now: DateTime<Utc>) -> Self {
        let settings = serde_json::from_value(row.settings.clone()).unwrap_or_else(|_| {
            tracing::error!(subscriber.name = row.name, "the settings cannot be read");
            SubscriberSettings::nowhere()
        });
        let retry_at = row.circuit.open_until;
        let (state, reason) = match &row.state {
            SubscriberState::Paused => ("paused", None),
            SubscriberState::Disabled { reason } => ("disabled", Some(reason.clone())),
            SubscriberState::Active if retry_at.is_some() => {
                ("failing", row.circuit.last_error.clone())
            }
            SubscriberState::Active => ("active", None),
        };
        Self {
            name: row.name.clone(),
            source: match row.source {
                SubscriberSource::File => "file",
                SubscriberSource::Api => "api",
            }
            .to_owned(),
            state: state.to_owned(),
            reason,
            retry_at,
            failing_since: row.circuit.failing_since,
            settings,
            secrets: row
                .secrets
                .iter()
                .filter(|secret| secret.expires_at.is_none_or(|at| at > now))
                .count(),
            old_secret_until: row
                .secrets
                .iter()
                .filter_map(|secret| secret.expires_at)
                .filter(|at| *at > now)
                .max(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }

    /// Where events go, in a few words: without path and query, which may be secret.
    pub(crate) fn destination(&self) -> String {
        match self.settings.destination() {
            Some(Destination::Http(url)) => url.origin().ascii_serialization(),
            Some(Destination::Nats(subject)) => format!("nats {subject}.>"),
            Some(Destination::Stdout) => "stdout".to_owned(),
            None => "–".to_owned(),
        }
    }
}

/// An event, without what it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventView {
    /// The same in every delivery: the header `webhook-id`, and the envelope's `id`.
    #[schema(example = "evt_019a8f6f0f6f7c3e9d0e5a4b3c2d1e0f")]
    pub(crate) id: String,
    /// Its place among all events: `after` of `/api/stream`.
    pub(crate) position: i64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "leads.status")]
    pub(crate) kind: String,
    /// To what.
    #[schema(example = "leads/40000001")]
    pub(crate) subject: Option<String>,
    /// The account, by its name in the gateway.
    pub(crate) account: String,
    /// amoCRM's number of the account, if the webhook told it.
    pub(crate) account_id: Option<i64>,
    /// The pipeline, if the event tells one.
    pub(crate) pipeline_id: Option<i64>,
    /// The stage, if the event tells one.
    pub(crate) status_id: Option<i64>,
    /// When it happened, as amoCRM says.
    pub(crate) occurred_at: Option<DateTime<Utc>>,
    /// When it was stored.
    pub(crate) received_at: DateTime<Utc>,
    /// The request that brought it.
    pub(crate) request: i64,
}

impl From<&EventRow> for EventView {
    fn from(row: &EventRow) -> Self {
        Self {
            id: row.event_id.clone(),
            position: row.row_id,
            kind: row.kind.clone(),
            subject: row.subject.clone(),
            account: row.account.clone(),
            account_id: row.account_id,
            pipeline_id: row.pipeline_id,
            status_id: row.status_id,
            occurred_at: row.occurred_at,
            received_at: row.received_at,
            request: row.request,
        }
    }
}

/// An event with what it carries and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventDetail {
    /// The event.
    #[serde(flatten)]
    pub(crate) event: EventView,
    /// The CloudEvents envelope as subscribers get it; `null` once it was kept long enough.
    pub(crate) envelope: Option<Value>,
    /// What became of it, subscriber by subscriber.
    pub(crate) deliveries: Vec<DeliveryView>,
}

/// An event on its way to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// To whom.
    pub(crate) subscriber: String,
    /// `pending`, `delivered`, `dead`, or `discarded` by a person.
    #[schema(example = "delivered")]
    pub(crate) state: String,
    /// Why it was given up, or how it failed last.
    pub(crate) reason: Option<String>,
    /// How often it was tried, all replays included.
    pub(crate) tried: u32,
    /// When it is tried next; `null` also while it waits for earlier events of its entity.
    pub(crate) next_at: Option<DateTime<Utc>>,
    /// Every attempt that is still kept, the first one first.
    pub(crate) attempts: Vec<AttemptView>,
}

impl From<&DeliveryRow> for DeliveryView {
    fn from(row: &DeliveryRow) -> Self {
        Self {
            subscriber: row.subscriber.clone(),
            state: row.state.as_str().to_owned(),
            reason: row.reason.clone(),
            tried: row.tried,
            next_at: row.next_at,
            attempts: row.attempts.iter().map(AttemptView::from).collect(),
        }
    }
}

/// One attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AttemptView {
    /// The event.
    pub(crate) event: Option<String>,
    /// To whom.
    pub(crate) subscriber: String,
    /// When it began.
    pub(crate) started_at: DateTime<Utc>,
    /// How long it took.
    pub(crate) duration_ms: u64,
    /// `delivered` or `failed`.
    #[schema(example = "failed")]
    pub(crate) outcome: String,
    /// The status that the receiver answered with, if it answered.
    pub(crate) status: Option<u16>,
    /// Why it failed.
    pub(crate) reason: Option<String>,
    /// The beginning of what the receiver answered.
    pub(crate) response: Option<String>,
}

impl From<&AttemptRow> for AttemptView {
    fn from(row: &AttemptRow) -> Self {
        let (outcome, status, reason) = match &row.outcome {
            AttemptOutcome::Delivered { status } => ("delivered", *status, None),
            AttemptOutcome::Failed { status, reason } => ("failed", *status, Some(reason.clone())),
        };
        Self {
            event: row.event_id.clone(),
            subscriber: row.subscriber.clone(),
            started_at: row.started_at,
            duration_ms: u64::try_from(row.duration.as_millis()).unwrap_or(u64::MAX),
            outcome: outcome.to_owned(),
            status,
            reason,
            response: row.response_excerpt.clone(),
        }
    }
}

/// A webhook as amoCRM sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RequestView {
    /// Its number.
    pub(crate) id: i64,
    /// The account, by its name in the gateway.
    pub(crate) account: String,
    /// When it was stored.
    pub(crate) received_at: DateTime<Utc>,
    /// `X-Amocrm-Requestid`.
    pub(crate) request_id: Option<String>,
    /// The type of the body as amoCRM said it.
    pub(crate) content_type: Option<String>,
    /// How long the body is.
    pub(crate) bytes: u64,
    /// How many events it brought, repetitions not counted.
    pub(crate) events: u32,
    /// How many events in it had come before.
    pub(crate) duplicates: u32,
    /// Why the body, or an item in it, could not be read; it is kept all the same.
    pub(crate) problem: Option<String>,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Letter {
    /// Its number; a retry keeps it.
    pub(crate) id: i64,
    /// To whom it was to be delivered.
    pub(crate) subscriber: String,
    /// The event.
    pub(crate) event: Option<String>,
    /// What happened.
    #[serde(rename = "type")]
    pub(crate) kind: Option<String>,
    /// To what.
    pub(crate) subject: Option<String>,
    /// Why it is here.
    pub(crate) reason: String,
    /// What the last attempt said.
    pub(crate) error: Option<String>,
    /// How many attempts were made.
    pub(crate) attempts: u32,
    /// When the event came.
    pub(crate) created_at: DateTime<Utc>,
    /// When it was given up.
    pub(crate) died_at: DateTime<Utc>,
}

impl Letter {
    /// The letter, with its event if that is still known.
    pub(crate) fn of(letter: DeadLetter, event: Option<&EventRow>) -> Self {
        Self {
            id: letter.id,
            subscriber: subscriber_of(&letter.kind).to_owned(),
            event: event.map(|event| event.event_id.clone()),
            kind: event.map(|event| event.kind.clone()),
            subject: event.and_then(|event| event.subject.clone()),
            reason: letter.reason,
            error: letter.last_error,
            // The queue counts those after which another was to follow.
            attempts: letter.attempts.saturating_add(1),
            created_at: letter.created_at,
            died_at: letter.died_at,
        }
    }
}

/// Whose jobs these are.
pub(crate) fn subscriber_of(kind: &str) -> &str {
    kind.strip_prefix(KIND_PREFIX).unwrap_or(kind)
}

impl From<&RequestRow> for RequestView {
    fn from(row: &RequestRow) -> Self {
        Self {
            id: row.id,
            account: row.account.clone(),
            received_at: row.received_at,
            request_id: row.request_id.clone(),
            content_type: row.content_type.clone(),
            bytes: row.bytes,
            events: row.events,
            duplicates: row.duplicates,
            problem: row.problem.clone(),
        }
    }
}
