//! What can go wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

mod problem;

pub use self::problem::{Problem, ValidationError};

/// A failed call.
///
/// [`kind`](Self::kind) says what happened, [`delivery`](Self::delivery) whether amoCRM may have acted on the request,
/// which decides whether it may be sent again without a duplicate. Neither `Display` nor `Debug` shows tokens, bodies
/// or query strings.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    operation: Option<&'static str>,
    attempts: u32,
    delivery: Delivery,
    status: Option<StatusCode>,
    problem: Option<Problem>,
    retry_after: Option<Duration>,
    created_ids: Vec<u64>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What happened, whether amoCRM got it, and what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client or a builder was given something impossible. Nothing was sent. Correct the input.
    InvalidInput,
    /// No connection could be made. Nothing was sent. The client has already retried; try later.
    Connect,
    /// No answer within the timeout. amoCRM may have acted. Look before sending a create again.
    Timeout,
    /// The connection broke while sending or reading. amoCRM may have acted. Look before sending a create again.
    Transport,
    /// amoCRM answered 429 on every attempt, or the budget is paused beyond the deadline. It did not act. Wait for
    /// [`Error::retry_after`].
    RateLimited,
    /// amoCRM blocks this integration (403 with a block page). It did not act. The client sends nothing until its
    /// configured pause ends; the account's support lifts the block.
    Blocked,
    /// There are no tokens for this account. Nothing was sent. Let an administrator connect it.
    NotConnected,
    /// amoCRM refused the refresh token, and no other process has a newer one. Let an administrator connect the
    /// account again. The stored tokens are kept.
    NeedsReconnect,
    /// 401: the access token was refused and cannot be renewed (a long-lived token expired or was revoked).
    Unauthorized,
    /// 402: the account's subscription ended, or the feature belongs to a higher tariff.
    PaymentRequired,
    /// 403: the token's user or the integration's scopes do not allow it.
    Forbidden,
    /// 404 or 405: no such resource.
    NotFound,
    /// 400 with `validation-errors`: amoCRM stored nothing of the batch. See [`Error::validation_errors`].
    Validation,
    /// Any other refusal (4xx). amoCRM did not act. See [`Error::problem`].
    Rejected,
    /// 5xx. amoCRM may have acted. Look before sending a create again.
    Server,
    /// amoCRM answered 2xx with something that is not what its documentation promises. It did act.
    Decode,
    /// The account's custom fields are not those that a [`Schema`](crate::schema::Schema) needs. The definitions were
    /// read and nothing else was sent. Correct the struct, or the fields of the account.
    Schema,
    /// The token store or the shared quota failed. Nothing was sent.
    Store,
    /// The total deadline of the call passed while it waited for a permit or between attempts, or the caller's own
    /// condition ([`Client::only_while`](crate::Client::only_while)) ended meanwhile.
    Deadline,
}

impl ErrorKind {
    /// The kind as one word, for logs and metrics: `rate_limited`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::RateLimited => "rate_limited",
            Self::Blocked => "blocked",
            Self::NotConnected => "not_connected",
            Self::NeedsReconnect => "needs_reconnect",
            Self::Unauthorized => "unauthorized",
            Self::PaymentRequired => "payment_required",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Validation => "validation",
            Self::Rejected => "rejected",
            Self::Server => "server",
            Self::Decode => "decode",
            Self::Schema => "schema",
            Self::Store => "store",
            Self::Deadline => "deadline",
        }
    }

    /// Whether the same call may succeed later without anyone's help.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Timeout
                | Self::Transport
                | Self::RateLimited
                | Self::Blocked
                | Self::Server
                | Self::Store
                | Self::Deadline
        )
    }
}

/// Whether amoCRM may have acted on the request.
///
/// Of a call that takes several requests this is about the last one, and never `NotSent` when an earlier one created
/// something: [`Error::created_ids`] says what exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The request never left, or was refused before amoCRM looked at it: sending it again cannot duplicate anything.
    NotSent,
    /// The request left and no usable answer came back: look before sending it again.
    Unknown,
    /// amoCRM answered, so its state is what the answer says.
    Answered,
}

/// The result of an SDK call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, delivery: Delivery, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            operation: None,
            attempts: 0,
            delivery,
            status: None,
            problem: None,
            retry_after: None,
            created_ids: Vec::new(),
            source: None,
        }))
    }

    pub(crate) fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, Delivery::NotSent, message)
    }

    pub(crate) fn store(message: &str, source: crate::BoxError) -> Self {
        Self::new(ErrorKind::Store, Delivery::NotSent, message).with_source(source)
    }

    /// The error that an unsuccessful answer means.
    pub(crate) fn from_answer(status: StatusCode, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let problem = Problem::read(headers, body);
        let kind = classify(status, &problem);
        let delivery = match kind {
            ErrorKind::Server => Delivery::Unknown,
            _ => Delivery::Answered,
        };
        let mut error = Self::new(kind, delivery, "");
        error.0.status = Some(status);
        error.0.retry_after = retry_after(headers).or(problem.retry_after());
        error.0.problem = Some(problem);
        error
    }

    pub(crate) fn with_source(mut self, source: impl Into<crate::BoxError>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    pub(crate) fn with_operation(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.0.attempts = attempts;
        self
    }

    pub(crate) fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind, message: impl Into<String>) -> Self {
        self.0.kind = kind;
        self.0.message = message.into();
        self
    }

    /// Puts the ids of what exists already before those known so far. A call that has created something was sent.
    pub(crate) fn with_created_ids(mut self, mut ids: Vec<u64>) -> Self {
        ids.append(&mut self.0.created_ids);
        self.0.created_ids = ids;
        if !self.0.created_ids.is_empty() && self.0.delivery == Delivery::NotSent {
            self.0.delivery = Delivery::Answered;
        }
        self
    }

    pub(crate) fn with_delivery(mut self, delivery: Delivery) -> Self {
        self.0.delivery = delivery;
        self
    }

    /// A renewal failed on the way to another call: that call was not sent, and it is the one that the caller knows.
    pub(crate) fn before_the_call(mut self) -> Self {
        self.0.operation = None;
        self.0.delivery = Delivery::NotSent;
        if self.0.message.is_empty() {
            "the access token could not be renewed".clone_into(&mut self.0.message);
        }
        self
    }

    /// For transports of your own: the request failed without an answer, and this is what is known about it. Any other
    /// error of a transport counts as [`Delivery::Unknown`].
    pub fn from_transport(delivery: Delivery, source: impl Into<crate::BoxError>) -> Self {
        let (kind, message) = match delivery {
            Delivery::NotSent => (ErrorKind::Connect, "no connection to amoCRM"),
            _ => (ErrorKind::Transport, "the connection to amoCRM broke"),
        };
        Self::new(kind, delivery, message).with_source(source)
    }

    /// Shifts the item numbers of a later batch so that they count from the first item of the whole call.
    pub(crate) fn with_item_offset(mut self, offset: usize) -> Self {
        if let Some(problem) = &mut self.0.problem {
            problem.shift_items(offset);
        }
        self
    }

    /// Of a refused batch, what concerns item `index`, as a call with this item alone would have got it: numbered
    /// `item`, and in business rules named `new_name` instead of `name`.
    pub(crate) fn for_item(
        mut self,
        index: usize,
        item: Option<usize>,
        name: &str,
        new_name: &str,
    ) -> Self {
        if let Some(problem) = &mut self.0.problem {
            problem.keep_item(index, item, name, new_name);
        }
        self
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether amoCRM may have acted on the request.
    pub fn delivery(&self) -> Delivery {
        self.0.delivery
    }

    /// Whether the same call may succeed later without anyone's help.
    pub fn is_transient(&self) -> bool {
        self.0.kind.is_transient()
    }

    /// The HTTP status, if amoCRM answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status.map(|status| status.as_u16())
    }

    /// amoCRM's explanation, if it answered with one.
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// Which fields of which items were refused. Empty unless [`ErrorKind::Validation`].
    pub fn validation_errors(&self) -> &[ValidationError] {
        self.0
            .problem
            .as_ref()
            .map_or(&[], Problem::validation_errors)
    }

    /// How long amoCRM, or the paused budget, asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How many times the request was tried.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// The operation that failed, such as `leads.create`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// Ids that amoCRM gave to the items of earlier batches of the same call, in input order.
    ///
    /// A create of 600 items travels in three requests. When the second fails, the first 250 items exist: their ids
    /// are here, so that a caller can go on from there instead of creating them twice.
    pub fn created_ids(&self) -> &[u64] {
        &self.0.created_ids
    }
}

fn classify(status: StatusCode, problem: &Problem) -> ErrorKind {
    match status.as_u16() {
        400 if !problem.validation_errors().is_empty() => ErrorKind::Validation,
        400 if problem.is_disguised_failure() => ErrorKind::Server,
        401 => ErrorKind::Unauthorized,
        402 => ErrorKind::PaymentRequired,
        403 if problem.is_block_page() => ErrorKind::Blocked,
        403 => ErrorKind::Forbidden,
        404 | 405 => ErrorKind::NotFound,
        429 => ErrorKind::RateLimited,
        500..=599 => ErrorKind::Server,
        _ => ErrorKind::Rejected,
    }
}

/// `Retry-After` in seconds. amoCRM documents only a `retry_after` member in the body, so the header is a courtesy to
/// gateways that send it.
fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds).min(problem::LONGEST_RETRY_AFTER))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(operation) = inner.operation {
            write!(f, "{operation}: ")?;
        }
        match (&inner.status, inner.message.is_empty()) {
            (Some(status), true) => write!(f, "amoCRM answered {}", status.as_u16())?,
            (Some(status), false) => {
                write!(f, "{} (amoCRM answered {})", inner.message, status.as_u16())?;
            }
            (None, _) => f.write_str(&inner.message)?,
        }
        if let Some(problem) = &inner.problem {
            let text = problem.to_string();
            if !text.is_empty() {
                write!(f, ": {text}")?;
            }
        }
        if inner.attempts > 1 {
            write!(f, " after {} attempts", inner.attempts)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("delivery", &inner.delivery)
            .field("message", &self.to_string())
            .field("source", &inner.source.as_ref().map(ToString::to_string))
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}
