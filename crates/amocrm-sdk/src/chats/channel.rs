//! A channel, and the channel in one account.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Decoded;
use super::{
    AmojoAccountId, ChannelId, Chat, ChatCall, ChatId, ChatUser, EditMessage, ListHistory,
    MessageId, NewChat, NewMessage, ScopeId, Sent,
};
use crate::client::{Client, ClientBuilder, Clock};
use crate::de;
use crate::error::{ErrorKind, Result};
use crate::layer::HttpResponse;
use crate::path::segment;
use crate::request::{Operation, Request, declare};

const CONNECT: Operation = Operation::idempotent("chats.connect");
const DISCONNECT: Operation = Operation::idempotent("chats.disconnect");
/// amoCRM gives the same chat for the same conversation.
const CREATE: Operation = Operation::idempotent("chats.create");
const SEND: Operation = Operation::once("chats.send");
const EDIT: Operation = Operation::idempotent("chats.edit");
const DELIVERY_STATUS: Operation = Operation::idempotent("chats.delivery_status");
const TYPING: Operation = Operation::idempotent("chats.typing");
const REACT: Operation = Operation::idempotent("chats.react");
pub(super) const HISTORY: Operation = Operation::idempotent("chats.history");

/// Where the chat service of amocrm.ru lives.
#[cfg(feature = "reqwest")]
const HOST: &str = "amojo.amocrm.ru";

/// Your channel in the chat service: a cheap clone over one tower stack.
#[derive(Clone)]
pub struct ChatChannel {
    client: Client,
    id: ChannelId,
    secret: SecretString,
    pub(super) clock: Clock,
}

declare!(
    ChatChannel: CONNECT,
    DISCONNECT,
    CREATE,
    SEND,
    EDIT,
    DELIVERY_STATUS,
    HISTORY,
    TYPING,
    REACT,
);

impl ClientBuilder {
    /// Builds a channel of the chat service instead of a client: with these settings, but signed with the channel's
    /// secret. The domain is the service's: `amojo.amocrm.ru`, `amojo.amocrm.com`, `amojo.kommo.com`. amoCRM does not
    /// say what it limits there; the default budget is that of the API.
    ///
    /// ```
    /// use amocrm_sdk::Client;
    ///
    /// let channel = Client::builder("amojo.kommo.com").chat_channel("f90ba33d", "channel-secret")?;
    /// # Ok::<(), amocrm_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn chat_channel(
        self,
        id: impl Into<ChannelId>,
        secret: impl Into<SecretString>,
    ) -> Result<ChatChannel> {
        let secret = secret.into();
        let clock = self.clock_of();
        Ok(ChatChannel {
            client: self.signed(secret.clone())?,
            id: id.into(),
            secret,
            clock,
        })
    }
}

impl ChatChannel {
    /// A channel in amocrm.ru. [`ClientBuilder::chat_channel`] has more to set.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] when the HTTP client cannot be set up.
    #[cfg(feature = "reqwest")]
    pub fn new(id: impl Into<ChannelId>, secret: impl Into<SecretString>) -> Result<Self> {
        Client::builder(HOST).chat_channel(id, secret)
    }

    /// Whether amoCRM itself signed a webhook's body. Compares in constant time.
    pub fn verify(&self, signature: &str, body: &[u8]) -> bool {
        super::verify(self.secret.expose_secret(), signature, body)
    }

    /// Connects the channel to an account, which has its users see it under `title`. Webhooks come in version 2.
    pub fn connect(
        &self,
        account: impl Into<AmojoAccountId>,
        title: impl Into<String>,
    ) -> ChatCall<Connection> {
        let body = json!({
            "account_id": account.into(), "title": title.into(), "hook_api_version": "v2",
        });
        let path = format!("{}/connect", self.path());
        ChatCall::new(self, Request::post(CONNECT, path).json(&body))
    }

    /// Disconnects the channel from an account.
    pub fn disconnect(&self, account: impl Into<AmojoAccountId>) -> ChatCall<()> {
        let body = json!({"account_id": account.into()});
        let path = format!("{}/disconnect", self.path());
        ChatCall::new(self, Request::delete(DISCONNECT, path).json(&body))
    }

    /// The channel in an account it is connected to.
    pub fn account(&self, account: impl Into<AmojoAccountId>) -> ChannelAccount {
        let scope = format!("{}_{}", self.id, account.into());
        self.scope(scope)
    }

    /// As [`account`](Self::account), by the scope that [`connect`](Self::connect) answered with.
    pub fn scope(&self, scope: impl Into<ScopeId>) -> ChannelAccount {
        ChannelAccount {
            channel: self.clone(),
            scope: scope.into(),
        }
    }

    fn path(&self) -> String {
        format!("/v2/origin/custom/{}", segment(self.id.as_str()))
    }

    /// The service answers a wrong signature with a bare 403; that is no block of anybody.
    pub(super) async fn send(&self, request: Request) -> Result<HttpResponse> {
        self.client.send(request).await.map_err(|error| match error.status() {
            Some(403) => error.with_kind(
                ErrorKind::Forbidden,
                "the chat service refuses the channel: check its id, its secret and this machine's clock",
            ),
            _ => error,
        })
    }
}

impl fmt::Debug for ChatChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatChannel")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A channel connected to an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Connection {
    /// The account.
    pub account_id: AmojoAccountId,
    /// The channel in the account.
    pub scope_id: ScopeId,
    /// What its users see.
    #[serde(default, deserialize_with = "de::text")]
    pub title: String,
    /// Version of the webhooks.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub hook_api_version: Option<String>,
}

impl Decoded for Connection {}

/// A channel in one account: [`ChatChannel::account`].
#[derive(Debug, Clone)]
pub struct ChannelAccount {
    channel: ChatChannel,
    scope: ScopeId,
}

/// What became of a message that a user of the account wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// It arrived.
    Delivered,
    /// It was read.
    Read,
    /// It did not arrive, and this is what the user is told.
    Failed(DeliveryError),
}

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The client deleted the conversation.
    ConversationDeleted,
    /// The channel is switched off.
    ChannelDisabled,
    /// Something in the channel broke.
    Internal,
    /// The conversation could not be begun.
    CannotCreate,
    /// Something else, in words for the user.
    Other(String),
}

impl DeliveryError {
    fn code(&self) -> u16 {
        match self {
            Self::ConversationDeleted => 901,
            Self::ChannelDisabled => 902,
            Self::Internal => 903,
            Self::CannotCreate => 904,
            Self::Other(_) => 905,
        }
    }
}

impl ChannelAccount {
    /// The channel in the account.
    pub fn scope_id(&self) -> &ScopeId {
        &self.scope
    }

    /// Creates a chat, or gives the one of the same conversation. It is not shown until there is a message in it.
    #[expect(clippy::needless_pass_by_value, reason = "as everywhere")]
    pub fn create_chat(&self, chat: NewChat) -> ChatCall<Chat> {
        let path = format!("{}/chats", self.path());
        self.call(Request::post(CREATE, path).json(&chat))
    }

    /// Puts a message into a chat: a client's, or, with [`NewMessage::to`], a user's. amoCRM takes it and shows it a
    /// little later. A first message makes an incoming lead.
    pub fn send(&self, message: NewMessage) -> ChatCall<Sent> {
        let body = message.into_body(self.channel.clock.now());
        self.call(Request::post(SEND, self.path()).json(&body))
    }

    /// Changes what a message says.
    pub fn edit(&self, message: EditMessage) -> ChatCall<()> {
        let body = message.into_body(self.channel.clock.now());
        self.call(Request::post(EDIT, self.path()).json(&body))
    }

    /// Says what became of a message that came by webhook.
    pub fn delivery_status(
        &self,
        message: impl Into<MessageId>,
        status: DeliveryStatus,
    ) -> ChatCall<()> {
        #[derive(Serialize)]
        struct Body {
            msgid: MessageId,
            delivery_status: i8,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_code: Option<u16>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<String>,
        }

        let msgid = message.into();
        let path = format!(
            "{}/{}/delivery_status",
            self.path(),
            segment(msgid.as_str())
        );
        let mut body = Body {
            msgid,
            delivery_status: 1,
            error_code: None,
            error: None,
        };
        match status {
            DeliveryStatus::Delivered => {}
            DeliveryStatus::Read => body.delivery_status = 2,
            DeliveryStatus::Failed(error) => {
                body.delivery_status = -1;
                body.error_code = Some(error.code());
                if let DeliveryError::Other(text) = error {
                    body.error = Some(text);
                }
            }
        }
        self.call(Request::post(DELIVERY_STATUS, path).json(&body))
    }

    /// Reads the messages of a chat, by amoCRM's id of it.
    pub fn history(&self, chat: impl Into<ChatId>) -> ListHistory {
        let chat = chat.into();
        let path = format!("{}/chats/{}/history", self.path(), segment(chat.as_str()));
        ListHistory::new(self.channel.clone(), path)
    }

    /// Shows that a client is writing: your ids of the conversation and of the client.
    pub fn typing(
        &self,
        conversation: impl Into<String>,
        sender: impl Into<String>,
    ) -> ChatCall<()> {
        let body = json!({"conversation_id": conversation.into(), "sender": {"id": sender.into()}});
        let path = format!("{}/typing", self.path());
        self.call(Request::post(TYPING, path).json(&body))
    }

    /// Reacts to a message, by your ids of conversation and message.
    pub fn react(
        &self,
        conversation: impl Into<String>,
        message: impl Into<String>,
        user: &ChatUser,
        emoji: impl Into<String>,
    ) -> ChatCall<()> {
        self.reaction(
            &conversation.into(),
            &message.into(),
            user,
            Some(emoji.into()),
        )
    }

    /// Takes a reaction back.
    pub fn unreact(
        &self,
        conversation: impl Into<String>,
        message: impl Into<String>,
        user: &ChatUser,
    ) -> ChatCall<()> {
        self.reaction(&conversation.into(), &message.into(), user, None)
    }

    fn reaction(
        &self,
        conversation: &str,
        message: &str,
        user: &ChatUser,
        emoji: Option<String>,
    ) -> ChatCall<()> {
        let word = if emoji.is_some() { "react" } else { "unreact" };
        let mut body = json!({
            "conversation_id": conversation, "msgid": message, "user": user.reference(), "type": word,
        });
        if let Some(emoji) = emoji {
            body["emoji"] = emoji.into();
        }
        let path = format!("{}/react", self.path());
        self.call(Request::post(REACT, path).json(&body))
    }

    fn path(&self) -> String {
        format!("/v2/origin/custom/{}", segment(self.scope.as_str()))
    }

    fn call<T>(&self, request: Result<Request>) -> ChatCall<T> {
        ChatCall::new(&self.channel, request)
    }
}
