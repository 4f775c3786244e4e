//! The accounts: connection, rights, subscription, and whether amoCRM would reach us.

use std::time::Duration;

use amocrm_sdk::{Client, ErrorKind, Operation, Request, RetryPolicy};
use connection::doctor as checks;
use service_kit::doctor::Finding;

use crate::App;
use crate::account::{Account, Standing, Subscription, WEBHOOK_PATH};

/// How long our own address may take to answer; amoCRM waits two seconds (`01-auth-limits-webhooks.md` §6.9).
const PATIENCE: Duration = Duration::from_secs(10);
const PROBE: Operation = Operation::idempotent("doctor.probe");
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
    let Some(public) = app.config().server.public_url() else {
        return vec![Finding::warn("PUBLIC_URL is unset, so it cannot be asked")];
    };
    let asked = format!("{}{WEBHOOK_PATH}", public.as_str().trim_end_matches('/'));
    // The SDK's is the one HTTP client of this workspace; there is no token to give away.
    let client = Client::builder("public-address")
        .base_url(public)
        .long_lived_token("none")
        .retry(RetryPolicy::none())
        .timeout(PATIENCE)
        .deadline(PATIENCE)
        .build();
    let answer = match client {
        Ok(client) => client.send(Request::get(PROBE, WEBHOOK_PATH)).await,
        Err(error) => Err(error),
    };
    let bad = |what: &str, remedy: &str| {
        Finding::bad(format!("webhooks do not arrive: {asked} {what}")).remedy(remedy)
    };
    vec![match answer {
        Ok(answer) if is_ours(answer.body()) => {
            Finding::good(format!("{asked} answers (asked from this machine)"))
        }
        Ok(_) => bad(
            "answers, but not as webhook-gateway does",
            "does PUBLIC_URL lead to another service?",
        ),
        Err(error) => match (error.kind(), error.status()) {
            (_, Some(status)) => bad(
                &format!("answers {status}"),
                "the proxy in front of the service has to pass /webhooks/ on to it, without a login",
            ),
            (ErrorKind::Connect, _) => bad(
                "cannot be connected to",
                "is `webhook-gateway serve` running, does the name lead to this machine, is the port open, the certificate valid?",
            ),
            _ => bad(
                "does not answer in time",
                "amoCRM waits two seconds: look at the proxy in front of the service, and at its load",
            ),
        },
    }]
}

fn is_ours(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("<title>webhook-gateway</title>")
}
