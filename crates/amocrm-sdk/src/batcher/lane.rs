//! A lane: the items on their way to one collection, and the task that closes batches of them.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::deliver::deliver;
use super::read::read;
use super::{Batching, Destination};
use crate::client::Client;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::{Deadline, Departure};
use crate::metrics::Event;
use crate::request::{Operation, Request};

/// Longer than anyone would wait on purpose.
const LONGEST_WINDOW: Duration = Duration::from_mins(1);

/// What is done to the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    /// `POST`: adds items.
    Create,
    /// `PATCH`: changes items that have ids.
    Update,
    /// `GET`: reads items by their ids.
    Read,
}

/// What tells lanes apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) verb: Verb,
    pub(super) path: String,
    pub(super) with: String,
    pub(super) operation: &'static str,
    pub(super) is_idempotent: bool,
    pub(super) key: &'static str,
}

impl Address {
    pub(super) fn operation(&self) -> Operation {
        Operation {
            name: self.operation,
            idempotent: self.is_idempotent,
        }
    }

    /// A request to the collection.
    pub(super) fn request(&self) -> Request {
        self.request_at(&self.path)
    }

    /// A request to one of the collection.
    pub(super) fn request_to(&self, id: u64) -> Request {
        self.request_at(&format!("{}/{id}", self.path))
    }

    fn request_at(&self, path: &str) -> Request {
        match self.verb {
            Verb::Create => Request::post(self.operation(), path),
            Verb::Update => Request::patch(self.operation(), path),
            Verb::Read => Request::get(self.operation(), path),
        }
    }
}

impl From<Destination> for Address {
    fn from(destination: Destination) -> Self {
        Self {
            verb: destination.verb,
            path: destination.path,
            with: destination.with,
            operation: destination.operation.name,
            is_idempotent: destination.operation.idempotent,
            key: destination.key,
        }
    }
}

/// One item and whoever waits for it.
pub(super) struct Job {
    pub(super) id: Option<u64>,
    pub(super) item: Map<String, Value>,
    pub(super) deadline: Deadline,
    since: Instant,
    reply: oneshot::Sender<Result<Value>>,
}

impl Job {
    pub(super) fn new(
        id: Option<u64>,
        item: Map<String, Value>,
        deadline: Deadline,
        reply: oneshot::Sender<Result<Value>>,
    ) -> Self {
        Self {
            id,
            item,
            deadline,
            since: Instant::now(),
            reply,
        }
    }

    /// Whether anybody still waits for the answer.
    pub(super) fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    pub(super) fn answer(self, outcome: Result<Value>) {
        // Whoever is gone does not want to know.
        drop(self.reply.send(outcome));
    }
}

pub(super) struct Lane {
    address: Address,
    limit: usize,
    window: Duration,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Entities with a change under way: the next change of each waits for its answer.
    busy: HashSet<u64>,
    batches_under_way: usize,
    /// Whether the driver waits, without a window, for something that may go.
    is_stalled: bool,
}

/// What the next batch could hold.
#[derive(Debug, PartialEq, Eq)]
enum Prospect {
    Nothing,
    Some { since: Instant },
    Full,
}

impl State {
    fn prospect(&self, limit: usize) -> Prospect {
        let mut ids = HashSet::new();
        let mut free = self
            .queue
            .iter()
            .filter(|job| self.is_free(job) && job.id.is_none_or(|id| ids.insert(id)));
        match free.next() {
            None => Prospect::Nothing,
            Some(_) if free.take(limit - 1).count() == limit - 1 => Prospect::Full,
            Some(first) => Prospect::Some { since: first.since },
        }
    }

    fn is_free(&self, job: &Job) -> bool {
        job.id.is_none_or(|id| !self.busy.contains(&id))
    }

    /// The next batch. What waits behind another change of its entity stays in line; reads of one entity go together, and
    /// wait for no other.
    fn take(&mut self, verb: Verb, limit: usize) -> Vec<Job> {
        let now = Instant::now();
        let mut batch = Vec::new();
        let mut read = HashSet::new();
        let mut rest = VecDeque::with_capacity(self.queue.len());
        for job in std::mem::take(&mut self.queue) {
            if !job.is_wanted() {
                continue;
            }
            if job.deadline.0 <= now {
                job.answer(Err(too_late()));
                continue;
            }
            let joins = match (verb, job.id) {
                (Verb::Read, Some(id)) => {
                    read.contains(&id) || (read.len() < limit && read.insert(id))
                }
                (_, id) => batch.len() < limit && id.is_none_or(|id| self.busy.insert(id)),
            };
            if joins {
                batch.push(job);
            } else {
                rest.push_back(job);
            }
        }
        self.queue = rest;
        batch
    }
}

fn too_late() -> Error {
    Error::new(
        ErrorKind::Deadline,
        Delivery::NotSent,
        "the deadline passed while waiting for the batch",
    )
}

impl Lane {
    pub(super) fn new(address: Address, limit: usize, window: Duration) -> Self {
        Self {
            address,
            limit,
            window: window.min(LONGEST_WINDOW),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn push(&self, job: Job) {
        let mut state = self.state();
        state.queue.push_back(job);
        let waiting = state.queue.len();
        let is_stalled = state.is_stalled;
        drop(state);
        // In between the driver sleeps out its window anyway.
        if waiting == 1 || waiting >= self.limit || is_stalled {
            self.changed.notify_one();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.queue.is_empty() && state.batches_under_way == 0
    }

    pub(super) fn answer_all(&self, error: &Error) {
        let queue = std::mem::take(&mut self.state().queue);
        for job in queue {
            job.answer(Err(error.clone()));
        }
    }

    /// Waits until a batch is full or old enough, and closes it. Empty when the lane has nothing to do, or only what
    /// nobody waits for any more.
    async fn next_batch(&self) -> Vec<Job> {
        loop {
            let (prospect, is_idle) = {
                let mut state = self.state();
                let is_idle = state.queue.is_empty() && state.batches_under_way == 0;
                let prospect = state.prospect(self.limit);
                state.is_stalled = prospect == Prospect::Nothing;
                (prospect, is_idle)
            };
            match prospect {
                Prospect::Nothing if is_idle => return Vec::new(),
                Prospect::Nothing => self.changed.notified().await,
                Prospect::Some { since } => {
                    let gathered = since + self.window;
                    if timeout_at(gathered, self.changed.notified()).await.is_err() {
                        return self.close();
                    }
                }
                Prospect::Full => return self.close(),
            }
        }
    }

    fn close(&self) -> Vec<Job> {
        let mut state = self.state();
        let batch = state.take(self.address.verb, self.limit);
        state.batches_under_way += usize::from(!batch.is_empty());
        batch
    }

    fn finish(&self, ids: &[u64]) {
        let mut state = self.state();
        for id in ids {
            state.busy.remove(id);
        }
        state.batches_under_way -= 1;
        drop(state);
        self.changed.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends the lane's batches until it has nothing to do. The next batch is closed when the one before has its permit:
/// until then nothing could be sent any sooner, and it fills.
pub(super) async fn drive(batching: Arc<Batching>, lane: Arc<Lane>, client: Client) {
    let watch = Watch {
        batching: Arc::clone(&batching),
        lane: Arc::clone(&lane),
    };
    loop {
        let jobs = lane.next_batch().await;
        if jobs.is_empty() {
            if batching.retire(&lane) {
                break;
            }
            continue;
        }
        client.meter().record(|| Event::Batch {
            operation: lane.address.operation,
            items: jobs.len(),
        });
        let departure = Departure::default();
        let under_way = UnderWay {
            ids: jobs.iter().filter_map(|job| job.id).collect(),
            lane: Arc::clone(&lane),
        };
        let (client, departing) = (client.clone(), departure.clone());
        let sent = match lane.address.verb {
            Verb::Create | Verb::Update => {
                tokio::spawn(deliver(client, jobs, departing, under_way))
            }
            Verb::Read => tokio::spawn(read(client, jobs, departing, under_way)),
        };
        tokio::select! {
            () = departure.awaited() => {}
            _ = sent => {}
        }
    }
    drop(watch);
}

/// Frees the entities of a batch however its sending ends.
pub(super) struct UnderWay {
    ids: Vec<u64>,
    lane: Arc<Lane>,
}

impl UnderWay {
    pub(super) fn address(&self) -> &Address {
        &self.lane.address
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.lane.finish(&self.ids);
    }
}

/// Without its driver a lane would keep callers waiting for ever.
struct Watch {
    batching: Arc<Batching>,
    lane: Arc<Lane>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.batching.abandon(&self.lane);
    }
}
