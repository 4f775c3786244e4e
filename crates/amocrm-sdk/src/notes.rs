//! Notes in the feeds of leads, contacts, companies and customers.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/events-and-notes>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serde_with::skip_serializing_none;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{
    Creatable, Create, Created, Entity, Get, HasId, List, Listable, Updatable, Update, Updated,
    entity, filter, quiet_debug, words,
};
use crate::id::{AccountId, NoteId, UserGroupId, UserId, kind};
use crate::links::EntityRef;
use crate::request::declare;

/// Notes of one entity: [`Client::notes`].
#[derive(Debug, Clone)]
pub struct Notes {
    client: Client,
    path: String,
}

declare!(Notes: Note::LIST, Note::GET, Note::CREATE, Note::UPDATE);

impl Client {
    /// Notes of a lead, contact, company or customer: `client.notes(lead_id)`.
    pub fn notes(&self, of: impl Into<EntityRef>) -> Notes {
        let of = of.into();
        Notes {
            client: self.clone(),
            path: format!("{}/notes", of.path()),
        }
    }
}

impl Notes {
    /// Reads the notes.
    pub fn list(&self) -> List<Note> {
        List::new(self.client.clone(), &self.path)
    }

    /// Reads one note.
    pub fn get(&self, id: NoteId) -> Get<Note> {
        Get::new(self.client.clone(), format!("{}/{id}", self.path))
    }

    /// Adds notes. amoCRM has no way to remove one.
    pub fn create(&self, notes: impl IntoIterator<Item = NewNote>) -> Create<Note> {
        Create::new(self.client.clone(), &self.path, notes)
    }

    /// Changes the text of a common note.
    pub fn update_text(&self, id: NoteId, text: impl Into<String>) -> Update<Note> {
        let patch = NotePatch {
            id,
            note: NewNote::common(text),
        };
        Update::new(self.client.clone(), format!("{}/{id}", self.path), patch)
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
    /// Its content, which depends on the type. Old notes hold what the documentation does not promise.
    #[serde(default)]
    pub params: Value,
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
}

impl Note {
    /// The text, of the types that have one.
    pub fn text(&self) -> Option<&str> {
        self.params.get("text")?.as_str()
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
        /// Of these types.
        any types "note_type": NoteType,
        /// Changed in this period.
        period updated_at "updated_at": DateTime<Utc>,
    }
}

impl Listable for Note {
    type With = NoteWith;
    type Filter = NoteFilter;
    type Order = NoteOrder;
}

/// A note to be added.
#[skip_serializing_none]
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewNote {
    note_type: NoteType,
    params: Value,
    created_by: Option<UserId>,
    responsible_user_id: Option<UserId>,
    #[serde(with = "de::opt_time")]
    created_at: Option<DateTime<Utc>>,
    is_need_to_trigger_digital_pipeline: Option<bool>,
}

impl NewNote {
    /// A text.
    pub fn common(text: impl Into<String>) -> Self {
        Self::of_type(NoteType::Common, json!({ "text": text.into() }))
    }

    /// A text of an integration, shown with the integration's name.
    pub fn service_message(service: impl Into<String>, text: impl Into<String>) -> Self {
        Self::of_type(
            NoteType::ServiceMessage,
            json!({ "service": service.into(), "text": text.into() }),
        )
    }

    /// A note of any type, with its content as the documentation of the type has it.
    pub fn of_type(note_type: NoteType, params: Value) -> Self {
        Self {
            note_type,
            params,
            created_by: None,
            responsible_user_id: None,
            created_at: None,
            is_need_to_trigger_digital_pipeline: None,
        }
    }

    /// Sets who wrote it; `0` is a robot.
    pub fn created_by(mut self, user: UserId) -> Self {
        self.created_by = Some(user);
        self
    }

    /// Sets the responsible user.
    pub fn responsible_user_id(mut self, user: UserId) -> Self {
        self.responsible_user_id = Some(user);
        self
    }

    /// Sets when it was written, for imports.
    pub fn created_at(mut self, at: DateTime<Utc>) -> Self {
        self.created_at = Some(at);
        self
    }

    /// Keeps it from triggering the Digital Pipeline.
    pub fn without_triggers(mut self) -> Self {
        self.is_need_to_trigger_digital_pipeline = Some(false);
        self
    }
}

/// Changes to a note.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NotePatch {
    #[serde(skip)]
    id: NoteId,
    #[serde(flatten)]
    note: NewNote,
}

impl HasId for NotePatch {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

entity!(Note: kind::Note, "notes");
quiet_debug!(NewNote, NotePatch);

impl Creatable for Note {
    type New = NewNote;
    type Created = Created<Note>;
}

impl Updatable for Note {
    type Patch = NotePatch;
    type Updated = Updated<Note>;
}

crate::entity::dated!(Note);
