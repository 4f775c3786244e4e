//! A message comes into a chat: the first one makes a contact and an unsorted lead, and a talk begins or goes on.

use super::told;
use crate::world::events::Change;
use crate::world::feed::Subject;
use crate::world::services::{Channel, Chat, Message, Person, Talk, Writer};
use crate::world::{
    Account, Actor, EntityType, FieldValue, LeadState, Pipeline, Record, is_closing,
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
    let chat = chat.clone();
    if is_incoming {
        welcome(actor, channel, &chat);
    }
    let Some(talk) = talk(actor, channel, chat_id, is_incoming) else {
        return;
    };
    told::message(actor, &chat, &talk, message);
}

/// Makes sure that a chat has a contact and a lead: those it is linked to, or new ones.
fn welcome(actor: &mut Actor<'_>, channel: &Channel, chat: &Chat) {
    let live = |account: &Account, entity, id: Option<u64>| {
        id.filter(|id| account.records(entity).live(*id).is_some())
    };
    let contact = live(actor.account, EntityType::Contacts, chat.contact_id)
        .unwrap_or_else(|| add_contact(actor, &chat.client));
    let lead = live(actor.account, EntityType::Leads, chat.lead_id)
        .filter(|lead| is_open(actor.account, *lead))
        .unwrap_or_else(|| add_lead(actor, channel, chat, contact));
    let account_id = actor.account.id;
    let chats = &mut actor.account.services.chats;
    if chat.contact_id != Some(contact) {
        chats.bind(account_id, &chat.id, contact);
    }
    if let Some(chat) = chats.find_mut(&chat.id) {
        chat.lead_id = Some(lead);
    }
}

fn is_open(account: &Account, lead: u64) -> bool {
    let state = account.leads.live(lead).and_then(|lead| lead.lead.as_ref());
    state.is_some_and(|state| !is_closing(state.status_id))
}

fn add_contact(actor: &mut Actor<'_>, client: &Person) -> u64 {
    let mut record = new_record(actor, EntityType::Contacts);
    record.name.clone_from(&client.name);
    record.first_name.clone_from(&client.name);
    for (code, value) in [("PHONE", &client.phone), ("EMAIL", &client.email)] {
        let field = actor.account.field_by_code(EntityType::Contacts, code);
        if let (Some(field), Some(value)) = (field, value) {
            let options = field.enums.as_deref().unwrap_or_default();
            let value = FieldValue {
                value: value.as_str().into(),
                enum_id: options.first().map(|option| option.id),
            };
            record.values.insert(field.id, vec![value]);
        }
    }
    insert(actor, EntityType::Contacts, record)
}

/// A lead in the unsorted stage of the pipeline of the source that was written to.
fn add_lead(actor: &mut Actor<'_>, channel: &Channel, chat: &Chat, contact: u64) -> u64 {
    let pipeline = pipeline_of(actor.account, channel, chat);
    let (pipeline_id, stage) = pipeline.map_or((0, None), |pipeline| {
        (pipeline.id, pipeline.unsorted_stage())
    });
    let mut record = new_record(actor, EntityType::Leads);
    record.name = format!("Сделка #{}", record.id);
    record.lead = Some(LeadState {
        pipeline_id,
        status_id: stage.unwrap_or_default(),
        ..LeadState::default()
    });
    let lead = record.id;
    let (one, other) = ((EntityType::Leads, lead), (EntityType::Contacts, contact));
    actor.account.links.link(one, other);
    insert(actor, EntityType::Leads, record);
    actor.emit_link(
        Subject::Card(one.0, one.1),
        Subject::Card(other.0, other.1),
        true,
    );
    lead
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
    let chat = actor.account.services.chats.find(chat_id)?.clone();
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
