//! What managers do in amoCRM's window: write, type, react. Tests do it for them through the control API.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::hooks::Hook;
use super::incoming;
use super::messages::{read_message, with_every_part};
use crate::api::Reader;
use crate::app::App;
use crate::problem::Violations;
use crate::world::services::{Channel, Chat, Message, Person, Writer};
use crate::world::{Account, Actor, EntityType, World};

/// How long "is typing" stands; it is sent once in five seconds (03 §8.5).
const TYPING_SECONDS: i64 = 5;

/// A manager writes: into a chat, or first, to a contact through a channel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    #[serde(default)]
    chat_id: Option<String>,
    #[serde(default)]
    channel_id: Option<String>,
    #[serde(default)]
    contact_id: Option<u64>,
    #[serde(default)]
    user_id: Option<u64>,
    #[serde(default)]
    text: Option<String>,
    /// In place of `text`: a message with `type`, `media` and so on.
    #[serde(default)]
    message: Option<Map<String, Value>>,
}

impl Write {
    /// A text into a chat, by the first user.
    pub(crate) fn text(chat_id: &str, text: &str) -> Self {
        Self {
            chat_id: Some(chat_id.to_owned()),
            channel_id: None,
            contact_id: None,
            user_id: None,
            text: Some(text.to_owned()),
            message: None,
        }
    }
}

/// A manager begins to type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Type {
    chat_id: String,
    #[serde(default)]
    user_id: Option<u64>,
}

/// A manager reacts to a message, or without an emoji takes that back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct React {
    chat_id: String,
    message_id: String,
    #[serde(default)]
    user_id: Option<u64>,
    #[serde(default)]
    emoji: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// The chat.
    chat_id: String,
    /// The message that was written or reacted to.
    message_id: Option<String>,
    /// What the channel's server answered to the hook; null without a hook or an answer.
    pub(crate) hook_status: Option<u16>,
}

/// Writes a message and tells the channel of it.
pub(crate) async fn write(app: &App, request: Write) -> Result<Outcome, String> {
    let body = message_body(&request)?;
    let now_ms = app.clock().now_ms();
    let (hook, chat_id, message_id) = app.with_world(|world| {
        let chat_id = match &request.chat_id {
            Some(id) => id.clone(),
            None => write_first(world, &request)?,
        };
        let place = Place::find(world, &chat_id, request.user_id)?;
        let id = Uuid::new_v4().to_string();
        let message = Message {
            id: id.clone(),
            msgid: None,
            writer: Writer::Manager(place.user_id),
            at_ms: now_ms,
            body,
            delivery_status: None,
            error_code: None,
            reactions: Vec::new(),
        };
        let hook = place.hook(world, |account, chat| {
            message_hook(account, chat, &message, place.user_id)
        });
        let (account, events) = world
            .account_and_events(place.account_id)
            .ok_or("chat_id: no such chat")?;
        let mut actor = Actor::new(account, events, now_ms, place.user_id);
        incoming::put(&mut actor, &place.channel, &chat_id, &message, false);
        Ok::<_, String>((hook, chat_id, id))
    })?;
    app.deliver_events();
    app.mark_changed();
    let hook_status = match hook {
        Some(hook) => hook.send(app).await,
        None => None,
    };
    Ok(Outcome {
        chat_id,
        message_id: Some(message_id),
        hook_status,
    })
}

/// Tells the channel that a manager is typing.
pub(crate) async fn start_typing(app: &App, request: Type) -> Result<Outcome, String> {
    let now = app.clock().now();
    let hook = app.with_world(|world| {
        let place = Place::find(world, &request.chat_id, request.user_id)?;
        Ok::<_, String>(place.hook(world, |account, chat| {
            json!({
                "account_id": account.amojo_id,
                "time": now,
                "action": {"typing": {
                    "user": {"id": place.amojo_id},
                    "conversation": conversation(chat),
                    "expired_at": now + TYPING_SECONDS,
                }},
            })
        }))
    })?;
    outcome(app, hook, request.chat_id, None).await
}

/// Keeps a manager's reaction and tells the channel of it.
pub(crate) async fn react(app: &App, request: React) -> Result<Outcome, String> {
    let now = app.clock().now();
    let hook = app.with_world(|world| {
        let place = Place::find(world, &request.chat_id, request.user_id)?;
        let account = world
            .account(place.account_id)
            .ok_or("chat_id: no such chat")?;
        let message = account
            .services
            .chats
            .find_mut(&request.chat_id)
            .and_then(|chat| {
                let mut messages = chat.messages.iter_mut();
                messages.find(|message| message.id == request.message_id)
            })
            .ok_or("message_id: no such message in this chat")?;
        message
            .reactions
            .retain(|(user, _)| *user != place.amojo_id);
        if let Some(emoji) = &request.emoji {
            message
                .reactions
                .push((place.amojo_id.clone(), emoji.clone()));
        }
        let id = message.id.clone();
        Ok::<_, String>(place.hook(world, |account, chat| {
            let mut reaction = json!({
                "msgid": id,
                "user": {"id": place.amojo_id},
                "conversation": conversation(chat),
                "type": if request.emoji.is_some() { "react" } else { "unreact" },
            });
            if let Some(emoji) = &request.emoji {
                reaction["emoji"] = emoji.as_str().into();
            }
            json!({"account_id": account.amojo_id, "time": now, "action": {"reaction": reaction}})
        }))
    })?;
    app.mark_changed();
    outcome(app, hook, request.chat_id, Some(request.message_id)).await
}

async fn outcome(
    app: &App,
    hook: Option<Hook>,
    chat_id: String,
    message_id: Option<String>,
) -> Result<Outcome, String> {
    let hook_status = match hook {
        Some(hook) => hook.send(app).await,
        None => None,
    };
    Ok(Outcome {
        chat_id,
        message_id,
        hook_status,
    })
}

/// Where something happens, and who does it.
struct Place {
    account_id: u64,
    channel: Channel,
    chat_id: String,
    user_id: u64,
    amojo_id: String,
}

impl Place {
    fn find(world: &World, chat_id: &str, user_id: Option<u64>) -> Result<Self, String> {
        let mut found = world.accounts.iter().filter_map(|account| {
            let chat = account.services.chats.find(chat_id)?;
            Some((account, chat))
        });
        let (account, chat) = found.next().ok_or("chat_id: no such chat")?;
        let mut channels = world.channels.iter();
        let channel = channels.find(|channel| channel.id == chat.channel_id);
        let mut users = account.users.iter();
        let user = users.find(|user| user_id.is_none_or(|id| id == user.id));
        let user = user.ok_or("user_id: the account has no such user")?;
        Ok(Self {
            account_id: account.id,
            channel: channel.cloned().ok_or("chat_id: its channel is gone")?,
            chat_id: chat_id.to_owned(),
            user_id: user.id,
            amojo_id: user.amojo_id(account.id),
        })
    }

    /// The hook to the channel's server. Channels that are not connected, or with the first version of hooks, get none.
    fn hook(&self, world: &World, body: impl FnOnce(&Account, &Chat) -> Value) -> Option<Hook> {
        let mut accounts = world.accounts.iter();
        let account = accounts.find(|account| account.id == self.account_id)?;
        let chats = &account.services.chats;
        let mut connections = chats.connections.iter();
        let connection = connections.find(|it| it.channel_id == self.channel.id)?;
        if connection.hook_api_version != "v2" {
            return None;
        }
        let scope_id = format!("{}_{}", self.channel.id, account.amojo_id);
        let url = self.channel.webhook_url.as_ref()?;
        Some(Hook {
            url: url.replace(":scope_id", &scope_id),
            secret: self.channel.secret.clone(),
            body: body(account, chats.find(&self.chat_id)?),
        })
    }
}

fn message_body(request: &Write) -> Result<Value, String> {
    let message = match (&request.message, &request.text) {
        (Some(message), _) => message.clone(),
        (None, Some(text)) => Map::from_iter([
            ("type".to_owned(), json!("text")),
            ("text".to_owned(), text.as_str().into()),
        ]),
        (None, None) => return Err("text: expected a text, or a message".to_owned()),
    };
    let mut out = Violations::default();
    let body = read_message(&Reader::at(&message, "message"), &mut out);
    if out.is_empty() {
        Ok(body)
    } else {
        Err(out.describe())
    }
}

/// Opens a chat with a contact nobody has heard of in this channel; its id.
fn write_first(world: &mut World, request: &Write) -> Result<String, String> {
    let (Some(channel_id), Some(contact_id)) = (&request.channel_id, request.contact_id) else {
        return Err("chat_id: expected a chat, or channel_id and contact_id".to_owned());
    };
    let mut accounts = world.accounts.iter_mut();
    let account = accounts
        .find(|account| {
            let mut connections = account.services.chats.connections.iter();
            connections.any(|it| it.channel_id == *channel_id)
        })
        .ok_or("channel_id: no such channel is connected")?;
    let contact = account
        .contacts
        .live(contact_id)
        .ok_or("contact_id: no such contact")?;
    let value = |code: &str| {
        let field = account.field_by_code(EntityType::Contacts, code)?;
        let value = contact.values.get(&field.id)?.first()?;
        value.value.as_str().map(str::to_owned)
    };
    let client = Person {
        id: Uuid::new_v4().to_string(),
        name: contact.name.clone(),
        phone: value("PHONE"),
        email: value("EMAIL"),
        ..Person::default()
    };
    let chat = Chat::new(channel_id, None, client);
    let id = chat.id.clone();
    let account_id = account.id;
    let chats = &mut account.services.chats;
    chats.list.push(chat);
    chats.bind(account_id, &id, contact_id);
    Ok(id)
}

/// A chat as hooks name it; `client_id` is absent as long as only a manager has written.
fn conversation(chat: &Chat) -> Value {
    match &chat.conversation_id {
        Some(client_id) => json!({"id": chat.id, "client_id": client_id}),
        None => json!({"id": chat.id}),
    }
}

fn message_hook(account: &Account, chat: &Chat, message: &Message, user_id: u64) -> Value {
    let user = account.user(user_id);
    let client = &chat.client;
    let mut receiver = json!({"id": client.id, "phone": client.phone, "email": client.email});
    if !client.client_id.is_empty() {
        receiver["client_id"] = client.client_id.as_str().into();
    }
    let mut body = with_every_part(&message.body);
    body.insert("id".into(), message.id.as_str().into());
    body.insert("tag".into(), "".into());
    let seconds = message.at_ms.div_euclid(1000);
    let mut document = json!({
        "account_id": account.amojo_id,
        "time": seconds,
        "message": {
            "conversation": conversation(chat),
            "sender": {
                "id": user.map(|user| user.amojo_id(account.id)),
                "name": user.map(|user| user.name.as_str()),
            },
            "receiver": receiver,
            "timestamp": seconds,
            "msec_timestamp": message.at_ms,
            "message": body,
        },
    });
    if let Some(external_id) = &chat.source {
        document["message"]["source"] = json!({"external_id": external_id});
    }
    document
}
