//! An event as amoCRM answers it.

use serde_json::{Value, json};

use crate::{
    api::{call::Context, notes},
    hal::self_link,
    world::{
        EntityType,
        feed::{Fact, FeedEvent, Subject},
    },
};

/// One event with the names its `with` asks for.
pub(super) fn render(cx: &Context<'_>, event: &FeedEvent) -> Value {
    let subject = shown_subject(cx, event);
    let facts = |facts: &[Fact]| facts.iter().map(Fact::render).collect::<Value>();
    let mut embedded = json!({"entity": entity(cx, event, subject)});
    if cx.query().with("note")
        && let Some(note) = note(cx, event)
    {
        embedded["note"] = note;
    }
    json!({
        "id": event.id,
        "type": event.kind,
        "entity_id": subject.id(),
        "entity_type": subject.kind(),
        "created_by": event.created_by,
        "created_at": event.created_at(),
        "value_after": facts(&event.after),
        "value_before": facts(&event.before),
        "account_id": cx.account.id,
        "_links": self_link(&cx.api(&format!("events/{}", event.id))),
        "_embedded": embedded,
    })
}

/// A message outlives its lead as a message of the contact.
fn shown_subject(cx: &Context<'_>, event: &FeedEvent) -> Subject {
    match (event.talk_contact_id, event.subject) {
        (Some(contact), Subject::Card(entity, id))
            if cx.account.records(entity).live(id).is_none() =>
        {
            Subject::Card(EntityType::Contacts, contact)
        }
        (_, subject) => subject,
    }
}

fn entity(cx: &Context<'_>, event: &FeedEvent, subject: Subject) -> Value {
    let mut entity = json!({"id": subject.id(), "_links": self_link(&cx.api(&subject.path()))});
    if let Subject::Card(card, id) = subject {
        if cx.query().with(&format!("{}_name", card.singular()))
            && let Some(record) = cx.account.records(card).get(id)
        {
            entity["name"] = record.name.as_str().into();
        }
        if let Some(contact) = event
            .talk_contact_id
            .filter(|_| card != EntityType::Contacts)
        {
            entity["linked_talk_contact_id"] = contact.into();
        }
    }
    entity
}

/// The note the event tells of, whole. Where it is embedded is not documented.
fn note(cx: &Context<'_>, event: &FeedEvent) -> Option<Value> {
    let Subject::Card(entity, _) = event.subject else {
        return None;
    };
    let id = event.after.iter().find_map(|fact| match fact {
        Fact::Note(id) => Some(id),
        _ => None,
    })?;
    let note = cx.account.notes.get(&entity)?.get(id)?;
    Some(notes::render(cx, entity, note))
}
