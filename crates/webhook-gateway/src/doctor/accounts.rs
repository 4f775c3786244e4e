//! The accounts: connection, rights, subscription, and whether amoCRM would reach us.

use connection::doctor as checks;
use service_kit::doctor::Finding;

use crate::App;
use crate::account::{Account, Standing, Subscription, WEBHOOK_PATH};

const SUBSCRIBE: &str = "run `webhook-gateway subscribe`";

/// Puts the account's name before what was found, where there are several.
fn of(app: &App, account: &Account, found: Vec<Finding>) -> Vec<Finding> {
    if app.accounts().iter().count() == 1 {
        return found;
    }
    let named = |mut finding: Finding| {
        finding.text = format!("{}: {}", account.name, finding.text);
        finding
    };
    found.into_iter().map(named).collect()
}

pub(super) async fn connection(app: &App) -> Vec<Finding> {
    let mut found = Vec::new();
    for account in app.accounts().iter() {
        found.extend(of(app, account, checks::connection(&account.crm).await));
    }
    found
}

pub(super) async fn token(app: &App) -> Vec<Finding> {
    let mut found = Vec::new();
    for account in app.accounts().iter() {
        found.extend(of(app, account, checks::token(&account.crm).await));
    }
    found
}

pub(super) async fn rights(app: &App) -> Vec<Finding> {
    let needs = "`webhook-gateway subscribe` needs it, taking and delivering webhooks does not";
    let mut found = Vec::new();
    for account in app.accounts().iter() {
        found.extend(of(app, account, checks::rights(&account.crm, needs).await));
    }
    found
}

pub(super) async fn clock(app: &App) -> Vec<Finding> {
    match app.accounts().iter().next() {
        Some(account) => checks::clock(&account.crm).await,
        None => Vec::new(),
    }
}

/// Whether amoCRM sends.
pub(super) async fn subscription(app: &App) -> Vec<Finding> {
    let Some(public) = app.config().server.public_url() else {
        return vec![
            Finding::warn("PUBLIC_URL is unset, so amoCRM cannot be told where to send webhooks").remedy(
                "set PUBLIC_URL to the address that the internet reaches this service at, then run `webhook-gateway \
                 subscribe`; or subscribe by hand the address that `webhook-gateway status --address` shows",
            ),
        ];
    };
    let mut found = Vec::new();
    for account in app.accounts().iter() {
        let told = match Subscription::read(account, &public).await {
            Ok(subscription) => {
                let mut told = vec![standing(subscription.standing())];
                if subscription.strangers > 0 {
                    told.push(
                        Finding::warn(format!(
                            "{} other subscriptions lead here with secrets that are not taken",
                            subscription.strangers
                        ))
                        .remedy("remove them in amoCRM (Settings → Integrations → Webhooks)"),
                    );
                }
                told
            }
            Err(error) => vec![
                Finding::warn(format!("subscriptions cannot be read: {error}"))
                    .remedy("only an administrator's token may, and only on the extended or professional tariff"),
            ],
        };
        found.extend(of(app, account, told));
    }
    found
}

fn standing(standing: Standing) -> Finding {
    match standing {
        Standing::Active => Finding::good("amoCRM sends"),
        Standing::Missing => Finding::bad("amoCRM has no subscription of this service's address").remedy(SUBSCRIBE),
        Standing::Lacking => Finding::bad("the subscription lacks events").remedy(SUBSCRIBE),
        Standing::Disabled => {
            Finding::bad("amoCRM switched the subscription off after more than 100 bad answers in two hours")
                .remedy("mend what «public address» says; `webhook-gateway serve` switches it on again, and so does `subscribe`")
        }
        Standing::Unknown => Finding::warn("amoCRM cannot be asked"),
    }
}

/// Whether webhooks would arrive: the service's own address is asked as a browser would.
pub(super) async fn reachable(app: &App) -> Vec<Finding> {
    let address = checks::WebhookAddress {
        service: "webhook-gateway",
        path: WEBHOOK_PATH,
        prefix: "/webhooks/",
        symptom: "webhooks do not arrive",
        is_ours,
    };
    checks::reachable(app.config().server.public_url(), &address).await
}

fn is_ours(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("<title>webhook-gateway</title>")
}
