//! The webhook: which address amoCRM tells of which events.

use amocrm_sdk::webhook::WebhookEvent;
use amocrm_sdk::webhooks::Webhook;
use futures_util::TryStreamExt as _;
use secrecy::ExposeSecret as _;

use super::Provision;
use crate::config::Config;
use crate::crm::{CrmError, Linked};
use crate::webhook_path::{WEBHOOK_PATH, WebhookPath};

/// A deal that moves, one that changes, and one that another manager takes.
const EVENTS: [WebhookEvent; 3] = [
    WebhookEvent::StatusLead,
    WebhookEvent::UpdateLead,
    WebhookEvent::ResponsibleLead,
];

/// A client's answers, which stop a funnel.
const ANSWERS: [WebhookEvent; 4] = [
    WebhookEvent::AddMessage,
    WebhookEvent::AddTalk,
    WebhookEvent::NoteLead,
    WebhookEvent::NoteContact,
];

/// The events that a subscription needs.
fn events(config: &Config) -> impl Iterator<Item = WebhookEvent> {
    let answers = config.funnels.is_some().then_some(ANSWERS);
    EVENTS.into_iter().chain(answers.into_iter().flatten())
}

/// The subscriptions of an account, as far as they lead here.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    /// The one whose address has the secret in force.
    pub(crate) ours: Option<Webhook>,
    /// Addresses that this service does not take webhooks at, or no longer should: shown without their secrets.
    pub(crate) others: Vec<String>,
    /// Secrets made here that amoCRM still knows.
    known: Vec<String>,
}

impl Subscriptions {
    /// Reads them. `base` is PUBLIC_URL without a slash at its end.
    pub(crate) async fn read(
        linked: &Linked,
        path: &WebhookPath,
        base: &str,
    ) -> anyhow::Result<Self> {
        let hooks: Vec<Webhook> = linked
            .client
            .webhooks()
            .list()
            .stream()
            .try_collect()
            .await
            .map_err(CrmError::from)?;
        let mut read = Self::default();
        for hook in hooks {
            let Some((before, after)) = hook.destination.split_once(WEBHOOK_PATH) else {
                continue;
            };
            let secret = after.trim_matches('/');
            let is_made = !secret.is_empty() && path.is_made(secret).await?;
            if is_made {
                read.known.push(secret.to_owned());
            }
            let is_wanted = match path.configured() {
                Some(configured) => secret == configured.expose_secret(),
                None => is_made,
            };
            if before == base && is_wanted && read.ours.is_none() {
                read.ours = Some(hook);
            } else if before == base || is_made {
                read.others.push(if secret.is_empty() {
                    hook.destination
                } else {
                    format!("{before}{WEBHOOK_PATH}/…")
                });
            }
        }
        Ok(read)
    }
}

/// Whether a subscription lacks events that we need.
pub(crate) fn lacks(hook: &Webhook, config: &Config) -> bool {
    events(config).any(|event| !hook.settings.contains(&event))
}

impl Provision<'_> {
    /// Subscribes the webhook. A subscription that is there and works is left as it is.
    pub(super) async fn webhook(&mut self) -> anyhow::Result<()> {
        if self.config.status.gateway_keys().is_some() {
            return self.progress.say(
                "webhook",
                "not subscribed: webhook-gateway delivers what people change in amoCRM (INTAKE_GATEWAY_SECRET)",
            );
        }
        let Some(public) = self.config.server.public_url() else {
            return self.progress.look(
                "webhook",
                "not subscribed: PUBLIC_URL is unset, so amoCRM cannot reach this service, and what people change in \
                 amoCRM is learnt only by `lead-intake reconcile`",
            );
        };
        let base = public.as_str().trim_end_matches('/').to_owned();
        let shown = format!("{base}{WEBHOOK_PATH}/…");
        let path = WebhookPath::new(self.config, self.store.clone());
        let found = Subscriptions::read(self.linked, &path, &base).await?;
        for other in &found.others {
            self.progress.look(
                "webhook",
                &format!(
                    "another subscription leads to {other}; remove it in amoCRM (Settings → Integrations → Webhooks) if it \
                     is an old one of this service"
                ),
            )?;
        }
        let client = &self.linked.client;
        match &found.ours {
            Some(hook) if !hook.disabled && !lacks(hook, self.config) => self
                .progress
                .say("webhook", &format!("{shown} is subscribed")),
            Some(hook) if self.progress.dry_run => {
                let what = if hook.disabled {
                    "anew: amoCRM switched it off"
                } else {
                    "with more events"
                };
                self.progress
                    .would_make("webhook", &format!("the subscription of {shown} {what}"))
            }
            Some(hook) => {
                if hook.disabled {
                    // Subscribing alone does not switch it on again, and nobody else uses this address.
                    client
                        .webhooks()
                        .unsubscribe(&hook.destination)
                        .await
                        .map_err(CrmError::from)?;
                }
                let mut events = hook.settings.clone();
                events.extend(
                    self::events(self.config).filter(|event| !hook.settings.contains(event)),
                );
                client
                    .webhooks()
                    .subscribe(&hook.destination, events)
                    .await
                    .map_err(CrmError::from)?;
                self.progress.made(
                    "webhook",
                    &format!(
                        "the subscription of {shown} anew: it was switched off, or lacked events"
                    ),
                )
            }
            None if self.progress.dry_run => self
                .progress
                .would_make("webhook", &format!("the subscription of {shown}")),
            None => {
                let secret = match path.configured() {
                    Some(secret) => secret.clone(),
                    None => path.make(&found.known).await?,
                };
                let destination = format!("{base}{WEBHOOK_PATH}/{}", secret.expose_secret());
                client
                    .webhooks()
                    .subscribe(destination, events(self.config))
                    .await
                    .map_err(CrmError::from)?;
                self.progress.made(
                    "webhook",
                    &format!("the subscription of {shown}: subscribed"),
                )
            }
        }
    }
}
