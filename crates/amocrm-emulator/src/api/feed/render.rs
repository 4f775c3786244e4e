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
    let facts = |facts: &[Fact]| {
        facts
            .iter()
            .map(|fact| self::fact(cx, event, fact))
            .collect::<Value>()
    };
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
        "_embedded": {"entity": entity(cx, event, subject)},
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
    if let Subject::Element { catalog_id, id } = subject
        && let Some(catalog) = cx.account.catalogs.get(catalog_id)
    {
        if cx.query().with("catalog_element_name")
            && let Some(record) = catalog.elements.get(id)
        {
            entity["name"] = record.name.as_str().into();
        }
        // Where the list stands is not documented: only that its name can be asked for.
        if cx.query().with("catalog_name") {
            let link = self_link(&cx.api(&format!("catalogs/{catalog_id}")));
            entity["catalog"] = json!({"id": catalog_id, "name": catalog.name, "_links": link});
        }
    }
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

/// A fact; `with=note` puts the whole note in the place of its id. Notes that are not shown anywhere stay ids.
fn fact(cx: &Context<'_>, event: &FeedEvent, fact: &Fact) -> Value {
    if let (Fact::Note(id), Subject::Card(entity, _)) = (fact, event.subject)
        && cx.query().with("note")
        && let Some(note) = cx
            .account
            .notes
            .get(&entity)
            .and_then(|notes| notes.get(id))
    {
        return json!({"note": notes::render(cx, entity, note)});
    }
    fact.render()
}
