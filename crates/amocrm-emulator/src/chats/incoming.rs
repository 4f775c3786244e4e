//! A message comes into a chat: the first one makes a contact and an unsorted lead, and a talk begins or goes on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::told;
use crate::world::events::Change;
use crate::world::feed::Subject;
use crate::world::services::{Channel, Chat, Message, Person, Talk, Writer};
use crate::world::{
    Account, Actor, EntityType, FieldValue, IncomingMessage, LeadState, Pipeline, Record,
    is_closing,
};

/// Puts a message into a chat. A silent one is history: it makes no lead, no talk, and nobody hears of it.
pub(super) fn put(
    actor: &mut Actor<'_>,
    channel: &Channel,
    chat_id: &str,
    message: &Message,
    is_silent: bool,
) {
    let Some(chat) = actor.account.services.chats.find_mut(chat_id) else {
        return;
    };
    chat.messages.push(message.clone());
    if is_silent {
        return;
    }
    let is_incoming = message.writer == Writer::Client;
    let chat = chat.head();
    if is_incoming {
        welcome(actor, channel, &chat, message);
    }
    let Some(talk) = talk(actor, channel, chat_id, is_incoming) else {
        return;
    };
    told::message(actor, &chat, &talk, message);
}

/// Makes sure that a chat has a contact and an open lead: those it is linked to, or new ones, which wait to be accepted.
fn welcome(actor: &mut Actor<'_>, channel: &Channel, chat: &Chat, message: &Message) {
    let account = &*actor.account;
    let contact = chat
        .contact_id
        .filter(|id| account.contacts.live(*id).is_some());
    let lead = chat.lead_id.filter(|id| is_open(account, *id));
    if lead.is_some() && contact.is_some() {
        return;
    }
    let incoming = IncomingMessage {
        category: "chats".to_owned(),
        source_uid: chat.source.clone(),
        source_name: source_of(account, channel, chat).map(|source| source.name.clone()),
        metadata: metadata(account, channel, chat, message),
        pipeline_id: pipeline_of(account, channel, chat).map(|pipeline| pipeline.id),
        contact: contact.ok_or_else(|| chat.client.name.clone()),
    };
    let received = actor.receive(incoming);
    let (lead, contact) = match &received {
        Some(item) => (item.lead_id, item.contacts.first().copied().or(contact)),
        None => accept(actor, channel, chat, contact),
    };
    let Some(contact) = contact else { return };
    let values = client_values(actor.account, &chat.client);
    if chat.contact_id != Some(contact) {
        let contacts = &mut actor.account.contacts;
        contacts.update(contact, |record| record.values.extend(values));
    }
    let account_id = actor.account.id;
    let chats = &mut actor.account.services.chats;
    if chat.contact_id != Some(contact) {
        chats.bind(account_id, &chat.id, contact);
    }
    if let Some(chat) = chats.find_mut(&chat.id) {
        chat.lead_id = Some(lead);
    }
}

/// What the list of incoming leads knows of a chat (02 §14.6).
fn metadata(account: &Account, channel: &Channel, chat: &Chat, message: &Message) -> Value {
    let text = message.body.get("text").and_then(Value::as_str);
    let source = source_of(account, channel, chat).map(|source| source.name.as_str());
    let avatar = Some(chat.client.avatar.as_str()).filter(|avatar| !avatar.is_empty());
    json!({
        "from": chat.client.name,
        "to": source.unwrap_or_default(),
        "received_at": message.at_ms.div_euclid(1000),
        "service": channel.code,
        "client": {"name": chat.client.name, "avatar": avatar},
        "origin": {"chat_id": chat.id, "ref": null, "visitor_uid": null},
        "last_message_text": text.unwrap_or_default(),
        "source_name": source.unwrap_or_default(),
    })
}

fn is_open(account: &Account, lead: u64) -> bool {
    let state = account.leads.live(lead).and_then(|lead| lead.lead.as_ref());
    state.is_some_and(|state| !is_closing(state.status_id))
}

fn client_values(account: &Account, client: &Person) -> BTreeMap<u64, Vec<FieldValue>> {
    let mut values = BTreeMap::new();
    for (code, value) in [("PHONE", &client.phone), ("EMAIL", &client.email)] {
        let field = account.field_by_code(EntityType::Contacts, code);
        if let (Some(field), Some(value)) = (field, value) {
            let options = field.enums.as_deref().unwrap_or_default();
            let value = FieldValue {
                value: value.as_str().into(),
                enum_id: options.first().map(|option| option.id),
            };
            values.insert(field.id, vec![value]);
        }
    }
    values
}

/// A pipeline that takes no incoming leads: the lead stands in its first stage at once, and the contact is to be seen.
fn accept(
    actor: &mut Actor<'_>,
    channel: &Channel,
    chat: &Chat,
    contact: Option<u64>,
) -> (u64, Option<u64>) {
    let contact = contact.unwrap_or_else(|| {
        let mut record = new_record(actor, EntityType::Contacts);
        record.name.clone_from(&chat.client.name);
        record.first_name.clone_from(&chat.client.name);
        record.values = client_values(actor.account, &chat.client);
        insert(actor, EntityType::Contacts, record)
    });
    let pipeline = pipeline_of(actor.account, channel, chat);
    let (pipeline_id, stage) = pipeline.map_or((0, None), |pipeline| {
        let mut stages = pipeline.statuses.iter();
        (pipeline.id, stages.find(|stage| stage.kind == 0))
    });
    let status_id = stage.map_or(0, |stage| stage.id);
    let mut record = new_record(actor, EntityType::Leads);
    record.name = format!("Сделка #{}", record.id);
    record.lead = Some(LeadState {
        status_id,
        pipeline_id,
        ..LeadState::default()
    });
    let lead = record.id;
    let (one, other) = ((EntityType::Leads, lead), (EntityType::Contacts, contact));
    actor.account.links.link(one, other);
    insert(actor, EntityType::Leads, record);
    let (one, other) = (Subject::Card(one.0, one.1), Subject::Card(other.0, other.1));
    actor.emit_link(one, other, true);
    (lead, Some(contact))
}

/// The pipeline of the source the client wrote to, else of the integration's default source, else the main one.
fn pipeline_of<'a>(account: &'a Account, channel: &Channel, chat: &Chat) -> Option<&'a Pipeline> {
    let source = source_of(account, channel, chat);
    let pipeline = source.and_then(|source| account.pipeline(source.pipeline_id));
    pipeline.or_else(|| account.main_pipeline())
}

fn source_of<'a>(
    account: &'a Account,
    channel: &Channel,
    chat: &Chat,
) -> Option<&'a crate::world::services::Source> {
    let sources = account.services.sources.list.iter();
    let mut own = sources.filter(|source| {
        let owner = channel.client_id.as_ref();
        owner.is_none_or(|owner| *owner == source.client_id)
    });
    match &chat.source {
        Some(external_id) => own.find(|source| source.external_id == *external_id),
        None => own.find(|source| source.is_default),
    }
}

fn new_record(actor: &mut Actor<'_>, entity: EntityType) -> Record {
    let id = actor.account.counters.record(entity);
    let mut record = Record::new(id, 0, actor.now());
    record.responsible_user_id = actor.account.users.first().map_or(0, |user| user.id);
    record
}

fn insert(actor: &mut Actor<'_>, entity: EntityType, record: Record) -> u64 {
    let id = record.id;
    actor.account.records_mut(entity).insert(record);
    actor.emit(entity, id, Change::Added);
    id
}

/// The talk of a chat, which has changed now; a client's message begins one, and so does a manager's to a known contact.
fn talk(
    actor: &mut Actor<'_>,
    channel: &Channel,
    chat_id: &str,
    is_incoming: bool,
) -> Option<Talk> {
    let now = actor.now();
    let chat = actor.account.services.chats.find(chat_id)?.head();
    let source_id = source_of(actor.account, channel, &chat).map(|source| source.id);
    let account_id = actor.account.id;
    let chats = &mut actor.account.services.chats;
    let (talk, is_new) = if let Some(talk) = chats.open_talk(chat_id) {
        talk.updated_at = now;
        talk.is_read = !is_incoming;
        talk.lead_id = chat.lead_id;
        (talk.clone(), false)
    } else {
        let talk = Talk {
            id: chats.next_talk_id(account_id),
            chat_id: chat.id,
            contact_id: chat.contact_id?,
            lead_id: chat.lead_id,
            origin: channel.code.clone(),
            source_id,
            is_in_work: true,
            is_read: !is_incoming,
            created_at: now,
            updated_at: now,
        };
        chats.talks.push(talk.clone());
        (talk, true)
    };
    told::talk(actor, &talk, is_new);
    Some(talk)
}
