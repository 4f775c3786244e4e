//! Leads, contacts, companies, customers and the notes on them.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Action, EventTag, FromItem, brief_debug};
use crate::fields::CustomFieldValues;
use crate::webhook::Tree;
use crate::webhook::fields::{custom_fields, id, id_or_zero, ids, number, tags, text, time};
use crate::{
    AccountId, CustomerId, Id, LeadId, NoteId, PipelineId, StatusId, UserGroupId, UserId, kind,
};

/// An event of a lead.
///
/// Which parts are there depends on the action: `delete` has the id, status and pipeline only.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LeadEvent {
    /// What happened.
    pub action: Action,
    /// The lead.
    pub id: LeadId,
    /// Name.
    pub name: Option<String>,
    /// Status. 142 is won and 143 is lost in every pipeline.
    pub status_id: Option<StatusId>,
    /// Status before; may come with any action.
    pub old_status_id: Option<StatusId>,
    /// Pipeline. Some `status` events leave it out.
    pub pipeline_id: Option<PipelineId>,
    /// Pipeline before.
    pub old_pipeline_id: Option<PipelineId>,
    /// Price.
    pub price: Option<i64>,
    /// Responsible user.
    pub responsible_user_id: Option<UserId>,
    /// Responsible user before.
    pub old_responsible_user_id: Option<UserId>,
    /// Who created the lead. `0` is a robot.
    pub created_user_id: Option<UserId>,
    /// Who changed it last. `0` is a robot.
    pub modified_user_id: Option<UserId>,
    /// Account.
    pub account_id: Option<AccountId>,
    /// Tags.
    pub tags: Vec<EventTag>,
    /// Filled custom fields, with the same typed handles as API answers. Their types are not told.
    pub custom_fields: CustomFieldValues,
    /// The note, when the action is [`Action::Note`].
    pub note: Option<NoteBody>,
    /// When the lead was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(LeadEvent: action, id, status_id, old_status_id, pipeline_id, updated_at);

impl FromItem for LeadEvent {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "a numeric id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        let note = NoteBody::of(item);
        Some(Self {
            action,
            id: subject(item, note.as_ref())?,
            name: text(item, "name"),
            status_id: id(item, "status_id"),
            old_status_id: id(item, "old_status_id"),
            pipeline_id: id(item, "pipeline_id"),
            old_pipeline_id: id(item, "old_pipeline_id"),
            price: number(item, "price"),
            responsible_user_id: id_or_zero(item, "responsible_user_id"),
            old_responsible_user_id: id_or_zero(item, "old_responsible_user_id"),
            created_user_id: id_or_zero(item, "created_user_id"),
            modified_user_id: id_or_zero(item, "modified_user_id"),
            account_id: id(item, "account_id"),
            tags: tags(item),
            custom_fields: custom_fields(item),
            created_at: time(item, &["created_at", "date_create"]),
            updated_at: updated_at(item, note.as_ref()),
            note,
            raw: item.clone(),
        })
    }
}

/// An event of a contact.
pub type ContactEvent = PartyEvent<kind::Contact>;

/// An event of a company.
pub type CompanyEvent = PartyEvent<kind::Company>;

/// An event of a contact or a company, which look the same.
#[derive(Serialize)]
#[serde(bound = "")]
#[non_exhaustive]
pub struct PartyEvent<K> {
    /// What happened.
    pub action: Action,
    /// The contact or company.
    pub id: Id<K>,
    /// Name.
    pub name: Option<String>,
    /// Responsible user.
    pub responsible_user_id: Option<UserId>,
    /// Responsible user before; may come with a plain update and equal the current one.
    pub old_responsible_user_id: Option<UserId>,
    /// Who created it. `0` is a robot.
    pub created_user_id: Option<UserId>,
    /// Who changed it last. `0` is a robot.
    pub modified_user_id: Option<UserId>,
    /// Account.
    pub account_id: Option<AccountId>,
    /// Linked leads.
    pub linked_leads: Vec<LeadId>,
    /// Tags.
    pub tags: Vec<EventTag>,
    /// Filled custom fields.
    pub custom_fields: CustomFieldValues,
    /// The note, when the action is [`Action::Note`].
    pub note: Option<NoteBody>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(PartyEvent<K>: action, id, updated_at);

// By hand, because derives would ask `Clone` and `PartialEq` of the kind, which has no values.
impl<K> Clone for PartyEvent<K> {
    fn clone(&self) -> Self {
        Self {
            action: self.action.clone(),
            id: self.id,
            name: self.name.clone(),
            responsible_user_id: self.responsible_user_id,
            old_responsible_user_id: self.old_responsible_user_id,
            created_user_id: self.created_user_id,
            modified_user_id: self.modified_user_id,
            account_id: self.account_id,
            linked_leads: self.linked_leads.clone(),
            tags: self.tags.clone(),
            custom_fields: self.custom_fields.clone(),
            note: self.note.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            raw: self.raw.clone(),
        }
    }
}

impl<K> PartialEq for PartyEvent<K> {
    fn eq(&self, other: &Self) -> bool {
        // Everything else is made of these.
        self.action == other.action && self.id == other.id && self.raw == other.raw
    }
}

impl<K> FromItem for PartyEvent<K> {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "a numeric id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        let note = NoteBody::of(item);
        Some(Self {
            action,
            id: subject(item, note.as_ref())?,
            name: text(item, "name"),
            responsible_user_id: id_or_zero(item, "responsible_user_id"),
            old_responsible_user_id: id_or_zero(item, "old_responsible_user_id"),
            created_user_id: id_or_zero(item, "created_user_id"),
            modified_user_id: id_or_zero(item, "modified_user_id"),
            account_id: id(item, "account_id"),
            linked_leads: ids(item.get("linked_leads_id")),
            tags: tags(item),
            custom_fields: custom_fields(item),
            created_at: time(item, &["created_at", "date_create"]),
            updated_at: updated_at(item, note.as_ref()),
            note,
            raw: item.clone(),
        })
    }
}

/// An event of a customer.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CustomerEvent {
    /// What happened.
    pub action: Action,
    /// The customer.
    pub id: CustomerId,
    /// Name.
    pub name: Option<String>,
    /// Expected sum of the next purchase.
    pub next_price: Option<i64>,
    /// Status of the customer.
    pub status_id: Option<u64>,
    /// Responsible user.
    pub responsible_user_id: Option<UserId>,
    /// Responsible user before.
    pub old_responsible_user_id: Option<UserId>,
    /// Account.
    pub account_id: Option<AccountId>,
    /// Tags.
    pub tags: Vec<EventTag>,
    /// Filled custom fields.
    pub custom_fields: CustomFieldValues,
    /// The note, when the action is [`Action::Note`].
    pub note: Option<NoteBody>,
    /// When the customer was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
    /// All that came.
    #[serde(skip)]
    pub raw: Tree,
}

brief_debug!(CustomerEvent: action, id, status_id, updated_at);

impl FromItem for CustomerEvent {
    const ID_KEY: &'static str = "id";
    const ID_EXPECTED: &'static str = "a numeric id";

    fn from_item(action: Action, item: &Tree) -> Option<Self> {
        let note = NoteBody::of(item);
        Some(Self {
            action,
            id: subject(item, note.as_ref())?,
            name: text(item, "name"),
            next_price: number(item, "next_price"),
            status_id: number(item, "status_id"),
            responsible_user_id: id_or_zero(item, "responsible_user_id"),
            old_responsible_user_id: id_or_zero(item, "old_responsible_user_id"),
            account_id: id(item, "account_id"),
            tags: tags(item),
            custom_fields: custom_fields(item),
            created_at: time(item, &["created_at", "date_create"]),
            updated_at: updated_at(item, note.as_ref()),
            note,
            raw: item.clone(),
        })
    }
}

/// A note of a note event. A note with a text and a file makes two events.
#[derive(Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NoteBody {
    /// The note.
    pub id: Option<NoteId>,
    /// Text.
    pub text: Option<String>,
    /// Type: 4 is text, 5 is a file.
    pub note_type: Option<u32>,
    /// Type of the entity: 1 contact, 2 lead, 3 company, 12 customer.
    pub element_type: Option<u32>,
    /// The entity.
    pub element_id: Option<u64>,
    /// The file, `drive/{uuid}/{uuid}/{name}`. amoCRM spells the key `attachement`.
    pub attachment: Option<String>,
    /// JSON about where the note came from.
    pub metadata: Option<String>,
    /// Group of the responsible user.
    pub group_id: Option<UserGroupId>,
    /// Responsible user of the entity.
    pub main_user_id: Option<UserId>,
    /// Who created the note.
    pub created_by: Option<UserId>,
    /// Who changed it last.
    pub modified_by: Option<UserId>,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    pub updated_at: Option<DateTime<Utc>>,
}

brief_debug!(NoteBody: id, note_type, element_type, element_id);

impl NoteBody {
    fn of(item: &Tree) -> Option<Self> {
        let note = item.get("note")?;
        Some(Self {
            id: id(note, "id"),
            text: text(note, "text"),
            note_type: number(note, "note_type"),
            element_type: number(note, "element_type"),
            element_id: number(note, "element_id"),
            attachment: text(note, "attachement").or_else(|| text(note, "attachment")),
            metadata: text(note, "metadata"),
            group_id: id_or_zero(note, "group_id"),
            main_user_id: id_or_zero(note, "main_user_id"),
            created_by: id_or_zero(note, "created_by"),
            modified_by: id_or_zero(note, "modified_by"),
            created_at: time(note, &["created_at"]),
            updated_at: time(note, &["updated_at"]),
        })
    }
}

/// The entity an item is about: its own id, or the element of its note.
fn subject<K>(item: &Tree, note: Option<&NoteBody>) -> Option<Id<K>> {
    let element = || note?.element_id.filter(|id| *id != 0).map(Id::new);
    id(item, "id").or_else(element)
}

fn updated_at(item: &Tree, note: Option<&NoteBody>) -> Option<DateTime<Utc>> {
    time(item, &["updated_at", "last_modified"]).or_else(|| note?.updated_at)
}
