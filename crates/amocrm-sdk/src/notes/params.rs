//! What is in a note, by type.

use std::fmt;

use serde_json::Value;

use super::NoteType;
use crate::de::Loose;
use crate::id::{LeadId, TalkId, TransactionId};

mod parts;

pub(crate) use self::parts::Coordinate;
pub use self::parts::{
    AttachmentParams, CallParams, CashierStatus, MailAddress, MailParams, PaidParams, Point,
    ServiceParams, SmsParams, TargetingParams,
};

/// The content of a note, by its type: [`Note::params`](super::Note::params).
///
/// Nothing in it is sure: old notes lack members, hold them in other shapes or under keys in capitals. What cannot be
/// read is `None`, and what came stays in [`Note::raw_params`](super::Note::raw_params). `Debug` shows only the type.
///
/// Source: <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes#notes-params-info>.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum NoteParams {
    /// A text that a user wrote.
    Common {
        /// The text.
        text: Option<String>,
    },
    /// An incoming call.
    CallIn(CallParams),
    /// An outgoing call.
    CallOut(CallParams),
    /// A text that an integration wrote.
    ServiceMessage(ServiceParams),
    /// A long text that an integration wrote.
    ExtendedServiceMessage(ServiceParams),
    /// A message of a cash register.
    MessageCashier {
        /// What became of it.
        status: Option<CashierStatus>,
        /// The text.
        text: Option<String>,
    },
    /// A place.
    Geolocation {
        /// The text.
        text: Option<String>,
        /// The address.
        address: Option<String>,
        /// Where it is; a string on the wire.
        point: Option<Point>,
    },
    /// An incoming SMS.
    SmsIn(SmsParams),
    /// An outgoing SMS.
    SmsOut(SmsParams),
    /// A file.
    Attachment(AttachmentParams),
    /// A paid invoice.
    InvoicePaid(PaidParams),
    /// A paid bill.
    BillPaid(PaidParams),
    /// What amoCRM's AI found.
    AiResult {
        /// The text.
        text: Option<String>,
        /// Id of the answer.
        answer_id: Option<String>,
        /// The talk it is about.
        talk_id: Option<TalkId>,
        /// Whether it failed.
        is_error: bool,
    },
    /// A letter.
    AmomailMessage(Box<MailParams>),
    /// A chat. Its messages are in the chats API.
    Chat,
    /// A visit to the site.
    SiteVisit {
        /// The page.
        url: Option<String>,
    },
    /// A short link was opened.
    LinkFollowed {
        /// The link.
        url: Option<String>,
    },
    /// The contact was added to an advertising campaign.
    TargetingIn(TargetingParams),
    /// The contact was removed from an advertising campaign.
    TargetingOut(TargetingParams),
    /// A purchase of a customer.
    Transaction {
        /// The purchase.
        transaction_id: Option<TransactionId>,
    },
    /// A meeting in Zoom; the inner shapes are not documented.
    ZoomMeeting {
        /// The meeting.
        conference: Value,
        /// Its records.
        recordings: Vec<Value>,
    },
    /// A file in Dropbox.
    DropboxAttachment {
        /// Where it is.
        link: Option<String>,
        /// Its name.
        filename: Option<String>,
    },
    /// The Digital Pipeline made a lead of this one, or this one of another.
    LeadAutoCreated {
        /// Whether the other lead is the `parent` or the `child`.
        lead_type: Option<String>,
        /// The other lead.
        lead_id: Option<LeadId>,
    },
    /// A key action was done; the shape is not documented.
    KeyActionCompleted(Value),
    /// A type that this version does not know.
    Other {
        /// The type.
        note_type: NoteType,
        /// The content.
        params: Value,
    },
}

impl NoteParams {
    pub(super) fn read(note_type: &NoteType, params: &Value) -> Self {
        let part = Loose::of(params);
        let text = || part.get("text").text();
        let url = || part.get("url").text();
        match note_type {
            NoteType::Common => Self::Common { text: text() },
            NoteType::CallIn => Self::CallIn(CallParams::read(part)),
            NoteType::CallOut => Self::CallOut(CallParams::read(part)),
            NoteType::ServiceMessage => Self::ServiceMessage(ServiceParams::read(part)),
            NoteType::ExtendedServiceMessage => {
                Self::ExtendedServiceMessage(ServiceParams::read(part))
            }
            NoteType::MessageCashier => Self::MessageCashier {
                status: part.get("status").text().map(CashierStatus::from),
                text: text(),
            },
            NoteType::Geolocation => Self::Geolocation {
                text: text(),
                address: part.get("address").text(),
                point: Point::read(part),
            },
            NoteType::SmsIn => Self::SmsIn(SmsParams::read(part)),
            NoteType::SmsOut => Self::SmsOut(SmsParams::read(part)),
            NoteType::Attachment => Self::Attachment(AttachmentParams::read(part)),
            NoteType::InvoicePaid => Self::InvoicePaid(PaidParams::read(part)),
            NoteType::BillPaid => Self::BillPaid(PaidParams::read(part)),
            NoteType::AiResult => Self::AiResult {
                text: text(),
                answer_id: part.get("answer_id").text(),
                talk_id: part.get("talk_id").id(),
                is_error: part.get("is_error").flag().unwrap_or_default(),
            },
            NoteType::AmomailMessage => Self::AmomailMessage(Box::new(MailParams::read(part))),
            NoteType::Chat => Self::Chat,
            NoteType::SiteVisit => Self::SiteVisit { url: url() },
            NoteType::LinkFollowed => Self::LinkFollowed { url: url() },
            NoteType::TargetingIn => Self::TargetingIn(TargetingParams::read(part)),
            NoteType::TargetingOut => Self::TargetingOut(TargetingParams::read(part)),
            NoteType::Transaction => Self::Transaction {
                transaction_id: part.get("transaction_id").id(),
            },
            NoteType::ZoomMeeting => Self::ZoomMeeting {
                conference: part.get("conference").value(),
                recordings: part
                    .get("recordings")
                    .items()
                    .into_iter()
                    .map(Loose::value)
                    .collect(),
            },
            NoteType::DropboxAttachment => Self::DropboxAttachment {
                link: part.get("link").text(),
                filename: part.get("filename").text(),
            },
            NoteType::LeadAutoCreated => Self::LeadAutoCreated {
                lead_type: part.get("lead_type").text(),
                lead_id: part.get("lead_id").id(),
            },
            NoteType::KeyActionCompleted => Self::KeyActionCompleted(params.clone()),
            NoteType::Unknown(_) => Self::Other {
                note_type: note_type.clone(),
                params: params.clone(),
            },
        }
    }
}

/// The content is people's data.
impl fmt::Debug for NoteParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Common { .. } => "Common",
            Self::CallIn(_) => "CallIn",
            Self::CallOut(_) => "CallOut",
            Self::ServiceMessage(_) => "ServiceMessage",
            Self::ExtendedServiceMessage(_) => "ExtendedServiceMessage",
            Self::MessageCashier { .. } => "MessageCashier",
            Self::Geolocation { .. } => "Geolocation",
            Self::SmsIn(_) => "SmsIn",
            Self::SmsOut(_) => "SmsOut",
            Self::Attachment(_) => "Attachment",
            Self::InvoicePaid(_) => "InvoicePaid",
            Self::BillPaid(_) => "BillPaid",
            Self::AiResult { .. } => "AiResult",
            Self::AmomailMessage(_) => "AmomailMessage",
            Self::Chat => "Chat",
            Self::SiteVisit { .. } => "SiteVisit",
            Self::LinkFollowed { .. } => "LinkFollowed",
            Self::TargetingIn(_) => "TargetingIn",
            Self::TargetingOut(_) => "TargetingOut",
            Self::Transaction { .. } => "Transaction",
            Self::ZoomMeeting { .. } => "ZoomMeeting",
            Self::DropboxAttachment { .. } => "DropboxAttachment",
            Self::LeadAutoCreated { .. } => "LeadAutoCreated",
            Self::KeyActionCompleted(_) => "KeyActionCompleted",
            Self::Other { note_type, .. } => return write!(f, "Other({note_type:?}, ..)"),
        };
        write!(f, "{name}(..)")
    }
}
