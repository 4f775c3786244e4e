//! Telling the platform that a manager moved a student's deal: at least once, in order for each student, signed.
//!
//! A callback is posted by a client that keeps out of our own network, and ends well with any 2xx. What fails is tried
//! again with growing pauses; what fails for too long is a dead letter. A callback moves nothing.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use connection::{Backoff, Crm, CrmError, Hands, Linked, Work};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use service_kit::egress::{Refused, SystemLookup, client};
use service_kit::signature::SigningKeys;
use store::{Ack, Claimed, LESSON_CALLBACK, ManagerMove, RetryAfter, StoreError};
use tokio_util::sync::CancellationToken;

use crate::config::{Callback, Config, TwoWayConfig};
use crate::failures;
use crate::sync::{MAX_CLAIMS, Syncer};

/// Callbacks that a process sends at once.
const HANDS: usize = 4;
/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// The longest pause that a platform may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);
const USER_AGENT: &str = concat!("lesson-sync/", env!("CARGO_PKG_VERSION"));
/// A manager moved a deal.
const MOVED: &str = "deal.moved";
/// Nothing happened: the doctor asks whether callbacks would be taken.
const PING: &str = "ping";

/// Posts to the platform.
#[derive(Debug, Clone)]
pub(crate) struct Poster {
    http: reqwest::Client,
    callback: Callback,
    allow_private: bool,
    timeout: Duration,
}

/// Why the platform has not taken it.
#[derive(Debug)]
pub(crate) struct NotTaken {
    /// For people, without the address.
    pub(crate) reason: String,
    /// How the platform answered, if it did.
    pub(crate) status: Option<u16>,
    retry_after: Option<Duration>,
}

impl NotTaken {
    fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            status: None,
            retry_after: None,
        }
    }
}

impl Poster {
    /// `None`: nobody is to be told.
    pub(crate) fn new(config: &TwoWayConfig) -> Option<Self> {
        let callback = config.callback()?;
        let lookup = Arc::new(SystemLookup);
        let http = client(
            &TwoWayConfig::guard(),
            config.allow_private(),
            lookup,
            USER_AGENT,
        )
        .inspect_err(|error| tracing::error!("no callback can be posted: {error}"))
        .ok()?;
        Some(Self {
            http,
            callback,
            allow_private: config.allow_private(),
            timeout: config.callback_timeout(),
        })
    }

    /// Asks whether a callback would be taken.
    pub(crate) async fn ping(&self, now: DateTime<Utc>) -> Result<(), NotTaken> {
        let id = format!("ping_{}", now.timestamp());
        self.post(&id, PING, now, &json!({}), now).await
    }

    async fn post(
        &self,
        id: &str,
        kind: &str,
        at: DateTime<Utc>,
        data: &Value,
        now: DateTime<Utc>,
    ) -> Result<(), NotTaken> {
        // An address that is a number is never resolved, so it is looked at here.
        TwoWayConfig::guard()
            .check_url(&self.callback.url, self.allow_private)
            .map_err(|refused| NotTaken::because(refused.to_string()))?;
        let timestamp = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let body = json!({"type": kind, "timestamp": timestamp, "data": data}).to_string();
        let headers = headers(&self.callback.keys, id, now, body.as_bytes())
            .ok_or_else(|| NotTaken::because("it cannot be signed"))?;
        let request = self
            .http
            .post(self.callback.url.clone())
            .headers(headers)
            .timeout(self.timeout)
            .body(body);
        let answer = request
            .send()
            .await
            .map_err(|error| NotTaken::because(cause(&error)))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
        Err(NotTaken {
            reason: format!("the platform answered {}", status.as_u16()),
            status: Some(status.as_u16()),
            retry_after,
        })
    }
}

fn headers(keys: &SigningKeys, id: &str, now: DateTime<Utc>, body: &[u8]) -> Option<HeaderMap> {
    let mut headers = keys.headers(id, now, body)?;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Some(headers)
}

/// What has failed, without the address: some platforms have a key in it.
fn cause(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return refused.to_string();
        }
        source = error.source();
    }
    let what = if error.is_timeout() {
        "the platform did not answer in time"
    } else if error.is_connect() {
        "the platform cannot be connected to"
    } else {
        "the connection to the platform failed"
    };
    what.to_owned()
}

/// Sends callbacks.
#[derive(Debug, Clone)]
pub(crate) struct Callbacks {
    config: Arc<Config>,
    crm: Arc<Crm>,
    hands: Hands,
    poster: Option<Poster>,
    backoff: Backoff,
    syncer: Syncer,
}

impl Callbacks {
    pub(crate) fn new(config: Arc<Config>, crm: Arc<Crm>, syncer: Syncer) -> Self {
        let first = config.lessons.first_pause();
        let backoff = Backoff::new(first, LONGEST_PAUSE.max(first));
        let pace = config.lessons.pace(&config.delivery).hands(HANDS);
        Self {
            hands: Hands::new(Arc::clone(&crm), &[LESSON_CALLBACK], pace),
            poster: Poster::new(&config.two_way),
            config,
            crm,
            backoff,
            syncer,
        }
    }

    /// Works until the token is cancelled.
    pub(crate) async fn run(&self, shutdown: CancellationToken, drain: Duration) {
        self.hands.run(self.clone(), shutdown, drain).await;
    }

    async fn data(&self, linked: &Linked, moved: &ManagerMove) -> Result<Value, CrmError> {
        let course = self.config.courses.named(&moved.course);
        let mut lesson = Value::Null;
        if let Some(course) = course {
            let ladder = self.syncer.ladder(linked, &moved.course).await?;
            let number = u64::try_from(moved.stage_id)
                .ok()
                .and_then(|stage| ladder.reached(stage));
            if let Some(number) = number {
                let known = course.lesson(number);
                lesson = json!({
                    "number": number,
                    "id": known.and_then(|lesson| lesson.id.as_deref()),
                    "module": known.and_then(|lesson| lesson.module.as_deref()),
                });
            }
        }
        Ok(json!({
            "email": moved.email,
            "user_id": moved.user_id,
            "course": moved.course,
            "lesson": lesson,
            "lead_id": moved.lead_id,
            "pipeline_id": moved.pipeline_id,
            "old_stage_id": moved.old_stage_id,
            "stage_id": moved.stage_id,
            "moved_at": moved.moved_at.to_rfc3339_opts(SecondsFormat::Secs, true),
            "moved_by": moved.by_user.map(|user| json!({
                "user_id": (user != 0).then_some(user),
                "robot": user == 0,
            })),
        }))
    }

    async fn later(
        &self,
        job: &Claimed,
        word: &'static str,
        failed: NotTaken,
    ) -> Result<Ack, StoreError> {
        let jobs = self.crm.store().jobs();
        failures::count(self.crm.store(), word).await;
        metrics::counter!("callbacks_total", "outcome" => "failed").increment(1);
        let waited = (self.crm.now() - job.created_at())
            .to_std()
            .unwrap_or_default();
        if waited >= self.config.two_way.callback_patience() {
            tracing::error!(
                job.id = job.id(),
                "a callback is given up: {}",
                failed.reason
            );
            metrics::counter!("callbacks_total", "outcome" => "given_up").increment(1);
            return jobs
                .bury(job, "the platform did not take it", Some(&failed.reason))
                .await;
        }
        tracing::warn!(
            job.id = job.id(),
            "a callback is sent later: {}",
            failed.reason
        );
        let pause = self.backoff.pause(job.attempts().saturating_add(1));
        let pause = failed.retry_after.map_or(pause, |asked| asked.max(pause));
        jobs.retry(job, RetryAfter::new(pause, failed.reason)).await
    }
}

impl Work for Callbacks {
    async fn work(&self, linked: &Linked, job: &Claimed) -> Result<Ack, StoreError> {
        let jobs = self.crm.store().jobs();
        let Ok(id) = job.payload::<i64>() else {
            return jobs.bury(job, "unreadable payload", None).await;
        };
        let Some(moved) = self.crm.store().lessons().manager_move(id).await? else {
            return jobs.complete(job).await;
        };
        let Some(poster) = &self.poster else {
            return jobs.bury(job, "LESSON_CALLBACK_URL is unset", None).await;
        };
        if job.claims() > MAX_CLAIMS {
            failures::count(self.crm.store(), "killed").await;
            return jobs
                .bury(job, "its workers end before they can report", None)
                .await;
        }
        let data = match self.data(linked, &moved).await {
            Ok(data) => data,
            Err(error) => {
                let failed =
                    NotTaken::because(format!("the course's stages cannot be read: {error}"));
                return self.later(job, error.word(), failed).await;
            }
        };
        let id = format!("lesson-move-{}", moved.id);
        match poster
            .post(&id, MOVED, moved.moved_at, &data, self.crm.now())
            .await
        {
            Ok(()) => {
                metrics::counter!("callbacks_total", "outcome" => "taken").increment(1);
                jobs.complete(job).await
            }
            Err(failed) => self.later(job, "callback", failed).await,
        }
    }
}
