//! What is said about a subscriber, in `gateway.toml` and in the admin API alike.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use service_kit::clock::parse_span;
use service_kit::config::Environment;
use service_kit::egress::Guard;
use service_kit::http::FieldError;
use url::{Host, Url};
use utoipa::ToSchema;

/// Longest name of a subscriber or an account.
const MAX_NAME: usize = 64;
/// Longest list of a filter.
const MAX_LIST: usize = 200;
const MAX_HEADERS: usize = 20;
/// Headers may show the values of variables with this beginning, and of no others: `${GATEWAY_HEADER_TOKEN}`.
const HEADER_VARIABLE: &str = "GATEWAY_HEADER_";
/// Headers that belong to the transport, or to the signature.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
];
/// Parts of the names of headers whose values are secrets.
const SECRET_HEADERS: [&str; 6] = [
    "authorization",
    "cookie",
    "token",
    "secret",
    "password",
    "api-key",
];

/// A subscriber's settings. They live in the database as JSON; secrets to sign with live beside them, sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriberSettings {
    /// The HTTP(S) endpoint that events are posted to. Exactly one of `url`, `nats` and `stdout` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://crm.example.ru/hooks/amocrm")]
    pub url: Option<String>,
    /// The beginning of JetStream subjects: events go to `{nats}.{account}.{entity}.{action}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "amocrm")]
    pub nats: Option<String>,
    /// Events are written to the standard output of the gateway, a line each.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stdout: bool,
    /// Which events: `*`, `leads.*`, `*.delete`, `contacts.update`.
    #[serde(default = "everything")]
    pub events: Vec<String>,
    /// Of which accounts, by name; none: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// Of which pipelines, by id; none: of all. An event that tells no pipeline passes only if this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<i64>,
    /// In which stages, by status id; none: in all. An event that tells no stage passes only if this is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<i64>,
    /// Updates pass only if one of these fields has changed: `price`, `custom:501`, `custom:PHONE`; none: all pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// What is fetched from amoCRM at the time of delivery and put into `data.enriched`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrich: Vec<Enrich>,
    /// How long one attempt may take.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// How many events, of different entities, are delivered at once by one process.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// For how many hours a delivery that fails is tried again.
    #[serde(default = "default_retry_hours")]
    pub retry_hours: u32,
    /// What happens to an entity's later events while one of them fails.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// With `on_failure = "skip"`: after how long the failing event becomes a dead letter: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "10m")]
    pub skip_after: Option<String>,
    /// Lets the address be one of this machine or of a private network.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_private: bool,
    /// Headers to send along. Secrets in them are named, not written: `Bearer ${GATEWAY_HEADER_TOKEN}` is read from the
    /// environment when it is needed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An HTTP(S) endpoint.
    Http(Url),
    /// Subjects of NATS JetStream that begin so.
    Nats(String),
    /// The standard output.
    Stdout,
}

/// Something that is fetched from amoCRM.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Enrich {
    /// The lead that the event is about, or that belongs to it.
    Lead,
    /// The contacts of the lead, or the contact that the event is about.
    Contacts,
    /// The company of the lead or contact, or the one that the event is about.
    Company,
}

/// What happens to an entity's later events while one of them fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They wait.
    #[default]
    Block,
    /// They wait for `skip_after`; then the failing one becomes a dead letter.
    Skip,
}

impl SubscriberSettings {
    /// Settings without a destination: [`check`](Self::check) complains about them.
    pub(crate) fn nowhere() -> Self {
        Self {
            url: None,
            nats: None,
            stdout: false,
            events: everything(),
            accounts: Vec::new(),
            pipelines: Vec::new(),
            stages: Vec::new(),
            changed: Vec::new(),
            enrich: Vec::new(),
            timeout_ms: default_timeout_ms(),
            concurrency: default_concurrency(),
            retry_hours: default_retry_hours(),
            on_failure: OnFailure::default(),
            skip_after: None,
            allow_private: false,
            headers: BTreeMap::new(),
        }
    }

    /// Where events go. `None` only in settings that [`check`](Self::check) complains about.
    pub fn destination(&self) -> Option<Destination> {
        match (&self.url, &self.nats, self.stdout) {
            (Some(url), None, false) => read_url(url).map(Destination::Http),
            (None, Some(subject), false) => Some(Destination::Nats(subject.clone())),
            (None, None, true) => Some(Destination::Stdout),
            _ => None,
        }
    }

    /// How long one attempt may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// For how long a delivery that fails is tried again.
    pub fn retry_for(&self) -> Duration {
        Duration::from_hours(u64::from(self.retry_hours))
    }

    /// After how long a failing event stops blocking its entity; `None`: never.
    pub fn skip_after(&self) -> Option<Duration> {
        match self.on_failure {
            OnFailure::Block => None,
            OnFailure::Skip => self.skip_after.as_deref().and_then(parse_span),
        }
    }

    /// The headers to send along, with the values of variables in their places.
    ///
    /// # Errors
    ///
    /// The name of the header whose variable is unset. Never a value.
    pub fn headers(
        &self,
        environment: &Environment,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        self.headers
            .iter()
            .map(|(name, text)| {
                let header = HeaderName::try_from(name.as_str())
                    .map_err(|_| format!("headers.{name}: is no name of a header"))?;
                let text = expand(text, environment)
                    .map_err(|variable| format!("headers.{name}: {variable} is unset"))?;
                let mut value = HeaderValue::try_from(text)
                    .map_err(|_| format!("headers.{name}: the value cannot be sent"))?;
                value.set_sensitive(true);
                Ok((header, value))
            })
            .collect()
    }

    /// Everything that is wrong, field by field. `longest_timeout` is what the lease allows, `enriching` how long amoCRM is
    /// waited for before, and `guard` says where deliveries may go.
    pub fn check(
        &self,
        longest_timeout: Duration,
        enriching: Duration,
        guard: &Guard,
    ) -> Vec<FieldError> {
        let mut wrong = Vec::new();
        self.check_destination(guard, &mut wrong);
        self.check_filters(&mut wrong);
        let (before, also) = if self.enrich.is_empty() {
            (Duration::ZERO, "")
        } else {
            (enriching, "GATEWAY_ENRICH_TIMEOUT_MS + ")
        };
        let longest = longest_timeout.saturating_sub(before).as_millis();
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        if !(100..=longest).contains(&self.timeout_ms) {
            wrong.push(FieldError::new(
                "timeout_ms",
                format!(
                    "expected milliseconds from 100 to {longest}; for longer ones raise GATEWAY_LEASE_MS to at least \
                     timeout_ms + {also}15000, or two workers could deliver one event"
                ),
            ));
        }
        if !(1..=256).contains(&self.concurrency) {
            wrong.push(FieldError::new("concurrency", "expected 1 to 256"));
        }
        if !(1..=720).contains(&self.retry_hours) {
            wrong.push(FieldError::new("retry_hours", "expected 1 to 720"));
        }
        match (self.on_failure, self.skip_after.as_deref()) {
            (OnFailure::Block, Some(_)) => wrong.push(FieldError::new(
                "skip_after",
                "only with on_failure = \"skip\"; with \"block\" later events wait",
            )),
            (OnFailure::Skip, text) if text.and_then(parse_span).is_none() => {
                wrong.push(FieldError::new(
                    "skip_after",
                    "expected a length of time, such as 10m, beside on_failure = \"skip\"",
                ));
            }
            _ => {}
        }
        self.check_headers(&mut wrong);
        wrong
    }

    fn check_destination(&self, guard: &Guard, wrong: &mut Vec<FieldError>) {
        let given = usize::from(self.url.is_some())
            + usize::from(self.nats.is_some())
            + usize::from(self.stdout);
        if given != 1 {
            wrong.push(FieldError::new(
                "url",
                "expected exactly one of url, nats and stdout",
            ));
        }
        match self.url.as_deref().map(read_url) {
            Some(None) => wrong.push(FieldError::new(
                "url",
                "expected an http(s) address without a user, password or fragment",
            )),
            // Names are looked up, and checked, before every attempt.
            Some(Some(url)) => {
                if let Err(refused) = guard.check_url(&url, self.allow_private) {
                    let message = if !self.allow_private && is_private(&url) {
                        "leads to this machine or a private network; if that is meant, set allow_private = true"
                            .to_owned()
                    } else {
                        refused.to_string()
                    };
                    wrong.push(FieldError::new("url", message));
                }
            }
            None => {}
        }
        if let Some(subject) = &self.nats
            && !is_subject(subject)
        {
            wrong.push(FieldError::new(
                "nats",
                "expected the beginning of a subject: letters, digits, `-` and `_`, with dots between, such as amocrm",
            ));
        }
    }

    fn check_filters(&self, wrong: &mut Vec<FieldError>) {
        if self.events.is_empty() {
            wrong.push(FieldError::new(
                "events",
                "expected at least one, such as \"leads.*\"; \"*\" is every event",
            ));
        }
        for (index, pattern) in self.events.iter().enumerate() {
            if !is_pattern(pattern) {
                wrong.push(FieldError::new(
                    format!("events.{index}"),
                    "expected entity.action with * for any, such as leads.*, *.delete or contacts.update",
                ));
            }
        }
        for (index, account) in self.accounts.iter().enumerate() {
            if !is_name(account) {
                wrong.push(FieldError::new(
                    format!("accounts.{index}"),
                    "expected the name of an account",
                ));
            }
        }
        for (index, field) in self.changed.iter().enumerate() {
            if !is_field(field) {
                wrong.push(FieldError::new(
                    format!("changed.{index}"),
                    "expected a field such as price, custom:501 or custom:PHONE",
                ));
            }
        }
        for (name, length) in [
            ("events", self.events.len()),
            ("accounts", self.accounts.len()),
            ("pipelines", self.pipelines.len()),
            ("stages", self.stages.len()),
            ("changed", self.changed.len()),
        ] {
            if length > MAX_LIST {
                wrong.push(FieldError::new(
                    name,
                    format!("expected at most {MAX_LIST}"),
                ));
            }
        }
    }

    fn check_headers(&self, wrong: &mut Vec<FieldError>) {
        if self.headers.len() > MAX_HEADERS {
            wrong.push(FieldError::new(
                "headers",
                format!("expected at most {MAX_HEADERS}"),
            ));
        }
        for (name, text) in &self.headers {
            let lower = name.to_ascii_lowercase();
            let field = || format!("headers.{name}");
            if HeaderName::try_from(name.as_str()).is_err() {
                wrong.push(FieldError::new(field(), "is no name of a header"));
            } else if OWN_HEADERS.contains(&lower.as_str()) {
                wrong.push(FieldError::new(field(), "is set by the gateway itself"));
            }
            if HeaderValue::from_str(text).is_err() {
                wrong.push(FieldError::new(field(), "the value cannot be sent"));
            }
            let mut variables = variables(text).peekable();
            let is_secret = SECRET_HEADERS.iter().any(|part| lower.contains(part));
            if is_secret && variables.peek().is_none() {
                wrong.push(FieldError::new(
                    field(),
                    "holds a secret: put it into a variable GATEWAY_HEADER_… and write ${GATEWAY_HEADER_…} here",
                ));
            }
            if variables.any(|variable| !variable.starts_with(HEADER_VARIABLE)) {
                wrong.push(FieldError::new(
                    field(),
                    "names a variable that does not begin with GATEWAY_HEADER_",
                ));
            }
        }
    }
}

impl fmt::Debug for SubscriberSettings {
    /// Without paths, queries and values of headers, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.as_deref().and_then(read_url);
        f.debug_struct("SubscriberSettings")
            .field("host", &host.as_ref().and_then(Url::host_str))
            .field("nats", &self.nats)
            .field("stdout", &self.stdout)
            .field("events", &self.events)
            .field("headers", &self.headers.keys())
            .finish_non_exhaustive()
    }
}

/// Whether a text can be the name of a subscriber or an account: it becomes part of addresses, subjects and metrics.
pub fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(is_plain)
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

fn read_url(text: &str) -> Option<Url> {
    Url::parse(text.trim()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    })
}

/// Whether the address itself, without looking anything up, is one of this machine or of a private network.
fn is_private(url: &Url) -> bool {
    let is_private_v4 = |address: Ipv4Addr| {
        address.is_loopback()
            || address.is_private()
            || address.is_link_local()
            || address.is_unspecified()
    };
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Some(Host::Ipv4(address)) => is_private_v4(address),
        Some(Host::Ipv6(address)) => {
            address.to_ipv4_mapped().is_some_and(is_private_v4)
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
        None => true,
    }
}

fn is_subject(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_name)
}

/// `*`, or an entity and an action of which each may be `*`.
pub(crate) fn is_pattern(text: &str) -> bool {
    let is_part = |part: &str| {
        part == "*"
            || ((1..=40).contains(&part.len())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'))
    };
    match text.split_once('.') {
        Some((entity, action)) => is_part(entity) && is_part(action),
        None => text == "*",
    }
}

fn is_field(text: &str) -> bool {
    let name = text.strip_prefix("custom:").unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

/// The names in `${…}`.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// Puts the values of variables into their places, or says which one is unset.
fn expand(text: &str, environment: &Environment) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}') {
            Some((name, rest)) if name.starts_with(HEADER_VARIABLE) => {
                expanded.push_str(environment.get(name).ok_or_else(|| name.to_owned())?);
                expanded.push_str(rest);
            }
            _ => {
                expanded.push_str("${");
                expanded.push_str(part);
            }
        }
    }
    Ok(expanded)
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn default_timeout_ms() -> u64 {
    15_000
}

fn default_concurrency() -> u32 {
    4
}

/// The whole schedule of retries.
fn default_retry_hours() -> u32 {
    76
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde wants"
)]
fn is_false(value: &bool) -> bool {
    !value
}
