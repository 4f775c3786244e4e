//! Calls, which become notes on the entity that has the phone.
//!
//! amoCRM compares the last ten digits. A contact or company that has them gives the call to its one active lead or
//! its one customer; if there are several, or none, it keeps the call itself. If nobody has the phone, the call is not
//! added.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/calls-api>.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::client::Client;
use crate::entity::input;
use crate::id::UserId;

mod added;
mod popup;

pub use self::added::{AddedCall, CallError, CreateCalls};
pub use self::popup::{CallPopup, PopupItem, PopupMatches};

const PATH: &str = "/api/v4/calls";

/// Calls: [`Client::calls`]. They are written here and read as notes.
#[derive(Debug, Clone)]
pub struct Calls {
    client: Client,
}

impl Client {
    /// Calls.
    pub fn calls(&self) -> Calls {
        Calls {
            client: self.clone(),
        }
    }
}

impl Calls {
    /// Adds calls. Each has its own outcome: a phone that nobody has fails alone.
    pub fn create(&self, calls: impl IntoIterator<Item = NewCall>) -> CreateCalls {
        CreateCalls::new(self.client.clone(), PATH, calls)
    }

    /// Shows a popup of an incoming call to users, with the card of whoever has the phone. It leaves no note.
    pub fn popup(&self, phone: impl Into<String>) -> CallPopup {
        CallPopup::show(&self.client, phone.into())
    }
}

/// Which way a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum CallDirection {
    /// Somebody called the company.
    Inbound,
    /// The company called somebody.
    Outbound,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallStatus {
    /// 1: a message was left.
    LeftMessage,
    /// 2: to be called later.
    CallBackLater,
    /// 3: not available.
    NotAvailable,
    /// 4: they talked.
    Talked,
    /// 5: a wrong number.
    WrongNumber,
    /// 6: no answer.
    NoAnswer,
    /// 7: busy.
    Busy,
    /// 8: not known.
    Undefined,
    /// A status that this version does not know.
    Unknown(u64),
}

impl CallStatus {
    /// The number on the wire.
    pub fn code(self) -> u64 {
        match self {
            Self::LeftMessage => 1,
            Self::CallBackLater => 2,
            Self::NotAvailable => 3,
            Self::Talked => 4,
            Self::WrongNumber => 5,
            Self::NoAnswer => 6,
            Self::Busy => 7,
            Self::Undefined => 8,
            Self::Unknown(code) => code,
        }
    }
}

impl From<u64> for CallStatus {
    fn from(code: u64) -> Self {
        match code {
            1 => Self::LeftMessage,
            2 => Self::CallBackLater,
            3 => Self::NotAvailable,
            4 => Self::Talked,
            5 => Self::WrongNumber,
            6 => Self::NoAnswer,
            7 => Self::Busy,
            8 => Self::Undefined,
            other => Self::Unknown(other),
        }
    }
}

impl Serialize for CallStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.code())
    }
}

/// Who spoke for the company: a user, or whatever the telephony knows, a number or a name.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum CallParty {
    /// A user.
    User(UserId),
    /// A number or a name.
    Text(String),
}

impl CallParty {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(|id| Self::User(UserId::new(id))),
            Value::String(text) if !text.is_empty() => Some(Self::Text(text.clone())),
            _ => None,
        }
    }
}

impl From<UserId> for CallParty {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<&str> for CallParty {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for CallParty {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// It may be a phone.
impl fmt::Debug for CallParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => f.debug_tuple("User").field(user).finish(),
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

input! {
    /// A call to be added: which way, the other party's phone, the telephony, and how many seconds it took.
    pub struct NewCall(direction: CallDirection, phone: impl Into<String>, source: impl Into<String>, duration: u32);
    fields CallFields;
    both {
        /// Sets which way it went.
        set direction "direction": CallDirection;
        /// Sets the other party's phone.
        text phone "phone";
        /// Sets the telephony.
        text source "source";
        /// Sets how long it took, in seconds.
        set duration "duration": u32;
        /// Sets the unique id of the call on the telephony's side.
        text uniq "uniq";
        /// Sets where the record is.
        text link "link";
        /// Sets what came of it, in words.
        text call_result "call_result";
        /// Sets what came of it.
        set call_status "call_status": CallStatus;
        part call_responsible "call_responsible": CallParty;
        /// Sets the responsible user.
        set responsible_user_id "responsible_user_id": UserId;
        /// Sets who added it; it also stands in for a missing `call_responsible`.
        set created_by "created_by": UserId;
        /// Sets who changed it.
        set updated_by "updated_by": UserId;
        /// Sets when it was, for imports.
        time created_at "created_at";
        /// Sets when it was changed, for imports.
        time updated_at "updated_at";
    }
    new {}
    patch {}
    also {
        /// Sets who spoke for the company: a user, or the number or name that the telephony knows.
        pub fn call_responsible(mut self, who: impl Into<CallParty>) -> Self {
            self.fields_mut().call_responsible = Some(who.into());
            self
        }
    }
}
