//! One event on its way between systems: a CloudEvents 1.0 envelope.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::event::{FromItem, IntegrationEvent, WidgetEvent};
use super::{AccountRef, Action, Event, MAX_BODY_BYTES, Tree, UnknownEvent, decode};

/// The media type of a [`CloudEvent`] in structured mode.
pub const CLOUD_EVENTS_JSON: &str = "application/cloudevents+json";

/// The version of the shape of `data`, which ends every `type`.
const VERSION: &str = ".v1";

/// One event of a webhook in a CloudEvents 1.0 envelope, JSON format, structured mode. The webhook gateway sends these;
/// subscribers read them back to the same typed [`Event`].
///
/// ```
/// use amocrm_sdk::webhook::{self, CloudEvent, Event};
///
/// let body = b"account[id]=31000001&account[subdomain]=acme-demo\
///     &leads[status][0][id]=40000001&leads[status][0][status_id]=142&leads[status][0][updated_at]=1769000100";
/// let payload = webhook::parse(body)?;
/// let sent = CloudEvent::new("evt_1", payload.events[0].clone(), payload.account.clone());
/// assert_eq!(
///     serde_json::to_value(&sent)?,
///     serde_json::json!({
///         "specversion": "1.0",
///         "id": "evt_1",
///         "source": "/amocrm/accounts/31000001",
///         "type": "amocrm.leads.status.v1",
///         "subject": "leads/40000001",
///         "time": "2026-01-21T12:55:00Z",
///         "datacontenttype": "application/json",
///         "amocrmaccountid": "31000001",
///         "amocrmsubdomain": "acme-demo",
///         "data": {
///             "entity": "leads",
///             "action": "status",
///             "object": {"id": "40000001", "status_id": "142", "updated_at": "1769000100"},
///             "account": {"id": "31000001", "subdomain": "acme-demo"}
///         }
///     })
/// );
/// let read = CloudEvent::from_json(&serde_json::to_vec(&sent)?)?;
/// assert_eq!(read.event, payload.events[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # The attributes
///
/// | attribute | |
/// |---|---|
/// | `id` | the sender's; the same for every delivery of the event |
/// | `source` | `/amocrm/accounts/{account id}`, or `/amocrm` if the webhook told no account |
/// | `type` | `amocrm.{entity}.{action}.v1`, with the entity's name in the plural: `amocrm.contacts.update.v1`; what the SDK does not know is `amocrm.unknown.v1`; an integration that was switched off is `amocrm.integration.disabled.v1` |
/// | `subject` | `{entity}/{entity id}`, if there is an id |
/// | `time` | when the entity changed, in amoCRM's whole seconds; if it tells none, when the webhook was received |
/// | `amocrmaccountid`, `amocrmsubdomain` | the account, as texts |
/// | `receivedtime` | when the webhook was received |
///
/// `data.object` is the entity as amoCRM sent it, as nested JSON with texts for values; `data.entity` and `data.action`
/// say what it is, `data.account` is the account's block of the webhook. Readers ignore attributes and members that they
/// do not know; a change that breaks them gets another version in `type`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CloudEvent {
    /// The same for every delivery of the event.
    pub id: String,
    /// The account that the webhook came from, as it says.
    pub account: AccountRef,
    /// When the webhook was received.
    pub received_at: Option<DateTime<Utc>>,
    /// What happened.
    pub event: Event,
}

impl CloudEvent {
    /// An envelope for an event.
    pub fn new(id: impl Into<String>, event: Event, account: AccountRef) -> Self {
        Self {
            id: id.into(),
            account,
            received_at: None,
            event,
        }
    }

    /// When the webhook was received.
    #[must_use]
    pub fn received_at(mut self, at: DateTime<Utc>) -> Self {
        self.received_at = Some(at);
        self
    }

    /// The attribute `type`: `amocrm.leads.status.v1`.
    pub fn event_type(&self) -> String {
        let Some(entity) = plural(&self.event) else {
            return unknown_type();
        };
        let action = self.event.action().as_str();
        // Names from outside stay short and plain.
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let action = match action.len() {
            1..=40 if action.bytes().all(is_plain) => action,
            _ => "other",
        };
        format!("amocrm.{entity}.{action}{VERSION}")
    }

    /// The attribute `source`.
    pub fn source(&self) -> String {
        match self.account.id {
            Some(id) => format!("/amocrm/accounts/{id}"),
            None => "/amocrm".to_owned(),
        }
    }

    /// The attribute `subject`: `leads/40000001`.
    pub fn subject(&self) -> Option<String> {
        let entity = plural(&self.event)?;
        Some(format!("{entity}/{}", self.event.entity_id()?))
    }

    /// The attribute `time`.
    pub fn time(&self) -> Option<DateTime<Utc>> {
        self.event.updated_at().or(self.received_at)
    }

    /// Reads an envelope.
    ///
    /// # Errors
    ///
    /// The body is too long, no JSON object, or an attribute is missing or wrong. The error names it and shows no values.
    pub fn from_json(body: &[u8]) -> Result<Self, CloudEventError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(wrong("body", "at most 1 MiB"));
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|_| {
            wrong(
                "body",
                "a JSON object with the attributes of CloudEvents 1.0",
            )
        })?;
        if wire.specversion.as_deref() != Some("1.0") {
            return Err(wrong("specversion", "\"1.0\""));
        }
        let id = wire.id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| wrong("id", "a text"))?;
        if wire.source.is_none_or(|source| source.is_empty()) {
            return Err(wrong("source", "such as \"/amocrm/accounts/31000001\""));
        }
        let is_ours = |kind: &String| kind.starts_with("amocrm.") && kind.ends_with(VERSION);
        let kind = wire
            .kind
            .filter(is_ours)
            .ok_or_else(|| wrong("type", "such as \"amocrm.leads.status.v1\""))?;
        let data = wire
            .data
            .ok_or_else(|| wrong("data", "an object with entity, action and object"))?;
        let (Some(entity), Some(action)) = (data.entity, data.action) else {
            return Err(wrong("data", "an object with entity, action and object"));
        };
        let tree = |value: Value, member| {
            Tree::from_json_value(value).map_err(|error| wrong(member, error.expected()))
        };
        let object = tree(data.object, "data.object")?;
        let account = tree(json!({ "account": data.account }), "data.account")?;
        let received_at = match wire.receivedtime {
            None => None,
            Some(text) => Some(
                DateTime::parse_from_rfc3339(&text)
                    .map_err(|_| wrong("receivedtime", "a time of RFC 3339"))?
                    .to_utc(),
            ),
        };
        Ok(Self {
            id,
            account: decode::account(&account),
            received_at,
            event: if kind == unknown_type() {
                Event::Unknown(UnknownEvent {
                    key: entity,
                    action: action.as_str().into(),
                    raw: object,
                })
            } else {
                event(&entity, &action, &object)
                    .ok_or_else(|| wrong("data.object", "an entity with a usable id"))?
            },
        })
    }
}

impl Serialize for CloudEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stamp = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let account = Account {
            id: self.account.id.map(|id| id.to_string()),
            subdomain: self.account.subdomain.as_deref(),
            links: self.account.self_href.as_deref().map(|this| Links { this }),
        };
        let entity = match &self.event {
            Event::Unknown(event) => event.key.as_str(),
            known => plural(known).unwrap_or_default(),
        };
        let envelope = Envelope {
            specversion: "1.0",
            id: &self.id,
            source: self.source(),
            kind: self.event_type(),
            subject: self.subject(),
            time: self.time().map(stamp),
            datacontenttype: "application/json",
            amocrmaccountid: account.id.clone(),
            amocrmsubdomain: account.subdomain,
            receivedtime: self.received_at.map(stamp),
            data: Data {
                entity,
                action: self.event.action().as_str(),
                object: self.event.raw(),
                account,
            },
        };
        envelope.serialize(serializer)
    }
}

fn unknown_type() -> String {
    format!("amocrm.unknown{VERSION}")
}

/// The entity's name in `type`, `subject` and `data`.
fn plural(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Lead(_) => "leads",
        Event::Contact(_) => "contacts",
        Event::Company(_) => "companies",
        Event::Customer(_) => "customers",
        Event::Task(_) => "tasks",
        Event::Unsorted(_) => "unsorted",
        Event::CatalogElement(_) => "catalog_elements",
        Event::Message(_) => "messages",
        Event::Talk(_) => "talks",
        Event::TemplateReview(_) => "template_reviews",
        Event::Widget(_) => "widgets",
        Event::Integration(_) => "integration",
        Event::Unknown(_) => return None,
    })
}

/// The event that [`plural`] and its parts stand for. `None`: it is known, but has no usable id.
fn event(entity: &str, action: &str, object: &Tree) -> Option<Event> {
    fn read<T: FromItem>(action: &str, object: &Tree, event: fn(T) -> Event) -> Option<Event> {
        T::from_item(Action::from(action), object).map(event)
    }
    match entity {
        "leads" => read(action, object, Event::Lead),
        "contacts" => read(action, object, Event::Contact),
        "companies" => read(action, object, Event::Company),
        "customers" => read(action, object, Event::Customer),
        "tasks" => read(action, object, Event::Task),
        "unsorted" => read(action, object, Event::Unsorted),
        "catalog_elements" => read(action, object, Event::CatalogElement),
        "messages" => read(action, object, Event::Message),
        "talks" => read(action, object, Event::Talk),
        "template_reviews" => read(action, object, Event::TemplateReview),
        "integration" => read::<IntegrationEvent>(action, object, Event::Integration),
        "widgets" => WidgetEvent::from_root(object).map(Event::Widget),
        key => Some(Event::Unknown(UnknownEvent {
            key: key.to_owned(),
            action: action.into(),
            raw: object.clone(),
        })),
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    amocrmaccountid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amocrmsubdomain: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receivedtime: Option<String>,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    entity: &'a str,
    action: &'a str,
    object: &'a Tree,
    account: Account<'a>,
}

#[derive(Serialize)]
struct Account<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subdomain: Option<&'a str>,
    #[serde(rename = "_links", skip_serializing_if = "Option::is_none")]
    links: Option<Links<'a>>,
}

#[derive(Serialize)]
struct Links<'a> {
    #[serde(rename = "self")]
    this: &'a str,
}

/// What is read of an envelope; the rest follows from `data`.
#[derive(Deserialize)]
struct Wire {
    specversion: Option<String>,
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    receivedtime: Option<String>,
    data: Option<WireData>,
}

#[derive(Deserialize)]
struct WireData {
    entity: Option<String>,
    action: Option<String>,
    #[serde(default)]
    object: Value,
    #[serde(default)]
    account: Value,
}

/// An envelope that cannot be understood. It names the attribute and shows no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEventError {
    attribute: &'static str,
    expected: &'static str,
}

impl CloudEventError {
    /// The attribute, or `body`.
    pub fn attribute(&self) -> &'static str {
        self.attribute
    }
}

impl fmt::Display for CloudEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cloud event {}: expected {}",
            self.attribute, self.expected
        )
    }
}

impl std::error::Error for CloudEventError {}

fn wrong(attribute: &'static str, expected: &'static str) -> CloudEventError {
    CloudEventError {
        attribute,
        expected,
    }
}
