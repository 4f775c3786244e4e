//! The tower stack: what happens to a request on its way to amoCRM.
//!
//! ```text
//! per call   Trace → Retry          per try   Auth → RateLimit → BaseUri          wire   transport
//! ```
//!
//! Every layer speaks `http::Request<Bytes>` → `http::Response<Bytes>`, so that any body can be replayed, any layer
//! added ([`ClientBuilder::layer`](crate::ClientBuilder::layer)) and the whole be one boxed service. Retry stands
//! outside Auth outside RateLimit: each attempt gets a fresh token and a fresh permit, and whatever touches the wire
//! has paid.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;

use crate::BoxError;
use crate::error::{Delivery, Error, ErrorKind};

mod attempt;
mod auth;
mod base_uri;
mod rate_limit;
mod retry;
mod trace;

pub(crate) use self::attempt::AttemptLayer;
pub(crate) use self::auth::{AuthLayer, TokenSource};
pub(crate) use self::base_uri::{Base, BaseUriLayer, Endpoint};
pub(crate) use self::rate_limit::{Gate, RateLimitLayer};
pub(crate) use self::retry::RetryLayer;
pub use self::retry::RetryPolicy;
pub(crate) use self::trace::{Attempts, TraceLayer};

/// A request as the layers see it: replayable, with its [`Operation`](crate::Operation) among the extensions.
pub type HttpRequest = http::Request<Bytes>;

/// An answer, read to its end.
pub type HttpResponse = http::Response<Bytes>;

/// The stack, or any part of it.
pub type HttpService = BoxCloneSyncService<HttpRequest, HttpResponse, BoxError>;

/// What the layers' futures are.
pub(crate) type ServiceFuture =
    Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

/// When a call must be over, retries and waits included. Travels in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Instant);

impl Deadline {
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().copied()
    }

    /// Whether a sleep of `pause` ends before the deadline.
    pub(crate) fn allows(deadline: Option<Self>, pause: Duration) -> bool {
        deadline.is_none_or(|deadline| from_now(pause) <= deadline.0)
    }
}

/// Says whether its caller may still send: asked last, when token and permit are there. Travels in the request's
/// extensions.
#[derive(Clone)]
pub(crate) struct SendGuard(Arc<dyn Fn() -> bool + Send + Sync>);

impl SendGuard {
    pub(crate) fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// An error when the guard of this request says no.
    fn check(request: &HttpRequest) -> Result<(), Error> {
        match request.extensions().get::<Self>() {
            Some(guard) if !(guard.0)() => Err(Error::new(
                ErrorKind::Deadline,
                Delivery::NotSent,
                "the right to send ended before the request could leave",
            )),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for SendGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SendGuard")
    }
}

/// Tells whoever sent a request that it has its permit. Travels in the request's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Departure(Arc<Notify>);

impl Departure {
    pub(crate) fn tell(request: &HttpRequest) {
        if let Some(departure) = request.extensions().get::<Self>() {
            departure.0.notify_one();
        }
    }

    pub(crate) async fn awaited(&self) {
        self.0.notified().await;
    }
}

/// An instant in the future. Further than a century counts as a century: an instant cannot hold every duration.
pub(crate) fn from_now(wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_hours(24 * 36_525);
    Instant::now() + wait.min(CENTURY)
}

/// The SDK's own error out of a boxed one. A foreign error comes from a layer or transport of the user: nothing is
/// known about it, so the delivery is unknown.
pub(crate) fn own_error(error: BoxError) -> Error {
    match error.downcast::<Error>() {
        Ok(own) => *own,
        Err(foreign) => Error::new(
            ErrorKind::Transport,
            Delivery::Unknown,
            "the transport failed",
        )
        .with_source(foreign),
    }
}
