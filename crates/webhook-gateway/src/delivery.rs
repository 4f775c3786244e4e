//! Delivering events: at least once, in order per entity and subscriber, and nobody waits for anybody else.
//!
//! Every subscriber has a pool of its own with its own claims, so that a dead endpoint, or one that takes its time, costs
//! its neighbours nothing. Any number of processes may work on one database. A pool claims no more than it has hands for;
//! an attempt ends before its claim does; what it brought is recorded together with what becomes of the job; and an
//! outcome that comes too late, because another process has the job by then, is refused by the store.
//!
//! A pool in the order in which an event meets it: [`pool`] claims, [`attempt`] sends, by [`http`], [`nats`] or
//! [`stdout`], [`judge`] says what follows, with the pauses of [`schedule`].

mod attempt;
mod backoff;
mod http;
mod judge;
#[cfg(feature = "nats")]
mod nats;
mod pool;
mod reply;
mod schedule;
mod sinks;
mod stdout;
mod subscriber;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use service_kit::clock::SharedClock;
use store::{Store, SubscriberRow};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use self::backoff::Backoff;
use self::pool::Pool;
use self::sinks::Sinks;
use self::subscriber::Subscriber;
use crate::account::Enricher;
use crate::config::Config;

/// How often is looked whether another process has changed the subscribers.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the work of a process that is dead stays untouched: a request that it has sent may still be on its way.
const SETTLE: Duration = Duration::ZERO;

/// Delivers to all subscribers. A clone is the same deliverer.
#[derive(Debug, Clone)]
pub struct Deliverer {
    shop: Arc<Shop>,
}

/// What all pools need.
#[derive(Debug)]
struct Shop {
    config: Arc<Config>,
    store: Store,
    clock: SharedClock,
    sinks: Sinks,
    enricher: Option<Enricher>,
    /// The version of the subscribers that the pools know.
    version: watch::Sender<i64>,
    /// Somebody has seen a newer one.
    outdated: Notify,
    /// By how many microseconds the database's clock is ahead of this machine's.
    ahead: AtomicI64,
}

impl Shop {
    /// The time by the clock that pauses, leases and schedules go by. Machines differ, the database is one.
    fn database_now(&self) -> DateTime<Utc> {
        self.clock.now() + TimeDelta::microseconds(self.ahead.load(Ordering::Relaxed))
    }

    fn set_clock(&self, database_now: DateTime<Utc>) {
        let ahead = (database_now - self.clock.now()).num_microseconds();
        self.ahead
            .store(ahead.unwrap_or_default(), Ordering::Relaxed);
    }
}

/// A subscriber's pool at work.
#[derive(Debug)]
struct Running {
    task: Id,
    known: watch::Sender<Arc<Subscriber>>,
    stop: CancellationToken,
}

impl Deliverer {
    /// A deliverer for `store`.
    pub fn new(config: Arc<Config>, store: Store, clock: SharedClock) -> Self {
        let sinks = Sinks::new(&config);
        Self {
            shop: Arc::new(Shop {
                config,
                store,
                clock,
                sinks,
                enricher: None,
                version: watch::Sender::new(0),
                outdated: Notify::new(),
                ahead: AtomicI64::new(0),
            }),
        }
    }

    /// Completes events for the subscribers that want it.
    #[must_use]
    pub(crate) fn enriching(mut self, enricher: Enricher) -> Self {
        // Nobody else has it yet.
        if let Some(shop) = Arc::get_mut(&mut self.shop) {
            shop.enricher = Some(enricher);
        }
        self
    }

    /// Delivers until the token is cancelled, then lets what is in flight end for at most `drain`, and gives the rest
    /// back.
    pub async fn run(&self, shutdown: CancellationToken, drain: Duration) {
        self.reclaim().await;
        let mut pools = JoinSet::new();
        let mut running = BTreeMap::new();
        let mut backoff = Backoff::default();
        loop {
            let pause = match self.shop.store.gateway().registry().await {
                Ok(registry) => {
                    backoff.succeeded("the list of subscribers can be read again");
                    if let Some(now) = registry.read_at {
                        self.shop.set_clock(now);
                    }
                    self.arrange(registry.subscribers, &mut running, &mut pools, drain);
                    self.shop.version.send_replace(registry.version);
                    LOOK_EVERY
                }
                Err(error) => backoff.failed("the list of subscribers cannot be read", &error),
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                () = self.shop.outdated.notified() => {}
                Some(ended) = pools.join_next_with_id(), if !pools.is_empty() => {
                    let task = match &ended {
                        Ok((task, ())) => *task,
                        Err(error) => error.id(),
                    };
                    if ended.is_err_and(|error| error.is_panic()) {
                        metrics::counter!("panics_total").increment(1);
                    }
                    // It is begun anew with the next look, if there still is such a subscriber.
                    running.retain(|_, pool: &mut Running| pool.task != task);
                    tokio::time::sleep(backoff::SHORTEST).await;
                }
            }
        }
        for pool in running.values() {
            pool.stop.cancel();
        }
        while pools.join_next().await.is_some() {}
    }

    /// Frees what processes that died had claimed; they need not be waited for.
    async fn reclaim(&self) {
        match self.shop.store.jobs().reclaim_from_the_dead(SETTLE).await {
            Ok(0) => {}
            Ok(jobs) => tracing::info!(jobs, "deliveries of ended processes go on"),
            Err(error) => {
                tracing::warn!("the claims of ended processes stay for a while: {error}");
            }
        }
    }

    /// Begins, changes and ends pools, so that there is one for each subscriber.
    fn arrange(
        &self,
        rows: Vec<SubscriberRow>,
        running: &mut BTreeMap<String, Running>,
        pools: &mut JoinSet<()>,
        drain: Duration,
    ) {
        let mut there = BTreeMap::new();
        for row in rows {
            let name = row.name.clone();
            match Subscriber::read(row) {
                Ok(subscriber) => {
                    there.insert(name, subscriber);
                }
                Err(reason) => {
                    tracing::error!(subscriber = name, "nothing is delivered: {reason}");
                }
            }
        }
        running.retain(|name, pool| {
            let stays = there.contains_key(name);
            if !stays {
                tracing::info!(subscriber = name, "deliveries end");
                pool.stop.cancel();
            }
            stays
        });
        for (name, subscriber) in there {
            if let Some(pool) = running.get(&name) {
                pool.known.send_if_modified(|known| {
                    let is_news = !subscriber.is_same(known);
                    if is_news {
                        *known = Arc::new(subscriber);
                    }
                    is_news
                });
                continue;
            }
            tracing::info!(subscriber = name, "deliveries begin");
            let known = watch::Sender::new(Arc::new(subscriber));
            let stop = CancellationToken::new();
            let pool = Pool::new(Arc::clone(&self.shop), &name, known.clone());
            let task = pools.spawn(pool.run(stop.clone(), drain)).id();
            running.insert(name, Running { task, known, stop });
        }
    }
}
