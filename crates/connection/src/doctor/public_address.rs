//! Whether amoCRM's webhooks would arrive: the service's own address is asked, as far as this machine can.

use std::time::Duration;

use amocrm_sdk::{Client, ErrorKind, Operation, Request, RetryPolicy};
use service_kit::doctor::Finding;
use url::Url;

/// How long our own address may take to answer; amoCRM waits two seconds (`01-auth-limits-webhooks.md` §6.9).
const PATIENCE: Duration = Duration::from_secs(10);
const PROBE: Operation = Operation::idempotent("doctor.probe");

/// Where a service takes webhooks.
#[derive(Debug)]
pub struct WebhookAddress<'a> {
    /// Which service it is.
    pub service: &'a str,
    /// What is asked with `GET`, and answers without a secret.
    pub path: &'a str,
    /// What a proxy in front of the service has to pass on.
    pub prefix: &'a str,
    /// What an administrator sees if it does not answer.
    pub symptom: &'a str,
    /// Whether this is the service's own answer.
    pub is_ours: fn(&[u8]) -> bool,
}

/// Whether webhooks would arrive at PUBLIC_URL.
pub async fn reachable(public: Option<Url>, address: &WebhookAddress<'_>) -> Vec<Finding> {
    let Some(public) = public else {
        return vec![Finding::warn("PUBLIC_URL is unset, so it cannot be asked")];
    };
    let WebhookAddress {
        service,
        path,
        prefix,
        symptom,
        is_ours,
    } = address;
    let asked = format!("{}{path}", public.as_str().trim_end_matches('/'));
    // The SDK's is the one HTTP client of this workspace; there is no token to give away.
    let client = Client::builder("public-address")
        .base_url(public)
        .long_lived_token("none")
        .retry(RetryPolicy::none())
        .timeout(PATIENCE)
        .deadline(PATIENCE)
        .build();
    let answer = match client {
        Ok(client) => client.send(Request::get(PROBE, *path)).await,
        Err(error) => Err(error),
    };
    let bad = |what: &str, remedy: &str| {
        Finding::bad(format!("{symptom}: {asked} {what}")).remedy(remedy)
    };
    vec![match answer {
        Ok(answer) if is_ours(answer.body()) => {
            Finding::good(format!("{asked} answers (asked from this machine)"))
        }
        Ok(_) => bad(
            &format!("answers, but not as {service} does"),
            "does PUBLIC_URL lead to another service?",
        ),
        Err(error) => match (error.kind(), error.status()) {
            (_, Some(status)) => bad(
                &format!("answers {status}"),
                &format!(
                    "the proxy in front of the service has to pass {prefix} on to it, without a login"
                ),
            ),
            (ErrorKind::Connect, _) => bad(
                "cannot be connected to",
                &format!(
                    "is `{service} serve` running, does the name lead to this machine, is the port open, the certificate \
                     valid?"
                ),
            ),
            _ => bad(
                "does not answer in time",
                "amoCRM waits two seconds: look at the proxy in front of the service, and at its load",
            ),
        },
    }]
}
