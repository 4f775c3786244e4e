//! The form body of a webhook: PHP-style brackets, everything a string, the account block first.

use uuid::Uuid;

use crate::delivery::Delivery;
use crate::hosts::account_domain;
use crate::world::events::WorldEvent;
use crate::world::{Account, World};

/// One delivery for every event and every enabled subscription that asked for its code.
pub(crate) fn plan(world: &World, events: &[WorldEvent]) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for event in events {
        let Some(account) = world
            .accounts
            .iter()
            .find(|account| account.id == event.account_id)
        else {
            continue;
        };
        let wants = |hook: &&crate::world::WebhookSubscription| {
            !hook.disabled && hook.settings.iter().any(|code| code == event.code)
        };
        for webhook in account.webhooks.iter().filter(wants) {
            deliveries.push(Delivery {
                id: 0,
                account_id: account.id,
                webhook_id: webhook.id,
                destination: webhook.destination.clone(),
                code: event.code.to_owned(),
                body: form(account, event),
                request_id: Uuid::new_v4().to_string(),
                attempts: 0,
                due_ms: 0,
            });
        }
    }
    deliveries
}

fn form(account: &Account, event: &WorldEvent) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("account[subdomain]", &account.subdomain);
    form.append_pair("account[id]", &account.id.to_string());
    form.append_pair(
        "account[_links][self]",
        &format!("https://{}", account_domain(account)),
    );
    for (field, value) in &event.fields {
        form.append_pair(
            &format!("{}[{}][0]{field}", event.entity, event.action),
            value,
        );
    }
    form.finish()
}
