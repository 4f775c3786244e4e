//! What happens in a CRM without a request of the API: people delete tasks and follow leads, letters and chats come in, old rows
//! have shapes that nobody can write any more.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::world::feed::FeedRules;
use crate::world::{Actor, EntityType, IncomingMessage, Note};

/// Works in an account as somebody, and tells the webhooks.
fn act<T>(
    app: &App,
    account_id: Option<u64>,
    user_id: u64,
    work: impl FnOnce(&mut Actor<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let now_ms = app.clock().now_ms();
    let done = app.with_world(|world| {
        let first = world.accounts.first().map(|account| account.id);
        let id = account_id.or(first).unwrap_or_default();
        let (account, events) = world
            .account_and_events(id)
            .ok_or("account_id: no such account")?;
        work(&mut Actor::new(account, events, now_ms, user_id))
    });
    app.deliver_events();
    app.mark_changed();
    done
}

/// A task to delete.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteTask {
    id: u64,
    #[serde(default)]
    account_id: Option<u64>,
    #[serde(default)]
    user_id: u64,
}

/// Deletes a task, which only people can do.
pub(super) fn delete_task(app: &App, request: &DeleteTask) -> Result<(), String> {
    act(app, request.account_id, request.user_id, |actor| {
        let was_there = actor.delete_task(request.id);
        was_there.then_some(()).ok_or("id: no such task".to_owned())
    })
}

/// A row of the notes, in whatever shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNote {
    entity_type: String,
    entity_id: u64,
    /// A number appears as one in the answers.
    note_type: Value,
    #[serde(default)]
    params: Value,
    #[serde(default)]
    account_id: Option<u64>,
    #[serde(default)]
    user_id: u64,
}

/// Puts a note down without checking it: types only amoCRM itself writes, invented ones, and the dirt of old rows.
pub(super) fn add_note(app: &App, request: RawNote) -> Result<Value, String> {
    let entity = entity(&request.entity_type)?;
    let kind = match request.note_type {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Err("note_type: expected a text or a number".to_owned()),
    };
    act(app, request.account_id, request.user_id, |actor| {
        let record = actor.account.records(entity).get(request.entity_id);
        record.ok_or("entity_id: no such card")?;
        let (user, now) = (actor.user_id, actor.now());
        let note = Note::new(request.entity_id, &kind, request.params, user, now);
        Ok(json!({ "id": actor.add_note(entity, note) }))
    })
}

/// A letter or a chat that comes in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Incoming {
    /// `chats` or `mail`.
    category: String,
    #[serde(default)]
    source_uid: Option<String>,
    #[serde(default)]
    source_name: Option<String>,
    #[serde(default)]
    metadata: Value,
    #[serde(default)]
    pipeline_id: Option<u64>,
    /// A contact that is there; otherwise one is made.
    #[serde(default)]
    contact_id: Option<u64>,
    #[serde(default)]
    contact_name: Option<String>,
    #[serde(default)]
    account_id: Option<u64>,
}

/// Makes an incoming lead of it.
pub(super) fn receive(app: &App, request: Incoming) -> Result<Value, String> {
    if !matches!(request.category.as_str(), "chats" | "mail") {
        return Err("category: expected \"chats\" or \"mail\"".to_owned());
    }
    act(app, request.account_id, 0, |actor| {
        let name = request.contact_name.unwrap_or_else(|| "Гость".to_owned());
        if let Some(id) = request.contact_id {
            let contact = actor.account.contacts.live(id);
            contact.ok_or("contact_id: no such contact")?;
        }
        let message = IncomingMessage {
            category: request.category,
            source_uid: request.source_uid,
            source_name: request.source_name,
            metadata: request.metadata,
            pipeline_id: request.pipeline_id,
            contact: request.contact_id.ok_or(name),
        };
        let item = actor
            .receive(message)
            .ok_or("pipeline_id: no such pipeline, or it takes no incoming leads")?;
        Ok(json!({"uid": item.uid, "lead_id": item.lead_id, "contact_id": item.contacts.first()}))
    })
}

/// Who follows a lead or customer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Followers {
    entity_type: String,
    entity_id: u64,
    /// Users.
    #[serde(default)]
    users: Vec<u64>,
    /// Groups of users.
    #[serde(default)]
    groups: Vec<u64>,
    #[serde(default)]
    account_id: Option<u64>,
}

/// Sets the followers of a card; without any nobody follows it any more.
pub(super) fn set_followers(app: &App, request: Followers) -> Result<(), String> {
    let entity = entity(&request.entity_type)?;
    act(app, request.account_id, 0, |actor| {
        let record = actor.account.records(entity).get(request.entity_id);
        record.ok_or("entity_id: no such card")?;
        let users = request.users.into_iter().map(|id| (id, false));
        let groups = request.groups.into_iter().map(|id| (id, true));
        let key = (entity, request.entity_id);
        actor.account.set_followers(key, users.chain(groups));
        Ok(())
    })
}

/// Settings of the activity feed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedSettings {
    lag_ms: Option<u64>,
    omits_next: Option<bool>,
    #[serde(default)]
    account_id: Option<u64>,
}

/// Changes the members that are named; the answer has all of them.
pub(super) fn set_feed(app: &App, request: &FeedSettings) -> Result<FeedRules, String> {
    act(app, request.account_id, 0, |actor| {
        let rules = &mut actor.account.feed.rules;
        rules.lag_ms = request.lag_ms.unwrap_or(rules.lag_ms);
        rules.omits_next = request.omits_next.unwrap_or(rules.omits_next);
        Ok(rules.clone())
    })
}

fn entity(word: &str) -> Result<EntityType, String> {
    EntityType::parse(word)
        .ok_or_else(|| "entity_type: expected leads, contacts, companies or customers".to_owned())
}
