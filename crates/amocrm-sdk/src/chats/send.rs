//! Messages on their way into amoCRM.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::call::Decoded;
use super::chat::Source;
use super::{ChatUser, MessageId, MessageType};

/// What a message says. `Debug` shows its type only.
///
/// Files are named by public URLs: amoCRM downloads them.
#[skip_serializing_none]
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct MessageContent {
    #[serde(rename = "type")]
    message_type: MessageType,
    text: Option<String>,
    media: Option<String>,
    file_name: Option<String>,
    file_size: Option<u64>,
    sticker_id: Option<String>,
    location: Option<Location>,
    contact: Option<Contact>,
    callback_data: Option<String>,
}

#[derive(Clone, Serialize)]
struct Location {
    lon: f64,
    lat: f64,
}

#[derive(Clone, Serialize)]
struct Contact {
    name: String,
    phone: String,
}

impl MessageContent {
    fn empty(message_type: MessageType) -> Self {
        Self {
            message_type,
            text: None,
            media: None,
            file_name: None,
            file_size: None,
            sticker_id: None,
            location: None,
            contact: None,
            callback_data: None,
        }
    }

    fn with_media(message_type: MessageType, url: impl Into<String>) -> Self {
        Self {
            media: Some(url.into()),
            ..Self::empty(message_type)
        }
    }

    fn with_file(message_type: MessageType, url: String, name: String, size: u64) -> Self {
        Self {
            file_name: Some(name),
            file_size: Some(size),
            ..Self::with_media(message_type, url)
        }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::empty(MessageType::Text).caption(text)
    }

    /// A picture: its URL, name and size in bytes.
    pub fn picture(url: impl Into<String>, name: impl Into<String>, size: u64) -> Self {
        Self::with_file(MessageType::Picture, url.into(), name.into(), size)
    }

    /// A film: its URL, name and size in bytes.
    pub fn video(url: impl Into<String>, name: impl Into<String>, size: u64) -> Self {
        Self::with_file(MessageType::Video, url.into(), name.into(), size)
    }

    /// A file: its URL, name and size in bytes.
    pub fn file(url: impl Into<String>, name: impl Into<String>, size: u64) -> Self {
        Self::with_file(MessageType::File, url.into(), name.into(), size)
    }

    /// A voice message.
    pub fn voice(url: impl Into<String>) -> Self {
        Self::with_media(MessageType::Voice, url)
    }

    /// A recording.
    pub fn audio(url: impl Into<String>) -> Self {
        Self::with_media(MessageType::Audio, url)
    }

    /// A sticker.
    pub fn sticker(url: impl Into<String>) -> Self {
        Self::with_media(MessageType::Sticker, url)
    }

    /// A place.
    pub fn location(longitude: f64, latitude: f64) -> Self {
        Self {
            location: Some(Location {
                lon: longitude,
                lat: latitude,
            }),
            ..Self::empty(MessageType::Location)
        }
    }

    /// A contact.
    pub fn contact(name: impl Into<String>, phone: impl Into<String>) -> Self {
        Self {
            contact: Some(Contact {
                name: name.into(),
                phone: phone.into(),
            }),
            ..Self::empty(MessageType::Contact)
        }
    }

    /// Adds a text to a picture, film or file.
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the messenger's id of a sticker.
    pub fn sticker_id(mut self, id: impl Into<String>) -> Self {
        self.sticker_id = Some(id.into());
        self
    }

    /// Says what was chosen from a list: [`ListRow::callback_data`](super::ListRow::callback_data).
    pub fn callback_data(mut self, data: impl Into<String>) -> Self {
        self.callback_data = Some(data.into());
        self
    }
}

/// A message that another one answers or forwards.
#[skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct Quote {
    id: Option<MessageId>,
    msgid: Option<String>,
}

impl Quote {
    /// By amoCRM's id.
    pub fn of(id: impl Into<MessageId>) -> Self {
        Self {
            id: Some(id.into()),
            msgid: None,
        }
    }

    /// By your id.
    pub fn of_own(id: impl Into<String>) -> Self {
        Self {
            id: None,
            msgid: Some(id.into()),
        }
    }
}

/// A message to be put into a chat.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is sent"]
pub struct NewMessage {
    sent_at: Option<DateTime<Utc>>,
    payload: Payload,
}

/// A message to be changed.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is sent"]
pub struct EditMessage {
    sent_at: Option<DateTime<Utc>>,
    payload: Payload,
}

#[skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
struct Payload {
    timestamp: i64,
    msec_timestamp: i64,
    id: Option<MessageId>,
    msgid: String,
    conversation_id: String,
    conversation_ref_id: Option<String>,
    source: Option<Source>,
    sender: Option<ChatUser>,
    receiver: Option<ChatUser>,
    message: MessageContent,
    silent: Option<bool>,
    reply_to: Option<Quoted>,
    forwards: Option<Forwards>,
}

#[derive(Debug, Clone, Serialize)]
struct Quoted {
    message: Quote,
}

#[skip_serializing_none]
#[derive(Debug, Clone, Serialize)]
struct Forwards {
    messages: [Quote; 1],
    conversation_id: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Body {
    event_type: &'static str,
    payload: Payload,
}

impl Payload {
    fn new(message: String, conversation: String, content: MessageContent) -> Self {
        Self {
            timestamp: 0,
            msec_timestamp: 0,
            id: None,
            msgid: message,
            conversation_id: conversation,
            conversation_ref_id: None,
            source: None,
            sender: None,
            receiver: None,
            message: content,
            silent: None,
            reply_to: None,
            forwards: None,
        }
    }

    fn into_body(mut self, event_type: &'static str, at: DateTime<Utc>) -> Body {
        self.timestamp = at.timestamp();
        self.msec_timestamp = at.timestamp_millis();
        Body {
            event_type,
            payload: self,
        }
    }
}

impl NewMessage {
    /// A client's message, with your ids of it and of the conversation.
    pub fn new(
        id: impl Into<String>,
        conversation: impl Into<String>,
        sender: ChatUser,
        content: MessageContent,
    ) -> Self {
        let mut payload = Payload::new(id.into(), conversation.into(), content);
        payload.sender = Some(sender);
        payload.silent = Some(false);
        Self {
            sent_at: None,
            payload,
        }
    }

    /// Makes it a message to this client, written outside of amoCRM by a user ([`ChatUser::ref_id`] is their
    /// `amojo_id`) or by the channel's bot.
    pub fn to(mut self, receiver: ChatUser) -> Self {
        self.payload.receiver = Some(receiver);
        self
    }

    /// Sets when it was written. Default: now.
    pub fn sent_at(mut self, at: DateTime<Utc>) -> Self {
        self.sent_at = Some(at);
        self
    }

    /// Makes neither an incoming lead nor a notification: for imports, where only the newest message is not silent.
    pub fn silent(mut self) -> Self {
        self.payload.silent = Some(true);
        self
    }

    /// Says which of the channel's sources it comes from, by your id of it.
    pub fn source(mut self, external_id: impl Into<String>) -> Self {
        self.payload.source = Some(Source::new(external_id));
        self
    }

    /// Sets amoCRM's id of the chat, when the client answers in a chat that a user of the account began.
    pub fn chat(mut self, id: impl Into<super::ChatId>) -> Self {
        self.payload.conversation_ref_id = Some(id.into().to_string());
        self
    }

    /// Makes it an answer.
    pub fn reply_to(mut self, message: Quote) -> Self {
        self.payload.reply_to = Some(Quoted { message });
        self
    }

    /// Forwards a message of another conversation, by your id of that.
    pub fn forward(mut self, message: Quote, conversation: impl Into<String>) -> Self {
        self.payload.forwards = Some(Forwards {
            messages: [message],
            conversation_id: Some(conversation.into()),
        });
        self
    }

    pub(super) fn into_body(self, now: DateTime<Utc>) -> Body {
        let at = self.sent_at.unwrap_or(now);
        self.payload.into_body("new_message", at)
    }
}

impl EditMessage {
    /// Another content for a message, by your ids of it and of the conversation.
    pub fn new(
        id: impl Into<String>,
        conversation: impl Into<String>,
        content: MessageContent,
    ) -> Self {
        Self {
            sent_at: None,
            payload: Payload::new(id.into(), conversation.into(), content),
        }
    }

    /// Sets amoCRM's id of the message.
    pub fn message(mut self, id: impl Into<MessageId>) -> Self {
        self.payload.id = Some(id.into());
        self
    }

    /// Sets when it was changed. Default: now.
    pub fn edited_at(mut self, at: DateTime<Utc>) -> Self {
        self.sent_at = Some(at);
        self
    }

    pub(super) fn into_body(self, now: DateTime<Utc>) -> Body {
        let at = self.sent_at.unwrap_or(now);
        self.payload.into_body("edit_message", at)
    }
}

/// A message that amoCRM took.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Sent {
    new_message: SentMessage,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct SentMessage {
    msgid: MessageId,
    #[serde(default, deserialize_with = "crate::de::opt_text")]
    ref_id: Option<String>,
}

impl Sent {
    /// amoCRM's id.
    pub fn id(&self) -> &MessageId {
        &self.new_message.msgid
    }

    /// Your id.
    pub fn own_id(&self) -> Option<&str> {
        self.new_message.ref_id.as_deref()
    }
}

impl Decoded for Sent {}

impl fmt::Debug for MessageContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageContent")
            .field("message_type", &self.message_type)
            .finish_non_exhaustive()
    }
}
