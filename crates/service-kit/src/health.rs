//! Whether a service lives, and whether its neighbours answer.

mod probe;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::Instant;
use utoipa::ToSchema;

pub use self::probe::probe;

/// A neighbour that does not answer within this time counts as away.
const PART_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a report is believed: anybody may ask, and a report asks the database for many things.
const BELIEVED: Duration = Duration::from_secs(1);

type Check =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Finding, Finding>> + Send>> + Send + Sync>;

/// What a look at a part found: a sentence for people, and figures for programs. A text is a finding without figures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Finding {
    detail: String,
    figures: BTreeMap<&'static str, f64>,
}

impl Finding {
    /// A sentence for people.
    pub fn new(detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            figures: BTreeMap::new(),
        }
    }

    /// Adds a figure.
    #[must_use]
    pub fn figure(mut self, name: &'static str, value: f64) -> Self {
        self.figures.insert(name, value);
        self
    }
}

impl From<String> for Finding {
    fn from(detail: String) -> Self {
        Self::new(detail)
    }
}

/// The parts of a service that are asked by `GET /health`.
#[derive(Clone, Default)]
pub struct Health {
    parts: Vec<Part>,
    last: Arc<Mutex<Option<(Instant, HealthReport)>>>,
}

#[derive(Clone)]
struct Part {
    name: &'static str,
    needed: bool,
    check: Check,
}

/// How a part, or the whole, is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// Works.
    Ok,
    /// Works, but a part it can do without for a while is away.
    Degraded,
    /// Cannot do its work.
    Down,
}

/// One part's state.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartReport {
    /// The part: `database`, `amocrm`.
    pub name: String,
    /// How it is.
    pub status: HealthStatus,
    /// A sentence for people.
    pub detail: String,
    /// Figures for programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
    /// How long it took to find out.
    pub duration_ms: u64,
}

/// What `GET /health` answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HealthReport {
    /// The whole.
    pub status: HealthStatus,
    /// The process answers; always true in an answer.
    pub live: bool,
    /// Requests can be served: every part that is needed works.
    pub ready: bool,
    /// The parts.
    pub parts: Vec<PartReport>,
}

impl Health {
    /// No parts yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part without which the service cannot work. The check says how the part is, in a sentence.
    #[must_use]
    pub fn needs<F, R, T>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, T>> + Send + 'static,
        T: Into<Finding>,
    {
        self.part(name, true, check)
    }

    /// Adds a part that the service can do without for a while.
    #[must_use]
    pub fn uses<F, R, T>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, T>> + Send + 'static,
        T: Into<Finding>,
    {
        self.part(name, false, check)
    }

    /// What was found within the last second; else all parts are asked. However many want to know at once, the parts are
    /// asked once.
    pub async fn recent(&self) -> HealthReport {
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < BELIEVED
        {
            return report.clone();
        }
        let report = self.report().await;
        *last = Some((Instant::now(), report.clone()));
        report
    }

    /// Asks all parts at once.
    pub async fn report(&self) -> HealthReport {
        let parts = join_all(self.parts.iter().map(Part::report)).await;
        let down = |needed: bool| {
            self.parts
                .iter()
                .zip(&parts)
                .any(|(part, report)| part.needed == needed && report.status == HealthStatus::Down)
        };
        let status = match (down(true), down(false)) {
            (true, _) => HealthStatus::Down,
            (false, true) => HealthStatus::Degraded,
            (false, false) => HealthStatus::Ok,
        };
        HealthReport {
            status,
            live: true,
            ready: status != HealthStatus::Down,
            parts,
        }
    }

    fn part<F, R, T>(mut self, name: &'static str, needed: bool, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<T, T>> + Send + 'static,
        T: Into<Finding>,
    {
        self.parts.push(Part {
            name,
            needed,
            check: Arc::new(move || {
                let looking = check();
                Box::pin(async move { looking.await.map(Into::into).map_err(Into::into) })
            }),
        });
        self
    }
}

impl Part {
    async fn report(&self) -> PartReport {
        let started = Instant::now();
        let outcome = tokio::time::timeout(PART_TIMEOUT, (self.check)()).await;
        let (status, finding) = match outcome {
            Ok(Ok(finding)) => (HealthStatus::Ok, finding),
            Ok(Err(finding)) => (HealthStatus::Down, finding),
            Err(_) => (
                HealthStatus::Down,
                format!("no answer within {} s", PART_TIMEOUT.as_secs()).into(),
            ),
        };
        let figures = finding.figures.into_iter();
        PartReport {
            name: self.name.to_owned(),
            status,
            detail: finding.detail,
            figures: figures
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.parts.iter().map(|part| part.name))
            .finish()
    }
}
