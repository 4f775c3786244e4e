//! Talks: conversations with contacts in messengers.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/talks-api>.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{LinkedContact, LinkedCustomer, LinkedLead, Never, action, filter, resource};
use crate::events::EntityKind;
use crate::id::{AccountId, ContactId, SourceId, TalkId, kind};
use crate::links::EntityRef;
use crate::request::Operation;

/// A talk that is closed already is refused (422), so a lost answer is not worth asking again.
const CLOSE: Operation = Operation::once("talks.close");

resource! {
    /// Talks of the account: [`Client::talks`].
    pub struct Talks of Talk: kind::Talk, "talks";
    /// Reads talks.
    list(with = Never, filter = TalkFilter, order = Never);
    /// Reads one talk.
    get(TalkId);
}

impl Client {
    /// Talks of the account.
    pub fn talks(&self) -> Talks {
        Talks::at(self, "/api/v4/talks")
    }
}

impl Talks {
    /// Closes a talk. If the account asks for ratings, the rating bot begins first; see [`CloseTalk::force`].
    pub fn close(&self, id: TalkId) -> CloseTalk {
        CloseTalk::at(
            &self.client,
            format!("{}/{id}/close", self.path),
            CloseBody::default(),
        )
    }
}

action! {
    /// Closes a talk. amoCRM accepts it and does it a little later.
    pub struct CloseTalk(CloseBody) => (): POST CLOSE;
}

/// A body of [`CloseTalk`].
#[derive(Clone, Default, Serialize)]
pub(crate) struct CloseBody {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    force_close: bool,
}

impl CloseTalk {
    /// Closes it at once, without the rating bot.
    pub fn force(mut self) -> Self {
        self.body.force_close = true;
        self
    }
}

/// A talk as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Talk {
    /// Its id.
    pub talk_id: TalkId,
    /// Where it stands; only newer accounts tell.
    #[serde(default)]
    pub status: Option<TalkStatus>,
    /// The contact that talks.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub contact_id: Option<ContactId>,
    /// The UUID of the chat.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub chat_id: Option<String>,
    /// The id of what the talk is about.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub entity_id: Option<u64>,
    /// The type of that: a lead or a customer.
    #[serde(default)]
    pub entity_type: Option<EntityKind>,
    /// Whether somebody works on it.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_in_work: bool,
    /// Whether its messages are read.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_read: bool,
    /// The rating that the contact gave.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub rate: Option<u64>,
    /// The messenger.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub origin: Option<String>,
    /// The source.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub source_id: Option<SourceId>,
    /// Since when an answer is missing.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub missed_at: Option<DateTime<Utc>>,
    /// When it began.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// What it is linked to.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: TalkEmbedded,
}

/// What a talk is linked to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TalkEmbedded {
    /// Its contacts.
    #[serde(deserialize_with = "de::list")]
    pub contacts: Vec<LinkedContact>,
    /// Its leads.
    #[serde(deserialize_with = "de::list")]
    pub leads: Vec<LinkedLead>,
    /// Its customers.
    #[serde(deserialize_with = "de::list")]
    pub customers: Vec<LinkedCustomer>,
}

open_enum! {
    /// Where a talk stands.
    pub enum TalkStatus {
        /// Somebody works on it.
        InWork = "in_work",
        /// It is closed.
        Closed = "closed",
        /// The rating bot will begin.
        NpsScheduled = "nps_scheduled",
        /// The rating bot asks.
        NpsInProgress = "nps_in_progress",
        /// Something failed.
        WithError = "with_error",
    }
}

filter! {
    /// Which talks a list keeps.
    pub struct TalkFilter {
        /// These talks.
        any ids "talk_id": TalkId,
        /// Of these contacts.
        any contacts "contact_id": ContactId,
    }
}

impl TalkFilter {
    /// About this lead or customer: `TalkFilter::new().of(lead_id)`. Talks have the type in the singular.
    pub fn of(mut self, entity: impl Into<EntityRef>) -> Self {
        let entity = entity.into();
        self.0.one("entity_id", entity.id);
        self.0
            .one("entity_type", EntityKind::of(&entity.entity_type));
        self
    }

    /// Only those that somebody works on.
    pub fn in_work(mut self) -> Self {
        self.0.one("only_in_work", 1);
        self
    }
}
