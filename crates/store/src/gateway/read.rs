//! Reading events: one, those to be sent, and searching them.

use chrono::{DateTime, Utc};

use super::{EventRow, Gateway};
use crate::clock::instant;
use crate::db::{Row, Sql, Tx};
use crate::error::Result;

/// The most events on one page.
const MAX_PAGE: u32 = 1000;
/// How many events are looked at in one step of a search.
const STEP: u32 = 500;
/// A search gives up after so many events, and tells where: whoever looks for something rarer names its entity.
const LOOKED_AT: u32 = 100_000;
/// Numbers are given in the order of time, but for transactions on PostgreSQL that overtake each other.
const OVERTAKEN: i64 = 15_000_000;

/// Which events to list: a page, the newest first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventFilter {
    /// Only of this account.
    pub account: Option<String>,
    /// Only of this type, `leads.status`, or of all types that begin with what is before a star: `leads.*`.
    pub kind: Option<String>,
    /// Only about this entity: `leads/40000001`.
    pub subject: Option<String>,
    /// Only those that were sent to this subscriber, or are to be.
    pub subscriber: Option<String>,
    /// Only what was accepted at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Only what was accepted before this time.
    pub until: Option<DateTime<Utc>>,
    /// Goes on after the event of this row: the last one of the page before.
    pub after: Option<i64>,
    /// At most so many: 1 to 1,000.
    pub limit: u32,
    /// A search ends after it has looked at about so many, however few were wanted; 100,000 unless told.
    pub look_at: u32,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct EventsFound {
    /// The events, the newest first.
    pub events: Vec<EventRow>,
    /// Where the search gave up, with less than was asked for: it goes on with [`after`](EventFilter::after). `None`: it has
    /// come to the end, or the page is full.
    pub gave_up_at: Option<i64>,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self {
            account: None,
            kind: None,
            subject: None,
            subscriber: None,
            since: None,
            until: None,
            after: None,
            limit: 100,
            look_at: LOOKED_AT,
        }
    }
}

macro_rules! event_columns {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.request, e.event_id, e.account, e.kind, e.subject, e.account_id, e.pipeline_id, e.status_id,
                 e.occurred_at, e.received_at, e.envelope ",
            $rest
        )
    };
}

impl Gateway {
    /// The events of these rows, in the order of their numbers; those that are gone are left out.
    pub async fn envelopes(&self, rows: &[i64]) -> Result<Vec<EventRow>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.inner.db.read().await?;
        by_numbers(&mut tx, rows).await
    }

    /// The event with this id.
    pub async fn event(&self, event_id: &str) -> Result<Option<EventRow>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(event_columns!(
                "FROM gateway_events AS e WHERE e.event_id = $1"
            ))
            .bind(event_id)
            .fetch_optional()
            .await?;
        row.as_ref().map(event).transpose()
    }

    /// The events that the webhook of this number brought, in their order.
    pub async fn events_of(&self, request: i64) -> Result<Vec<EventRow>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(event_columns!(
            "FROM gateway_events AS e WHERE e.request = $1 ORDER BY e.id"
        ))
        .bind(request)
        .fetch_all()
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// The number of the newest event's row; 0: there is none.
    pub async fn newest_event(&self) -> Result<i64> {
        let mut tx = self.inner.db.read().await?;
        newest(&mut tx).await
    }

    /// The events after this row, the oldest first: what a reader of the stream has not seen.
    ///
    /// On PostgreSQL an event may appear after one with a higher number, when two instances accept at once: a reader
    /// that must not miss one looks again, some seconds later, for numbers that were left out.
    pub async fn events_after(&self, row: i64, limit: u32) -> Result<Vec<EventRow>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(event_columns!(
            "FROM gateway_events AS e WHERE e.id > $1 ORDER BY e.id LIMIT $2"
        ))
        .bind(row)
        .bind(i64::from(limit.clamp(1, MAX_PAGE)))
        .fetch_all()
        .await?
        .iter()
        .map(event)
        .collect()
    }

    /// A page of events, as [`search`](Gateway::search) finds them.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<EventRow>> {
        Ok(self.search(filter).await?.events)
    }

    /// A page of events. A search looks along the narrowest of subject, subscriber, type and account that it is given, and
    /// gives up when it has [looked at](EventFilter::look_at) many that are none of those wanted.
    pub async fn search(&self, filter: EventFilter) -> Result<EventsFound> {
        let limit = filter.limit.clamp(1, MAX_PAGE) as usize;
        let mut tx = self.inner.db.read().await?;
        let wanted = Wanted::of(&filter);
        let (mut before, floor) = bounds(&mut tx, &filter).await?;
        let mut found = Vec::new();
        let mut is_over = false;
        let step = STEP.min(filter.look_at.max(1));
        for _ in 0..filter.look_at.div_ceil(step).max(1) {
            let rows = candidates(&mut tx, &wanted, (before, floor), step).await?;
            let is_last = rows.len() < step as usize;
            for row in rows {
                before = row.int("id")?;
                if wanted.is_met(&row)? {
                    found.push(before);
                    if found.len() == limit {
                        break;
                    }
                }
            }
            is_over = is_last || found.len() == limit;
            if is_over {
                break;
            }
        }
        let mut events = by_numbers(&mut tx, &found).await?;
        events.reverse();
        Ok(EventsFound {
            events,
            gave_up_at: (!is_over).then_some(before),
        })
    }
}

async fn by_numbers(tx: &mut Tx, rows: &[i64]) -> Result<Vec<EventRow>> {
    let sql = Sql::either(
        event_columns!(
            "FROM json_each($1) AS asked CROSS JOIN gateway_events AS e ON e.id = asked.value ORDER BY e.id"
        ),
        event_columns!(
            "FROM json_array_elements_text($1::json) AS asked (id)
             JOIN gateway_events AS e ON e.id = asked.id::bigint ORDER BY e.id"
        ),
    );
    tx.query(sql)
        .bind(serde_json::Value::from(rows).to_string())
        .fetch_all()
        .await?
        .iter()
        .map(event)
        .collect()
}

pub(super) fn event(row: &Row) -> Result<EventRow> {
    Ok(EventRow {
        row_id: row.int("id")?,
        event_id: row.text("event_id")?,
        request: row.int("request")?,
        account: row.text("account")?,
        kind: row.text("kind")?,
        subject: row.opt_text("subject")?,
        account_id: row.opt_int("account_id")?,
        pipeline_id: row.opt_int("pipeline_id")?,
        status_id: row.opt_int("status_id")?,
        occurred_at: row.opt_int("occurred_at")?.map(instant),
        received_at: instant(row.int("received_at")?),
        envelope: row.text("envelope")?,
    })
}

/// What an event must be.
struct Wanted<'a> {
    account: Option<&'a str>,
    kind: Option<&'a str>,
    /// What the type must begin with.
    prefix: Option<&'a str>,
    subject: Option<&'a str>,
    subscriber: Option<&'a str>,
    since: i64,
    until: i64,
}

impl<'a> Wanted<'a> {
    fn of(filter: &'a EventFilter) -> Self {
        let kind = filter.kind.as_deref();
        let prefix = kind.and_then(|kind| kind.strip_suffix('*'));
        Self {
            account: filter.account.as_deref(),
            kind: kind.filter(|_| prefix.is_none()),
            prefix,
            subject: filter.subject.as_deref(),
            subscriber: filter.subscriber.as_deref(),
            since: filter.since.map_or(i64::MIN, |at| at.timestamp_micros()),
            until: filter.until.map_or(i64::MAX, |at| at.timestamp_micros()),
        }
    }

    /// The subscriber is not asked here: only its events are candidates.
    fn is_met(&self, row: &Row) -> Result<bool> {
        let (kind, received_at) = (row.text("kind")?, row.int("received_at")?);
        Ok((self.since..self.until).contains(&received_at)
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.prefix.is_none_or(|prefix| kind.starts_with(prefix))
            && (self.account.is_none() || self.account == Some(&row.text("account")?))
            && (self.subject.is_none() || self.subject == row.opt_text("subject")?.as_deref()))
    }
}

macro_rules! light {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.account, e.kind, e.subject, e.received_at ",
            $rest
        )
    };
}

/// The next events that may be wanted. A text per question, so that each walks along an index.
async fn candidates(
    tx: &mut Tx,
    wanted: &Wanted<'_>,
    (before, floor): (i64, i64),
    step: u32,
) -> Result<Vec<Row>> {
    let (text, key) = if let Some(subject) = wanted.subject.filter(|_| wanted.subscriber.is_none())
    {
        let text = light!(
            "FROM gateway_events AS e WHERE e.subject = $4 AND e.id < $1 AND e.id >= $2 ORDER BY e.id DESC LIMIT $3"
        );
        (text, Some(subject))
    } else if let Some(subscriber) = wanted.subscriber {
        let text = light!(
            "FROM gateway_deliveries AS d JOIN gateway_events AS e ON e.id = d.event
             WHERE d.subscriber = $4 AND d.event < $1 AND d.event >= $2 ORDER BY d.event DESC LIMIT $3"
        );
        (text, Some(subscriber))
    } else if let Some(kind) = wanted.kind {
        let text = light!(
            "FROM gateway_events AS e WHERE e.kind = $4 AND e.id < $1 AND e.id >= $2 ORDER BY e.id DESC LIMIT $3"
        );
        (text, Some(kind))
    } else if let Some(account) = wanted.account {
        let text = light!(
            "FROM gateway_events AS e WHERE e.account = $4 AND e.id < $1 AND e.id >= $2 ORDER BY e.id DESC LIMIT $3"
        );
        (text, Some(account))
    } else {
        let text = light!(
            "FROM gateway_events AS e WHERE e.id < $1 AND e.id >= $2 ORDER BY e.id DESC LIMIT $3"
        );
        (text, None)
    };
    let mut query = tx
        .query(text)
        .bind(before)
        .bind(floor)
        .bind(i64::from(step));
    if let Some(key) = key {
        query = query.bind(key);
    }
    query.fetch_all().await
}

/// Between which numbers the events of the filter's time are: the second is the first that may be.
async fn bounds(tx: &mut Tx, filter: &EventFilter) -> Result<(i64, i64)> {
    let mut before = filter.after.unwrap_or(i64::MAX);
    if let Some(until) = filter.until {
        let end = first_since(tx, until.timestamp_micros().saturating_add(OVERTAKEN)).await?;
        before = before.min(end);
    }
    let floor = match filter.since {
        Some(since) => first_since(tx, since.timestamp_micros().saturating_sub(OVERTAKEN)).await?,
        None => 0,
    };
    Ok((before, floor))
}

/// The number of the first event that was accepted at this time or later, found by halving: numbers are given in the
/// order of time, so there is no index to be kept up. Beyond the last event if there is none.
pub(super) async fn first_since(tx: &mut Tx, at: i64) -> Result<i64> {
    // All before `low` are older, and what is at `high` or after is not.
    let (mut low, mut high) = (0, newest(tx).await? + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let next = tx
            .query(
                "SELECT e.id, e.received_at FROM gateway_events AS e WHERE e.id >= $1 ORDER BY e.id LIMIT 1",
            )
            .bind(middle)
            .fetch_optional()
            .await?;
        match next {
            Some(row) if row.int("received_at")? < at => low = row.int("id")? + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

async fn newest(tx: &mut Tx) -> Result<i64> {
    tx.query("SELECT e.id FROM gateway_events AS e WHERE e.id > 0 ORDER BY e.id DESC LIMIT 1")
        .fetch_optional()
        .await?
        .map_or(Ok(0), |row| row.int("id"))
}
