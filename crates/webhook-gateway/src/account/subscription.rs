//! Our subscription in amoCRM: which address it tells of which events.

use amocrm_sdk::ErrorKind;
use amocrm_sdk::webhook::WebhookEvent;
use amocrm_sdk::webhooks::Webhook;
use connection::{CrmError, Linked};
use futures_util::TryStreamExt as _;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use store::Store;
use url::Url;

use super::{Account, WEBHOOK_PATH};

/// How our subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// amoCRM sends.
    Active,
    /// amoCRM switched it off: more than 100 bad answers in two hours.
    Disabled,
    /// It lacks events.
    Lacking,
    /// There is none.
    Missing,
    /// amoCRM cannot be asked.
    Unknown,
}

impl Standing {
    /// For logs and people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Lacking => "lacking",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// The subscriptions of an account, as far as they lead here.
#[derive(Debug)]
pub(crate) struct Subscription<'a> {
    account: &'a Account,
    linked: Linked,
    destination: String,
    /// The one whose address has the secret in force.
    ours: Option<Webhook>,
    /// Addresses of this service with a secret that was made before: nobody needs them any more.
    stale: Vec<String>,
    /// How many others lead to this service with secrets that it does not know.
    pub(crate) strangers: usize,
}

/// The address that the account's webhooks go to.
pub(crate) fn destination(account: &Account, public: &Url) -> anyhow::Result<String> {
    let secret = account.secret().ok_or_else(|| {
        anyhow::anyhow!(
            "GATEWAY_WEBHOOK_SECRET: is unset, and there is no ENCRYPTION_KEY to make an address from; set one of them"
        )
    })?;
    Ok(format!(
        "{}{WEBHOOK_PATH}/{}",
        base(public),
        secret.expose_secret()
    ))
}

/// The address without its secret, for people.
pub(crate) fn shown(public: &Url) -> String {
    format!("{}{WEBHOOK_PATH}/…", base(public))
}

fn base(public: &Url) -> &str {
    public.as_str().trim_end_matches('/')
}

impl<'a> Subscription<'a> {
    /// Asks amoCRM.
    pub(crate) async fn read(account: &'a Account, public: &Url) -> anyhow::Result<Self> {
        let destination = destination(account, public)?;
        let linked = account.crm.linked().await?;
        let hooks: Vec<Webhook> = linked
            .client
            .webhooks()
            .list()
            .stream()
            .try_collect()
            .await
            .map_err(CrmError::from)?;
        let mut read = Self {
            account,
            linked,
            ours: None,
            stale: Vec::new(),
            strangers: 0,
            destination,
        };
        let prefix = format!("{}{WEBHOOK_PATH}/", base(public));
        for hook in hooks {
            if hook.destination == read.destination {
                read.ours = Some(hook);
            } else if let Some(secret) = hook.destination.strip_prefix(&prefix) {
                if account.is_at(secret) {
                    read.stale.push(hook.destination);
                } else {
                    read.strangers += 1;
                }
            }
        }
        Ok(read)
    }

    /// How it stands.
    pub(crate) fn standing(&self) -> Standing {
        match &self.ours {
            None => Standing::Missing,
            Some(hook) if hook.disabled => Standing::Disabled,
            Some(hook) if self.lacking(hook).next().is_some() => Standing::Lacking,
            Some(_) => Standing::Active,
        }
    }

    /// What amoCRM sends.
    pub(crate) fn events(&self) -> &[WebhookEvent] {
        self.ours.as_ref().map_or(&[], |hook| &hook.settings)
    }

    /// Subscribes to these events and no others; a subscription that was switched off is made anew. A process that is
    /// killed between the two halves of that has left a note, by which [`was_interrupted`] knows it.
    pub(crate) async fn subscribe(
        &self,
        store: &Store,
        events: &[WebhookEvent],
    ) -> anyhow::Result<()> {
        let hooks = self.linked.client.webhooks();
        if self.ours.as_ref().is_some_and(|hook| hook.disabled) {
            // Subscribing alone does not switch it on again, and nobody else uses this address.
            store.meta().put(&note(self.account), &true).await?;
            hooks
                .unsubscribe(&self.destination)
                .await
                .map_err(CrmError::from)?;
        }
        let asked = hooks
            .subscribe(&self.destination, events.iter().cloned())
            .await;
        match asked {
            Err(error) if is_refused(&error) && events.iter().any(is_rare) => {
                // Not every account knows the events of chats.
                let known = events.iter().filter(|event| !is_rare(event)).cloned();
                hooks
                    .subscribe(&self.destination, known)
                    .await
                    .map_err(CrmError::from)?;
                tracing::warn!(
                    account.name = self.account.name,
                    "amoCRM does not send events of chats from this account; the others are subscribed"
                );
            }
            asked => {
                asked.map_err(CrmError::from)?;
            }
        }
        store.meta().remove(&note(self.account)).await?;
        for stale in &self.stale {
            hooks.unsubscribe(stale).await.map_err(CrmError::from)?;
        }
        Ok(())
    }

    /// The events that are subscribed and those that are wanted, each once.
    pub(crate) fn united(&self, wanted: &[WebhookEvent]) -> Vec<WebhookEvent> {
        let mut events = self.events().to_vec();
        events.extend(
            wanted
                .iter()
                .filter(|event| !self.events().contains(event))
                .cloned(),
        );
        events
    }

    /// Removes the subscription. Returns whether there was one.
    pub(crate) async fn unsubscribe(&self, store: &Store) -> anyhow::Result<bool> {
        let hooks = self.linked.client.webhooks();
        store.meta().remove(&note(self.account)).await?;
        let was_there = hooks
            .unsubscribe(&self.destination)
            .await
            .map_err(CrmError::from)?;
        for stale in &self.stale {
            hooks.unsubscribe(stale).await.map_err(CrmError::from)?;
        }
        Ok(was_there)
    }

    fn lacking<'h>(&'h self, hook: &'h Webhook) -> impl Iterator<Item = &'h WebhookEvent> {
        self.account
            .events
            .iter()
            .filter(|event| !is_rare(event) && !hook.settings.contains(event))
    }
}

/// Whether a process began to switch the subscription on again and did not come to the end.
pub(crate) async fn was_interrupted(store: &Store, account: &Account) -> anyhow::Result<bool> {
    Ok(store.meta().get(&note(account)).await?.unwrap_or(false))
}

/// The setting that says that the subscription is being made anew.
fn note(account: &Account) -> String {
    format!("gateway.subscribing/{}", account.name)
}

/// Events that not every account can send.
fn is_rare(event: &WebhookEvent) -> bool {
    matches!(
        event,
        WebhookEvent::AddMessage
            | WebhookEvent::AddOutgoingMessage
            | WebhookEvent::AddUnsorted
            | WebhookEvent::UpdateUnsorted
            | WebhookEvent::DeleteUnsorted
    )
}

fn is_refused(error: &amocrm_sdk::Error) -> bool {
    matches!(error.kind(), ErrorKind::Validation | ErrorKind::Rejected)
}
