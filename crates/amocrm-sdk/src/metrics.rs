//! Figures about what the client does, for whatever collects yours.
//!
//! [`ClientBuilder::metrics`](crate::ClientBuilder::metrics) takes a function (or anything that implements [`Metrics`])
//! and hands it an [`Event`] for every call, attempt, wait, retry, pause, batch and renewal. Events hold names of
//! operations, words and figures: nothing of people's data, and few enough different values to be labels.
//!
//! A bridge to the crate `metrics`:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = amocrm_emulator::Emulator::start().await?;
//! use amocrm_sdk::Client;
//! use amocrm_sdk::metrics::Event;
//!
//! fn record(event: &Event) {
//!     match event {
//!         Event::Call { operation, outcome, duration, .. } => {
//!             metrics::counter!("amocrm_calls_total", "operation" => *operation, "outcome" => outcome.as_str()).increment(1);
//!             metrics::histogram!("amocrm_call_seconds", "operation" => *operation).record(duration.as_secs_f64());
//!         }
//!         Event::Permit { waited, .. } => {
//!             metrics::histogram!("amocrm_permit_wait_seconds").record(waited.as_secs_f64());
//!         }
//!         Event::Retry { operation, outcome, .. } => {
//!             metrics::counter!("amocrm_retries_total", "operation" => *operation, "reason" => outcome.as_str()).increment(1);
//!         }
//!         Event::Renewal { outcome, .. } => {
//!             metrics::counter!("amocrm_renewals_total", "outcome" => outcome.as_str()).increment(1);
//!         }
//!         _ => {}
//!     }
//! }
//!
//! let client = Client::builder("acme.amocrm.ru")
//!     .metrics(record)
//! #   .base_url(emulator.base_url())
//!     .long_lived_token("eyJ0…")
//!     .build()?;
//! # client.account().get().await.unwrap_err();
//! # Ok(())
//! # }
//! ```
//!
//! The same is told to `tracing`, at the level DEBUG: a span `amocrm` for each call (`operation`, `attempts`,
//! `http.status`, `error.kind`, `duration_ms`), within it a span `amocrm.attempt` for everything that touches the wire.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::layer::{HttpRequest, HttpResponse};
use crate::quota::PauseReason;
use crate::request::Operation;

/// Something that hears of [`Event`]s: any function of one does.
///
/// It is called on the task that does the work: count and return.
pub trait Metrics: Send + Sync + 'static {
    /// Something happened.
    fn record(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync + 'static> Metrics for F {
    fn record(&self, event: &Event) {
        self(event);
    }
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A call ended, with its waits and retries.
    #[non_exhaustive]
    Call {
        /// Such as `leads.list`.
        operation: &'static str,
        /// How.
        outcome: Outcome,
        /// How often it was tried.
        attempts: u32,
        /// From beginning to end.
        duration: Duration,
    },
    /// A request touched the wire: attempts of calls, and renewals.
    #[non_exhaustive]
    Attempt {
        /// Such as `leads.list`.
        operation: &'static str,
        /// What came back.
        outcome: Outcome,
        /// From the permit to the end of the answer.
        duration: Duration,
    },
    /// A request got its permit, or gave up waiting for one.
    #[non_exhaustive]
    Permit {
        /// Such as `leads.list`.
        operation: &'static str,
        /// Whether it got one.
        is_granted: bool,
        /// How long that took.
        waited: Duration,
    },
    /// An attempt failed and will be repeated.
    #[non_exhaustive]
    Retry {
        /// Such as `leads.list`.
        operation: &'static str,
        /// Why.
        outcome: Outcome,
        /// How long it waits before.
        pause: Duration,
    },
    /// amoCRM asked to stop sending.
    #[non_exhaustive]
    Pause {
        /// With 429, or with a block page.
        reason: PauseReason,
        /// For how long nothing is sent.
        duration: Duration,
    },
    /// A [batcher](crate::batcher) closed a batch.
    #[non_exhaustive]
    Batch {
        /// Such as `leads.update`.
        operation: &'static str,
        /// How many calls it answers.
        items: usize,
    },
    /// A renewal of the access token ended.
    #[non_exhaustive]
    Renewal {
        /// How.
        outcome: Outcome,
        /// With its waits and retries.
        duration: Duration,
    },
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    status: Option<u16>,
    error: Option<ErrorKind>,
}

impl Outcome {
    pub(crate) fn ok() -> Self {
        Self {
            status: None,
            error: None,
        }
    }

    pub(crate) fn of_error(error: &Error) -> Self {
        Self {
            status: error.status(),
            error: Some(error.kind()),
        }
    }

    pub(crate) fn of_answer(answer: &HttpResponse) -> Self {
        let status = answer.status();
        let error = (!status.is_success())
            .then(|| Error::from_answer(status, answer.headers(), answer.body()).kind());
        Self {
            status: Some(status.as_u16()),
            error,
        }
    }

    /// Of what a layer gives: the SDK's own errors are boxed there.
    pub(crate) fn of_layer(outcome: &Result<HttpResponse, crate::BoxError>) -> Self {
        match outcome {
            Ok(answer) => Self::of_answer(answer),
            Err(error) => error.downcast_ref::<Error>().map_or(
                Self {
                    status: None,
                    error: Some(ErrorKind::Transport),
                },
                Self::of_error,
            ),
        }
    }

    /// The HTTP status, if amoCRM answered.
    pub fn status(self) -> Option<u16> {
        self.status
    }

    /// What went wrong, if something did.
    pub fn error(self) -> Option<ErrorKind> {
        self.error
    }

    /// `ok`, or the kind of the error as one word.
    pub fn as_str(self) -> &'static str {
        self.error.map_or("ok", ErrorKind::as_str)
    }
}

/// Whoever wants to hear, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Meter(Option<Arc<dyn Metrics>>);

impl Meter {
    pub(crate) fn new(metrics: Arc<dyn Metrics>) -> Self {
        Self(Some(metrics))
    }

    pub(crate) fn record(&self, event: impl FnOnce() -> Event) {
        if let Some(metrics) = &self.0 {
            metrics.record(&event());
        }
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// The name of a request's operation.
pub(crate) fn operation_of(request: &HttpRequest) -> &'static str {
    request
        .extensions()
        .get::<Operation>()
        .map_or("request", |operation| operation.name)
}
