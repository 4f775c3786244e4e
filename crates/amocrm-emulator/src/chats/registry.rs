//! Channels, as amoCRM's support would register them.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::random_hex;
use crate::app::App;
use crate::world::services::Channel;

/// What a channel is registered with. What is left out is made up.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewChatChannel {
    /// The channel's UUID.
    pub id: Option<String>,
    /// `amo.ext.…`, the `origin` of its messages.
    pub code: Option<String>,
    /// The secret that signs requests and hooks.
    pub secret: Option<String>,
    /// Where hooks go; `:scope_id` in it stands for the connected account.
    pub webhook_url: Option<String>,
    /// The integration it belongs to.
    pub client_id: Option<String>,
}

impl fmt::Debug for NewChatChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewChatChannel")
            .field("id", &self.id)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

/// A registered channel: everything a client of the Chats API has to be configured with.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct ChatChannel {
    /// The channel's UUID.
    pub id: String,
    /// `amo.ext.…`.
    pub code: String,
    /// The secret that signs requests and hooks.
    pub secret: String,
    /// Who speaks when neither the client nor a known manager does.
    pub bot_id: String,
    /// Where hooks go.
    pub webhook_url: Option<String>,
}

impl fmt::Debug for ChatChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatChannel")
            .field("id", &self.id)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl From<&Channel> for ChatChannel {
    fn from(channel: &Channel) -> Self {
        Self {
            id: channel.id.clone(),
            code: channel.code.clone(),
            secret: channel.secret.clone(),
            bot_id: channel.bot_id.clone(),
            webhook_url: channel.webhook_url.clone(),
        }
    }
}

/// Registers a channel, or changes the one with the same id.
pub(crate) fn register(app: &App, new: NewChatChannel) -> ChatChannel {
    let id = new.id.unwrap_or_else(|| Uuid::new_v4().to_string());
    let registered = app.with_world(|world| {
        let known = world.channels.iter().position(|channel| channel.id == id);
        let known = known.map(|position| world.channels.remove(position));
        let before = known.as_ref();
        let channel = Channel {
            code: new
                .code
                .or(before.map(|known| known.code.clone()))
                .unwrap_or_else(|| "amo.ext.31000001".to_owned()),
            secret: new
                .secret
                .or(before.map(|known| known.secret.clone()))
                .unwrap_or_else(|| random_hex(20)),
            bot_id: before.map_or_else(|| Uuid::new_v4().to_string(), |known| known.bot_id.clone()),
            webhook_url: new
                .webhook_url
                .or(before.and_then(|known| known.webhook_url.clone())),
            client_id: new
                .client_id
                .or(before.and_then(|known| known.client_id.clone())),
            id,
        };
        let registered = ChatChannel::from(&channel);
        world.channels.push(channel);
        registered
    });
    app.mark_changed();
    registered
}

/// All channels.
pub(crate) fn channels(app: &App) -> Vec<ChatChannel> {
    app.with_world(|world| world.channels.iter().map(ChatChannel::from).collect())
}
