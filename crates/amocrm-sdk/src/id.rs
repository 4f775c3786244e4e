//! Typed identifiers: a lead's id cannot be passed where a contact's id is expected.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What an [`Id`] identifies. The types have no values: they only keep ids of different things apart.
pub mod kind {
    macro_rules! kinds {
        ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
            $(
                $(#[$doc])*
                #[derive(Debug)]
                pub enum $name {}
            )+
        };
    }

    kinds! {
        /// An account.
        Account,
        /// A file's being attached to an entity.
        Attachment,
        /// A salesbot.
        Bot,
        /// An element of a catalog.
        CatalogElement,
        /// A catalog, "list" in the interface.
        Catalog,
        /// A template of chat messages.
        ChatTemplate,
        /// A review of a template by a messenger.
        ChatTemplateReview,
        /// A company.
        Company,
        /// A contact.
        Contact,
        /// A link between a chat and a contact.
        ContactChat,
        /// A currency; it is known by its code and has no id.
        Currency,
        /// A definition of a custom field.
        CustomField,
        /// A customer.
        Customer,
        /// A status of customers.
        CustomerStatus,
        /// An option of a custom field.
        FieldEnum,
        /// A file.
        File,
        /// A lead, "deal" in the interface.
        Lead,
        /// A reason for which a lead was lost.
        LossReason,
        /// A note in an entity's feed.
        Note,
        /// A pipeline of leads.
        Pipeline,
        /// A role of users.
        Role,
        /// A segment of customers.
        Segment,
        /// A source of leads.
        Source,
        /// A status (stage) of a pipeline.
        Status,
        /// A tag.
        Tag,
        /// A talk: a conversation with a contact in a messenger.
        Talk,
        /// A task.
        Task,
        /// A type of tasks.
        TaskType,
        /// A purchase of a customer.
        Transaction,
        /// A user of the account.
        User,
        /// A group (department) of users.
        UserGroup,
        /// A webhook subscription.
        Webhook,
        /// A widget.
        Widget,
    }
}

macro_rules! aliases {
    ($($(#[$doc:meta])* $alias:ident = $kind:ident),+ $(,)?) => {
        $(
            $(#[$doc])*
            pub type $alias = Id<kind::$kind>;
        )+
    };
}

aliases! {
    /// Id of an account.
    AccountId = Account,
    /// Id of a salesbot.
    BotId = Bot,
    /// Id of an element of a catalog.
    CatalogElementId = CatalogElement,
    /// Id of a catalog.
    CatalogId = Catalog,
    /// Id of a template of chat messages.
    ChatTemplateId = ChatTemplate,
    /// Id of a review of a template.
    ChatTemplateReviewId = ChatTemplateReview,
    /// Id of a company.
    CompanyId = Company,
    /// Id of a contact.
    ContactId = Contact,
    /// Id of a link between a chat and a contact.
    ContactChatId = ContactChat,
    /// Id of a custom field.
    CustomFieldId = CustomField,
    /// Id of a customer.
    CustomerId = Customer,
    /// Id of a status of customers.
    CustomerStatusId = CustomerStatus,
    /// Id of an option of a custom field.
    FieldEnumId = FieldEnum,
    /// Id of a lead.
    LeadId = Lead,
    /// Id of a loss reason.
    LossReasonId = LossReason,
    /// Id of a note.
    NoteId = Note,
    /// Id of a pipeline.
    PipelineId = Pipeline,
    /// Id of a role.
    RoleId = Role,
    /// Id of a segment of customers.
    SegmentId = Segment,
    /// Id of a source.
    SourceId = Source,
    /// Id of a status.
    StatusId = Status,
    /// Id of a tag.
    TagId = Tag,
    /// Id of a talk.
    TalkId = Talk,
    /// Id of a task.
    TaskId = Task,
    /// Id of a type of tasks.
    TaskTypeId = TaskType,
    /// Id of a purchase of a customer.
    TransactionId = Transaction,
    /// Id of a user. `0` stands for a robot or the system.
    UserId = User,
    /// Id of a group of users. `0` is the default group.
    UserGroupId = UserGroup,
    /// Id of a webhook subscription.
    WebhookId = Webhook,
    /// Id of a widget.
    WidgetId = Widget,
}

/// A numeric identifier of a `T`.
///
/// It is written as a number and read from a number or from a numeric string, because amoCRM's webhooks send strings.
///
/// ```
/// use amocrm_sdk::LeadId;
///
/// let id: LeadId = serde_json::from_str("\"40000001\"")?;
/// assert_eq!(id, LeadId::new(40_000_001));
/// assert_eq!(serde_json::to_string(&id)?, "40000001");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub struct Id<T> {
    value: u64,
    kind: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Makes an id of a number.
    pub const fn new(value: u64) -> Self {
        Self {
            value,
            kind: PhantomData,
        }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.value
    }
}

// Written by hand, because derives would ask the same of `T`, which is never there.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}

impl<T> From<u64> for Id<T> {
    fn from(value: u64) -> Self {
        Self::new(value)
    }
}

impl<T> From<Id<T>> for u64 {
    fn from(id: Id<T>) -> Self {
        id.value
    }
}

/// The text was not a numeric id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a numeric id")]
pub struct ParseIdError(());

impl<T> FromStr for Id<T> {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `parse` would accept a leading plus, which no id has.
        if text.starts_with('+') {
            return Err(ParseIdError(()));
        }
        text.parse().map(Self::new).map_err(|_| ParseIdError(()))
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.value)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor<T>(PhantomData<fn() -> T>);

        impl<T> Visitor<'_> for IdVisitor<T> {
            type Value = Id<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a numeric id")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Id::new(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                u64::try_from(value)
                    .map(Id::new)
                    .map_err(|_| E::custom(ParseIdError(())))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
                value.trim().parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(IdVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_numbers_and_numeric_strings_and_writes_numbers() {
        for text in ["7", "\"7\"", "\" 7 \""] {
            let id: LeadId = serde_json::from_str(text).unwrap();
            assert_eq!(id, LeadId::new(7));
            assert_eq!(serde_json::to_string(&id).unwrap(), "7");
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused_without_echoing_it() {
        for text in ["-7", "\"+7\"", "\"secret\"", "\"\"", "null", "7.5", "[7]"] {
            let error = serde_json::from_str::<LeadId>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains("a numeric id"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn ids_serve_as_keys_of_a_json_object() {
        let map: std::collections::BTreeMap<UserId, bool> =
            serde_json::from_str(r#"{"5":true}"#).unwrap();
        assert_eq!(map.keys().next(), Some(&UserId::new(5)));
    }
}
