//! The client: a cheap clone over one tower stack.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, Uri};
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use crate::batcher::Batching;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::id::UserId;
use crate::layer::{
    Attempts, Base, Deadline, Departure, Endpoint, HttpResponse, HttpService, SendGuard, from_now,
    own_error,
};
use crate::metrics::Meter;
use crate::oauth::OAuth;
use crate::quota::Quota;
use crate::request::Request;

mod body;
mod builder;
mod drive;
pub(crate) mod transport;

pub(crate) use self::body::BodyStream;
pub use self::builder::ClientBuilder;

/// An amoCRM client for one account.
///
/// Clones share the connection pool, the request budget and the tokens. Entities hang off it:
/// [`leads`](Self::leads), [`contacts`](Self::contacts), [`pipelines`](Self::pipelines), …
///
/// ```no_run
/// # async fn example() -> Result<(), amocrm_sdk::Error> {
/// use amocrm_sdk::Client;
///
/// let client = Client::builder("acme.amocrm.ru").long_lived_token("eyJ0…").build()?;
/// let account = client.account().get().await?;
/// println!("{} ({})", account.name, account.id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// Of batchers: where single creates, updates and reads are gathered.
    batching: Option<Arc<Batching>>,
    context_user: Option<UserId>,
    guard: Option<SendGuard>,
}

struct Inner {
    stack: HttpService,
    endpoint: Arc<Endpoint>,
    quota: Arc<dyn Quota>,
    oauth: OAuth,
    clock: Clock,
    meter: Meter,
    deadline: Duration,
    timeout: Duration,
    drive: OnceCell<Base>,
}

impl Client {
    /// Starts a client for an account: `acme.amocrm.ru`, `acme.kommo.com`. A bare `acme` means `acme.amocrm.ru`.
    pub fn builder(domain: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(domain.into())
    }

    /// The account's host. It changes when the account was renamed and the renewal followed it.
    pub fn domain(&self) -> String {
        self.inner.endpoint.domain()
    }

    /// The grant: code exchange, renewal, disconnect.
    pub fn oauth(&self) -> &OAuth {
        &self.inner.oauth
    }

    /// The request budget that this client and its clones draw on.
    pub fn quota(&self) -> &Arc<dyn Quota> {
        &self.inner.quota
    }

    /// A client whose calls run with the rights of this user. It needs the grant of an administrator; amoCRM refuses a
    /// user who does not exist or is free of charge.
    ///
    /// Source: <https://www.amocrm.ru/developers/content/oauth/scopes>.
    #[must_use]
    pub fn with_context_user(&self, user: UserId) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            // What one user changes must not travel in another's name.
            batching: None,
            context_user: Some(user),
            guard: self.guard.clone(),
        }
    }

    /// A client whose requests leave only while `holds` says yes. It is asked last of all, when a request has its token
    /// and its permit, so it also stops what was held up on the way: a process that was frozen past the end of its lease
    /// sends nothing when it thaws. Such a call fails with [`ErrorKind::Deadline`] and
    /// [`Delivery::NotSent`](crate::Delivery::NotSent).
    ///
    /// ```no_run
    /// # async fn example(client: amocrm_sdk::Client) {
    /// use std::time::{Duration, Instant};
    ///
    /// let lease_ends = Instant::now() + Duration::from_secs(30);
    /// let client = client.only_while(move || Instant::now() < lease_ends);
    /// # }
    /// ```
    #[must_use]
    pub fn only_while(&self, holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            // What one caller may no longer send must not hold back the others' part of a batch.
            batching: None,
            context_user: self.context_user,
            guard: Some(SendGuard::new(holds)),
        }
    }

    /// Sends any request through the whole stack. Entities that the SDK does not know yet are reached with this.
    ///
    /// # Errors
    ///
    /// Every [`ErrorKind`]; a status other than 2xx is an error.
    pub async fn send(&self, request: Request) -> Result<HttpResponse> {
        self.dispatch(request, self.next_deadline(), |_| ()).await
    }

    async fn send_until(
        &self,
        request: Request,
        deadline: Deadline,
        departure: Option<Departure>,
    ) -> Result<HttpResponse> {
        self.dispatch(request, deadline, |extensions| {
            if let Some(departure) = departure {
                extensions.insert(departure);
            }
        })
        .await
    }

    /// Sends a request with what some layer or the transport has to know besides.
    async fn dispatch(
        &self,
        request: Request,
        deadline: Deadline,
        add: impl FnOnce(&mut http::Extensions),
    ) -> Result<HttpResponse> {
        let operation = request.operation().name;
        let attempts = Attempts::default();
        let base = request
            .target_host()
            .base(self)
            .await
            .map_err(|error| error.with_delivery(Delivery::NotSent))?;
        let mut request = request
            .into_http()
            .map_err(|error| error.with_operation(operation))?;
        if let Some(base) = base {
            *request.uri_mut() = elsewhere(base, request.uri(), operation)?;
        }
        if let Some(user) = self.context_user {
            let user = HeaderValue::from(user.get());
            request.headers_mut().insert(CONTEXT_USER, user);
        }
        request.extensions_mut().insert(attempts.clone());
        request.extensions_mut().insert(deadline);
        if let Some(guard) = &self.guard {
            request.extensions_mut().insert(guard.clone());
        }
        add(request.extensions_mut());
        let described = |error: Error| {
            error
                .with_operation(operation)
                .with_attempts(attempts.get())
        };
        let answer = self
            .inner
            .stack
            .clone()
            .oneshot(request)
            .await
            .map_err(|error| described(own_error(error)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(described(Error::from_answer(
            answer.status(),
            answer.headers(),
            answer.body(),
        )))
    }

    /// Sends a request and reads its JSON answer; `None` for 204 and for an empty body.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`ErrorKind::Decode`] when the answer is not what `T` expects.
    pub async fn fetch<T: DeserializeOwned>(&self, request: Request) -> Result<Option<T>> {
        let operation = request.operation().name;
        read(operation, &self.send(request).await?)
    }

    /// As [`fetch`](Self::fetch) for a batch: `departure` hears when it has its permit.
    pub(crate) async fn fetch_in_company<T: DeserializeOwned>(
        &self,
        request: Request,
        deadline: Option<Deadline>,
        departure: Departure,
    ) -> Result<Option<T>> {
        let operation = request.operation().name;
        let deadline = deadline.unwrap_or_else(|| self.next_deadline());
        let answer = self.send_until(request, deadline, Some(departure)).await?;
        read(operation, &answer)
    }

    /// When a call that begins now must be over.
    pub(crate) fn next_deadline(&self) -> Deadline {
        Deadline(from_now(self.inner.deadline))
    }

    /// Whoever wants to hear figures.
    pub(crate) fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// The time by the client's clock.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// Where single creates, updates and reads are gathered, if they are.
    pub(crate) fn batching(&self) -> Option<&Arc<Batching>> {
        self.batching.as_ref()
    }

    /// A clone that gathers its single creates, updates and reads there.
    pub(crate) fn gathering(&self, batching: Arc<Batching>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            batching: Some(batching),
            context_user: self.context_user,
            guard: self.guard.clone(),
        }
    }

    /// A clone whose calls go one by one.
    pub(crate) fn alone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            batching: None,
            context_user: self.context_user,
            guard: self.guard.clone(),
        }
    }

    /// As [`fetch`](Self::fetch) where an empty answer makes no sense.
    pub(crate) async fn expect<T: DeserializeOwned>(&self, request: Request) -> Result<T> {
        let operation = request.operation().name;
        self.fetch(request).await?.ok_or_else(|| {
            Error::new(
                ErrorKind::Decode,
                Delivery::Answered,
                "amoCRM answered with an empty body",
            )
            .with_operation(operation)
        })
    }
}

/// The header of [`Client::with_context_user`].
const CONTEXT_USER: &str = "x-context-user-id";

/// The same path at another origin.
fn elsewhere(base: &Base, uri: &Uri, operation: &'static str) -> Result<Uri> {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    base.uri(path).map_err(|error| {
        Error::invalid_input("the request's path is not a valid URI")
            .with_source(error)
            .with_operation(operation)
    })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("domain", &self.domain())
            .finish_non_exhaustive()
    }
}

pub(crate) fn read<T: DeserializeOwned>(
    operation: &'static str,
    answer: &HttpResponse,
) -> Result<Option<T>> {
    if answer.status() == StatusCode::NO_CONTENT || answer.body().is_empty() {
        return Ok(None);
    }
    decode(operation, answer.body()).map(Some)
}

pub(crate) fn decode<T: DeserializeOwned>(operation: &'static str, body: &[u8]) -> Result<T> {
    // To look once whether all of it is UTF-8 takes half the time of looking at every string.
    let read = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        // Odd bytes where nobody reads them are no error.
        Err(_) => serde_json::from_slice(body),
    };
    read.map_err(|error| {
        let message = format!(
            "amoCRM's answer could not be read: {}",
            without_values(&error.to_string())
        );
        Error::new(ErrorKind::Decode, Delivery::Answered, message).with_operation(operation)
    })
}

/// The parser quotes what it could not read, and that may be a phone: what it expected and where has to do.
fn without_values(message: &str) -> String {
    let (said, place) = message.split_at(message.rfind(" at line ").unwrap_or(message.len()));
    // Names of fields are ours; what any other message quotes was read.
    if said.starts_with("missing field") || !said.contains(['"', '`']) {
        return message.to_owned();
    }
    let kind = said.split(['"', '`']).next().unwrap_or_default().trim_end();
    let expected = said.rfind(", expected ").map(|at| &said[at..]);
    let expected = expected
        .filter(|text| !text.contains('"'))
        .unwrap_or_default();
    format!("{kind}{expected}{place}")
}

/// Where the client's wall-clock time comes from; tests bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The machine's clock.
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place where the SDK reads the machine's clock"
        )]
        Self::new(Utc::now)
    }

    /// The time now.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_decode_error_does_not_repeat_what_it_read() {
        let message = serde_json::from_str::<u64>("\"+79001234567\"")
            .unwrap_err()
            .to_string();
        assert_eq!(
            without_values(&message),
            "invalid type: string, expected u64 at line 1 column 14"
        );
        let message = serde_json::from_str::<String>("79001234567")
            .unwrap_err()
            .to_string();
        assert!(!without_values(&message).contains("7900"), "{message}");
        let message = serde_json::from_str::<u64>(r#""5\" +79001234567""#)
            .unwrap_err()
            .to_string();
        assert!(!without_values(&message).contains("7900"), "{message}");
    }
}
