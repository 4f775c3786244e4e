//! Where a new lead comes from: a source, a web visitor, a form, a call.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_with::skip_serializing_none;

use crate::calls::CallParty;
use crate::entity::quiet_debug;

/// A source of the integration's own, as it is written.
#[derive(Clone, Serialize)]
pub(super) struct SourceInput {
    external_id: String,
    #[serde(rename = "type")]
    kind: SourceKind,
}

/// The only type of source that the documentation knows.
#[derive(Clone, Serialize)]
#[serde(rename_all = "lowercase")]
enum SourceKind {
    Widget,
}

impl SourceInput {
    pub(super) fn new(external_id: String) -> Self {
        Self {
            external_id,
            kind: SourceKind::Widget,
        }
    }
}

/// Setters of a new lead's origin, for a type with `embedded.source` and `visitor_uid`.
macro_rules! origin_setters {
    () => {
        /// Names the source it came from, by the id that the integration gave to one of **its own** sources.
        pub fn source(mut self, external_id: impl Into<String>) -> Self {
            self.embedded.source = Some(crate::leads::origin::SourceInput::new(external_id.into()));
            self
        }

        /// Ties it to a visitor of the site, by the id that amoCRM's pixel gave them.
        pub fn visitor_uid(mut self, uid: impl Into<String>) -> Self {
            self.visitor_uid = Some(uid.into());
            self
        }
    };
}
pub(super) use origin_setters;

/// What makes a lead an incoming one: it goes to the pipeline's "unsorted" stage and waits there to be accepted.
#[derive(Clone, Serialize)]
#[serde(tag = "category", rename_all = "lowercase")]
pub(super) enum Metadata {
    Forms(FormMetadata),
    Sip(CallMetadata),
}

/// The web form that a lead came from.
#[skip_serializing_none]
#[derive(Clone, PartialEq, Eq, Serialize)]
#[must_use = "it does nothing until a lead takes it"]
pub struct FormMetadata {
    form_id: String,
    form_name: String,
    form_page: String,
    #[serde(with = "chrono::serde::ts_seconds")]
    form_sent_at: DateTime<Utc>,
    ip: Option<String>,
    referer: Option<String>,
    visitor_uid: Option<String>,
}

impl FormMetadata {
    /// The form with this id and name on the page with this address, and when it was sent.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        page: impl Into<String>,
        sent_at: DateTime<Utc>,
    ) -> Self {
        Self {
            form_id: id.into(),
            form_name: name.into(),
            form_page: page.into(),
            form_sent_at: sent_at,
            ip: None,
            referer: None,
            visitor_uid: None,
        }
    }

    /// The visitor's address.
    pub fn ip(mut self, ip: impl Into<String>) -> Self {
        self.ip = Some(ip.into());
        self
    }

    /// The page that the visitor came from.
    pub fn referer(mut self, referer: impl Into<String>) -> Self {
        self.referer = Some(referer.into());
        self
    }

    /// The id that amoCRM's pixel gave to the visitor.
    pub fn visitor_uid(mut self, uid: impl Into<String>) -> Self {
        self.visitor_uid = Some(uid.into());
        self
    }
}

/// The call that a lead came from. amoCRM requires all of these.
#[derive(Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers write it as a literal, which names its five texts"
)]
pub struct Call {
    /// Unique id of the call on the telephony's side.
    pub uniq: String,
    /// Who called.
    pub phone: String,
    /// When.
    pub called_at: DateTime<Utc>,
    /// How long; amoCRM counts seconds.
    pub duration: Duration,
    /// Where the record is.
    pub link: String,
    /// Code of the telephony service.
    pub service_code: String,
}

/// A call, and what may be said of it besides.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[must_use = "it does nothing until a lead takes it"]
pub struct CallMetadata {
    #[serde(flatten)]
    call: Call,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_responsible: Option<CallParty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_call_event_needed: Option<bool>,
}

impl From<Call> for CallMetadata {
    fn from(call: Call) -> Self {
        Self {
            call,
            from: None,
            call_responsible: None,
            is_call_event_needed: None,
        }
    }
}

impl CallMetadata {
    /// How the caller is shown.
    pub fn caller(mut self, label: impl Into<String>) -> Self {
        self.from = Some(label.into());
        self
    }

    /// Who was called: a user, or the number or name that the telephony knows.
    pub fn callee(mut self, who: impl Into<CallParty>) -> Self {
        self.call_responsible = Some(who.into());
        self
    }

    /// Whether an event of an incoming call is added to the card.
    pub fn call_event(mut self, needed: bool) -> Self {
        self.is_call_event_needed = Some(needed);
        self
    }
}

impl Serialize for Call {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            uniq: &'a str,
            phone: &'a str,
            called_at: i64,
            duration: u64,
            link: &'a str,
            service_code: &'a str,
        }
        Wire {
            uniq: &self.uniq,
            phone: &self.phone,
            called_at: self.called_at.timestamp(),
            duration: self.duration.as_secs(),
            link: &self.link,
            service_code: &self.service_code,
        }
        .serialize(serializer)
    }
}

quiet_debug!(FormMetadata, Call, CallMetadata);
