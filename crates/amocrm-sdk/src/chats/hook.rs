//! What the chat service posts to a channel's URL.

use std::fmt;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha1::Sha1;

use super::{AmojoAccountId, ChatId, Message, MessageId, ParticipantId, Person};
use crate::de;
use crate::webhook::{ParseError, ParseErrorKind};

/// Whether amoCRM itself signed a body: the header `X-Signature`, with the channel's secret. Compares in constant time.
///
/// ```
/// use amocrm_sdk::chats::verify;
///
/// let signature = "570a3420762bd5cc12862a46b41dfd87e68a726c";
/// assert!(verify("demo-channel-secret", signature, br#"{"ping":"pong"}"#));
/// assert!(!verify("demo-channel-secret", signature, br#"{"ping":"PONG"}"#));
/// ```
pub fn verify(secret: &str, signature: &str, body: &[u8]) -> bool {
    let Some(signature) = crate::hex::decode(signature) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

/// A body that the chat service posted (version 2 of its webhooks).
///
/// It is sent **once**: answer 200 within 5 seconds, after storing it, and work on it later.
///
/// ```
/// use amocrm_sdk::chats::{ChatEvent, ChatHook};
///
/// let hook = ChatHook::parse(br#"{
///     "account_id": "af9945ff", "time": 1769000000,
///     "message": {
///         "conversation": {"id": "8e4d4baa", "client_id": "c-1"},
///         "sender": {"id": "76fc2bea"}, "receiver": {"id": "2ed64e26", "client_id": "u-1"},
///         "message": {"id": "0371a0ff", "type": "text", "text": "Hi"}
///     }
/// }"#)?;
/// let ChatEvent::Message(message) = hook.event else { panic!("another event") };
/// assert_eq!(message.conversation.client_id.as_deref(), Some("c-1"));
/// assert_eq!(message.message.text, "Hi");
/// # Ok::<(), amocrm_sdk::webhook::ParseError>(())
/// ```
///
/// Source: <https://www.amocrm.ru/developers/content/chats/chat-webhooks>.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChatHook {
    /// The account, by its `amojo_id`.
    pub account_id: Option<AmojoAccountId>,
    /// When it was sent.
    pub time: Option<DateTime<Utc>>,
    /// What happened.
    pub event: ChatEvent,
}

/// What happened in a chat.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// A user or a robot of the account wrote: deliver it.
    Message(Box<HookMessage>),
    /// A user of the account is writing. Sent to channels for which the support switched it on.
    Typing(HookTyping),
    /// A user of the account reacted to a message, or took the reaction back.
    Reaction(HookReaction),
    /// Something that this version of the SDK does not know: the body as it came.
    Unknown(Value),
}

/// A message to be delivered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct HookMessage {
    /// The chat.
    pub conversation: Conversation,
    /// The channel's source, if it has several.
    #[serde(default)]
    source: Option<Source>,
    /// Who wrote it.
    #[serde(default)]
    pub sender: Person,
    /// Whom it is for.
    #[serde(default)]
    pub receiver: Person,
    #[serde(default, deserialize_with = "de::opt_number")]
    timestamp: Option<i64>,
    #[serde(default, deserialize_with = "de::opt_number")]
    msec_timestamp: Option<i64>,
    /// What it says.
    pub message: Message,
}

impl HookMessage {
    /// When it was written, to the millisecond where amoCRM says so.
    pub fn sent_at(&self) -> Option<DateTime<Utc>> {
        self.msec_timestamp
            .and_then(DateTime::from_timestamp_millis)
            .or_else(|| DateTime::from_timestamp(self.timestamp?, 0))
    }

    /// The channel's own id of its source, if it has several.
    pub fn source_external_id(&self) -> Option<&str> {
        self.source.as_ref()?.external_id.as_deref()
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Source {
    #[serde(default, deserialize_with = "de::opt_text")]
    external_id: Option<String>,
}

/// A chat.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Conversation {
    /// amoCRM's id.
    pub id: ChatId,
    /// The channel's own id of it. A chat that a user of the account began has none yet.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub client_id: Option<String>,
}

/// Somebody is writing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct HookTyping {
    user: Reference,
    /// The chat.
    pub conversation: Conversation,
    /// When to stop showing it.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub expired_at: Option<DateTime<Utc>>,
}

impl HookTyping {
    /// Who is writing.
    pub fn user(&self) -> &ParticipantId {
        &self.user.id
    }
}

/// Somebody reacted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct HookReaction {
    /// amoCRM's documentation tells of an object, its example has a bare id.
    #[serde(default)]
    message: Option<ReactedMessage>,
    #[serde(default)]
    msgid: Option<MessageId>,
    user: Reference,
    /// The chat.
    pub conversation: Conversation,
    #[serde(rename = "type", default, deserialize_with = "de::text")]
    reaction_type: String,
    /// With what; nothing when the reaction was taken back.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub emoji: Option<String>,
}

impl HookReaction {
    /// Who reacted.
    pub fn user(&self) -> &ParticipantId {
        &self.user.id
    }

    /// To which message.
    pub fn message_id(&self) -> Option<&MessageId> {
        let told = self
            .message
            .as_ref()
            .and_then(|message| message.id.as_ref());
        self.msgid.as_ref().or(told)
    }

    /// Whether the reaction was taken back.
    pub fn is_taken_back(&self) -> bool {
        self.reaction_type == "unreact"
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Reference {
    id: ParticipantId,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct ReactedMessage {
    #[serde(default, alias = "msgid")]
    id: Option<MessageId>,
}

impl ChatHook {
    /// Reads a body. Verify it before: [`verify`].
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::Malformed`] when it is no JSON object. An event of an unknown shape is
    /// [`ChatEvent::Unknown`], because nobody sends it again.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        let malformed = || ParseError::new(ParseErrorKind::Malformed, "", "a JSON object");
        let body: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
        if !body.is_object() {
            return Err(malformed());
        }
        let account_id = body["account_id"].as_str().map(AmojoAccountId::from);
        let time = de::opt_time::deserialize(&body["time"]).unwrap_or_default();
        let action = &body["action"];
        let event = None
            .or_else(|| read(&body["message"]).map(|message| ChatEvent::Message(Box::new(message))))
            .or_else(|| read(&action["typing"]).map(ChatEvent::Typing))
            .or_else(|| read(&action["reaction"]).map(ChatEvent::Reaction));
        Ok(Self {
            account_id,
            time,
            event: event.unwrap_or(ChatEvent::Unknown(body)),
        })
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

/// An event of an unknown shape may hold anything.
impl fmt::Debug for ChatEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Typing(typing) => typing.fmt(f),
            Self::Reaction(reaction) => reaction.fmt(f),
            Self::Unknown(_) => f.write_str("Unknown"),
        }
    }
}
