//! What a change of a card, a link or a note is called in the feed.

use serde_json::Value;

use super::{Fact, Happening, Subject};
use crate::world::{Account, EntityType, FieldValue, Note, Record, events::Change};

/// The event of a change that is one event; an edit is several, see [`differences`].
pub(crate) fn of_change(
    entity: EntityType,
    record: &Record,
    change: Change,
    fresh_note: impl FnOnce() -> u64,
) -> Option<Happening> {
    let about = |kind: String| Happening::new(kind, Subject::Card(entity, record.id));
    let word = entity.singular();
    match change {
        Change::Updated => None,
        // The card's creation is a note of its own that `/notes` does not show.
        Change::Added => {
            let note = Fact::Note(fresh_note());
            Some(about(format!("{word}_added")).after([note]))
        }
        Change::Deleted => Some(about(format!("{word}_deleted"))),
        // The feed has no word for customers that come back.
        Change::Restored if entity == EntityType::Customers => None,
        Change::Restored => Some(about(format!("{word}_restored"))),
        Change::Moved {
            old_status_id,
            old_pipeline_id,
        } => {
            let stage = |id, pipeline_id| Fact::LeadStatus { id, pipeline_id };
            let lead = record.lead.as_ref()?;
            Some(
                about("lead_status_changed".to_owned())
                    .before([stage(old_status_id, old_pipeline_id)])
                    .after([stage(lead.status_id, lead.pipeline_id)]),
            )
        }
        Change::Handed { old_user_id } => Some(
            about("entity_responsible_changed".to_owned())
                .before([Fact::ResponsibleUser(old_user_id)])
                .after([Fact::ResponsibleUser(record.responsible_user_id)]),
        ),
    }
}

/// The events of an edit besides those of [`of_change`]: name, budget, tags and custom fields.
pub(crate) fn differences(
    account: &Account,
    entity: EntityType,
    before: &Record,
    after: &Record,
) -> Vec<Happening> {
    let subject = Subject::Card(entity, after.id);
    let mut happenings = Vec::new();
    if before.name != after.name {
        happenings.push(
            Happening::new("name_field_changed", subject)
                .before([Fact::Name(before.name.clone())])
                .after([Fact::Name(after.name.clone())]),
        );
    }
    if let (Some(old), Some(new)) = (&before.lead, &after.lead)
        && old.price != new.price
    {
        happenings.push(
            Happening::new("sale_field_changed", subject)
                .before([Fact::Sale(old.price)])
                .after([Fact::Sale(new.price)]),
        );
    }
    let gone = tags(account, entity, &before.tags, &after.tags);
    if !gone.is_empty() {
        happenings.push(Happening::new("entity_tag_deleted", subject).before(gone));
    }
    let new = tags(account, entity, &after.tags, &before.tags);
    if !new.is_empty() {
        happenings.push(Happening::new("entity_tag_added", subject).after(new));
    }
    let mut fields: Vec<u64> = before
        .values
        .keys()
        .chain(after.values.keys())
        .copied()
        .collect();
    fields.sort_unstable();
    fields.dedup();
    for id in fields {
        let (old, new) = (before.values.get(&id), after.values.get(&id));
        if old != new {
            let facts = |values: Option<&Vec<FieldValue>>| field_facts(account, entity, id, values);
            let kind = format!("custom_field_{id}_value_changed");
            happenings.push(
                Happening::new(kind, subject)
                    .before(facts(old))
                    .after(facts(new)),
            );
        }
    }
    happenings
}

/// The two events of a link that was made or taken away: each side tells of the other.
///
/// The word is the linked side's (`contact_linked` on the lead); what has no word of its own is an `entity`.
pub(crate) fn of_link(one: Subject, other: Subject, is_linked: bool) -> [Happening; 2] {
    let told = |subject: Subject, of: Subject| {
        let word = match of {
            Subject::Card(entity, _) => entity.singular(),
            Subject::Task(_) | Subject::Element { .. } => "entity",
        };
        let verb = if is_linked { "linked" } else { "unlinked" };
        Happening::new(format!("{word}_{verb}"), subject).after([Fact::Link(of)])
    };
    [told(one, other), told(other, one)]
}

/// The event of a new note; some types leave none.
pub(crate) fn of_note(entity: EntityType, note: &Note) -> Option<Happening> {
    let is_income = || note.params.get("income").and_then(Value::as_bool);
    let kind = match note.kind.as_str() {
        "common" => "common_note_added",
        "attachment" => "attachment_note_added",
        "geolocation" => "geo_note_added",
        "service_message" | "extended_service_message" => "service_note_added",
        "message_cashier" => "message_to_cashier_note_added",
        "site_visit" => "site_visit_note_added",
        "targeting_in" => "targeting_in_note_added",
        "targeting_out" => "targeting_out_note_added",
        "call_in" => "incoming_call",
        "call_out" => "outgoing_call",
        "sms_in" => "incoming_sms",
        "sms_out" => "outgoing_sms",
        "link_followed" => "link_followed",
        "invoice_paid" => "invoice_paid",
        "ai_result" => "ai_result",
        "zoom_meeting" => "zoom_conference",
        "dropbox_attachment" => "dropbox_attachment",
        "key_action_completed" => "key_action_completed",
        "amomail_message" if is_income() == Some(false) => "outgoing_mail",
        "amomail_message" => "incoming_mail",
        _ => return None,
    };
    Some(
        Happening::new(kind, Subject::Card(entity, note.entity_id))
            .after([Fact::Note(note.id)])
            .by(note.created_by),
    )
}

fn tags(account: &Account, entity: EntityType, these: &[u64], but_not: &[u64]) -> Vec<Fact> {
    these
        .iter()
        .filter(|id| !but_not.contains(id))
        .filter_map(|id| account.tag(entity, *id))
        .map(|tag| Fact::Tag(tag.name.clone()))
        .collect()
}

fn field_facts(
    account: &Account,
    entity: EntityType,
    field_id: u64,
    values: Option<&Vec<FieldValue>>,
) -> Vec<Fact> {
    let kind = account
        .field(entity, field_id)
        .map_or("", |field| field.kind.as_str());
    let fact = |value: &FieldValue| Fact::FieldValue {
        field_id,
        field_type: legacy_type(kind),
        enum_id: value.enum_id,
        text: match &value.value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        },
    };
    values.into_iter().flatten().map(fact).collect()
}

/// The numbers field types had in v2. Only that 8 is `multitext` is written down for v4.
fn legacy_type(kind: &str) -> u8 {
    match kind {
        "numeric" => 2,
        "checkbox" => 3,
        "select" => 4,
        "multiselect" => 5,
        "date" => 6,
        "url" => 7,
        "multitext" => 8,
        "textarea" => 9,
        "radiobutton" => 10,
        "streetaddress" => 11,
        "smart_address" => 13,
        "birthday" => 14,
        "legal_entity" => 15,
        "items" => 16,
        "category" => 18,
        "date_time" => 19,
        "price" => 20,
        "tracking_data" => 21,
        "linked_entity" => 22,
        "chained_list" => 23,
        "monetary" => 24,
        "file" => 25,
        "payer" => 26,
        "supplier" => 27,
        _ => 1,
    }
}
