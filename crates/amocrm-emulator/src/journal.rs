//! The journal: every request that reached the emulator, in the order of arrival.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// Older entries are forgotten; the counters keep counting.
const CAPACITY: usize = 100_000;

/// One request as the emulator saw it. Tokens appear by identifier only.
#[derive(Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JournalEntry {
    /// Numbers requests in the order of arrival, from 1. `GET /_emulator/requests?since=` takes it.
    pub seq: u64,
    /// The emulator's unix time on arrival, in seconds.
    pub at: f64,
    /// Milliseconds from the emulator's start to the arrival, monotonic, with microseconds as fraction.
    pub arrival_ms: f64,
    /// How long the answer took; `None` while the request is being handled.
    pub duration_ms: Option<f64>,
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query of an API call. It stays empty elsewhere: a consent page's query may hold codes.
    pub query: String,
    /// The host the caller named.
    pub host: String,
    /// The status of the answer; `None` while the request is being handled or when the connection was dropped.
    pub status: Option<u16>,
    /// The account the request belongs to, as far as its token or host tells.
    pub account_id: Option<u64>,
    /// The integration, by token or (at the token endpoint) by the body.
    pub client_id: Option<String>,
    /// Names the access token without revealing it.
    pub token_id: Option<String>,
    /// `authorization_code` or `refresh_token` at the token endpoint.
    pub grant_type: Option<String>,
    /// The faults that hit this request, joined with commas.
    pub fault: Option<String>,
    /// How the request came: `plain`, `tls`, `proxy` or `router`, and from which address.
    pub source: String,
}

impl fmt::Debug for JournalEntry {
    /// Queries are left out: people are searched for by phone and e-mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalEntry")
            .field("seq", &self.seq)
            .field("arrival_ms", &self.arrival_ms)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("status", &self.status)
            .field("client_id", &self.client_id)
            .field("token_id", &self.token_id)
            .field("grant_type", &self.grant_type)
            .field("fault", &self.fault)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// How many requests there were, counted since the start or the last clearing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JournalCounters {
    /// All requests that have arrived.
    pub total: u64,
    /// Answers by status; `dropped` counts closed connections.
    pub status: BTreeMap<String, u64>,
    /// Requests by token identifier.
    pub token: BTreeMap<String, u64>,
    /// Requests by integration.
    pub client: BTreeMap<String, u64>,
    /// Token endpoint calls by grant type.
    pub grant: BTreeMap<String, u64>,
    /// The most requests of one integration within any sliding second, whatever was answered.
    pub peak_per_second: usize,
}

#[derive(Debug)]
pub(crate) struct Journal {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_seq: u64,
    entries: VecDeque<JournalEntry>,
    counters: JournalCounters,
}

impl Journal {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    /// Writes an arrival down: gives it its number and its moment, both in the same order.
    pub(crate) fn open(&self, mut entry: JournalEntry) -> (u64, Instant) {
        let mut state = self.lock();
        let arrival = Instant::now();
        entry.arrival_ms = millis(arrival.saturating_duration_since(self.started));
        state.last_seq += 1;
        entry.seq = state.last_seq;
        state.counters.total += 1;
        if state.entries.len() >= CAPACITY {
            state.entries.pop_front();
        }
        state.entries.push_back(entry);
        (state.last_seq, arrival)
    }

    /// Adds what is known about a request so far.
    pub(crate) fn amend(&self, seq: u64, change: impl FnOnce(&mut JournalEntry)) {
        let mut state = self.lock();
        if let Some(entry) = state.entry(seq) {
            change(entry);
        }
    }

    /// Completes a request. Without a status the connection was dropped.
    pub(crate) fn close(&self, seq: u64, arrival: Instant, status: Option<u16>) {
        let mut state = self.lock();
        let Some(entry) = state.entry(seq) else {
            return;
        };
        entry.status = status;
        entry.duration_ms = Some(millis(arrival.elapsed()));
        let (token, client, grant) = (
            entry.token_id.clone(),
            entry.client_id.clone(),
            entry.grant_type.clone(),
        );
        let status = status.map_or_else(|| "dropped".to_owned(), |status| status.to_string());
        let counters = &mut state.counters;
        *counters.status.entry(status).or_default() += 1;
        for (map, key) in [
            (&mut counters.token, token),
            (&mut counters.client, client),
            (&mut counters.grant, grant),
        ] {
            if let Some(key) = key {
                *map.entry(key).or_default() += 1;
            }
        }
    }

    /// The entries after number `since`, in the order of arrival.
    pub(crate) fn entries(&self, since: u64) -> Vec<JournalEntry> {
        self.lock()
            .entries
            .iter()
            .filter(|entry| entry.seq > since)
            .cloned()
            .collect()
    }

    pub(crate) fn counters(&self) -> JournalCounters {
        let state = self.lock();
        JournalCounters {
            peak_per_second: peak_per_second(&state.entries),
            ..state.counters.clone()
        }
    }

    /// Forgets entries and counters. Numbers go on, so requests still being handled find no foreign entry.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.entries.clear();
        state.counters = JournalCounters::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn entry(&mut self, seq: u64) -> Option<&mut JournalEntry> {
        let first = self.entries.front()?.seq;
        let index = usize::try_from(seq.checked_sub(first)?).ok()?;
        self.entries.get_mut(index)
    }
}

fn peak_per_second(entries: &VecDeque<JournalEntry>) -> usize {
    let mut windows: BTreeMap<(Option<u64>, Option<&str>), VecDeque<f64>> = BTreeMap::new();
    let mut peak = 0;
    for entry in entries {
        let window = windows
            .entry((entry.account_id, entry.client_id.as_deref()))
            .or_default();
        while window
            .front()
            .is_some_and(|first| entry.arrival_ms - first >= 1000.0)
        {
            window.pop_front();
        }
        window.push_back(entry.arrival_ms);
        peak = peak.max(window.len());
    }
    peak
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
