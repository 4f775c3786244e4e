//! A subscriber's own claims and hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use store::{Circuit, Claimed, EventRow, RetryAfter, StoreError, Worker, job_kind};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Shop;
use super::attempt::{Delivery, Warned};
use super::backoff::Backoff;
use super::subscriber::{Standing, Subscriber};

/// How long an idle pool sleeps at most.
const IDLE: Duration = Duration::from_secs(5);
/// A pause is looked at again after this: clocks are set, and machines sleep.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// How long somebody else's probe is waited for before it is looked again.
const PROBE_PAUSE: Duration = Duration::from_millis(500);
/// How long is tried to give back what could not be finished.
const GIVE_BACK: Duration = Duration::from_secs(3);
/// An attempt ends this long before its claim does, so that its outcome can be recorded.
pub(super) const RECORDING: Duration = Duration::from_secs(5);

/// Everything that deliveries to one subscriber share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) shop: Arc<Shop>,
    pub(super) known: watch::Sender<Arc<Subscriber>>,
    pub(super) warned: Warned,
    kind: String,
    worker: Worker,
    in_flight: AtomicUsize,
    /// A hand is free again.
    freed: Notify,
}

/// A hand with an event in it; free when this is dropped.
struct Hand(Arc<Pool>);

impl Hand {
    fn take(pool: &Arc<Pool>) -> Self {
        pool.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(pool))
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.0.freed.notify_one();
    }
}

/// What is in flight, and what ends it.
struct Hands {
    tasks: TaskTracker,
    abort: CancellationToken,
    stop: CancellationToken,
}

impl Pool {
    pub(super) fn new(
        shop: Arc<Shop>,
        name: &str,
        known: watch::Sender<Arc<Subscriber>>,
    ) -> Arc<Self> {
        let kind = job_kind(name);
        Arc::new(Self {
            worker: shop.store.jobs().worker(&worker_name(&kind)),
            shop,
            known,
            warned: Warned::default(),
            kind,
            in_flight: AtomicUsize::new(0),
            freed: Notify::new(),
        })
    }

    /// Delivers until `stop`, then lets what is in flight end for at most `drain`.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken, drain: Duration) {
        let hands = Hands {
            tasks: TaskTracker::new(),
            abort: CancellationToken::new(),
            stop,
        };
        self.dispatch(&hands).await;
        hands.tasks.close();
        if tokio::time::timeout(drain, hands.tasks.wait())
            .await
            .is_err()
        {
            hands.abort.cancel();
            hands.tasks.wait().await;
            tracing::warn!(
                job.kind = self.kind,
                "deliveries were still in flight after the drain time; they are tried again"
            );
        }
        // What was aborted, or could not be recorded, is due at once for whoever is left.
        let released = tokio::time::timeout(GIVE_BACK, self.worker.release_all()).await;
        if !matches!(released, Ok(Ok(_))) {
            tracing::warn!(
                job.kind = self.kind,
                "claims could not be given back; they end by themselves"
            );
        }
    }

    /// Claims and hands out until it is stopped. Only waits are cut short by that: a claim that has begun has to find
    /// its jobs a hand.
    async fn dispatch(self: &Arc<Self>, hands: &Hands) {
        let mut known = self.known.subscribe();
        let mut backoff = Backoff::default();
        // Whether the last claim took all that was due.
        let mut is_idle = false;
        while !hands.stop.is_cancelled() {
            let subscriber = Arc::clone(&known.borrow_and_update());
            let concurrency = usize::try_from(subscriber.settings.concurrency).unwrap_or(1);
            let free = concurrency.max(1).saturating_sub(self.in_flight());
            let standing = subscriber.standing(self.shop.database_now());
            let waited = async {
                match standing {
                    Standing::Stopped => std::future::pending().await,
                    Standing::Open(wait) => tokio::time::sleep(wait.min(LONGEST_NAP)).await,
                    // The event that finds out is the only one in flight.
                    Standing::Probe if self.in_flight() > 0 => self.freed.notified().await,
                    Standing::Working if free == 0 => self.freed.notified().await,
                    Standing::Working if !is_idle => return Ok(true),
                    Standing::Probe | Standing::Working => return self.wait_for_work().await,
                }
                Ok(false)
            };
            let is_due = tokio::select! {
                () = hands.stop.cancelled() => return,
                // What is known has changed: begin anew.
                _ = known.changed() => continue,
                is_due = waited => is_due,
            };
            let is_current = match is_due {
                Ok(true) => self.knows_all().await,
                other => other,
            };
            let outcome = match (is_current, standing) {
                (Err(error), _) => Err(error),
                (Ok(false), _) => Ok(is_idle),
                (Ok(true), Standing::Probe) => {
                    self.probe(&subscriber, hands).await.map(|begun| begun == 0)
                }
                (Ok(true), _) => {
                    let claimed = self.claim(&subscriber, free, false, hands).await;
                    claimed.map(|count| count < free)
                }
            };
            match outcome {
                Ok(idle) => {
                    backoff.succeeded("the queue can be read again");
                    is_idle = idle;
                }
                Err(error) => {
                    let pause = backoff.failed("the queue cannot be read", &error);
                    let _ = hands
                        .stop
                        .run_until_cancelled(tokio::time::sleep(pause))
                        .await;
                }
            }
        }
    }

    /// Whether what is known of the subscribers is what is stored: who was told that a subscriber is paused sees at most
    /// one claim after that, of whoever asked here just before. If not, the look that is due is waited for.
    async fn knows_all(&self) -> Result<bool, StoreError> {
        let stored = self.shop.store.gateway().registry_version().await?;
        let mut known = self.shop.version.subscribe();
        if *known.borrow_and_update() >= stored {
            return Ok(true);
        }
        self.shop.outdated.notify_one();
        let looked = known.wait_for(|known| *known >= stored);
        // Begin anew in any case.
        let _ = tokio::time::timeout(super::LOOK_EVERY, looked).await;
        Ok(false)
    }

    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    async fn wait_for_work(&self) -> Result<bool, StoreError> {
        let jobs = self.shop.store.jobs();
        jobs.wait_for_work(&[&self.kind], IDLE).await
    }

    /// Sends one event to an endpoint that was away, unless another process does. Returns how many were begun.
    async fn probe(
        self: &Arc<Self>,
        subscriber: &Arc<Subscriber>,
        hands: &Hands,
    ) -> Result<usize, StoreError> {
        let gateway = self.shop.store.gateway();
        let hold = self.shop.config.delivery.lease();
        if !gateway.take_probe(&subscriber.name, hold).await? {
            // It is another's, or the pause is not over by the clock of the database.
            let _ = hands
                .stop
                .run_until_cancelled(tokio::time::sleep(PROBE_PAUSE))
                .await;
            self.look_at_circuit(&subscriber.name).await;
            return Ok(0);
        }
        let begun = self.claim(subscriber, 1, true, hands).await;
        if !matches!(begun, Ok(1..)) {
            // Nothing was due after all.
            gateway.release_probe(&subscriber.name).await?;
        }
        begun
    }

    /// Claims up to `free` events and begins to deliver them. Returns how many there were.
    async fn claim(
        self: &Arc<Self>,
        subscriber: &Arc<Subscriber>,
        free: usize,
        is_probe: bool,
        hands: &Hands,
    ) -> Result<usize, StoreError> {
        let lease = self.shop.config.delivery.lease();
        // Before the claim: its lease cannot end earlier than this tells.
        let trust_ends = Instant::now() + lease.saturating_sub(RECORDING);
        let wanted = u32::try_from(free).unwrap_or(u32::MAX);
        let jobs = self.worker.claim(&[&self.kind], wanted, lease).await?;
        let count = jobs.len();
        if count == 0 {
            return Ok(0);
        }
        let rows: Vec<i64> = jobs.iter().filter_map(|job| job.payload().ok()).collect();
        let events = match self.shop.store.gateway().envelopes(&rows).await {
            Ok(events) => events,
            Err(error) => {
                self.give_back(jobs).await;
                return Err(error);
            }
        };
        for job in jobs {
            let delivery = Delivery {
                event: event_of(&job, &events),
                job,
                subscriber: Arc::clone(subscriber),
                trust_ends,
                is_probe,
            };
            let (hand, abort) = (Hand::take(self), hands.abort.clone());
            hands.tasks.spawn(async move {
                // Cut short, it is given back with what else is left.
                let _ = abort.run_until_cancelled(delivery.run(&hand.0)).await;
            });
        }
        Ok(count)
    }

    /// The events could not be read, so nothing was tried. What cannot be given back is free when its lease ends.
    async fn give_back(&self, jobs: Vec<Claimed>) {
        let queue = self.shop.store.jobs();
        for job in jobs {
            let retry = RetryAfter::new(Duration::ZERO, "the database was away").uncounted();
            let given = queue.retry(&job, retry);
            if !matches!(tokio::time::timeout(GIVE_BACK, given).await, Ok(Ok(_))) {
                return;
            }
        }
    }

    /// The subscriber was disabled here: the next look at all subscribers need not be waited for.
    pub(super) fn stop_sending(&self, reason: &str) {
        self.known.send_modify(|known| {
            let mut subscriber = Subscriber::clone(known);
            subscriber.disable(reason);
            *known = Arc::new(subscriber);
        });
    }

    /// What this or another process has found out about the endpoint is known at once. `None`: it cannot be read now, and
    /// the next look at all subscribers tells.
    pub(super) async fn look_at_circuit(&self, name: &str) -> Option<Circuit> {
        let circuit = self.shop.store.gateway().circuit(name).await.ok()??;
        self.known.send_if_modified(|known| {
            let is_news = known.circuit != circuit;
            if is_news {
                let mut subscriber = Subscriber::clone(known);
                subscriber.circuit = circuit.clone();
                *known = Arc::new(subscriber);
            }
            is_news
        });
        Some(circuit)
    }
}

/// A name of its own for each pool: one that ends gives back all that its worker holds, and there may be another of the same
/// subscriber by then, because it was removed and made again.
fn worker_name(kind: &str) -> String {
    static POOLS: AtomicU64 = AtomicU64::new(0);
    format!("{kind}#{}", POOLS.fetch_add(1, Ordering::Relaxed))
}

fn event_of(job: &Claimed, events: &[EventRow]) -> Option<EventRow> {
    let row: i64 = job.payload().ok()?;
    events.iter().find(|event| event.row_id == row).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_ends_gives_back_nothing_of_its_successors() {
        let (first, second) = (worker_name("gateway/crm"), worker_name("gateway/crm"));
        assert_ne!(first, second);
        assert!(first.starts_with("gateway/crm#"));
    }
}
