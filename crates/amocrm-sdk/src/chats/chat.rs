//! Chats, and those who take part in them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::call::Decoded;
use super::{ChatId, Person};

/// Somebody who takes part in a chat, as the channel knows them. `Debug` shows the ids only.
#[derive(Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct ChatUser {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ref_id: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    #[serde(skip_serializing_if = "Profile::is_empty")]
    profile: Profile,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_link: Option<String>,
}

#[derive(Clone, Default, Serialize)]
struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl Profile {
    fn is_empty(&self) -> bool {
        self.phone.is_none() && self.email.is_none()
    }
}

/// Who reacted: names have no business there.
#[derive(Serialize)]
pub(super) struct UserReference<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ref_id: Option<&'a str>,
}

impl ChatUser {
    /// Somebody with your id of them, and a name.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            ref_id: None,
            name: name.into(),
            avatar: None,
            profile: Profile::default(),
            profile_link: None,
        }
    }

    /// Sets amoCRM's id of them: a user's `amojo_id`, or the channel's bot for senders that are not users.
    pub fn ref_id(mut self, id: impl Into<String>) -> Self {
        self.ref_id = Some(id.into());
        self
    }

    /// Sets where their picture is, for everybody to read.
    pub fn avatar(mut self, url: impl Into<String>) -> Self {
        self.avatar = Some(url.into());
        self
    }

    /// Sets their phone.
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.profile.phone = Some(phone.into());
        self
    }

    /// Sets their e-mail.
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.profile.email = Some(email.into());
        self
    }

    /// Sets where their page in the messenger is.
    pub fn profile_link(mut self, url: impl Into<String>) -> Self {
        self.profile_link = Some(url.into());
        self
    }

    pub(super) fn reference(&self) -> UserReference<'_> {
        UserReference {
            id: &self.id,
            ref_id: self.ref_id.as_deref(),
        }
    }
}

impl fmt::Debug for ChatUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatUser")
            .field("id", &self.id)
            .field("ref_id", &self.ref_id)
            .finish_non_exhaustive()
    }
}

/// A chat to be created.
#[derive(Debug, Clone, Serialize)]
#[must_use = "it does nothing until it is sent"]
pub struct NewChat {
    conversation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    user: ChatUser,
}

/// Which of a channel's sources it is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Source {
    external_id: String,
}

impl Source {
    pub(super) fn new(external_id: impl Into<String>) -> Self {
        Self {
            external_id: external_id.into(),
        }
    }
}

impl NewChat {
    /// A chat with your id of the conversation, with this client.
    pub fn new(conversation: impl Into<String>, user: ChatUser) -> Self {
        Self {
            conversation_id: conversation.into(),
            source: None,
            user,
        }
    }

    /// Says which of the channel's sources it comes from, by your id of it (40 characters at most).
    pub fn source(mut self, external_id: impl Into<String>) -> Self {
        self.source = Some(Source::new(external_id));
        self
    }
}

/// A chat as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Chat {
    /// amoCRM's id.
    pub id: ChatId,
    /// The client.
    #[serde(default)]
    pub user: Person,
}

impl Decoded for Chat {}
