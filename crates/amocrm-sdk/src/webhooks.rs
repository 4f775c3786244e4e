//! Webhook subscriptions: where amoCRM sends which events. The bodies it sends are read by [`webhook`](crate::webhook).
//!
//! Needs an administrator's token and a tariff that has webhooks. An account has at most 100.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/webhooks-api>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::Client;
use crate::de;
use crate::entity::{Entity, List, Listable, Never, awaited, entity, filter};
use crate::error::{ErrorKind, Result};
use crate::id::{AccountId, UserId, WebhookId, kind};
use crate::request::{Operation, Request, declare};
use crate::webhook::WebhookEvent;

const PATH: &str = "/api/v4/webhooks";

/// Subscribing again with the same address replaces its events, so it may be repeated.
const SUBSCRIBE: Operation = Operation::idempotent("webhooks.subscribe");

/// Webhook subscriptions of an account: [`Client::webhooks`].
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
}

declare!(Webhooks: Webhook::LIST, SUBSCRIBE, Webhook::DELETE);

impl Client {
    /// Webhook subscriptions.
    pub fn webhooks(&self) -> Webhooks {
        Webhooks {
            client: self.clone(),
        }
    }
}

impl Webhooks {
    /// Reads the subscriptions.
    pub fn list(&self) -> List<Webhook> {
        List::new(self.client.clone(), PATH).unpaged()
    }

    /// Subscribes an address to events. An address that is subscribed already gets **these** events instead.
    pub fn subscribe(
        &self,
        destination: impl Into<String>,
        events: impl IntoIterator<Item = WebhookEvent>,
    ) -> Subscribe {
        let body = Subscription {
            destination: destination.into(),
            settings: events.into_iter().collect(),
            sort: None,
        };
        Subscribe {
            client: self.client.clone(),
            body,
        }
    }

    /// Removes the subscription of an address.
    pub fn unsubscribe(&self, destination: impl Into<String>) -> Unsubscribe {
        Unsubscribe {
            client: self.client.clone(),
            destination: destination.into(),
        }
    }
}

/// A subscription as amoCRM tells it. `Debug` shows only the host of its address: the path may hold a secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where the events go.
    #[serde(default, deserialize_with = "de::text")]
    pub destination: String,
    /// When it was made.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
    /// Who made it; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// Its place among the subscriptions.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub sort: Option<i64>,
    /// Whether amoCRM switched it off, after too many failed deliveries.
    #[serde(default, deserialize_with = "de::flag")]
    pub disabled: bool,
    /// Which events are sent.
    #[serde(default, deserialize_with = "de::list")]
    pub settings: Vec<WebhookEvent>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = Url::parse(&self.destination)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("host", &host)
            .field("disabled", &self.disabled)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

filter! {
    /// Which subscriptions a list keeps.
    pub struct WebhookFilter {
        /// Of exactly this address.
        one destination "destination": String,
    }
}

entity!(Webhook: kind::Webhook, "webhooks");

impl Listable for Webhook {
    type With = Never;
    type Filter = WebhookFilter;
    type Order = Never;
}

#[derive(Clone, Serialize)]
struct Subscription {
    destination: String,
    settings: Vec<WebhookEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sort: Option<i64>,
}

/// Subscribes an address; awaiting gives the subscription.
#[derive(Clone)]
#[must_use = "nothing is subscribed until it is awaited"]
pub struct Subscribe {
    client: Client,
    body: Subscription,
}

impl Subscribe {
    /// Sets its place among the subscriptions.
    pub fn sort(mut self, sort: i64) -> Self {
        self.body.sort = Some(sort);
        self
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the body can always be written.
    pub fn into_request(self) -> Result<Request> {
        Request::post(SUBSCRIBE, PATH).json(&self.body)
    }

    async fn run(self) -> Result<Webhook> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(Subscribe => Webhook);

/// Removes the subscription of an address; awaiting tells whether there was one.
#[derive(Clone)]
#[must_use = "nothing is unsubscribed until it is awaited"]
pub struct Unsubscribe {
    client: Client,
    destination: String,
}

impl Unsubscribe {
    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the body can always be written.
    pub fn into_request(self) -> Result<Request> {
        #[derive(Serialize)]
        struct Body {
            destination: String,
        }
        Request::delete(Webhook::DELETE, PATH).json(&Body {
            destination: self.destination,
        })
    }

    async fn run(self) -> Result<bool> {
        let client = self.client.clone();
        match client.send(self.into_request()?).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

awaited!(Unsubscribe => bool);

/// The path of an address may hold a secret.
impl fmt::Debug for Unsubscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsubscribe").finish_non_exhaustive()
    }
}

impl fmt::Debug for Subscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribe")
            .field("settings", &self.body.settings)
            .finish_non_exhaustive()
    }
}
