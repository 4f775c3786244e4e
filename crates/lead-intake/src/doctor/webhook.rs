//! Webhooks: whether amoCRM sends them, whether they arrive, and whether only amoCRM can.

use connection::doctor as checks;
use service_kit::doctor::Finding;

use crate::App;
use crate::provision::{Subscriptions, lacks};
use crate::webhook_path::{WEBHOOK_PATH, WebhookPath, is_loopback};

/// Who may call.
pub(super) async fn access(app: &App) -> Vec<Finding> {
    let config = app.config();
    let mut found = Vec::new();
    let path = WebhookPath::new(config, app.store().clone());
    match path.is_open().await {
        Ok(true) => {}
        // Then only signed deliveries are taken without a secret address.
        Ok(false) if config.status.gateway_keys().is_some() => {}
        Ok(false) => found.push(
            Finding::warn("the webhook has no secret address yet, and no other takes webhooks: amoCRM does not sign them")
                .remedy("run `lead-intake provision`: it makes a secret address and tells it to amoCRM"),
        ),
        Err(error) => found.push(Finding::bad(error.to_string())),
    }
    if config.server.is_loopback() && config.security.admin_token.is_none() {
        let is_public = config
            .server
            .public_url()
            .is_some_and(|url| !is_loopback(&url));
        if is_public {
            found.push(
                Finding::warn("ADMIN_TOKEN is unset while PUBLIC_URL leads here from outside: whoever reaches it is administrator")
                    .remedy("set ADMIN_TOKEN (openssl rand -hex 24) and restart"),
            );
        }
    }
    if found.is_empty() {
        found.push(Finding::good(if config.security.admin_token.is_some() {
            "the administrator's endpoints need ADMIN_TOKEN, webhooks their secret address"
        } else {
            "only this machine can reach the service"
        }));
    }
    found
}

/// Whether amoCRM sends them.
pub(super) async fn subscription(app: &App) -> Vec<Finding> {
    const PROVISION: &str = "run `lead-intake provision`";
    if app.config().status.gateway_keys().is_some() {
        return vec![Finding::good(
            "webhook-gateway delivers them (INTAKE_GATEWAY_SECRET); `webhook-gateway doctor` says whether amoCRM sends",
        )];
    }
    let Some(public) = app.config().server.public_url() else {
        return vec![
            Finding::warn("Webhook not received: PUBLIC_URL is unset, so amoCRM does not know where to send them")
                .remedy("set PUBLIC_URL to the address that the internet reaches this service at, then run `lead-intake provision`"),
        ];
    };
    let linked = match app.crm().linked().await {
        Ok(linked) => linked,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    let base = public.as_str().trim_end_matches('/');
    let path = WebhookPath::new(app.config(), app.store().clone());
    let found = match Subscriptions::read(&linked, &path, base).await {
        Ok(found) => found,
        Err(error) => {
            return vec![
                Finding::warn(format!("subscriptions cannot be read: {error}"))
                    .remedy("only an administrator's token may, and only on the extended or professional tariff"),
            ];
        }
    };
    let mut told = vec![match &found.ours {
        None => Finding::bad("Webhook not received: amoCRM has no subscription of this service's address").remedy(PROVISION),
        Some(hook) if hook.disabled => {
            Finding::bad("Webhook not received: amoCRM switched the subscription off after more than 100 failed deliveries in two hours")
                .remedy("mend what «public address» says, then run `lead-intake provision`: it subscribes anew")
        }
        Some(hook) if lacks(hook, app.config()) => {
            Finding::bad("Webhook not received: the subscription lacks events").remedy(PROVISION)
        }
        Some(_) => Finding::good(format!("{base}{WEBHOOK_PATH}/… is subscribed")),
    }];
    for other in found.others {
        told.push(
            Finding::warn(format!("another subscription leads to {other}"))
                .remedy("remove it in amoCRM (Settings → Integrations → Webhooks) if it is an old one of this service"),
        );
    }
    told
}

/// Whether they would arrive: the service's own address is asked as amoCRM would.
pub(super) async fn reachable(app: &App) -> Vec<Finding> {
    if app.config().status.gateway_keys().is_some() {
        return vec![Finding::good(
            "amoCRM need not reach it: webhook-gateway does",
        )];
    }
    let public = app.config().server.public_url();
    if let Some(own) = public.as_ref().filter(|url| is_loopback(url))
        && app.config().amocrm.base_url().is_none()
    {
        return vec![
            Finding::bad(format!("Webhook not received: PUBLIC_URL={own} is this machine's own address, which amoCRM cannot reach"))
                .remedy("set PUBLIC_URL to the address that the internet reaches this service at"),
        ];
    }
    let address = checks::WebhookAddress {
        service: "lead-intake",
        path: &format!("{WEBHOOK_PATH}/test"),
        prefix: "/api/webhooks/",
        symptom: "Webhook not received",
        is_ours,
    };
    checks::reachable(public, &address).await
}

fn is_ours(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body)
        .is_ok_and(|body| body["status"] == "ok" && body["message"].is_string())
}
