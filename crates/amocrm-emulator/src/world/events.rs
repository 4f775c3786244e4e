//! What happened in the world, in the words of webhook bodies.
//!
//! Every field is a bracket suffix and its value, so the sender only puts `{entity}[{action}][{index}]` before it. Keys and
//! their order are those of the vendor's samples; companies travel under `contacts` and say `type=company`.

mod sales;
mod tasks;
mod unsorted;

use std::fmt::{self, Display};

use serde_json::Value;

pub(crate) use self::tasks::TaskChange;
use super::{Account, EntityType, FieldDefinition, FieldOwner, FieldValue, Note, Record};

/// One item of a webhook delivery.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct WorldEvent {
    /// Where it happened.
    pub(crate) account_id: u64,
    /// The subscription code, such as `add_lead`.
    pub(crate) code: &'static str,
    /// The top key of the body.
    pub(crate) entity: &'static str,
    /// The second key of the body.
    pub(crate) action: &'static str,
    /// The rest: `[id]` → `40000001`.
    pub(crate) fields: Vec<(String, String)>,
}

impl fmt::Debug for WorldEvent {
    /// Fields hold phones and e-mails, so they are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldEvent")
            .field("code", &self.code)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

/// What can happen to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Updated,
    /// A lead moved to another stage.
    Moved {
        old_status_id: u64,
        old_pipeline_id: u64,
    },
    /// Another user answers for it.
    Handed {
        old_user_id: u64,
    },
    Deleted,
    Restored,
}

impl WorldEvent {
    /// The event of a change to a lead, contact or company.
    pub(crate) fn record(
        account: &Account,
        entity: EntityType,
        record: &Record,
        change: Change,
    ) -> Self {
        let (code, action) = code_and_action(entity, change);
        let fields = match entity {
            EntityType::Leads => lead_fields(account, record, change),
            EntityType::Customers => sales::customer_fields(account, record, change),
            EntityType::Contacts | EntityType::Companies => {
                contact_fields(account, entity, record, change)
            }
        };
        Self {
            account_id: account.id,
            code,
            entity: top_key(entity),
            action,
            fields,
        }
    }

    /// The event of a new note.
    pub(crate) fn note(account: &Account, entity: EntityType, note: &Note) -> Self {
        let code = match entity {
            EntityType::Leads => "note_lead",
            EntityType::Contacts => "note_contact",
            EntityType::Companies => "note_company",
            EntityType::Customers => "note_customer",
        };
        Self {
            account_id: account.id,
            code,
            entity: top_key(entity),
            action: "note",
            fields: note_fields(account, entity, note),
        }
    }
}

fn top_key(entity: EntityType) -> &'static str {
    match entity {
        EntityType::Leads => "leads",
        EntityType::Contacts | EntityType::Companies => "contacts",
        EntityType::Customers => "customers",
    }
}

fn code_and_action(entity: EntityType, change: Change) -> (&'static str, &'static str) {
    use EntityType::{Companies, Contacts, Customers, Leads};
    match (entity, change) {
        (Leads, Change::Added) => ("add_lead", "add"),
        (Leads, Change::Updated) => ("update_lead", "update"),
        (Leads, Change::Moved { .. }) => ("status_lead", "status"),
        (Leads, Change::Handed { .. }) => ("responsible_lead", "responsible"),
        (Leads, Change::Deleted) => ("delete_lead", "delete"),
        (Leads, Change::Restored) => ("restore_lead", "restore"),
        (Contacts, Change::Added) => ("add_contact", "add"),
        (Contacts, Change::Updated | Change::Moved { .. }) => ("update_contact", "update"),
        // The vendor's sample prints a new responsible user of a contact under `update`.
        (Contacts, Change::Handed { .. }) => ("responsible_contact", "update"),
        (Contacts, Change::Deleted) => ("delete_contact", "delete"),
        (Contacts, Change::Restored) => ("restore_contact", "restore"),
        (Companies, Change::Added) => ("add_company", "add"),
        (Companies, Change::Updated | Change::Moved { .. }) => ("update_company", "update"),
        (Companies, Change::Handed { .. }) => ("responsible_company", "update"),
        (Companies, Change::Deleted) => ("delete_company", "delete"),
        (Companies, Change::Restored) => ("restore_company", "restore"),
        (Customers, Change::Added) => ("add_customer", "add"),
        (Customers, Change::Handed { .. }) => ("responsible_customer", "responsible"),
        (Customers, Change::Deleted) => ("delete_customer", "delete"),
        // There is no code for customers that come back.
        (Customers, _) => ("update_customer", "update"),
    }
}

/// Collects `[key]` → value.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn put(&mut self, key: &str, value: impl Display) {
        self.put_path(format!("[{key}]"), value);
    }

    fn put_path(&mut self, path: String, value: impl Display) {
        self.0.push((path, value.to_string()));
    }
}

fn lead_fields(account: &Account, record: &Record, change: Change) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    let lead = record.lead.clone().unwrap_or_default();
    fields.put("id", record.id);
    if change == Change::Deleted {
        fields.put("status_id", lead.status_id);
        fields.put("pipeline_id", lead.pipeline_id);
        return fields.0;
    }
    fields.put("name", &record.name);
    fields.put("status_id", lead.status_id);
    if let Change::Moved { old_status_id, .. } = change {
        fields.put("old_status_id", old_status_id);
    }
    fields.put("price", lead.price);
    fields.put("responsible_user_id", record.responsible_user_id);
    fields.put("last_modified", record.updated_at);
    fields.put("modified_user_id", record.updated_by);
    fields.put("created_user_id", record.created_by);
    fields.put("date_create", record.created_at);
    fields.put("pipeline_id", lead.pipeline_id);
    if let Change::Moved {
        old_pipeline_id, ..
    } = change
        && old_pipeline_id != lead.pipeline_id
    {
        fields.put("old_pipeline_id", old_pipeline_id);
    }
    put_tags(&mut fields, account, EntityType::Leads, record);
    fields.put("account_id", account.id);
    put_custom_fields(&mut fields, account, EntityType::Leads, record);
    if let Change::Handed { old_user_id } = change {
        fields.put("old_responsible_user_id", old_user_id);
    }
    fields.put("created_at", record.created_at);
    fields.put("updated_at", record.updated_at);
    fields.0
}

fn contact_fields(
    account: &Account,
    entity: EntityType,
    record: &Record,
    change: Change,
) -> Vec<(String, String)> {
    let kind = if entity == EntityType::Companies {
        "company"
    } else {
        "contact"
    };
    let mut fields = Fields::default();
    fields.put("id", record.id);
    if change == Change::Deleted {
        fields.put("type", kind);
        return fields.0;
    }
    fields.put("name", &record.name);
    fields.put("responsible_user_id", record.responsible_user_id);
    fields.put("date_create", record.created_at);
    fields.put("last_modified", record.updated_at);
    fields.put("created_user_id", record.created_by);
    fields.put("modified_user_id", record.updated_by);
    put_tags(&mut fields, account, entity, record);
    fields.put("account_id", account.id);
    put_custom_fields(&mut fields, account, entity, record);
    for lead in account.links.linked(entity, record.id, EntityType::Leads) {
        fields.put_path(format!("[linked_leads_id][{lead}][ID]"), lead);
    }
    if let Change::Handed { old_user_id } = change {
        fields.put("old_responsible_user_id", old_user_id);
    }
    fields.put("created_at", record.created_at);
    fields.put("updated_at", record.updated_at);
    fields.put("type", kind);
    fields.0
}

fn put_tags(fields: &mut Fields, account: &Account, entity: EntityType, record: &Record) {
    for (index, tag) in record
        .tags
        .iter()
        .filter_map(|id| account.tag(entity, *id))
        .enumerate()
    {
        fields.put_path(format!("[tags][{index}][id]"), tag.id);
        fields.put_path(format!("[tags][{index}][name]"), &tag.name);
    }
}

fn put_custom_fields(
    fields: &mut Fields,
    account: &Account,
    owner: impl Into<FieldOwner>,
    record: &Record,
) {
    let owner = owner.into();
    let filled = record
        .values
        .iter()
        .filter_map(|(id, values)| Some((account.field(owner, *id)?, values)));
    for (index, (definition, values)) in filled.enumerate() {
        let prefix = format!("[custom_fields][{index}]");
        fields.put_path(format!("{prefix}[id]"), definition.id);
        fields.put_path(format!("{prefix}[name]"), &definition.name);
        put_values(fields, account, definition, values, &prefix);
        if let Some(code) = &definition.code {
            fields.put_path(format!("{prefix}[code]"), code);
        }
    }
}

/// The layouts of `values`, which differ by type: dates are scalar items, a radiobutton is not indexed.
fn put_values(
    fields: &mut Fields,
    account: &Account,
    definition: &FieldDefinition,
    values: &[FieldValue],
    prefix: &str,
) {
    for (index, item) in values.iter().enumerate() {
        let place = match definition.kind.as_str() {
            "radiobutton" => format!("{prefix}[values]"),
            _ => format!("{prefix}[values][{index}]"),
        };
        match definition.kind.as_str() {
            "date" | "date_time" => fields.put_path(place, text(&item.value)),
            "birthday" => fields.put_path(
                format!("{place}[value]"),
                day(&item.value, account.utc_offset_seconds),
            ),
            "chained_list" => put_tree(fields, place, &item.value),
            _ => {
                put_tree(fields, format!("{place}[value]"), &item.value);
                if let Some(id) = item.enum_id {
                    fields.put_path(format!("{place}[enum]"), id);
                }
            }
        }
    }
}

fn put_tree(fields: &mut Fields, place: String, value: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                put_tree(fields, format!("{place}[{key}]"), value);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                put_tree(fields, format!("{place}[{index}]"), value);
            }
        }
        scalar => fields.put_path(place, text(scalar)),
    }
}

/// Everything is a string on this wire; a flag is `1` or `0`.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => if *flag { "1" } else { "0" }.to_owned(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn day(value: &Value, utc_offset_seconds: i32) -> String {
    let local = value
        .as_i64()
        .and_then(|at| at.checked_add(utc_offset_seconds.into()));
    let date = local.and_then(|at| chrono::DateTime::from_timestamp(at, 0));
    date.map_or_else(|| text(value), |date| date.format("%d.%m.%Y").to_string())
}

fn note_fields(account: &Account, entity: EntityType, note: &Note) -> Vec<(String, String)> {
    const TEXT_NOTE: u8 = 4;
    const FILE_NOTE: u8 = 5;
    // Text dates of notes are in Moscow time in the vendor's samples.
    let moment = |at: i64| {
        let shifted = chrono::DateTime::from_timestamp(at.saturating_add(3 * 3600), 0);
        shifted
            .map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    };
    let author = account
        .user(note.created_by)
        .map_or("", |user| user.name.as_str());
    let metadata = serde_json::json!({"event_source": {"id": note.created_by, "author_name": author, "type": 1}});
    let mut fields = Fields::default();
    let mut put = |key: &str, value: String| fields.put_path(format!("[note][{key}]"), value);
    put(
        "text",
        note.params.get("text").map(text).unwrap_or_default(),
    );
    put("attachement", String::new());
    put("date_create", moment(note.created_at));
    put(
        "note_type",
        if note.kind == "attachment" {
            FILE_NOTE
        } else {
            TEXT_NOTE
        }
        .to_string(),
    );
    put("element_type", entity.element_type().to_string());
    put("element_id", note.entity_id.to_string());
    put("catalog_id", String::new());
    put("group_id", note.group_id.to_string());
    put("timestamp_x", moment(note.updated_at));
    put("account_id", account.id.to_string());
    put("metadata", metadata.to_string());
    put("created_by", note.created_by.to_string());
    put("modified_by", note.updated_by.to_string());
    put("main_user_id", note.responsible_user_id.to_string());
    put("id", note.id.to_string());
    put("created_at", note.created_at.to_string());
    put("updated_at", note.updated_at.to_string());
    match entity {
        EntityType::Leads | EntityType::Customers => {}
        EntityType::Contacts => fields.put("type", "contact"),
        EntityType::Companies => fields.put("type", "company"),
    }
    fields.0
}
