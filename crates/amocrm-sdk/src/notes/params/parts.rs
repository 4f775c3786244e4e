//! Contents of notes that are more than a text.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::calls::{CallParty, CallStatus};
use crate::de::{Loose, open_enum};

/// Declares a part of notes that is read and written: public fields, all optional, with setters of the same names.
macro_rules! params {
    ($(#[$meta:meta])* pub struct $name:ident($($required:ident),*) { $($(#[$doc:meta])* $field:ident: $type:ty = $read:ident, $set:ty;)+ }) => {
        $(#[$meta])*
        #[skip_serializing_none]
        #[derive(Clone, Default, PartialEq, Serialize)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$doc])* pub $field: Option<$type>,)+
        }

        impl $name {
            /// With what amoCRM requires.
            pub fn new($($required: impl Into<String>),*) -> Self {
                Self::default()$(.$required($required))*
            }

            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(mut self, $field: $set) -> Self {
                    self.$field = Some($field.into());
                    self
                }
            )+

            pub(super) fn read(part: Loose<'_>) -> Self {
                Self { $($field: $read(part.get(stringify!($field))),)+ }
            }
        }

        crate::entity::quiet_debug!($name);
    };
}

params! {
    /// A call. What is not set is not sent: amoCRM refuses nulls here.
    pub struct CallParams(phone) {
        /// Unique id of the call on the telephony's side.
        uniq: String = text, impl Into<String>;
        /// How long it was, in seconds.
        duration: u64 = number, u32;
        /// The telephony.
        source: String = text, impl Into<String>;
        /// Where the record is.
        link: String = text, impl Into<String>;
        /// The other party's phone.
        phone: String = text, impl Into<String>;
        /// What came of it, in words.
        call_result: String = text, impl Into<String>;
        /// What came of it.
        call_status: CallStatus = status, CallStatus;
        /// Who spoke for the company.
        call_responsible: CallParty = party, impl Into<CallParty>;
    }
}

params! {
    /// A text of an integration.
    pub struct ServiceParams(service, text) {
        /// The integration, as users see it.
        service: String = text, impl Into<String>;
        /// The text.
        text: String = text, impl Into<String>;
    }
}

params! {
    /// An SMS.
    pub struct SmsParams(phone, text) {
        /// The text.
        text: String = text, impl Into<String>;
        /// The other party's phone.
        phone: String = text, impl Into<String>;
    }
}

params! {
    /// A file, which is in the account's file storage. Files of before that storage have neither UUID.
    pub struct AttachmentParams(file_uuid, file_name) {
        /// The file.
        file_uuid: String = text, impl Into<String>;
        /// Its version; the latest if it is not written.
        version_uuid: String = text, impl Into<String>;
        /// Its name.
        file_name: String = text, impl Into<String>;
        /// The name it was uploaded under.
        original_name: String = text, impl Into<String>;
        /// Whether it is in the file storage.
        is_drive_attachment: bool = flag, bool;
        /// A text to it.
        text: String = text, impl Into<String>;
    }
}

params! {
    /// A payment.
    pub struct PaidParams(service, text) {
        /// The text.
        text: String = text, impl Into<String>;
        /// The payment service, as users see it.
        service: String = text, impl Into<String>;
        /// Its icon.
        icon_url: String = text, impl Into<String>;
    }
}

fn text(part: Loose<'_>) -> Option<String> {
    part.text()
}

fn number(part: Loose<'_>) -> Option<u64> {
    part.number()
}

fn flag(part: Loose<'_>) -> Option<bool> {
    part.flag()
}

fn status(part: Loose<'_>) -> Option<CallStatus> {
    part.number::<u64>().map(CallStatus::from)
}

fn party(part: Loose<'_>) -> Option<CallParty> {
    CallParty::read(&part.value())
}

open_enum! {
    /// What became of a message of a cash register.
    pub enum CashierStatus {
        /// It was made.
        Created = "created",
        /// It was shown.
        Shown = "shown",
        /// It was withdrawn.
        Canceled = "canceled",
    }
}

/// A place on Earth, in degrees.
#[derive(Clone, Copy, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers write it as a literal, so that the two are not swapped"
)]
pub struct Point {
    /// North of the equator.
    pub latitude: f64,
    /// East of Greenwich.
    pub longitude: f64,
}

impl Point {
    pub(super) fn read(part: Loose<'_>) -> Option<Self> {
        Some(Self {
            latitude: part.get("latitude").number()?,
            longitude: part.get("longitude").number()?,
        })
    }
}

/// Where somebody is, is people's data.
impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Point").finish_non_exhaustive()
    }
}

/// A letter.
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct MailParams {
    /// Its thread.
    pub thread_id: Option<u64>,
    /// Its id.
    pub message_id: Option<u64>,
    /// Whether only its owner sees it.
    pub private: bool,
    /// Whether it came in.
    pub income: bool,
    /// Who sent it.
    pub from: Vec<MailAddress>,
    /// Who it was for.
    pub to: Vec<MailAddress>,
    /// Its subject.
    pub subject: Option<String>,
    /// How it begins.
    pub content_summary: Option<String>,
    /// How many files it has.
    pub attach_cnt: Option<u64>,
    /// How its delivery went; the shape is not documented.
    pub delivery: Value,
}

/// A party of a letter.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailAddress {
    /// The address.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
}

impl MailParams {
    pub(super) fn read(part: Loose<'_>) -> Self {
        let addresses = |key| {
            part.get(key)
                .items()
                .into_iter()
                .map(MailAddress::read)
                .collect()
        };
        Self {
            thread_id: part.get("thread_id").number(),
            message_id: part.get("message_id").number(),
            private: part.get("private").flag().unwrap_or_default(),
            income: part.get("income").flag().unwrap_or_default(),
            from: addresses("from"),
            to: addresses("to"),
            subject: part.get("subject").text(),
            content_summary: part.get("content_summary").text(),
            attach_cnt: part.get("attach_cnt").number(),
            delivery: part.get("delivery").value(),
        }
    }
}

impl MailAddress {
    /// An object, or the bare address.
    pub(crate) fn read(part: Loose<'_>) -> Self {
        Self {
            email: part.get("email").text().or_else(|| part.text()),
            name: part.get("name").text(),
        }
    }
}

/// An advertising campaign.
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct TargetingParams {
    /// Whom it is about; the shape is not documented.
    pub contacts: Value,
    /// The campaign.
    pub campaign: Option<String>,
    /// `facebook`, `vkontakte`, `mailchimp`, `adwords`.
    pub service: Option<String>,
}

impl TargetingParams {
    pub(super) fn read(part: Loose<'_>) -> Self {
        Self {
            contacts: part.get("contacts").value(),
            campaign: part.get("campaign").text(),
            service: part.get("service").text(),
        }
    }
}

crate::entity::quiet_debug!(MailParams, MailAddress, TargetingParams);

/// A coordinate as notes have it: a string.
#[derive(Clone, Copy)]
pub(crate) struct Coordinate(pub(crate) f64);

impl Serialize for Coordinate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
