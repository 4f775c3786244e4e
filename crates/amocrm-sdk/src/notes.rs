//! Notes in the feeds of leads, contacts, companies and customers.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Created, Updated, filter, input, resource, words};
use crate::id::{AccountId, NoteId, UserGroupId, UserId, kind};
use crate::links::{EntityRef, EntityType};

mod params;
mod type_wide;

use self::params::Coordinate;
pub use self::params::{
    AttachmentParams, CallParams, CashierStatus, MailAddress, MailParams, NoteParams, PaidParams,
    Point, ServiceParams, SmsParams, TargetingParams,
};
pub use self::type_wide::{NotesOf, PinNote, UnpinNote};

resource! {
    /// Notes of one entity: [`Client::notes`].
    pub struct Notes of Note: kind::Note, "notes";
    /// Reads the notes.
    list(with = NoteWith, filter = NoteFilter, order = NoteOrder);
    /// Reads one note.
    get(many NoteId);
    /// Adds notes. amoCRM has no way to remove one.
    create(NewNote => Created<Note>);
    /// Changes a note: `update(id).common("…")`, or by type and content.
    update(NoteId, NotePatch => Updated<Note>);
    /// Changes many notes.
    update_many(NotePatch);
}

impl Client {
    /// Notes of a lead, contact, company or customer: `client.notes(lead_id)`.
    pub fn notes(&self, of: impl Into<EntityRef>) -> Notes {
        Notes::at(self, format!("{}/notes", of.into().path()))
    }

    /// Notes of all leads, contacts, companies or customers: `client.notes_of(EntityType::Leads)`.
    #[expect(clippy::needless_pass_by_value, reason = "callers write a constant")]
    pub fn notes_of(&self, of: EntityType) -> NotesOf {
        NotesOf::at(self, format!("{}/notes", of.path()))
    }
}

open_enum! {
    /// A type of note.
    pub enum NoteType {
        /// A text that a user wrote.
        Common = "common",
        /// An incoming call.
        CallIn = "call_in",
        /// An outgoing call.
        CallOut = "call_out",
        /// A text that an integration wrote.
        ServiceMessage = "service_message",
        /// A long text that an integration wrote.
        ExtendedServiceMessage = "extended_service_message",
        /// A message of a cash register.
        MessageCashier = "message_cashier",
        /// A place.
        Geolocation = "geolocation",
        /// An incoming SMS.
        SmsIn = "sms_in",
        /// An outgoing SMS.
        SmsOut = "sms_out",
        /// A file.
        Attachment = "attachment",
        /// A paid invoice.
        InvoicePaid = "invoice_paid",
        /// A paid bill.
        BillPaid = "bill_paid",
        /// What amoCRM's AI found.
        AiResult = "ai_result",
        /// A letter.
        AmomailMessage = "amomail_message",
        /// A chat.
        Chat = "chat",
        /// A visit to the site.
        SiteVisit = "site_visit",
        /// A short link was opened.
        LinkFollowed = "link_followed",
        /// Added to an advertising campaign.
        TargetingIn = "targeting_in",
        /// Removed from an advertising campaign.
        TargetingOut = "targeting_out",
        /// A purchase.
        Transaction = "transaction",
        /// A meeting in Zoom.
        ZoomMeeting = "zoom_meeting",
        /// A file in Dropbox.
        DropboxAttachment = "dropbox_attachment",
        /// The Digital Pipeline made a lead.
        LeadAutoCreated = "lead_auto_created",
        /// A key action was done.
        KeyActionCompleted = "key_action_completed",
    }
}

/// A note as amoCRM tells it. `Debug` does not show its content.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Note {
    /// Its id.
    pub id: NoteId,
    /// The entity in whose feed it is.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub entity_id: Option<u64>,
    /// Its type. Old notes have a number, kept as [`NoteType::Unknown`].
    pub note_type: NoteType,
    /// Its content as it came; [`params`](Self::params) reads it.
    #[serde(rename = "params", default)]
    pub raw_params: Value,
    /// Who wrote it; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// Who changed it last; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub updated_by: Option<UserId>,
    /// When it was written.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// The responsible user.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub responsible_user_id: Option<UserId>,
    /// Group of that user; `0` is the default one.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub group_id: Option<UserGroupId>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Whether it is pinned, with [`NoteWith::IsPinned`].
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_pinned: Option<bool>,
    /// Whether it may be changed; not all answers tell.
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_editable: Option<bool>,
}

impl Note {
    /// Its content, by its type.
    pub fn params(&self) -> NoteParams {
        NoteParams::read(&self.note_type, &self.raw_params)
    }

    /// The text, of the types that have one.
    pub fn text(&self) -> Option<&str> {
        self.raw_params.get("text")?.as_str()
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note")
            .field("id", &self.id)
            .field("entity_id", &self.entity_id)
            .field("note_type", &self.note_type)
            .finish_non_exhaustive()
    }
}

words! {
    /// What a list or a read of notes adds on request.
    pub enum NoteWith {
        /// [`Note::is_pinned`].
        IsPinned = "is_pinned",
    }
}

words! {
    /// What notes can be ordered by.
    pub enum NoteOrder {
        /// By time of the last change.
        UpdatedAt = "updated_at",
        /// By id.
        Id = "id",
    }
}

filter! {
    /// Which notes a list keeps.
    pub struct NoteFilter {
        /// These notes.
        any ids "id": NoteId,
        /// Of these entities; only [`Client::notes_of`] has notes of more than one.
        any entities "entity_id": u64,
        /// Of these types.
        any types "note_type": NoteType,
        /// Changed in this period.
        period updated_at "updated_at": DateTime<Utc>,
    }
}

input! {
    /// A note to be added: `NewNote::common("…")` and its neighbours, or by type and content.
    pub struct NewNote(note_type: NoteType, params: Value);
    /// Changes to a note: `NotePatch::new(id).common("…")` and its neighbours, or by type and content.
    pub struct NotePatch(NoteId) of Note;
    fields NoteFields;
    both {
        /// Sets the type; amoCRM wants it together with the content.
        set note_type "note_type": NoteType;
        /// Sets the content, as the documentation of the type has it.
        set params "params": Value;
    }
    new {
        part entity_id "entity_id": u64;
        /// Sets who wrote it; `0` is a robot. Of calls it is the one who called or was called, and a call is counted in
        /// the analytics only if this is also the responsible user.
        set created_by "created_by": UserId;
        /// Sets the responsible user.
        set responsible_user_id "responsible_user_id": UserId;
        /// Sets when it was written, for imports. Notes of the same moment are shown together: a file and its comment.
        time created_at "created_at";
        /// Sets when it was changed, for imports.
        time updated_at "updated_at";
        part triggers "is_need_to_trigger_digital_pipeline": bool;
    }
    patch {}
}

impl NewNote {
    /// Keeps it from triggering the Digital Pipeline.
    pub fn without_triggers(mut self) -> Self {
        self.fields_mut().triggers = Some(false);
        self
    }
}

/// Contents by type, for what makes a note of a type and content: `[self.]params(note_type, value)`.
macro_rules! contents {
    ([$($receiver:tt)*] $content:expr) => {
        /// A text.
        pub fn common($($receiver)* text: impl Into<String>) -> Self {
            $content(NoteType::Common, json!({ "text": text.into() }))
        }

        /// An incoming call.
        pub fn call_in($($receiver)* call: CallParams) -> Self {
            $content(NoteType::CallIn, json!(call))
        }

        /// An outgoing call.
        pub fn call_out($($receiver)* call: CallParams) -> Self {
            $content(NoteType::CallOut, json!(call))
        }

        /// A text of an integration, shown with the integration's name.
        pub fn service_message(
            $($receiver)* service: impl Into<String>,
            text: impl Into<String>,
        ) -> Self {
            $content(NoteType::ServiceMessage, json!(ServiceParams::new(service, text)))
        }

        /// A long text of an integration, which the card shows folded.
        pub fn extended_service_message(
            $($receiver)* service: impl Into<String>,
            text: impl Into<String>,
        ) -> Self {
            $content(NoteType::ExtendedServiceMessage, json!(ServiceParams::new(service, text)))
        }

        /// A message of a cash register.
        pub fn message_cashier(
            $($receiver)* status: CashierStatus,
            text: impl Into<String>,
        ) -> Self {
            $content(NoteType::MessageCashier, json!({ "status": status, "text": text.into() }))
        }

        /// A place.
        pub fn geolocation(
            $($receiver)* text: impl Into<String>,
            address: impl Into<String>,
            point: Point,
        ) -> Self {
            let params = json!({
                "text": text.into(), "address": address.into(),
                "longitude": Coordinate(point.longitude), "latitude": Coordinate(point.latitude),
            });
            $content(NoteType::Geolocation, params)
        }

        /// An incoming SMS.
        pub fn sms_in($($receiver)* phone: impl Into<String>, text: impl Into<String>) -> Self {
            $content(NoteType::SmsIn, json!(SmsParams::new(phone, text)))
        }

        /// An outgoing SMS.
        pub fn sms_out($($receiver)* phone: impl Into<String>, text: impl Into<String>) -> Self {
            $content(NoteType::SmsOut, json!(SmsParams::new(phone, text)))
        }

        /// A file of the account's file storage.
        pub fn attachment($($receiver)* file: AttachmentParams) -> Self {
            $content(NoteType::Attachment, json!(file))
        }

        /// A paid invoice.
        pub fn invoice_paid($($receiver)* payment: PaidParams) -> Self {
            $content(NoteType::InvoicePaid, json!(payment))
        }

        /// A paid bill.
        pub fn bill_paid($($receiver)* payment: PaidParams) -> Self {
            $content(NoteType::BillPaid, json!(payment))
        }
    };
}

impl NewNote {
    contents!([] Self::new);
}

impl NotePatch {
    contents!(
        [self,] | note_type,
        params | self.note_type(note_type).params(params)
    );
}

impl crate::entity::Update<Note> {
    contents!(
        [self,] | note_type,
        params | self.note_type(note_type).params(params)
    );
}

crate::entity::dated!(Note);
