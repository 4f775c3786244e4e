//! Messages as amoCRM tells them, in webhooks and in the history.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MessageId, ParticipantId};
use crate::de;
use crate::de::open_enum;

open_enum! {
    /// What a message is.
    pub enum MessageType {
        /// A text.
        Text = "text",
        /// A contact: a name and a phone.
        Contact = "contact",
        /// A file.
        File = "file",
        /// A film.
        Video = "video",
        /// A picture.
        Picture = "picture",
        /// A voice message.
        Voice = "voice",
        /// A recording.
        Audio = "audio",
        /// A sticker.
        Sticker = "sticker",
        /// A place.
        Location = "location",
    }
}

/// Somebody who takes part in a chat, as amoCRM tells it. `Debug` shows their ids only.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Person {
    /// amoCRM's id.
    pub id: Option<ParticipantId>,
    /// The channel's own id of them. Users of the account have none.
    #[serde(deserialize_with = "de::opt_text")]
    pub client_id: Option<String>,
    /// Their name.
    #[serde(deserialize_with = "de::opt_text")]
    pub name: Option<String>,
    /// Where their picture is.
    #[serde(deserialize_with = "de::opt_text")]
    pub avatar: Option<String>,
    /// Their phone.
    #[serde(deserialize_with = "de::opt_text")]
    pub phone: Option<String>,
    /// Their e-mail.
    #[serde(deserialize_with = "de::opt_text")]
    pub email: Option<String>,
}

/// A message as amoCRM tells it. `Debug` does not show what it says.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// amoCRM's id.
    pub id: MessageId,
    /// The channel's own id of it, in the history.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub client_id: Option<String>,
    /// What it is.
    #[serde(rename = "type", default = "text")]
    pub message_type: MessageType,
    /// Its text.
    #[serde(default, deserialize_with = "de::text")]
    pub text: String,
    /// A mark that the sender put on it.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub tag: Option<String>,
    /// Where its file is.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub media: Option<String>,
    /// Where a small picture of it is.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub thumbnail: Option<String>,
    /// Name of its file.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub file_name: Option<String>,
    /// Size of its file in bytes.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub file_size: Option<u64>,
    /// Several files of one message come as several messages that share this.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub media_group_id: Option<String>,
    /// Buttons, or a list to choose from.
    #[serde(default)]
    pub markup: Option<Markup>,
    /// The template it was made from.
    #[serde(default)]
    pub template: Option<Template>,
    /// The message it answers, as amoCRM tells it.
    #[serde(default)]
    pub reply_to: Option<Value>,
    /// The messages it forwards, as amoCRM tells them.
    #[serde(default)]
    pub forwards: Option<Value>,
}

fn text() -> MessageType {
    MessageType::Text
}

/// What can be pressed or chosen under a message.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Markup {
    /// `inline` for buttons.
    #[serde(deserialize_with = "de::opt_text")]
    pub mode: Option<String>,
    /// Rows of buttons.
    #[serde(deserialize_with = "de::list")]
    pub buttons: Vec<Vec<Button>>,
    /// A list to choose from.
    pub list_message: Option<ListMessage>,
}

/// A button.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Button {
    /// What it says.
    #[serde(deserialize_with = "de::text")]
    pub text: String,
    /// Where it leads.
    #[serde(deserialize_with = "de::opt_text")]
    pub url: Option<String>,
}

/// A list to choose from.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListMessage {
    /// Above it.
    #[serde(deserialize_with = "de::opt_text")]
    pub header: Option<String>,
    /// What it asks.
    #[serde(deserialize_with = "de::opt_text")]
    pub body: Option<String>,
    /// Below it.
    #[serde(deserialize_with = "de::opt_text")]
    pub footer: Option<String>,
    /// The button that opens it.
    #[serde(deserialize_with = "de::opt_text")]
    pub button: Option<String>,
    /// What can be chosen.
    #[serde(deserialize_with = "de::list")]
    pub sections: Vec<ListSection>,
}

/// A part of a list to choose from.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListSection {
    /// Its title.
    #[serde(deserialize_with = "de::opt_text")]
    pub title: Option<String>,
    /// Its rows.
    #[serde(deserialize_with = "de::list")]
    pub rows: Vec<ListRow>,
}

/// Something to choose.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListRow {
    /// What comes back when it is chosen: send it with the answer.
    #[serde(deserialize_with = "de::opt_text")]
    pub callback_data: Option<String>,
    /// Its title.
    #[serde(deserialize_with = "de::text")]
    pub title: String,
    /// What it means.
    #[serde(deserialize_with = "de::opt_text")]
    pub description: Option<String>,
}

/// The template a message was made from. `Debug` does not show what it says.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Template {
    /// amoCRM's id.
    #[serde(deserialize_with = "de::opt_number")]
    pub id: Option<u64>,
    /// The channel's own id of it.
    #[serde(deserialize_with = "de::opt_text")]
    pub external_id: Option<String>,
    /// Its text with placeholders.
    #[serde(deserialize_with = "de::text")]
    pub content: String,
    /// What stands in the placeholders.
    #[serde(deserialize_with = "de::list")]
    pub params: Vec<TemplateParam>,
}

/// A placeholder of a template and what stands in it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TemplateParam {
    /// `{{lead.id}}`.
    #[serde(deserialize_with = "de::text")]
    pub key: String,
    /// Its value.
    #[serde(deserialize_with = "de::text")]
    pub value: String,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("message_type", &self.message_type)
            .field("media_group_id", &self.media_group_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("id", &self.id)
            .field("external_id", &self.external_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TemplateParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateParam")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What it says is part of the message.
macro_rules! without_words {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}

without_words!(Markup, Button, ListMessage, ListSection, ListRow);
