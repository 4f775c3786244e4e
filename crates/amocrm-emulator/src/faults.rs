//! Faults on demand: what can go wrong between a client and amoCRM, by name, count and path.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::Method;
use serde::{Deserialize, Serialize};

/// One kind of trouble. As JSON it is the `name` of a fault and its parameters side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Answers 429 without handling the request.
    Throttle {
        /// The web server's HTML page instead of a problem document.
        #[serde(default)]
        html: bool,
        /// Seconds for the `retry_after` member.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Answers 403 with the block page, without handling the request.
    Block,
    /// Answers a 5xx problem document without handling the request.
    ServerError {
        /// 500 unless given.
        #[serde(default = "internal_server_error")]
        status: u16,
    },
    /// Answers the web server's HTML page without handling the request.
    HtmlError {
        /// 502 unless given.
        #[serde(default = "bad_gateway")]
        status: u16,
    },
    /// Answers 400 with a validation error of the first item, without handling the request: what accounts refuse for reasons
    /// that nobody has written down.
    Refuse {
        /// Dotted path of the refused value: `custom_fields_values.0.values.0.value`.
        place: String,
    },
    /// Waits before the request is handled.
    Slow {
        /// How long, in real milliseconds; 3000 unless given, longer than amoCRM itself waits for anybody.
        #[serde(default = "three_seconds")]
        ms: u64,
    },
    /// Handles the request at once, then waits before it answers.
    SlowAnswer {
        /// How long, in real milliseconds; 3000 unless given.
        #[serde(default = "three_seconds")]
        ms: u64,
    },
    /// Closes the connection without an answer; the request was not handled.
    DropBefore,
    /// Handles the request, then closes the connection without an answer.
    DropAfterCommit,
    /// Handles the request, then cuts its answer's body in half.
    Malformed,
    /// Lets the request's access token expire, so it is answered 401.
    ExpireToken,
    /// Delivers a webhook twice. `path` is matched against the destination.
    DuplicateWebhook,
    /// Collects as many webhooks as `count` says, at least two, and delivers them in reverse. `path` is matched against the
    /// destination. What has been collected is also let go when the faults are deleted or the clock is moved.
    ReorderWebhooks,
}

impl FaultKind {
    /// The name used in JSON and in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Throttle { .. } => "throttle",
            Self::Block => "block",
            Self::ServerError { .. } => "server_error",
            Self::HtmlError { .. } => "html_error",
            Self::Refuse { .. } => "refuse",
            Self::Slow { .. } => "slow",
            Self::SlowAnswer { .. } => "slow_answer",
            Self::DropBefore => "drop_before",
            Self::DropAfterCommit => "drop_after_commit",
            Self::Malformed => "malformed",
            Self::ExpireToken => "expire_token",
            Self::DuplicateWebhook => "duplicate_webhook",
            Self::ReorderWebhooks => "reorder_webhooks",
        }
    }

    fn is_about_webhooks(&self) -> bool {
        matches!(self, Self::DuplicateWebhook | Self::ReorderWebhooks)
    }
}

const fn internal_server_error() -> u16 {
    500
}

const fn bad_gateway() -> u16 {
    502
}

const fn three_seconds() -> u64 {
    3_000
}

/// A planned fault: what happens, to which requests, how often.
///
/// ```
/// use amocrm_emulator::Fault;
///
/// let lost_answer = Fault::drop_after_commit().method("POST").path("/api/v4/leads");
/// let storm = Fault::throttle().times(20);
/// let refresh_is_slow = Fault::slow(3_000).path("/oauth2/access_token").skip(1);
/// # let _ = (lost_answer, storm, refresh_is_slow);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// How many requests it still hits, one unless given; `null` means all of them until the fault is deleted.
    #[serde(default = "once")]
    pub count: Option<u32>,
    /// Only requests whose path contains this text; `*` stands for anything.
    #[serde(default)]
    pub path: Option<String>,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// How many matching requests pass unharmed first.
    #[serde(default)]
    pub skip: u32,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "serde wants the default in the type of the field"
)]
const fn once() -> Option<u32> {
    Some(1)
}

impl Fault {
    /// A fault that hits the next request, whichever it is.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            count: once(),
            path: None,
            method: None,
            skip: 0,
        }
    }

    /// See [`FaultKind::Throttle`].
    pub fn throttle() -> Self {
        Self::new(FaultKind::Throttle {
            html: false,
            retry_after: None,
        })
    }

    /// See [`FaultKind::Block`].
    pub fn block() -> Self {
        Self::new(FaultKind::Block)
    }

    /// See [`FaultKind::ServerError`].
    pub fn server_error(status: u16) -> Self {
        Self::new(FaultKind::ServerError { status })
    }

    /// See [`FaultKind::HtmlError`].
    pub fn html_error(status: u16) -> Self {
        Self::new(FaultKind::HtmlError { status })
    }

    /// See [`FaultKind::Refuse`].
    pub fn refuse(place: impl Into<String>) -> Self {
        Self::new(FaultKind::Refuse {
            place: place.into(),
        })
    }

    /// See [`FaultKind::Slow`].
    pub fn slow(ms: u64) -> Self {
        Self::new(FaultKind::Slow { ms })
    }

    /// See [`FaultKind::SlowAnswer`].
    pub fn slow_answer(ms: u64) -> Self {
        Self::new(FaultKind::SlowAnswer { ms })
    }

    /// See [`FaultKind::DropBefore`].
    pub fn drop_before() -> Self {
        Self::new(FaultKind::DropBefore)
    }

    /// See [`FaultKind::DropAfterCommit`].
    pub fn drop_after_commit() -> Self {
        Self::new(FaultKind::DropAfterCommit)
    }

    /// See [`FaultKind::Malformed`].
    pub fn malformed() -> Self {
        Self::new(FaultKind::Malformed)
    }

    /// See [`FaultKind::ExpireToken`].
    pub fn expire_token() -> Self {
        Self::new(FaultKind::ExpireToken)
    }

    /// See [`FaultKind::DuplicateWebhook`].
    pub fn duplicate_webhook() -> Self {
        Self::new(FaultKind::DuplicateWebhook)
    }

    /// See [`FaultKind::ReorderWebhooks`]: the next two change places.
    pub fn reorder_webhooks() -> Self {
        Self::new(FaultKind::ReorderWebhooks).times(2)
    }

    /// Hits this many requests.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            count: Some(count),
            ..self
        }
    }

    /// Hits every matching request until the faults are cleared.
    #[must_use]
    pub fn always(self) -> Self {
        Self {
            count: None,
            ..self
        }
    }

    /// Only requests whose path contains `part`; `*` stands for anything.
    #[must_use]
    pub fn path(self, part: impl Into<String>) -> Self {
        Self {
            path: Some(part.into()),
            ..self
        }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self {
            method: Some(method.into()),
            ..self
        }
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn skip(self, requests: u32) -> Self {
        Self {
            skip: requests,
            ..self
        }
    }

    fn matches(&self, method: Option<&Method>, path: &str) -> bool {
        self.path.as_deref().is_none_or(|part| contains(path, part))
            && match (&self.method, method) {
                (Some(wanted), Some(method)) => wanted.eq_ignore_ascii_case(method.as_str()),
                _ => true,
            }
    }

    /// Uses the fault up by one request; tells whether it hits that one.
    fn strike(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.count {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// Whether the pieces of `pattern` between its asterisks follow each other in `path`.
fn contains(path: &str, pattern: &str) -> bool {
    let mut rest = Some(path);
    for piece in pattern.split('*') {
        rest = rest.and_then(|rest| rest.split_once(piece).map(|(_, after)| after));
    }
    rest.is_some()
}

/// A fault with the number it can be deleted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedFault {
    /// Names the fault in `DELETE /_emulator/faults/{id}`.
    pub id: u64,
    /// What was planned; `count` and `skip` are what is left.
    #[serde(flatten)]
    pub fault: Fault,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    planned: Vec<PlannedFault>,
}

/// What `reorder_webhooks` says about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reorder {
    /// Deliver as usual.
    No,
    /// Keep it back; more are to come.
    Hold,
    /// Keep it back, then deliver all that were kept, last first.
    Release,
}

impl Faults {
    pub(crate) fn plan(&self, mut fault: Fault) -> PlannedFault {
        if fault.kind == FaultKind::ReorderWebhooks {
            // One webhook has no order.
            fault.count = fault.count.map(|count| count.max(2));
        }
        let mut state = self.lock();
        state.last_id += 1;
        let planned = PlannedFault {
            id: state.last_id,
            fault,
        };
        state.planned.push(planned.clone());
        planned
    }

    pub(crate) fn planned(&self) -> Vec<PlannedFault> {
        self.lock().planned.clone()
    }

    pub(crate) fn clear(&self) {
        self.lock().planned.clear();
    }

    /// Deletes one fault; tells whether it was there.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let mut state = self.lock();
        let before = state.planned.len();
        state.planned.retain(|planned| planned.id != id);
        state.planned.len() < before
    }

    /// The faults that hit a request, in the order they were planned. They are used up by it.
    pub(crate) fn strike_request(&self, method: &Method, path: &str) -> Vec<FaultKind> {
        self.strike(|fault| !fault.kind.is_about_webhooks() && fault.matches(Some(method), path))
    }

    /// Whether the delivery to `destination` is to be sent twice.
    pub(crate) fn strike_duplicate(&self, destination: &str) -> bool {
        !self
            .strike(|fault| {
                fault.kind == FaultKind::DuplicateWebhook && fault.matches(None, destination)
            })
            .is_empty()
    }

    /// Whether the delivery to `destination` is to be kept back.
    pub(crate) fn strike_reorder(&self, destination: &str) -> Reorder {
        let is_ours = |fault: &Fault| {
            fault.kind == FaultKind::ReorderWebhooks && fault.matches(None, destination)
        };
        if self.strike(is_ours).is_empty() {
            return Reorder::No;
        }
        if self
            .lock()
            .planned
            .iter()
            .any(|planned| is_ours(&planned.fault))
        {
            Reorder::Hold
        } else {
            Reorder::Release
        }
    }

    fn strike(&self, applies: impl Fn(&Fault) -> bool) -> Vec<FaultKind> {
        let mut state = self.lock();
        let mut hits = Vec::new();
        for planned in &mut state.planned {
            if applies(&planned.fault) && planned.fault.strike() {
                hits.push(planned.fault.kind.clone());
            }
        }
        state
            .planned
            .retain(|planned| planned.fault.count != Some(0));
        hits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
