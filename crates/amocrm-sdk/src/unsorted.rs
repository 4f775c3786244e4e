//! Incoming leads ("unsorted"): forms, calls, letters and chats that wait to be accepted or declined.
//!
//! An incoming lead has its lead, contact and company from the beginning, but they stay hidden until somebody accepts
//! it; the lead of a declined one goes to the trash. A pipeline takes them if its
//! [`is_unsorted_on`](crate::pipelines::Pipeline::is_unsorted_on).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/unsorted-api>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{
    LinkedCompany, LinkedContact, LinkedCustomer, LinkedLead, Never, filter, resource,
};
use crate::id::{AccountId, PipelineId};
use crate::leads::{CallMetadata, FormMetadata};
use crate::links::EntityRef;
use crate::path::segment;
use crate::text_id::text_id;

mod create;
mod details;
mod outcome;
mod summary;

pub use self::create::{CreateUnsorted, CreatedUnsorted, NewUnsorted};
pub use self::details::{
    ChatClient, ChatDetails, ChatOrigin, FormDetails, MailDetails, SipDetails, UnsortedDetails,
};
pub use self::outcome::{AcceptUnsorted, DeclineUnsorted, LinkUnsorted, SortedLead};
pub use self::summary::{Summarize, SummaryFilter, UnsortedSummary};

resource! {
    /// Incoming leads of the account: [`Client::unsorted`].
    pub struct UnsortedLeads of Unsorted: (), "unsorted";
    /// Reads incoming leads, newest first. amoCRM ignores any other order.
    list(with = Never, filter = UnsortedFilter, order = Never);
    /// Reads the incoming lead with this uid.
    get(text UnsortedUid);
}

impl Client {
    /// Incoming leads.
    pub fn unsorted(&self) -> UnsortedLeads {
        UnsortedLeads::at(self, "/api/v4/leads/unsorted")
    }
}

impl UnsortedLeads {
    /// Adds incoming leads that came from web forms.
    pub fn create_forms(
        &self,
        leads: impl IntoIterator<Item = NewUnsorted<FormMetadata>>,
    ) -> CreateUnsorted<FormMetadata> {
        CreateUnsorted::new(self.client.clone(), format!("{}/forms", self.path), leads)
    }

    /// Adds incoming leads that came from calls.
    pub fn create_calls(
        &self,
        leads: impl IntoIterator<Item = NewUnsorted<CallMetadata>>,
    ) -> CreateUnsorted<CallMetadata> {
        CreateUnsorted::new(self.client.clone(), format!("{}/sip", self.path), leads)
    }

    /// Accepts an incoming lead. Without a [`status`](AcceptUnsorted::status) it comes to the first stage.
    pub fn accept(&self, uid: impl Into<UnsortedUid>) -> AcceptUnsorted {
        AcceptUnsorted::new(
            &self.client,
            format!("{}/{}/accept", self.path, segment(uid.into().as_str())),
        )
    }

    /// Declines an incoming lead: its lead goes to the trash.
    pub fn decline(&self, uid: impl Into<UnsortedUid>) -> DeclineUnsorted {
        DeclineUnsorted::new(
            &self.client,
            format!("{}/{}/decline", self.path, segment(uid.into().as_str())),
        )
    }

    /// Gives an incoming chat or letter to an existing lead or customer.
    pub fn link(&self, uid: impl Into<UnsortedUid>, to: impl Into<EntityRef>) -> LinkUnsorted {
        let path = format!("{}/{}/link", self.path, segment(uid.into().as_str()));
        LinkUnsorted::new(&self.client, path, to.into())
    }

    /// Counts incoming leads, and how they ended.
    pub fn summary(&self) -> Summarize {
        Summarize::new(self.client.clone(), format!("{}/summary", self.path))
    }
}

text_id! {
    /// Id of an incoming lead. Not a number: 30 to 60 hexadecimal digits.
    pub struct UnsortedUid;
}

/// An incoming lead as amoCRM tells it. `Debug` shows ids and the category.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Unsorted {
    /// What the operations know it by.
    pub uid: UnsortedUid,
    /// Its id on the side it came from.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub source_uid: Option<String>,
    /// Where it came from, as users see it.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub source_name: Option<String>,
    /// What it came as.
    pub category: UnsortedCategory,
    /// Its pipeline.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub pipeline_id: Option<PipelineId>,
    /// When it came.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// What is known of the form, call, letter or chat, as it came; [`details`](Self::details) reads it.
    #[serde(default)]
    pub metadata: Value,
    /// The account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// What it brought.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: UnsortedEmbedded,
}

impl Unsorted {
    /// What is known of the form, call, letter or chat, by the category.
    pub fn details(&self) -> UnsortedDetails {
        UnsortedDetails::read(&self.category, &self.metadata)
    }
}

impl fmt::Debug for Unsorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsorted")
            .field("uid", &self.uid)
            .field("category", &self.category)
            .field("pipeline_id", &self.pipeline_id)
            .field("embedded", &self.embedded)
            .finish_non_exhaustive()
    }
}

/// The entities of an incoming lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UnsortedEmbedded {
    /// Its lead: one, unless it was linked to a customer.
    #[serde(deserialize_with = "de::list")]
    pub leads: Vec<LinkedLead>,
    /// Its contacts.
    #[serde(deserialize_with = "de::list")]
    pub contacts: Vec<LinkedContact>,
    /// Its company.
    #[serde(deserialize_with = "de::list")]
    pub companies: Vec<LinkedCompany>,
    /// The customer it was linked to.
    #[serde(deserialize_with = "de::list")]
    pub customers: Vec<LinkedCustomer>,
}

open_enum! {
    /// What an incoming lead came as.
    pub enum UnsortedCategory {
        /// A web form.
        Forms = "forms",
        /// A call.
        Sip = "sip",
        /// A letter.
        Mail = "mail",
        /// A chat.
        Chats = "chats",
    }
}

filter! {
    /// Which incoming leads a list keeps.
    pub struct UnsortedFilter {
        /// These incoming leads.
        any uids "uid": UnsortedUid,
        /// Of these categories.
        any categories "category": UnsortedCategory,
        /// Of this pipeline.
        one pipeline "pipeline_id": PipelineId,
    }
}
