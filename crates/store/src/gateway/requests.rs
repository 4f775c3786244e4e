//! Reading webhooks as they came.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::Gateway;
use crate::clock::instant;
use crate::db::Row;
use crate::error::Result;

/// The most webhooks on one page.
const MAX_PAGE: u32 = 1000;
/// The most of them with their bodies.
const MAX_WHOLE: u32 = 100;

/// Which webhooks to list: a page, the newest first, without their bodies.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestFilter {
    /// Only of this account.
    pub account: Option<String>,
    /// Only those that were not understood, or not wholly.
    pub unparsed: bool,
    /// Goes on after the webhook with this number.
    pub after: Option<i64>,
    /// At most so many: 1 to 1,000.
    pub limit: u32,
}

impl Default for RequestFilter {
    fn default() -> Self {
        Self {
            account: None,
            unparsed: false,
            after: None,
            limit: 100,
        }
    }
}

/// A webhook as it came.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRow {
    /// Its number.
    pub id: i64,
    /// The account's name in the service's settings.
    pub account: String,
    /// What amoCRM calls this request.
    pub request_id: Option<String>,
    /// The header, as it came.
    pub content_type: Option<String>,
    /// The body, byte for byte; `None` in lists.
    pub body: Option<Bytes>,
    /// How long the body is.
    pub bytes: u64,
    /// How many events in it were new and are still kept.
    pub events: u32,
    /// How many events in it had been here before.
    pub duplicates: u32,
    /// The events that it repeats.
    pub duplicate_of: Vec<String>,
    /// What of it is no event, and why.
    pub problem: Option<String>,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
}

impl fmt::Debug for RequestRow {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRow")
            .field("id", &self.id)
            .field("account", &self.account)
            .field("bytes", &self.bytes)
            .field("problem", &self.problem)
            .finish_non_exhaustive()
    }
}

/// A text per question, so that each walks along an index.
macro_rules! requests {
    ($body:literal, $rest:literal) => {
        concat!(
            "SELECT r.id, r.account, r.request_id, r.content_type, ",
            $body,
            " AS body, CAST(length(r.body) AS BIGINT) AS bytes, r.duplicate_of, r.problem, r.received_at,
                 (SELECT count(*) FROM gateway_events AS e WHERE e.request = r.id) AS events
             FROM gateway_requests AS r WHERE ",
            $rest
        )
    };
}

pub(super) use requests;

impl Gateway {
    /// The webhook with this number, with its body.
    pub async fn request(&self, id: i64) -> Result<Option<RequestRow>> {
        let mut tx = self.inner.db.read().await?;
        let row = tx
            .query(requests!("r.body", "r.id = $1"))
            .bind(id)
            .fetch_optional()
            .await?;
        row.as_ref().map(request).transpose()
    }

    /// The webhooks after this one with their bodies, the oldest first: at most 100. They are few, because a body may be
    /// long.
    pub async fn requests_after(&self, id: i64, limit: u32) -> Result<Vec<RequestRow>> {
        let mut tx = self.inner.db.read().await?;
        tx.query(requests!("r.body", "r.id > $1 ORDER BY r.id LIMIT $2"))
            .bind(id)
            .bind(i64::from(limit.clamp(1, MAX_WHOLE)))
            .fetch_all()
            .await?
            .iter()
            .map(request)
            .collect()
    }

    /// A page of webhooks. All accounts are looked through for those of one.
    pub async fn requests(&self, filter: RequestFilter) -> Result<Vec<RequestRow>> {
        let text = if filter.unparsed {
            requests!(
                "CAST(NULL AS BYTEA)",
                "r.problem IS NOT NULL AND r.id < $1 AND ($3 IS NULL OR r.account = $3) ORDER BY r.id DESC LIMIT $2"
            )
        } else {
            requests!(
                "CAST(NULL AS BYTEA)",
                "r.id < $1 AND ($3 IS NULL OR r.account = $3) ORDER BY r.id DESC LIMIT $2"
            )
        };
        let mut tx = self.inner.db.read().await?;
        tx.query(text)
            .bind(filter.after.unwrap_or(i64::MAX))
            .bind(i64::from(filter.limit.clamp(1, MAX_PAGE)))
            .bind(&filter.account)
            .fetch_all()
            .await?
            .iter()
            .map(request)
            .collect()
    }
}

pub(super) fn request(row: &Row) -> Result<RequestRow> {
    let duplicate_of: Vec<String> = match row.opt_text("duplicate_of")? {
        Some(_) => row.json("duplicate_of")?,
        None => Vec::new(),
    };
    Ok(RequestRow {
        id: row.int("id")?,
        account: row.text("account")?,
        request_id: row.opt_text("request_id")?,
        content_type: row.opt_text("content_type")?,
        body: row.opt_bytes("body")?.map(Bytes::from),
        bytes: u64::try_from(row.int("bytes")?).unwrap_or(0),
        events: u32::try_from(row.int("events")?).unwrap_or(u32::MAX),
        duplicates: u32::try_from(duplicate_of.len()).unwrap_or(u32::MAX),
        duplicate_of,
        problem: row.opt_text("problem")?,
        received_at: instant(row.int("received_at")?),
    })
}
