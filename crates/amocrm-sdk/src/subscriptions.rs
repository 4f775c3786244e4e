//! Who follows a lead or a customer, and hears of what happens to it.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/entity-subscriptions>.

use serde::Deserialize;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{Never, resource};
use crate::id::{UserGroupId, UserId};
use crate::links::EntityRef;

resource! {
    /// Followers of one entity: [`Client::subscriptions`].
    pub struct Subscriptions of Subscription: (), "subscriptions";
    /// Reads the followers.
    list(with = Never, filter = Never, order = Never);
}

impl Client {
    /// Followers of a lead or a customer: `client.subscriptions(lead_id)`. amoCRM has none of other entities.
    pub fn subscriptions(&self, of: impl Into<EntityRef>) -> Subscriptions {
        Subscriptions::at(self, format!("{}/subscriptions", of.into().path()))
    }
}

/// A follower.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Subscription {
    /// A user or a group, by [`subscriber_type`](Self::subscriber_type).
    #[serde(deserialize_with = "de::number")]
    pub subscriber_id: u64,
    /// Which of the two.
    #[serde(rename = "type")]
    pub subscriber_type: SubscriberType,
}

open_enum! {
    /// Who follows.
    pub enum SubscriberType {
        /// A user.
        User = "user",
        /// A group of users.
        Group = "group",
    }
}

impl Subscription {
    /// The user, if it is one.
    pub fn user(&self) -> Option<UserId> {
        (self.subscriber_type == SubscriberType::User).then(|| UserId::new(self.subscriber_id))
    }

    /// The group, if it is one.
    pub fn group(&self) -> Option<UserGroupId> {
        (self.subscriber_type == SubscriberType::Group)
            .then(|| UserGroupId::new(self.subscriber_id))
    }
}
