//! Webhooks: what happened in the CRM, as form posts to the account's subscribers.
//!
//! Deliveries of one subscription go out one after the other, those of different subscriptions side by side. A delivery that
//! failed comes back after the pauses of [`schedule`], measured on the emulator's clock. Nothing promises an order across retries.

mod attempt;
mod body;
mod schedule;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use self::attempt::WebhookAttempt;
pub(crate) use self::body::plan;
pub(crate) use self::worker::run;
use crate::faults::{Faults, Reorder};

/// Older attempts are forgotten.
const LOG_CAPACITY: usize = 10_000;

/// A delivery on its way. It is part of the state file, so retries survive a restart.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// Orders deliveries; given when the delivery is submitted.
    #[serde(default)]
    id: u64,
    account_id: u64,
    webhook_id: u64,
    destination: String,
    code: String,
    body: String,
    /// The same for all attempts.
    request_id: String,
    /// How many attempts were made.
    attempts: u32,
    due_ms: i64,
}

impl fmt::Debug for Delivery {
    /// Neither the body, which is about people, nor the destination, whose path is often a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id)
            .field("code", &self.code)
            .field("attempts", &self.attempts)
            .field("due_ms", &self.due_ms)
            .finish_non_exhaustive()
    }
}

/// All deliveries: waiting, under way and done.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    state: Mutex<State>,
    /// Something was submitted, finished or became due.
    changed: Notify,
    client: OnceLock<Option<reqwest::Client>>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    waiting: BTreeMap<(i64, u64), Delivery>,
    /// Kept back by `reorder_webhooks`.
    held: Vec<Delivery>,
    /// What is being sent now, by subscription: one at a time.
    under_way: BTreeMap<u64, Delivery>,
    /// Invalid answers by subscription, with their time.
    invalid: BTreeMap<u64, VecDeque<i64>>,
    log: VecDeque<WebhookAttempt>,
}

impl Deliveries {
    /// Takes deliveries over; faults may double or reorder them.
    pub(crate) fn submit(&self, deliveries: Vec<Delivery>, now_ms: i64, faults: &Faults) {
        let mut state = self.lock();
        for delivery in deliveries {
            let copies = if faults.strike_duplicate(&delivery.destination) {
                2
            } else {
                1
            };
            let reorder = faults.strike_reorder(&delivery.destination);
            for _ in 0..copies {
                match reorder {
                    Reorder::No => state.enqueue(delivery.clone(), now_ms),
                    Reorder::Hold | Reorder::Release => state.held.push(delivery.clone()),
                }
            }
            if reorder == Reorder::Release {
                state.release(now_ms);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until nothing is due and nothing is under way. What is kept back for reordering is let go first.
    pub(crate) async fn settle(&self, now_ms: impl Fn() -> i64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.release_held(now_ms());
            {
                let state = self.lock();
                let is_due = |due| due <= now_ms();
                if state.under_way.is_empty() && !state.next_due_ms().is_some_and(is_due) {
                    return;
                }
            }
            changed.await;
        }
    }

    /// Lets go what is kept back for reordering: nobody else may come to be put before it.
    pub(crate) fn release_held(&self, now_ms: i64) {
        let mut state = self.lock();
        if !state.held.is_empty() {
            state.release(now_ms);
            self.changed.notify_waiters();
        }
    }

    /// Says that the clock has jumped.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// The attempts made so far, oldest first.
    pub(crate) fn log(&self) -> Vec<WebhookAttempt> {
        self.lock().log.iter().cloned().collect()
    }

    /// How many deliveries wait for their first attempt or for a retry.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.lock();
        state.waiting.len() + state.held.len()
    }

    /// Forgets what waits and the log. What is under way arrives, but nothing comes of it.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.held.clear();
        state.under_way.clear();
        state.invalid.clear();
        state.log.clear();
        drop(state);
        self.changed.notify_waiters();
    }

    /// What has to survive a restart. What is under way may then arrive twice, which is better than not at all.
    pub(crate) fn pending(&self) -> Vec<Delivery> {
        let state = self.lock();
        let first = state.under_way.values().chain(state.waiting.values());
        first.chain(&state.held).cloned().collect()
    }

    /// Takes over what an earlier run left.
    pub(crate) fn restore(&self, deliveries: Vec<Delivery>) {
        let mut state = self.lock();
        for delivery in deliveries {
            let due_ms = delivery.due_ms;
            state.enqueue(delivery, due_ms);
        }
    }

    /// The client for everything the emulator sends; `None` if the system does not let one be built.
    pub(crate) fn client(&self) -> Option<&reqwest::Client> {
        let build = || {
            let builder = reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none());
            builder.timeout(attempt::TIMEOUT).build().ok()
        };
        self.client.get_or_init(build).as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, mut delivery: Delivery, due_ms: i64) {
        self.last_id += 1;
        delivery.id = self.last_id;
        delivery.due_ms = due_ms;
        self.waiting.insert((due_ms, delivery.id), delivery);
    }

    fn release(&mut self, now_ms: i64) {
        while let Some(delivery) = self.held.pop() {
            self.enqueue(delivery, now_ms);
        }
    }

    fn next_due_ms(&self) -> Option<i64> {
        let mut free = self
            .waiting
            .values()
            .filter(|delivery| !self.under_way.contains_key(&delivery.webhook_id));
        free.next().map(|delivery| delivery.due_ms)
    }

    /// Takes the next delivery that is due and whose subscription is free.
    fn take_due(&mut self, now_ms: i64) -> Option<Delivery> {
        let mut due = self.waiting.range(..=(now_ms, u64::MAX));
        let (key, _) =
            due.find(|(_, delivery)| !self.under_way.contains_key(&delivery.webhook_id))?;
        let key = *key;
        let delivery = self.waiting.remove(&key)?;
        self.under_way.insert(delivery.webhook_id, delivery.clone());
        Some(delivery)
    }

    /// Whether a delivery is still under way: a reset forgets it.
    fn is_under_way(&self, delivery: &Delivery) -> bool {
        let current = self.under_way.get(&delivery.webhook_id);
        current.is_some_and(|current| current.id == delivery.id)
    }

    fn finish(&mut self, delivery: &Delivery) {
        if self.is_under_way(delivery) {
            self.under_way.remove(&delivery.webhook_id);
        }
    }

    /// Writes an attempt down and counts invalid answers. Returns whether the subscription has earned its disabling.
    fn record(&mut self, attempt: WebhookAttempt, webhook_id: u64, now: i64) -> bool {
        let is_invalid = !attempt.delivered;
        if self.log.len() >= LOG_CAPACITY {
            self.log.pop_front();
        }
        self.log.push_back(attempt);
        is_invalid && schedule::is_disabling(self.invalid.entry(webhook_id).or_default(), now)
    }
}
