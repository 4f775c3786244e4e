//! What people do with the gateway: one place for the API, the command line and the page.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use service_kit::clock::SharedClock;
use service_kit::http::FieldError;
use service_kit::signature::SigningKeys;
use sha2::{Digest as _, Sha256};
use store::{
    Acceptance, DeadLetter, DeadLetterFilter, Dedup, EventFilter, EventRow, NewEvent, NewRequest,
    NewSubscriber, Replay, ReplayFilter, RequestFilter, Route, Store, SubscriberRow,
    SubscriberSource, SubscriberState, gateway_lane,
};
use utoipa::ToSchema;

use super::error::OperateError;
use super::listen::new_secret;
use super::view::{
    AttemptView, DeliveryView, EventDetail, EventView, KIND_PREFIX, Letter, RequestView,
    SubscriberView,
};
use crate::account::{Seen, last_seen};
use crate::config::{Config, SubscriberSettings, is_name};
use crate::ingest::{Intake, Reread};

/// How long an old secret goes on signing unless something else is said (`reliability.md`, row 13).
pub(crate) const OVERLAP: Duration = Duration::from_hours(24);
/// The longest that it may.
const LONGEST_OVERLAP: Duration = Duration::from_hours(30 * 24);
/// Rows of a page at most, and unless asked otherwise.
pub(crate) const MAX_PAGE: u32 = 250;
pub(crate) const PAGE: u32 = 50;
/// Events that are replayed at once, at most and unless asked otherwise.
pub(crate) const MAX_REPLAY: u32 = 100_000;
pub(crate) const REPLAY: u32 = 1_000;
/// Letters that are retried or thrown away at once.
const MAX_LETTERS: usize = 10_000;

/// The event that tests a subscriber, and whose it seems to be.
const TEST: &str = "gateway.test";
const TEST_ACCOUNT: &str = "webhook-gateway";
/// How often a test is routed anew because the subscribers changed meanwhile.
const REGISTRY_TRIES: u32 = 5;

type Result<T> = std::result::Result<T, OperateError>;

/// The gateway as people work with it. A clone is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    config: Arc<Config>,
    intake: Intake,
    store: Store,
    clock: SharedClock,
}

/// A body as amoCRM sent it.
#[derive(Clone)]
pub(crate) struct RawBody {
    /// The webhook's number.
    pub(crate) request: i64,
    /// The type, as amoCRM said it.
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}

impl std::fmt::Debug for RawBody {
    /// Shows no personal data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawBody")
            .field("request", &self.request)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A page of events.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventPage {
    /// The events, the newest first.
    pub(crate) events: Vec<EventView>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub(crate) next: Option<i64>,
}

/// A page of requests.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct RequestPage {
    /// The requests, the newest first.
    pub(crate) requests: Vec<RequestView>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub(crate) next: Option<i64>,
}

/// A page of dead letters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LetterPage {
    /// The letters, in the order in which their jobs were added.
    pub(crate) dead_letters: Vec<Letter>,
    /// Give it as `after` to get the next page; `null` at the end.
    pub(crate) next: Option<i64>,
}

/// What is to be delivered again. One of `events`, `since`/`until` and `dead_letters` says which events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayOrder {
    /// These events, by id.
    #[serde(default)]
    pub(crate) events: Vec<String>,
    /// Events that came at this time or later.
    #[serde(default)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Events that came before this time.
    #[serde(default)]
    pub(crate) until: Option<DateTime<Utc>>,
    /// Only to this subscriber; otherwise to each that the event was for.
    #[serde(default)]
    pub(crate) subscriber: Option<String>,
    /// Only deliveries that were given up.
    #[serde(default)]
    pub(crate) dead_letters: bool,
    /// Counts and does nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// At most so many deliveries, the oldest first: 1 to 100,000; 1,000 unless given.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// Which kept webhooks are to be read again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UnreadOrder {
    /// Counts and does nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Ends when something was read in so many webhooks, the oldest first: 1 to 100,000; 1,000 unless given.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// What was read in kept webhooks, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnreadAnswer {
    /// Webhooks in which something was read that had not been.
    pub(crate) webhooks: u64,
    /// New events in them.
    pub(crate) events: u64,
    /// Events in them that had come otherwise meanwhile; a dry run counts them among the new ones.
    pub(crate) duplicates: u64,
    /// Webhooks that cannot be read still, or not wholly.
    pub(crate) unread: u64,
    /// Whether nothing was done.
    pub(crate) dry_run: bool,
}

/// What was delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReplayAnswer {
    /// How many deliveries are in the queue again, or would be.
    pub(crate) count: u64,
    /// Whether nothing was done.
    pub(crate) dry_run: bool,
}

/// Which dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetterOrder {
    /// These, by number.
    #[serde(default)]
    pub(crate) ids: Vec<i64>,
    /// Those of this subscriber.
    #[serde(default)]
    pub(crate) subscriber: Option<String>,
    /// Those that were given up at this time or later.
    #[serde(default)]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Every one.
    #[serde(default)]
    pub(crate) all: bool,
}

impl Desk {
    pub(crate) fn new(
        config: Arc<Config>,
        intake: Intake,
        store: Store,
        clock: SharedClock,
    ) -> Self {
        Self {
            config,
            intake,
            store,
            clock,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Every account of the settings, with how its subscription in amoCRM was seen last.
    pub(crate) async fn accounts(&self) -> Result<Vec<(String, Option<Seen>)>> {
        let mut seen = Vec::new();
        for account in self.intake.accounts.iter() {
            let last = last_seen(&self.store, &account.name).await?;
            seen.push((account.name.clone(), last));
        }
        Ok(seen)
    }

    /// Every subscriber, by name.
    pub(crate) async fn subscribers(&self) -> Result<Vec<SubscriberView>> {
        let now = self.now();
        let mut rows = self.store.gateway().registry().await?.subscribers;
        rows.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(rows
            .iter()
            .map(|row| SubscriberView::of(row, now))
            .collect())
    }

    /// One subscriber.
    pub(crate) async fn subscriber(&self, name: &str) -> Result<SubscriberView> {
        let row = self.row(name).await?;
        Ok(SubscriberView::of(&row, self.now()))
    }

    /// Makes a subscriber. Its secret is shown this once.
    pub(crate) async fn create(
        &self,
        name: &str,
        settings: &SubscriberSettings,
        secret: Option<SecretString>,
    ) -> Result<(SubscriberView, SecretString)> {
        if !is_name(name) {
            return Err(OperateError::field(
                "name",
                "expected letters, digits, `-` and `_`, beginning with a letter or a digit, at most 64",
            ));
        }
        self.check(settings)?;
        let secret = own_or_new(secret)?;
        if self.find(name).await?.is_some() {
            return Err(OperateError::Conflict(format!(
                "there is a subscriber {name} already; PUT changes it"
            )));
        }
        let row = self.put(name, settings, Some(secret.clone())).await?;
        tracing::info!(subscriber.name = name, "a subscriber was made");
        Ok((SubscriberView::of(&row, self.now()), secret))
    }

    /// Gives a subscriber other settings; its secrets, pauses and what waits for it stay.
    pub(crate) async fn replace(
        &self,
        name: &str,
        settings: &SubscriberSettings,
    ) -> Result<SubscriberView> {
        self.check(settings)?;
        self.own(name, "change it there").await?;
        let row = self.put(name, settings, None).await?;
        tracing::info!(subscriber.name = name, "a subscriber was changed");
        Ok(SubscriberView::of(&row, self.now()))
    }

    /// Ends a subscription; what waits for it is thrown away.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        let row = self.row(name).await?;
        if row.absent_since.is_none() {
            self.own(name, "remove it there").await?;
        }
        if !self.store.gateway().remove_subscriber(name).await? {
            return Err(unknown(name));
        }
        tracing::warn!(subscriber.name = name, "a subscriber was removed");
        Ok(())
    }

    /// Stops deliveries; events are kept for later.
    pub(crate) async fn pause(&self, name: &str) -> Result<SubscriberView> {
        self.set_state(name, SubscriberState::Paused).await
    }

    /// Goes on with deliveries, also to one that is disabled or failing.
    pub(crate) async fn resume(&self, name: &str) -> Result<SubscriberView> {
        self.set_state(name, SubscriberState::Active).await
    }

    /// Gives a subscriber a new secret. Both sign for as long as `keep_old`.
    pub(crate) async fn rotate(
        &self,
        name: &str,
        secret: Option<SecretString>,
        keep_old: Duration,
    ) -> Result<(SubscriberView, SecretString)> {
        if keep_old > LONGEST_OVERLAP {
            return Err(OperateError::field("keep_old_hours", "expected 0 to 720"));
        }
        self.row(name).await?;
        let secret = own_or_new(secret)?;
        let gateway = self.store.gateway();
        if !gateway
            .rotate_secret(name, secret.clone(), keep_old)
            .await?
        {
            return Err(unknown(name));
        }
        tracing::info!(subscriber.name = name, "a subscriber has a new secret");
        Ok((self.subscriber(name).await?, secret))
    }

    /// A page of events, the newest first.
    pub(crate) async fn events(&self, mut filter: EventFilter) -> Result<EventPage> {
        let limit = filter.limit.clamp(1, MAX_PAGE);
        filter.limit = limit + 1;
        let found = self.store.gateway().search(filter).await?;
        let mut rows = found.events;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let last = rows.last().map(|row| row.row_id).filter(|_| has_more);
        // A search for something rare ends early, and is not at its end.
        let next = last.or(found.gave_up_at);
        Ok(EventPage {
            events: rows.iter().map(EventView::from).collect(),
            next,
        })
    }

    /// An event with what it carries and what became of it.
    pub(crate) async fn event(&self, id: &str) -> Result<EventDetail> {
        let row = self.event_row(id).await?;
        let deliveries = self.store.gateway().deliveries(id).await?;
        Ok(EventDetail {
            event: EventView::from(&row),
            envelope: serde_json::from_str(&row.envelope).ok(),
            deliveries: deliveries.iter().map(DeliveryView::from).collect(),
        })
    }

    /// What became of an event.
    pub(crate) async fn deliveries(&self, id: &str) -> Result<Vec<DeliveryView>> {
        self.event_row(id).await?;
        let deliveries = self.store.gateway().deliveries(id).await?;
        Ok(deliveries.iter().map(DeliveryView::from).collect())
    }

    pub(crate) async fn event_row(&self, id: &str) -> Result<EventRow> {
        let found = self.store.gateway().event(id).await?;
        found.ok_or_else(|| OperateError::NotFound(format!("there is no event {id}")))
    }

    /// What became of an event, in a word for each subscriber.
    pub(crate) async fn states(&self, id: &str) -> Result<Vec<(String, String)>> {
        let deliveries = self.store.gateway().deliveries(id).await?;
        Ok(deliveries
            .iter()
            .map(DeliveryView::from)
            .map(|delivery| (delivery.subscriber, delivery.state))
            .collect())
    }

    /// The latest attempts to deliver to a subscriber.
    pub(crate) async fn attempts(&self, name: &str, limit: u32) -> Result<Vec<AttemptView>> {
        let attempts = self.store.gateway().attempts(name, None, limit).await?;
        Ok(attempts.iter().map(AttemptView::from).collect())
    }

    /// A page of webhooks as they came, the newest first.
    pub(crate) async fn requests(
        &self,
        account: Option<String>,
        is_unparsed: bool,
        after: Option<i64>,
        limit: u32,
    ) -> Result<RequestPage> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut filter = RequestFilter::default();
        filter.account = account;
        filter.unparsed = is_unparsed;
        filter.after = after;
        filter.limit = limit + 1;
        let mut rows = self.store.gateway().requests(filter).await?;
        let has_more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next = rows.last().map(|row| row.id).filter(|_| has_more);
        Ok(RequestPage {
            requests: rows.iter().map(RequestView::from).collect(),
            next,
        })
    }

    /// A webhook as it came, without its body.
    pub(crate) async fn request(&self, id: i64) -> Result<RequestView> {
        let row = self.store.gateway().request(id).await?;
        let row = row.ok_or_else(|| no_request(id))?;
        Ok(RequestView::from(&row))
    }

    /// The body of a webhook, byte for byte.
    pub(crate) async fn body(&self, request: i64) -> Result<RawBody> {
        let row = self.store.gateway().request(request).await?;
        let row = row.ok_or_else(|| no_request(request))?;
        Ok(RawBody {
            request,
            content_type: row.content_type,
            bytes: row.body.ok_or_else(|| no_request(request))?,
        })
    }

    /// Sends a test event to one subscriber, on the way that all events take; its id.
    pub(crate) async fn test(&self, name: &str) -> Result<String> {
        for _ in 0..REGISTRY_TRIES {
            let registry = self.store.gateway().registry().await?;
            if !registry.subscribers.iter().any(|row| row.name == name) {
                return Err(unknown(name));
            }
            let id = format!("evt_{}", uuid::Uuid::now_v7().simple());
            let request = test_request(name, &id, self.now());
            let accepted = self
                .store
                .gateway()
                .accept(request, registry.version)
                .await?;
            if let Acceptance::Stored { .. } = accepted {
                tracing::info!(
                    subscriber.name = name,
                    event.id = id,
                    "a test event was sent"
                );
                return Ok(id);
            }
        }
        Err(OperateError::Conflict(
            "the subscribers change all the time; try again".to_owned(),
        ))
    }

    /// Delivers events again, under their ids.
    pub(crate) async fn replay(&self, order: &ReplayOrder) -> Result<ReplayAnswer> {
        let is_range = order.since.is_some() || order.until.is_some();
        let ways = usize::from(!order.events.is_empty())
            + usize::from(is_range)
            + usize::from(order.dead_letters && !is_range && order.events.is_empty());
        if ways != 1 {
            return Err(OperateError::field(
                "events",
                "expected either ids of events, or since and until, or dead_letters: what is to be delivered again is \
                 never everything by accident",
            ));
        }
        if order.events.len() > 1_000 {
            return Err(OperateError::field(
                "events",
                "expected at most 1000; a range takes more",
            ));
        }
        if let (Some(since), Some(until)) = (order.since, order.until)
            && since >= until
        {
            return Err(OperateError::field("until", "expected a time after since"));
        }
        let limit = replay_limit(order.limit)?;
        if let Some(name) = &order.subscriber {
            self.row(name).await?;
        }
        for id in &order.events {
            self.event_row(id).await?;
        }
        let replayed = self
            .store
            .gateway()
            .replay(Replay {
                filter: ReplayFilter {
                    event_ids: order.events.clone(),
                    since: order.since,
                    until: order.until,
                    dead_letters_only: order.dead_letters,
                },
                subscriber: order.subscriber.clone(),
                limit,
                dry_run: order.dry_run,
            })
            .await?;
        if !order.dry_run {
            tracing::info!(deliveries = replayed.count, "events are delivered again");
        }
        Ok(ReplayAnswer {
            count: replayed.count,
            dry_run: order.dry_run,
        })
    }

    /// Reads webhooks again that were kept because nobody understood them, or not all of them; what is read is delivered.
    pub(crate) async fn read_again(&self, order: &UnreadOrder) -> Result<UnreadAnswer> {
        let limit = replay_limit(order.limit)?;
        let Reread {
            webhooks,
            events,
            duplicates,
            unread,
        } = self.intake.read_again(limit, order.dry_run).await?;
        if webhooks > 0 && !order.dry_run {
            tracing::info!(webhooks, events, "kept webhooks were read again");
        }
        Ok(UnreadAnswer {
            webhooks,
            events,
            duplicates,
            unread,
            dry_run: order.dry_run,
        })
    }

    /// A page of dead letters.
    pub(crate) async fn letters(&self, filter: DeadLetterFilter, limit: u32) -> Result<LetterPage> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut letters = self
            .store
            .jobs()
            .dead_letters(filter.limit(limit + 1))
            .await?;
        let has_more = letters.len() > limit as usize;
        letters.truncate(limit as usize);
        let next = letters.last().map(|letter| letter.id).filter(|_| has_more);
        Ok(LetterPage {
            dead_letters: self.with_events(letters).await?,
            next,
        })
    }

    /// The letters that an order names.
    pub(crate) async fn chosen(&self, order: &LetterOrder) -> Result<Vec<Letter>> {
        if !order.ids.is_empty() {
            let mut letters = Vec::new();
            // Those of one entity go back in the order in which they came, however they are named.
            for id in order.ids.iter().collect::<BTreeSet<_>>() {
                let letter = self.store.jobs().dead_letter(*id).await?;
                let letter = letter.filter(|letter| letter.kind.starts_with(KIND_PREFIX));
                letters.push(letter.ok_or_else(|| {
                    OperateError::NotFound(format!("there is no dead letter {id}"))
                })?);
            }
            return self.with_events(letters).await;
        }
        if !order.all && order.subscriber.is_none() && order.since.is_none() {
            return Err(OperateError::field(
                "ids",
                "expected numbers of letters, a subscriber, since, or all",
            ));
        }
        let filter = letter_filter(order.subscriber.as_deref(), order.since);
        let mut letters: Vec<DeadLetter> = Vec::new();
        let mut after = 0;
        while letters.len() < MAX_LETTERS {
            let page = filter.clone().after(after).limit(MAX_PAGE);
            let page = self.store.jobs().dead_letters(page).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            letters.extend(page);
        }
        self.with_events(letters).await
    }

    /// Puts letters back into the queue; how many.
    pub(crate) async fn retry(&self, letters: &[Letter]) -> Result<u64> {
        let mut count = 0;
        for letter in letters {
            count += u64::from(self.store.jobs().replay(letter.id).await?);
        }
        if count > 0 {
            tracing::info!(letters = count, "dead letters were put back into the queue");
        }
        Ok(count)
    }

    /// Throws letters away; how many.
    pub(crate) async fn discard(&self, letters: &[Letter]) -> Result<u64> {
        let mut count = 0;
        for letter in letters {
            count += u64::from(self.store.jobs().discard(letter.id).await?);
        }
        if count > 0 {
            tracing::warn!(letters = count, "dead letters were thrown away");
        }
        Ok(count)
    }

    async fn with_events(&self, letters: Vec<DeadLetter>) -> Result<Vec<Letter>> {
        let mut ids: Vec<i64> = letters.iter().filter_map(event_of).collect();
        ids.sort_unstable();
        ids.dedup();
        let events = self.store.gateway().envelopes(&ids).await?;
        Ok(letters
            .into_iter()
            .filter(|letter| letter.kind.starts_with(KIND_PREFIX))
            .map(|letter| {
                let event = event_of(&letter);
                let event = events.iter().find(|row| Some(row.row_id) == event);
                Letter::of(letter, event)
            })
            .collect())
    }

    fn check(&self, settings: &SubscriberSettings) -> Result<()> {
        let delivery = &self.config.delivery;
        let wrong: Vec<FieldError> = settings.check(
            delivery.longest_timeout(),
            self.config.enrichment.timeout(),
            &delivery.guard(),
        );
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(OperateError::Fields(wrong))
        }
    }

    async fn put(
        &self,
        name: &str,
        settings: &SubscriberSettings,
        secret: Option<SecretString>,
    ) -> Result<SubscriberRow> {
        let settings =
            serde_json::to_value(settings).map_err(|error| OperateError::Internal(error.into()))?;
        let mut subscriber = NewSubscriber::new(name, SubscriberSource::Api, settings);
        if let Some(secret) = secret {
            subscriber = subscriber.secret(secret);
        }
        Ok(self.store.gateway().put_subscriber(subscriber).await?)
    }

    async fn set_state(&self, name: &str, state: SubscriberState) -> Result<SubscriberView> {
        if !self
            .store
            .gateway()
            .set_subscriber_state(name, state)
            .await?
        {
            return Err(unknown(name));
        }
        let view = self.subscriber(name).await?;
        tracing::info!(
            subscriber.name = name,
            subscriber.state = view.state,
            "a subscriber's state was set"
        );
        Ok(view)
    }

    async fn find(&self, name: &str) -> Result<Option<SubscriberRow>> {
        Ok(self.store.gateway().subscriber(name).await?)
    }

    async fn row(&self, name: &str) -> Result<SubscriberRow> {
        self.find(name).await?.ok_or_else(|| unknown(name))
    }

    /// A subscriber that is ours to change.
    async fn own(&self, name: &str, what: &str) -> Result<SubscriberRow> {
        let row = self.row(name).await?;
        if row.source == SubscriberSource::File {
            return Err(OperateError::Conflict(format!(
                "subscriber {name} stands in gateway.toml: {what}"
            )));
        }
        Ok(row)
    }
}

fn replay_limit(given: Option<u32>) -> Result<u32> {
    let limit = given.unwrap_or(REPLAY);
    if (1..=MAX_REPLAY).contains(&limit) {
        return Ok(limit);
    }
    let expected = format!("expected 1 to {MAX_REPLAY}");
    Err(OperateError::field("limit", expected))
}

/// A webhook that nobody sent, with one event for one subscriber.
fn test_request(name: &str, id: &str, now: DateTime<Utc>) -> NewRequest {
    let envelope = json!({
        "specversion": "1.0",
        "id": id,
        "source": "/webhook-gateway",
        "type": format!("amocrm.{TEST}.v1"),
        "time": now.to_rfc3339_opts(SecondsFormat::Secs, true),
        "datacontenttype": "application/json",
        "data": {"entity": "gateway", "action": "test", "object": {"subscriber": name}},
    });
    NewRequest {
        account: TEST_ACCOUNT.to_owned(),
        request_id: None,
        content_type: None,
        body: Bytes::new(),
        problem: None,
        events: vec![NewEvent {
            event_id: id.to_owned(),
            kind: TEST.to_owned(),
            subject: None,
            account_id: None,
            pipeline_id: None,
            status_id: None,
            occurred_at: Some(now),
            dedup: Dedup {
                key: Sha256::digest(id).into(),
                window: Duration::from_hours(1),
            },
            envelope: envelope.to_string(),
            fields: None,
            routes: vec![Route {
                subscriber: name.to_owned(),
                lane: gateway_lane(name, TEST_ACCOUNT, None, TEST),
                changed: Vec::new(),
            }],
        }],
    }
}

/// Letters of one subscriber or of all.
pub(crate) fn letter_filter(
    subscriber: Option<&str>,
    since: Option<DateTime<Utc>>,
) -> DeadLetterFilter {
    let filter = match subscriber {
        Some(name) => DeadLetterFilter::kind(format!("{KIND_PREFIX}{name}")),
        None => DeadLetterFilter::new(),
    };
    match since {
        Some(at) => filter.since(at),
        None => filter,
    }
}

fn event_of(letter: &DeadLetter) -> Option<i64> {
    letter.payload.as_i64()
}

fn no_request(id: i64) -> OperateError {
    OperateError::NotFound(format!(
        "there is no request {id}, or it was kept long enough"
    ))
}

fn unknown(name: &str) -> OperateError {
    OperateError::NotFound(format!("there is no subscriber {name}"))
}

fn own_or_new(secret: Option<SecretString>) -> Result<SecretString> {
    match secret {
        Some(secret) => {
            SigningKeys::parse(&secret).map_err(|expected| {
                OperateError::field("secret", format!("expected {expected}"))
            })?;
            Ok(secret)
        }
        None => Ok(new_secret()?),
    }
}
