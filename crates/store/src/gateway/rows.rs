//! Webhooks on their way into a statement: JSON, because a statement takes any number of them.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{NewEvent, NewRequest};
use crate::error::{Result, StoreError};

/// How many bytes of the hash tell a body from another that came under the same request id.
const DIGEST: usize = 16;

pub(super) fn json<T: Serialize>(rows: &[T]) -> Result<String> {
    serde_json::to_string(rows)
        .map_err(|_| StoreError::invalid("a webhook cannot be written as JSON"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// PostgreSQL keeps no such character in a text.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// What is asked before anything is written: has this request been here?
#[derive(Serialize)]
pub(super) struct AskedRow<'a> {
    n: usize,
    account: Cow<'a, str>,
    request_id: Option<Cow<'a, str>>,
    digest: String,
}

impl<'a> AskedRow<'a> {
    pub(super) fn of(n: usize, new: &'a NewRequest) -> Self {
        Self {
            n,
            account: plain(&new.account),
            request_id: new.request_id.as_deref().map(plain),
            digest: digest(&new.body),
        }
    }
}

fn digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body)[..DIGEST])
}

/// A key that is to be taken by an event, if nobody has it.
#[derive(Serialize)]
pub(super) struct KeyRow<'a> {
    pub(super) n: usize,
    pub(super) key: String,
    pub(super) event_id: &'a str,
    pub(super) window: i64,
    /// The type of event after which the same content is news.
    pub(super) undone_by: Option<String>,
}

#[derive(Serialize)]
pub(super) struct RequestRow<'a> {
    n: usize,
    account: Cow<'a, str>,
    request_id: Option<Cow<'a, str>>,
    content_type: Option<Cow<'a, str>>,
    /// The body, if it is text; almost all are.
    text: Option<&'a str>,
    hex: Option<String>,
    digest: String,
    problem: Option<Cow<'a, str>>,
    duplicate_of: Option<String>,
}

impl<'a> RequestRow<'a> {
    pub(super) fn of(n: usize, new: &'a NewRequest, duplicates: &[&str]) -> Self {
        let text = std::str::from_utf8(&new.body)
            .ok()
            .filter(|text| !text.contains('\0'));
        Self {
            n,
            account: plain(&new.account),
            request_id: new.request_id.as_deref().map(plain),
            content_type: new.content_type.as_deref().map(plain),
            text,
            hex: text.is_none().then(|| hex(&new.body)),
            digest: digest(&new.body),
            problem: new.problem.as_deref().map(plain),
            duplicate_of: (!duplicates.is_empty())
                .then(|| serde_json::Value::from(duplicates.to_vec()).to_string()),
        }
    }
}

#[derive(Serialize)]
pub(super) struct EventRow<'a> {
    n: usize,
    request: usize,
    /// The number of its webhook, if that is kept already.
    kept: Option<i64>,
    event_id: &'a str,
    account: Cow<'a, str>,
    kind: Cow<'a, str>,
    subject: Option<Cow<'a, str>>,
    account_id: Option<i64>,
    pipeline_id: Option<i64>,
    status_id: Option<i64>,
    occurred_at: Option<i64>,
    envelope: Cow<'a, str>,
}

impl<'a> EventRow<'a> {
    pub(super) fn of(
        n: usize,
        (request, kept): (usize, Option<i64>),
        account: &'a str,
        new: &'a NewEvent,
    ) -> Self {
        Self {
            n,
            request,
            kept,
            event_id: &new.event_id,
            account: plain(account),
            kind: plain(&new.kind),
            subject: new.subject.as_deref().map(plain),
            account_id: new.account_id,
            pipeline_id: new.pipeline_id,
            status_id: new.status_id,
            occurred_at: new.occurred_at.map(|at| at.timestamp_micros()),
            envelope: plain(&new.envelope),
        }
    }
}

/// A job about to be added behind others of its lane.
#[derive(Serialize)]
pub(super) struct RouteRow<'a> {
    pub(super) n: usize,
    /// The place of its event in this statement.
    pub(super) event: usize,
    pub(super) subscriber: Cow<'a, str>,
    pub(super) lane: Cow<'a, str>,
    /// How many are before it in the lane, and how many there are in all, in this statement.
    pub(super) nth: usize,
    pub(super) many: usize,
}

impl<'a> RouteRow<'a> {
    pub(super) fn of(n: usize, event: usize, subscriber: &'a str, lane: &'a str) -> Self {
        Self {
            n,
            event,
            subscriber: plain(subscriber),
            lane: plain(lane),
            nth: 0,
            many: 0,
        }
    }
}
