//! What managers do in amoCRM: whether we hear of it, and whether the platform would.

use amocrm_sdk::webhook::WebhookEvent;
use connection::doctor as checks;
use secrecy::ExposeSecret as _;
use service_kit::doctor::Finding;

use crate::App;
use crate::callbacks::Poster;

/// Whether webhooks would arrive.
pub(super) async fn webhook(app: &App) -> Vec<Finding> {
    let two_way = &app.config().two_way;
    let Some(secret) = two_way.webhook_secret() else {
        return vec![if two_way.hears() {
            Finding::good(
                "webhook-gateway delivers them to /webhooks/gateway (LESSON_GATEWAY_SECRET); `webhook-gateway doctor` says \
                 whether amoCRM sends",
            )
        } else if two_way.callback().is_some() {
            Finding::warn("LESSON_CALLBACK_URL is set, and nothing tells us of managers' moves")
                .remedy("set LESSON_WEBHOOK_SECRET and run `lesson-sync subscribe`, or set LESSON_GATEWAY_SECRET")
        } else {
            Finding::good("off: nobody wants to know of managers' moves")
        }];
    };
    let public = app.config().server.public_url();
    let address = checks::WebhookAddress {
        service: "lesson-sync",
        path: "/webhooks/test",
        prefix: "/webhooks/",
        symptom: "Webhook not received",
        is_ours: |body| {
            serde_json::from_slice::<serde_json::Value>(body)
                .is_ok_and(|body| body["status"] == "ok" && body["message"].is_string())
        },
    };
    let Some(url) = &public else {
        return vec![
            Finding::warn("PUBLIC_URL is unset, so amoCRM does not know where to send webhooks").remedy(
                "set PUBLIC_URL to the address that the internet reaches this service at, then run `lesson-sync subscribe`",
            ),
        ];
    };
    let destination = destination(url.as_str(), secret.expose_secret());
    let mut found = vec![subscription(app, &destination).await];
    found.extend(checks::reachable(public, &address).await);
    found
}

/// The address that amoCRM is told.
pub(crate) fn destination(public: &str, secret: &str) -> String {
    format!("{}/webhooks/amocrm/{secret}", public.trim_end_matches('/'))
}

async fn subscription(app: &App, destination: &str) -> Finding {
    const REMEDY: &str = "run `lesson-sync subscribe`";
    let read = async {
        let linked = app.crm().linked().await?;
        let hooks = linked.client.webhooks().list().all().await;
        hooks.map_err(connection::CrmError::from)
    };
    let hooks = match read.await {
        Ok(hooks) => hooks,
        Err(error) => {
            return Finding::warn(format!("subscriptions cannot be read: {error}")).remedy(
                "only an administrator's token may, and only on the extended or professional tariff",
            );
        }
    };
    match hooks.iter().find(|hook| hook.destination == destination) {
        None => Finding::bad(
            "Webhook not received: amoCRM has no subscription of this service's address",
        )
        .remedy(REMEDY),
        Some(hook) if hook.disabled => Finding::bad(
            "Webhook not received: amoCRM switched the subscription off after too many failures",
        )
        .remedy(REMEDY),
        Some(hook) if !hook.settings.contains(&WebhookEvent::StatusLead) => {
            Finding::bad("Webhook not received: the subscription lacks status_lead").remedy(REMEDY)
        }
        Some(_) => Finding::good("amoCRM tells of moved deals"),
    }
}

/// Whether the platform takes callbacks: it gets a signed one that tells nothing.
pub(super) async fn callback(app: &App) -> Vec<Finding> {
    const SECRETS: &str =
        "does the platform have the same LESSON_CALLBACK_SECRET, and are both clocks right?";
    let Some(poster) = Poster::new(&app.config().two_way) else {
        return vec![Finding::good("off: LESSON_CALLBACK_URL is unset")];
    };
    vec![match poster.ping(app.crm().now()).await {
        Ok(()) => Finding::good("the platform takes callbacks (it was sent a signed `ping`)"),
        Err(failed) => {
            let remedy = match failed.status {
                Some(401 | 403) => SECRETS,
                Some(_) => "the platform has to answer 2xx, also to `ping`; see its log",
                None => {
                    "is LESSON_CALLBACK_URL right, and the platform up? Callbacks wait meanwhile"
                }
            };
            Finding::bad(failed.reason).remedy(remedy)
        }
    }]
}
