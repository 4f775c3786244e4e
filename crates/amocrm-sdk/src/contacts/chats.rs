//! Chats of contacts: which chat of the chat service belongs to which contact.
//!
//! Needs an administrator's token of the integration that the chat's channel is bound to.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/contacts-api>.

use serde::Deserialize;

use super::Contacts;
use crate::de;
use crate::entity::{Creatable, Create, Entity, HasId, Never, filter, input, resource};
use crate::id::{ContactChatId, ContactId, kind};
use crate::request::declare;

resource! {
    /// Chats of contacts: [`Contacts::chats`].
    pub struct ContactChats of ContactChat: kind::ContactChat, "contact_chats", key = "chats";
    /// Reads which chats belong to which contacts. amoCRM wants a filter.
    list_whole(with = Never, filter = ContactChatFilter, order = Never);
}

impl Contacts {
    /// Chats of contacts.
    pub fn chats(&self) -> ContactChats {
        ContactChats::at(&self.client, "/api/v4/contacts/chats")
    }
}

impl ContactChats {
    /// Links chats to contacts. A chat belongs to one contact.
    pub fn link(&self, links: impl IntoIterator<Item = NewContactChat>) -> Create<ContactChat> {
        Create::new(self.client.clone(), &*self.path, links)
    }
}

declare!(ContactChat: ContactChat::CREATE);

impl Creatable for ContactChat {
    type New = NewContactChat;
    type Created = Self;
}

/// A link between a chat and a contact, as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ContactChat {
    /// The id of the link.
    pub id: ContactChatId,
    /// The contact.
    pub contact_id: ContactId,
    /// The chat: a UUID of the chat service.
    #[serde(default, deserialize_with = "de::text")]
    pub chat_id: String,
}

impl HasId for ContactChat {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

filter! {
    /// Which links a list keeps.
    pub struct ContactChatFilter {
        /// Of these contacts.
        plain_any contacts "contact_id": ContactId,
        /// Of these chats.
        plain_any chats "chat_id": String,
    }
}

input! {
    /// A link to be made: of a contact and of a chat, which is a UUID of the chat service.
    pub struct NewContactChat(contact: ContactId, chat: impl Into<String>);
    fields ContactChatFields;
    both {}
    new {
        /// Sets the contact.
        set contact "contact_id": ContactId;
        /// Sets the chat.
        text chat "chat_id";
    }
    patch {}
}
