//! Chats: the channels people write through, what they wrote, and the talks about it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::world::Sequence;

const FIRST_TALK: u64 = 8_200_001;
const FIRST_LINK: u64 = 8_900_001;

/// A chat channel, as amoCRM's support registers it; it is not part of any account.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Channel {
    /// A UUID.
    pub(crate) id: String,
    /// `amo.ext.…`; the `origin` of what comes through it.
    pub(crate) code: String,
    /// Signs requests and hooks.
    pub(crate) secret: String,
    /// Who speaks when it is neither the client nor a known manager.
    pub(crate) bot_id: String,
    /// Where hooks go; `:scope_id` in it stands for the connected account.
    pub(crate) webhook_url: Option<String>,
    /// The integration it belongs to.
    pub(crate) client_id: Option<String>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.id)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// The chats of an account.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Chats {
    /// The channels that are connected.
    pub(crate) connections: Vec<Connection>,
    pub(crate) list: Vec<Chat>,
    pub(crate) talks: Vec<Talk>,
    talk_ids: Sequence,
    link_ids: Sequence,
}

impl Chats {
    /// The chat with this amoCRM id.
    pub(crate) fn find(&self, id: &str) -> Option<&Chat> {
        self.list.iter().find(|chat| chat.id == id)
    }

    pub(crate) fn find_mut(&mut self, id: &str) -> Option<&mut Chat> {
        self.list.iter_mut().find(|chat| chat.id == id)
    }

    /// The chat a channel calls by this name.
    pub(crate) fn of_conversation(&self, channel_id: &str, conversation_id: &str) -> Option<&Chat> {
        self.list.iter().find(|chat| {
            chat.channel_id == channel_id
                && chat.conversation_id.as_deref() == Some(conversation_id)
        })
    }

    /// Binds a chat to a contact; the number of the link.
    pub(crate) fn bind(&mut self, account_id: u64, chat_id: &str, contact_id: u64) -> Option<u64> {
        let id = self.link_ids.take(account_id, FIRST_LINK);
        let chat = self.find_mut(chat_id)?;
        chat.contact_id = Some(contact_id);
        chat.link_id = Some(id);
        for talk in self.talks.iter_mut().filter(|talk| talk.chat_id == chat_id) {
            talk.contact_id = contact_id;
        }
        Some(id)
    }

    /// What was written about one lead is about another from now on, and perhaps by another contact.
    pub(crate) fn follow(&mut self, account_id: u64, from: u64, to: u64, contact: Option<u64>) {
        let moved: Vec<String> = self
            .list
            .iter_mut()
            .filter(|chat| chat.lead_id == Some(from))
            .map(|chat| {
                chat.lead_id = Some(to);
                chat.id.clone()
            })
            .collect();
        for chat_id in moved {
            for talk in self.talks.iter_mut().filter(|talk| talk.chat_id == chat_id) {
                talk.lead_id = Some(to);
            }
            if let Some(contact) = contact {
                self.bind(account_id, &chat_id, contact);
            }
        }
    }

    pub(crate) fn next_talk_id(&mut self, account_id: u64) -> u64 {
        self.talk_ids.take(account_id, FIRST_TALK)
    }

    /// The talk about a chat that has not been closed.
    pub(crate) fn open_talk(&mut self, chat_id: &str) -> Option<&mut Talk> {
        let mut talks = self.talks.iter_mut();
        talks.find(|talk| talk.chat_id == chat_id && talk.is_in_work)
    }
}

/// A channel in an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Connection {
    pub(crate) channel_id: String,
    pub(crate) title: String,
    /// `v1` or `v2`.
    pub(crate) hook_api_version: String,
}

/// Somebody outside.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Person {
    /// Given by amoCRM.
    pub(crate) id: String,
    /// Given by the channel.
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) avatar: String,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A conversation with one person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Chat {
    /// Given by amoCRM.
    pub(crate) id: String,
    pub(crate) channel_id: String,
    /// Given by the channel; none as long as only a manager has written.
    pub(crate) conversation_id: Option<String>,
    /// The source the client wrote to.
    pub(crate) source: Option<String>,
    pub(crate) client: Person,
    pub(crate) contact_id: Option<u64>,
    /// The number of the link to the contact.
    pub(crate) link_id: Option<u64>,
    pub(crate) lead_id: Option<u64>,
    /// Oldest first.
    pub(crate) messages: Vec<Message>,
}

impl Chat {
    /// A chat nobody has written in.
    pub(crate) fn new(channel_id: &str, conversation_id: Option<&str>, client: Person) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            channel_id: channel_id.to_owned(),
            conversation_id: conversation_id.map(str::to_owned),
            source: None,
            client,
            contact_id: None,
            link_id: None,
            lead_id: None,
            messages: Vec::new(),
        }
    }

    /// The chat without what was written in it, which may be long.
    pub(crate) fn head(&self) -> Self {
        Self {
            id: self.id.clone(),
            channel_id: self.channel_id.clone(),
            conversation_id: self.conversation_id.clone(),
            source: self.source.clone(),
            client: self.client.clone(),
            contact_id: self.contact_id,
            link_id: self.link_id,
            lead_id: self.lead_id,
            messages: Vec::new(),
        }
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Writer {
    Client,
    Manager(u64),
    Bot,
}

/// A message.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Given by amoCRM.
    pub(crate) id: String,
    /// Given by the channel; none for what a manager writes in amoCRM.
    pub(crate) msgid: Option<String>,
    pub(crate) writer: Writer,
    pub(crate) at_ms: i64,
    /// Type, text, media and the rest, as sent.
    pub(crate) body: Value,
    /// 1 delivered, 2 read, -1 failed.
    pub(crate) delivery_status: Option<i64>,
    pub(crate) error_code: Option<i64>,
    /// Who reacted with what.
    pub(crate) reactions: Vec<(String, String)>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

/// What managers work on: a chat until it is closed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Talk {
    pub(crate) id: u64,
    pub(crate) chat_id: String,
    pub(crate) contact_id: u64,
    pub(crate) lead_id: Option<u64>,
    pub(crate) origin: String,
    pub(crate) source_id: Option<u64>,
    pub(crate) is_in_work: bool,
    pub(crate) is_read: bool,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}
