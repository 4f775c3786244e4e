//! Webhooks that arrive together are stored together.
//!
//! A webhook is rows in half a dozen tables. One by one, the trips to the database would be what everybody waits for; so
//! a transaction takes as many as have arrived while the one before it was on its way, and writes each table once. A
//! webhook that comes alone waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::accept::{Accept, Accepting};
use super::{Acceptance, NewRequest};
use crate::db::{Backend, DEADLINE, no_answer};
use crate::error::{Result, StoreError};
use crate::store::Inner;

/// How many webhooks share one transaction at most.
const GROUP: usize = 64;
/// How many bytes of bodies and envelopes share one transaction at most: one more may go beyond.
const GROUP_BYTES: usize = 2 << 20;
/// How many transactions are on their way at once. SQLite has one writer; on PostgreSQL one waits for the disk while the
/// other computes.
const SQLITE_TRANSACTIONS: usize = 1;
const POSTGRES_TRANSACTIONS: usize = 2;

/// Webhooks that nobody has begun to store.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arrival>,
    transactions: usize,
}

struct Arrival {
    new: Arc<NewRequest>,
    version: i64,
    reply: oneshot::Sender<Result<Acceptance>>,
}

impl std::fmt::Debug for Arrival {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival")
            .field("new", &self.new)
            .finish_non_exhaustive()
    }
}

impl Arrivals {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next group, all routed by the same registry, or `None` at the end of the turn.
    fn next(&self) -> Option<Vec<Arrival>> {
        let mut state = self.state();
        let mut group: Vec<Arrival> = Vec::new();
        let mut bytes = 0;
        while group.len() < GROUP && bytes < GROUP_BYTES {
            let is_alike = |next: &Arrival| {
                let first = group.first();
                first.is_none_or(|first| first.version == next.version)
            };
            if !state.waiting.front().is_some_and(is_alike) {
                break;
            }
            if let Some(next) = state.waiting.pop_front() {
                bytes += weight(&next.new);
                group.push(next);
            }
        }
        (!group.is_empty()).then_some(group)
    }
}

fn weight(new: &NewRequest) -> usize {
    let envelopes = new.events.iter().map(|event| event.envelope.len());
    new.body.len() + envelopes.sum::<usize>()
}

/// The right to have a transaction on its way. It is given back however the work ends.
struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.webhooks.state().transactions -= 1;
        // Who came between the last look and this moment found no turn to take.
        begin(&self.0);
    }
}

/// Stores a webhook together with others that arrive now.
pub(super) async fn join(
    inner: &Arc<Inner>,
    new: Arc<NewRequest>,
    version: i64,
) -> Result<Acceptance> {
    let (reply, answer) = oneshot::channel();
    let arrival = Arrival {
        new,
        version,
        reply,
    };
    inner.webhooks.state().waiting.push_back(arrival);
    begin(inner);
    // A server that is frozen keeps the group before us as long; who has given up is not stored later.
    timeout(DEADLINE, answer)
        .await
        .map_err(|_| no_answer())?
        .map_err(|_| StoreError::internal("the webhooks that arrived together were dropped"))?
}

/// Starts a task that stores what waits, unless there are enough. A task, because the caller may be dropped at any time
/// and the others wait for its transaction too.
fn begin(inner: &Arc<Inner>) {
    let most = match inner.db.backend {
        Backend::Sqlite(_) => SQLITE_TRANSACTIONS,
        Backend::Postgres(_) => POSTGRES_TRANSACTIONS,
    };
    {
        let mut state = inner.webhooks.state();
        if state.waiting.is_empty() || state.transactions >= most {
            return;
        }
        state.transactions += 1;
    }
    let turn = Turn(Arc::clone(inner));
    tokio::spawn(async move {
        while let Some(group) = turn.0.webhooks.next() {
            store(&turn.0, group).await;
        }
    });
}

async fn store(inner: &Inner, mut group: Vec<Arrival>) {
    group.retain(|arrival| !arrival.reply.is_closed());
    match attempt(inner, &group).await {
        // One of them cannot be stored; nothing was. The others shall not suffer for it.
        Err(error) if group.len() > 1 && !error.is_temporary() => {
            for arrival in group {
                let alone = vec![arrival];
                let outcome = attempt(inner, &alone).await;
                answer(alone, outcome);
            }
        }
        outcome => answer(group, outcome),
    }
}

/// Tells all callers. One may have gone away; its webhook is durable all the same.
fn answer(group: Vec<Arrival>, outcome: Result<Vec<Acceptance>>) {
    match outcome {
        Ok(outcomes) => {
            for (arrival, outcome) in group.into_iter().zip(outcomes) {
                let _ = arrival.reply.send(Ok(outcome));
            }
        }
        Err(error) => {
            for arrival in group {
                let _ = arrival.reply.send(Err(error.repeat()));
            }
        }
    }
}

async fn attempt(inner: &Inner, group: &[Arrival]) -> Result<Vec<Acceptance>> {
    let Some(first) = group.first() else {
        return Ok(Vec::new());
    };
    let requests: Accepting = group
        .iter()
        .map(|arrival| Arc::clone(&arrival.new))
        .collect();
    inner.db.write(Accept::new(requests, first.version)).await
}
