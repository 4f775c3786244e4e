//! Alerts: somebody is told when failures, the age of the queue or failed renewals cross a limit, once, and once when that
//! is over.
//!
//! What was seen, what was told and who has still to be told is a row in the database, so several processes tell it once,
//! and a restart forgets nothing. An endpoint that is down is tried again; nothing else waits for it. A message that left
//! while its process died may come twice, under the same id.
//!
//! The thing a newcomer gets wrong: nothing personal is in a message, and nothing that a server has said.

mod config;
mod memory;
mod send;

use std::sync::Arc;
use std::time::Duration;

use service_kit::mail::SmtpConfig;
use store::{FAILED_RENEWALS, Run, StoreError, Turn};
use tokio_util::sync::CancellationToken;

pub use self::config::{ALERT_DEFAULTS, ALERT_VARIABLES, AlertsConfig};
use self::memory::{Memory, Readings, Rule, Way};
use self::send::Sender;
use crate::{Crm, CrmError, Queue, float};

/// How long a process has the turn without a sign of life: longer than a mail server may take for one letter.
const HOLD: Duration = Duration::from_mins(4);

/// Watches a service. A clone is the same watch.
#[derive(Debug, Clone)]
pub struct Alerts {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: AlertsConfig,
    crm: Arc<Crm>,
    queue: Queue,
    failures: &'static str,
    sender: Sender,
}

impl Alerts {
    /// Watches this queue, and the figure of [`store::Totals`] that counts the service's failures. `None` if nobody is to be
    /// told.
    pub fn new(
        config: &AlertsConfig,
        smtp: &SmtpConfig,
        crm: Arc<Crm>,
        queue: Queue,
        failures: &'static str,
    ) -> Option<Self> {
        config.is_on().then(|| Self {
            inner: Arc::new(Inner {
                sender: Sender::new(config, smtp, queue.service),
                config: config.clone(),
                crm,
                queue,
                failures,
            }),
        })
    }

    /// Looks now and then until the token is cancelled, then lets the message on its way end for at most `drain`.
    pub async fn run(&self, shutdown: CancellationToken, drain: Duration) {
        let mut pause = Duration::ZERO;
        while shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            pause = match self.inner.look(&shutdown, drain).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!("whether somebody has to be alerted is not known: {error}");
                    self.inner.config.check_every()
                }
            };
        }
    }
}

impl Inner {
    /// Looks and tells, if it is this process's turn. Returns when to come again.
    async fn look(
        &self,
        shutdown: &CancellationToken,
        drain: Duration,
    ) -> Result<Duration, CrmError> {
        let every = self.config.check_every();
        let schedules = self.crm.store().schedules();
        let name = format!("alerts/{}", self.queue.service);
        let run = match schedules.take(&name, HOLD).await? {
            Turn::Taken(run) => run,
            Turn::NotDue(pause) | Turn::Busy(pause) => return Ok(pause.min(every)),
        };
        let drained = async {
            shutdown.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        let looked = tokio::select! {
            looked = self.look_in_turn(&run, shutdown) => looked,
            () = drained => Ok(()),
        };
        let outcome = if looked.is_ok() { "looked" } else { "failed" };
        // Whoever comes first takes the next turn: this process, if it is the only one.
        let rest = if shutdown.is_cancelled() {
            Duration::ZERO
        } else {
            every / 2
        };
        let _ = schedules.end(&run, rest, outcome).await?;
        looked.map(|()| every)
    }

    async fn look_in_turn(&self, run: &Run, shutdown: &CancellationToken) -> Result<(), CrmError> {
        let store = self.crm.store();
        let mut memory: Memory = run.progress().unwrap_or_default();
        let found = Readings {
            failures: store.totals().read(self.failures).await?,
            renewals: store.totals().read(FAILED_RENEWALS).await?,
            is_refused: self.crm.is_refused().await?,
            lag: self.lag().await?,
        };
        let ways = self.sender.ways();
        let limits = self.config.limits();
        let news = memory.look(self.queue.service, &limits, found, &ways, self.crm.now());
        for notice in &news {
            let rule = notice.rule.as_str();
            let (value, limit) = (notice.value, notice.limit);
            if notice.is_recovery {
                tracing::info!(alert.rule = rule, value, limit, "an alert is over");
            } else {
                tracing::error!(alert.rule = rule, value, limit, "an alert begins");
            }
        }
        for rule in Rule::ALL {
            let is_firing = f64::from(u8::from(memory.is_firing(rule)));
            metrics::gauge!("alerts_firing", "rule" => rule.as_str()).set(is_firing);
        }
        // What is to be told is durable before anybody is told.
        let mut is_ours = self.note(run, &memory).await?;
        for way in ways {
            if is_ours && !shutdown.is_cancelled() {
                is_ours = self.tell(run, &mut memory, way, shutdown).await?;
            }
        }
        Ok(())
    }

    /// Tells what waits for this way out, in order, until it fails. `false`: the turn has passed to another process.
    async fn tell(
        &self,
        run: &Run,
        memory: &mut Memory,
        way: Way,
        shutdown: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let window = self.config.limits().window;
        while !shutdown.is_cancelled()
            && memory.may_try(way, self.crm.now())
            && let Some(notice) = memory.next(way).cloned()
        {
            let sent = self.sender.send(way, window, &notice, self.crm.now()).await;
            let outcome = match sent {
                Ok(()) => {
                    memory.told(&notice.id, way);
                    "ok"
                }
                Err(reason) => {
                    tracing::warn!(
                        alert.rule = notice.rule.as_str(),
                        alert.way = way.as_str(),
                        "nobody could be alerted, it is tried again: {reason}"
                    );
                    memory.failed(way, self.crm.now());
                    "failed"
                }
            };
            metrics::counter!("alerts_sent_total", "way" => way.as_str(), "outcome" => outcome)
                .increment(1);
            if !self.note(run, memory).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes it durable. `false`: the turn has passed to another process.
    async fn note(&self, run: &Run, memory: &Memory) -> Result<bool, StoreError> {
        let waiting = u64::try_from(memory.waiting()).unwrap_or(u64::MAX);
        metrics::gauge!("alerts_waiting").set(float(waiting));
        let schedules = self.crm.store().schedules();
        Ok(schedules.note(run, memory, HOLD).await?.is_recorded())
    }

    /// For how long the most overdue job has been due.
    async fn lag(&self) -> Result<Duration, StoreError> {
        let mut longest = Duration::ZERO;
        for kind in self.queue.kinds {
            let stats = self.crm.store().jobs().stats(kind).await?;
            longest = longest.max(stats.lag);
        }
        Ok(longest)
    }
}
