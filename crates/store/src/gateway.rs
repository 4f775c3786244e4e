//! The webhook gateway: what came in, to whom it goes, and how that went.
//!
//! 1. [`accept`](Gateway::accept): the webhook byte for byte, its events and a job per event and subscriber become
//!    durable together; only then is amoCRM answered. What came before makes no event.
//! 2. A worker claims jobs of the kind [`job_kind`] with [`Jobs::worker`](crate::Jobs::worker). The payload of a job is
//!    the number of an event's row: [`envelopes`](Gateway::envelopes) reads what to send.
//! 3. [`record`](Gateway::record): the attempt, what becomes of the job, and what it says of the endpoint become durable
//!    together.
//!
//! Events of an entity reach a subscriber in the order in which they were accepted: their jobs are in one
//! [`lane`](gateway_lane). Who subscribes to what is the caller's business; the store only takes care that an event is
//! not routed by a list of subscribers that has changed meanwhile: see [`Registry::version`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde_json::Value;

use crate::store::Inner;

mod accept;
mod arrivals;
mod circuit;
mod deliveries;
mod give_up;
mod read;
mod record;
mod registry;
mod removal;
mod replay;
mod requests;
mod retention;
mod rows;
mod secrets;
mod tallies;
mod unread;
mod wake;

pub(crate) use self::arrivals::Routed;
pub(crate) use self::retention::Sweeping;
pub(crate) use self::tallies::{Hourly, dead, flush};

pub use self::circuit::{Circuit, CircuitPolicy, CircuitStep};
pub use self::deliveries::{AttemptRow, DeliveryRow, EventDeliveryState};
pub use self::read::{EventFilter, EventsFound};
pub use self::record::{Attempt, AttemptOutcome, Next};
pub use self::replay::{Replay, ReplayFilter, Replayed};
pub use self::requests::{RequestFilter, RequestRow};
pub use self::retention::{GatewayRetention, GatewaySwept};
pub use self::tallies::{AccountTally, GatewayTallies, LAGS_MS, SubscriberTally};

/// The longest name of a subscriber.
pub const SUBSCRIBER_NAME_LENGTH: usize = 64;

/// The longest beginning of a subscriber's response that is kept, in bytes.
pub const RESPONSE_EXCERPT_LENGTH: usize = 16 * 1024;

/// The beginning of the kind of all jobs of the gateway.
const KIND: &str = "gateway/";

/// The kind of the jobs of a subscriber.
pub fn job_kind(subscriber: &str) -> String {
    format!("{KIND}{subscriber}")
}

/// The subscriber of jobs of a kind, if it is one of the gateway's.
pub(crate) fn subscriber_of(kind: &str) -> Option<&str> {
    kind.strip_prefix(KIND)
}

/// The lane in which events of one entity reach a subscriber one after another; those of no entity go by their kind.
pub fn gateway_lane(subscriber: &str, account: &str, subject: Option<&str>, kind: &str) -> String {
    format!("{KIND}{subscriber}/{account}/{}", subject.unwrap_or(kind))
}

/// The tables of the gateway. A clone is cheap.
#[derive(Debug, Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

impl Gateway {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self { inner }
    }
}

/// All subscribers at one moment.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Grows with every change but those of circuits. Route by this registry, and give the number to
    /// [`Gateway::accept`].
    pub version: i64,
    /// In the order of their names.
    pub subscribers: Vec<SubscriberRow>,
    /// When it was read, by the server's clock, if that is what circuits go by, and not this process's.
    pub read_at: Option<DateTime<Utc>>,
}

/// Where a subscriber is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriberSource {
    /// In the file of the service.
    File,
    /// Only here: somebody has made it with the admin API.
    Api,
}

/// Whether a subscriber is to get events now. They are kept for it in every state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriberState {
    /// It gets them.
    Active,
    /// A person has stopped it for a while.
    Paused,
    /// It does not want any: it said 410, or a person did.
    Disabled {
        /// Why, in words for people.
        reason: String,
    },
}

/// A subscriber about to be stored.
#[derive(Debug, Clone)]
pub struct NewSubscriber {
    /// Letters, digits, `-` and `_`, at most [`SUBSCRIBER_NAME_LENGTH`] of them.
    pub name: String,
    /// Where it is written down.
    pub source: SubscriberSource,
    /// Everything else, as the service reads it. No secrets: it is stored as it is.
    pub settings: Value,
    /// Signs what is sent to it. `None`: it keeps the one that it has.
    pub secret: Option<SecretString>,
    /// How long a secret that differs from the one before leaves that valid.
    pub keep_old_secret_for: Duration,
}

impl NewSubscriber {
    /// A subscriber without a secret of its own.
    pub fn new(name: impl Into<String>, source: SubscriberSource, settings: Value) -> Self {
        Self {
            name: name.into(),
            source,
            settings,
            secret: None,
            keep_old_secret_for: Duration::ZERO,
        }
    }

    /// See [`secret`](Self::secret).
    #[must_use]
    pub fn secret(mut self, secret: SecretString) -> Self {
        self.secret = Some(secret);
        self
    }

    /// See [`keep_old_secret_for`](Self::keep_old_secret_for).
    #[must_use]
    pub fn keep_old_secret_for(mut self, overlap: Duration) -> Self {
        self.keep_old_secret_for = overlap;
        self
    }
}

/// A subscriber as it is stored.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriberRow {
    /// Its name.
    pub name: String,
    /// Where it is written down.
    pub source: SubscriberSource,
    /// What the service reads.
    pub settings: Value,
    /// The secrets in force, the newest first.
    pub secrets: Vec<SubscriberSecret>,
    /// Whether it is to get events.
    pub state: SubscriberState,
    /// Whether its endpoint seems to live.
    pub circuit: Circuit,
    /// `Some`: it is of the file, which no longer names it; it is disabled for that reason, and its events wait.
    pub absent_since: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When anything but its circuit changed.
    pub updated_at: DateTime<Utc>,
}

/// A secret of a subscriber.
#[derive(Debug, Clone)]
pub struct SubscriberSecret {
    /// The secret.
    pub secret: SecretString,
    /// Until when it is valid beside the one that replaced it.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A webhook about to be stored.
#[derive(Clone)]
pub struct NewRequest {
    /// The account's name in the service's settings.
    pub account: String,
    /// What amoCRM calls this request; repeats of it have the same.
    pub request_id: Option<String>,
    /// The header, as it came.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
    /// What of it is no event, and why; `None` if it was understood. No values of the body.
    pub problem: Option<String>,
    /// What it says, in order.
    pub events: Vec<NewEvent>,
}

impl fmt::Debug for NewRequest {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewRequest")
            .field("account", &self.account)
            .field("body_bytes", &self.body.len())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// An event about to be stored.
#[derive(Clone)]
pub struct NewEvent {
    /// Unique: `evt_` and a UUID. The same for all subscribers and attempts.
    pub event_id: String,
    /// The type: `leads.status`.
    pub kind: String,
    /// The entity: `leads/40000001`.
    pub subject: Option<String>,
    /// amoCRM's number of the account.
    pub account_id: Option<i64>,
    /// The pipeline that the entity is in.
    pub pipeline_id: Option<i64>,
    /// The stage that the entity is in.
    pub status_id: Option<i64>,
    /// When it happened, by amoCRM.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What tells it from others.
    pub dedup: Dedup,
    /// What is sent, byte for byte.
    pub envelope: String,
    /// Hashes of the fields' values. Only if a subscriber asks for changes of fields: it costs two more statements.
    pub fields: Option<BTreeMap<String, u64>>,
    /// To whom it goes.
    pub routes: Vec<Route>,
}

impl fmt::Debug for NewEvent {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("event_id", &self.event_id)
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

/// What tells an event from others, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedup {
    /// A hash of the content, the account included.
    pub key: [u8; 32],
    /// How long the same key is a duplicate.
    pub window: Duration,
}

/// An event's way to a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its name.
    pub subscriber: String,
    /// See [`gateway_lane`].
    pub lane: String,
    /// The subscriber wants it only if one of these fields has another value than when the entity was seen last, or was
    /// never seen. Empty, or an event without [`fields`](NewEvent::fields): in any case.
    pub changed: Vec<String>,
}

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceptance {
    /// It is durable, and so are the jobs that deliver its events.
    Stored {
        /// Its number.
        request: i64,
        /// Its events, in their order.
        events: Vec<Taken>,
    },
    /// The subscribers have changed since it was routed: nothing was stored. Read the registry, route, and try again.
    RegistryChanged,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The event's id; of a duplicate, that of the event that it repeats.
    pub event_id: String,
    /// It was here before: it makes no delivery.
    pub duplicate: bool,
}

/// An event as it is stored.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRow {
    /// Its number: the payload of its jobs, and its place in lists.
    pub row_id: i64,
    /// What the world calls it.
    pub event_id: String,
    /// The number of the webhook that it was in.
    pub request: i64,
    /// The account's name in the service's settings.
    pub account: String,
    /// The type: `leads.status`.
    pub kind: String,
    /// The entity: `leads/40000001`.
    pub subject: Option<String>,
    /// amoCRM's number of the account.
    pub account_id: Option<i64>,
    /// The pipeline that the entity was in.
    pub pipeline_id: Option<i64>,
    /// The stage that the entity was in.
    pub status_id: Option<i64>,
    /// When it happened, by amoCRM.
    pub occurred_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// What is sent, byte for byte.
    pub envelope: String,
}

impl fmt::Debug for EventRow {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRow")
            .field("row_id", &self.row_id)
            .field("event_id", &self.event_id)
            .field("kind", &self.kind)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}
