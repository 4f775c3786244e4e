//! Coalescing: many single calls, few requests.
//!
//! amoCRM grants 7 requests a second and takes 250 entities in each, so a thousand tasks that each change one lead are
//! better off together. [`Client::batcher`] gives a client whose *single* creates, updates and reads by id are gathered:
//! what comes within a few milliseconds, or 250 items, travels as one request, and everyone gets the answer for their own
//! item.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = amocrm_emulator::Emulator::start().await?;
//! # let client = amocrm_sdk::Client::builder("acme.amocrm.ru").base_url(emulator.base_url())
//! #     .long_lived_token(emulator.long_lived_token()).build()?;
//! use amocrm_sdk::leads::NewLead;
//!
//! let batcher = client.batcher();
//! let tasks: Vec<_> = (1..=100)
//!     .map(|number| {
//!         let leads = batcher.leads();
//!         tokio::spawn(async move {
//!             let lead = leads.create([NewLead::new().name(format!("Order {number}"))]).await?[0].id;
//!             leads.update(lead).price(number * 1_000).await?;
//!             leads.get(lead).await
//!         })
//!     })
//!     .collect();
//! for task in tasks {
//!     assert!(task.await??.is_some());
//! }
//! // 100 creates, 100 updates and 100 reads, and one request of each.
//! assert_eq!(emulator.requests().len(), 3);
//! # Ok(())
//! # }
//! ```
//!
//! What it promises:
//!
//! * **A bad item fails nobody else.** amoCRM refuses a batch whole. The items that the refusal names get their own
//!   errors and the others are sent again together; when it names none, the batch is halved until the bad ones are
//!   alone. Each caller sees the error that a call of its own would have had.
//! * **Nothing is created twice.** When the outcome of a batch of creates is unknown, every caller is told so
//!   ([`Delivery::Unknown`]) and nothing is sent again.
//! * **Order per entity.** Changes of one entity are sent in the order of their calls, each after the one before has
//!   been answered: two of them never share a batch.
//! * **Full requests.** While a batch waits for its permit the next one fills.
//! * **Reads are as fresh as single ones.** Whoever asks for the same entity within one batch shares the answer; whoever
//!   asks later gets a later one. Up to 100 reads of cards, tasks or notes become one list with `filter[id]`, those with
//!   the same `with` together. What the list does not name is asked for by its id before anybody is told that there is
//!   none: lists hide the contacts of requests that nobody has accepted, and a list whose filter was ignored is a page of
//!   strangers.
//!
//! A call that is dropped before its batch is closed is not sent; later it is, and the others never notice. Waiting for
//! the batch counts towards the call's [deadline](crate::ClientBuilder::deadline). Calls that bring many items
//! (`create([a, b])`, `update_many`) are batches already and go as they are, as does everything that amoCRM takes one by
//! one only, such as pipelines.
//!
//! Calls are gathered per batcher: make one, clone it, and pass it to whoever works at the same time.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use self::lane::{Address, Job, Lane};
use crate::client::Client;
use crate::entity::MAX_BATCH;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::layer::Deadline;
use crate::request::Operation;

mod deliver;
mod lane;
mod read;

pub(crate) use self::lane::Verb;

/// How long the first call of a batch waits for company. Far below the 146 ms that a permit takes at 7 a second.
const DEFAULT_WINDOW: Duration = Duration::from_millis(5);
/// Most entities read at once. Their ids travel in the address, some 30 characters each: with 100 of them it is well below
/// the 4 KiB that the strictest servers and proxies take, and the 8 KiB of nginx. amoCRM does not say what it takes.
pub(crate) const MAX_READ: usize = 100;

/// When a batch is full or has waited long enough.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchPolicy {
    /// How long the first call of a batch waits for others, at most a minute. Default: 5 ms.
    pub window: Duration,
    /// Most items of a batch, at most [`MAX_BATCH`]. Default: 250.
    pub max_items: usize,
}

impl Default for BatchPolicy {
    fn default() -> Self {
        Self {
            window: DEFAULT_WINDOW,
            max_items: MAX_BATCH,
        }
    }
}

impl BatchPolicy {
    /// Sets how long the first call of a batch waits for others.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the most items of a batch; it is held between 1 and [`MAX_BATCH`].
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items.clamp(1, MAX_BATCH);
        self
    }
}

impl Client {
    /// A clone of this client that gathers concurrent single creates, updates and reads into batches: see
    /// [`batcher`](crate::batcher).
    #[must_use]
    pub fn batcher(&self) -> Self {
        self.batcher_with(BatchPolicy::default())
    }

    /// As [`batcher`](Self::batcher), with other settings.
    #[must_use]
    pub fn batcher_with(&self, policy: BatchPolicy) -> Self {
        self.gathering(Arc::new(Batching {
            policy,
            lanes: Mutex::default(),
        }))
    }
}

/// What the clones of one batcher share: a lane per collection and verb, as long as there is something in it.
pub(crate) struct Batching {
    policy: BatchPolicy,
    lanes: Mutex<HashMap<Address, Arc<Lane>>>,
}

/// Where an item is to go.
pub(crate) struct Destination {
    pub(crate) verb: Verb,
    pub(crate) path: String,
    /// What a read embeds, separated by commas.
    pub(crate) with: String,
    pub(crate) operation: Operation,
    /// The key of the collection in `_embedded`.
    pub(crate) key: &'static str,
    /// Most items that amoCRM takes there.
    pub(crate) limit: usize,
}

impl Batching {
    /// Sends an item in company and reads the answer for it.
    pub(crate) async fn send<T: DeserializeOwned>(
        self: &Arc<Self>,
        client: &Client,
        destination: Destination,
        id: Option<u64>,
        item: Map<String, Value>,
    ) -> Result<T> {
        let operation = destination.operation.name;
        let answer = self
            .submit(client, destination, id, item)
            .await
            .unwrap_or_else(|_| Err(abandoned()))
            .map_err(|error| error.with_operation(operation))?;
        serde_json::from_value(answer).map_err(|_| {
            let message = "amoCRM's answer for the item could not be read";
            Error::new(ErrorKind::Decode, Delivery::Answered, message).with_operation(operation)
        })
    }

    fn submit(
        self: &Arc<Self>,
        client: &Client,
        destination: Destination,
        id: Option<u64>,
        item: Map<String, Value>,
    ) -> oneshot::Receiver<Result<Value>> {
        let (reply, answer) = oneshot::channel();
        let job = Job::new(id, item, client.next_deadline(), reply);
        let limit = destination.limit.min(self.policy.max_items).max(1);
        let address = Address::from(destination);
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&address) {
            lane.push(job);
            return answer;
        }
        let lane = Arc::new(Lane::new(address.clone(), limit, self.policy.window));
        lane.push(job);
        lanes.insert(address, Arc::clone(&lane));
        drop(lanes);
        // A task of its own, so that no caller carries the others' requests and none can drop them.
        tokio::spawn(lane::drive(Arc::clone(self), lane, client.alone()));
        answer
    }

    /// Forgets a lane that has nothing to do; `false` if something came meanwhile.
    fn retire(&self, lane: &Arc<Lane>) -> bool {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = lane.is_idle();
        if is_idle {
            lanes.remove(lane.address());
        }
        is_idle
    }

    /// Forgets a lane whose runtime ended; what it held is answered.
    fn abandon(&self, lane: &Arc<Lane>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes
            .get(lane.address())
            .is_some_and(|current| Arc::ptr_eq(current, lane))
        {
            lanes.remove(lane.address());
        }
        drop(lanes);
        lane.answer_all(&not_sent());
    }
}

/// The task that sent the batch is gone: its runtime was shut down.
fn abandoned() -> Error {
    let message = "the batch was abandoned: the runtime that sent it was shut down";
    Error::new(ErrorKind::Transport, Delivery::Unknown, message)
}

fn not_sent() -> Error {
    abandoned().with_delivery(Delivery::NotSent)
}

/// When a batch must be over: it lasts as long as its last item may.
fn latest(jobs: &[Job]) -> Option<Deadline> {
    jobs.iter().map(|job| job.deadline).max_by_key(|it| it.0)
}

impl fmt::Debug for Batching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batching")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
