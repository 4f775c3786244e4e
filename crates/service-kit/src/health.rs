//! Whether a service lives, and whether its neighbours answer.

mod probe;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

pub use self::probe::probe;

/// A neighbour that does not answer within this time counts as away.
const PART_TIMEOUT: Duration = Duration::from_secs(2);

type Check =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> + Send + Sync>;

/// The parts of a service that are asked by `GET /health`.
#[derive(Clone, Default)]
pub struct Health {
    parts: Vec<Part>,
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
    pub fn needs<F, R>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.part(name, true, check)
    }

    /// Adds a part that the service can do without for a while.
    #[must_use]
    pub fn uses<F, R>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.part(name, false, check)
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

    fn part<F, R>(mut self, name: &'static str, needed: bool, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.parts.push(Part {
            name,
            needed,
            check: Arc::new(move || Box::pin(check())),
        });
        self
    }
}

impl Part {
    async fn report(&self) -> PartReport {
        let started = Instant::now();
        let outcome = tokio::time::timeout(PART_TIMEOUT, (self.check)()).await;
        let (status, detail) = match outcome {
            Ok(Ok(detail)) => (HealthStatus::Ok, detail),
            Ok(Err(detail)) => (HealthStatus::Down, detail),
            Err(_) => (
                HealthStatus::Down,
                format!("no answer within {} s", PART_TIMEOUT.as_secs()),
            ),
        };
        PartReport {
            name: self.name.to_owned(),
            status,
            detail,
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
