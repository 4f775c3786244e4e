//! The Chats API: a messenger of your own as a channel of amoCRM.
//!
//! A channel is registered by amoCRM's support: it has an id and a secret, and signs every request with it; there is no
//! access token. The channel is connected to each account by the account's `amojo_id`
//! ([`AccountWith::AmojoId`](crate::account::AccountWith::AmojoId)). What users write is posted to the channel's URL:
//! [`ChatHook`] reads and verifies it, also without the feature `client`.
//!
#![cfg_attr(
    feature = "client",
    doc = r#"```no_run
# async fn example(body: &[u8], signature: &str) -> Result<(), Box<dyn std::error::Error>> {
use amocrm_sdk::chats::{ChatChannel, ChatEvent, ChatHook, ChatUser, DeliveryStatus, MessageContent, NewMessage};

let channel = ChatChannel::new("f90ba33d-c9d9-44da-b76c-c349b0ecbe41", "channel-secret")?;
channel.connect("af9945ff-1490-4cad-807d-945c15d88bec", "My messenger").await?;

let account = channel.account("af9945ff-1490-4cad-807d-945c15d88bec");
let anna = ChatUser::new("u-1", "Анна").phone("+79001234567");
account.send(NewMessage::new("m-1", "c-1", anna, MessageContent::text("Здравствуйте!"))).await?;

// In the handler of the channel's URL; `body` before anything else has touched it.
assert!(channel.verify(signature, body));
if let ChatEvent::Message(message) = ChatHook::parse(body)?.event {
    account.delivery_status(message.message.id, DeliveryStatus::Delivered).await?;
}
# Ok(())
# }
```"#
)]
//!
//! Source: <https://www.amocrm.ru/developers/content/chats/chat-start>.

use crate::text_id::text_id;

#[cfg(feature = "client")]
mod call;
#[cfg(feature = "client")]
mod channel;
#[cfg(feature = "client")]
mod chat;
#[cfg(feature = "client")]
mod history;
mod hook;
mod message;
#[cfg(feature = "client")]
mod send;
#[cfg(feature = "client")]
mod sign;

#[cfg(feature = "client")]
pub use self::call::ChatCall;
#[cfg(feature = "client")]
pub use self::channel::{ChannelAccount, ChatChannel, Connection, DeliveryError, DeliveryStatus};
#[cfg(feature = "client")]
pub use self::chat::{Chat, ChatUser, NewChat};
#[cfg(feature = "client")]
pub use self::history::{HistoryMessage, ListHistory};
pub use self::hook::{
    ChatEvent, ChatHook, Conversation, HookMessage, HookReaction, HookTyping, verify,
};
pub use self::message::{
    Button, ListMessage, ListRow, ListSection, Markup, Message, MessageType, Person, Template,
    TemplateParam,
};
#[cfg(feature = "client")]
pub use self::send::{EditMessage, MessageContent, NewMessage, Quote, Sent};
#[cfg(feature = "client")]
pub(crate) use self::sign::Signer;

text_id! {
    /// Id of a channel, given by amoCRM's support.
    pub struct ChannelId;
    /// Id of an account in the chat service: its `amojo_id`.
    pub struct AmojoAccountId;
    /// Id of a channel in one account.
    pub struct ScopeId;
    /// amoCRM's id of a chat.
    pub struct ChatId;
    /// amoCRM's id of a message.
    pub struct MessageId;
    /// amoCRM's id of somebody who takes part in chats.
    pub struct ParticipantId;
}
