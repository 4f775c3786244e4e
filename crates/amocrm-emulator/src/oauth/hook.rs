//! Requests amoCRM itself sends to an integration's server: "access was revoked" and "a widget was installed".

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::answer::hex;
use crate::app::App;
use crate::hosts::account_domain;
use crate::oauth::all_scopes;
use crate::oauth::consent::{platform, with_query};
use crate::oauth::state::Grant;

/// The user agent of Kommo's example.
const USER_AGENT: &str = "amoService-oAuth-Code-Sender/1.0";
/// A code is delivered within three seconds or not at all ("authorization public").
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookError {
    UnknownClient,
    NoUser,
}

/// `client_uuid|account_id` under the integration's secret. The separator is only visible in the vendor's sample code.
pub(crate) fn signature(client_secret: &str, client_id: &str, account_id: u64) -> String {
    match Hmac::<Sha256>::new_from_slice(client_secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(format!("{client_id}|{account_id}").as_bytes());
            hex(&mac.finalize().into_bytes())
        }
        // HMAC takes keys of any length.
        Err(_) => String::new(),
    }
}

/// Turns an integration off in an account: every grant is revoked, then the integration's server is told, if it wants to be.
/// `hook_url` stands in for the one of the integration's settings. Returns the status of its answer.
pub(crate) async fn disable_integration(
    app: &App,
    client_id: Option<&str>,
    hook_url: Option<&str>,
) -> Result<Option<u16>, HookError> {
    let hook = app.with_world(|world| {
        let account = world.accounts.iter().find(|account| {
            account
                .integrations
                .iter()
                .any(|integration| client_id.is_none_or(|id| id == integration.client_id))
        })?;
        let integration = account
            .integrations
            .iter()
            .find(|it| client_id.is_none_or(|id| id == it.client_id))?;
        let (account_id, client_id) = (account.id, integration.client_id.clone());
        let url = hook_url
            .or(integration.disabled_hook_url.as_deref())
            .and_then(|url| {
                let signature = signature(&integration.client_secret, &client_id, account_id);
                let account_id = account_id.to_string();
                with_query(
                    url,
                    &[
                        ("account_id", &account_id),
                        ("client_uuid", &client_id),
                        ("signature", &signature),
                    ],
                )
            });
        world.oauth.revoke_client(account_id, &client_id);
        Some(url)
    });
    app.mark_changed();
    match hook.ok_or(HookError::UnknownClient)? {
        Some(url) => Ok(send(app, &url).await),
        None => Ok(None),
    }
}

/// What happens when an administrator installs a widget: the code goes to the integration's server directly. The answer is not
/// looked at and the request never repeated.
pub(crate) async fn install_from_widget(
    app: &App,
    client_id: Option<&str>,
) -> Result<Option<u16>, HookError> {
    let now = app.clock().now();
    let url = app.with_world(|world| {
        let mut integrations = world.accounts.iter().flat_map(|account| {
            account
                .integrations
                .iter()
                .map(move |integration| (account, integration))
        });
        let (account, integration) = integrations
            .find(|(_, integration)| client_id.is_none_or(|id| id == integration.client_id))
            .ok_or(HookError::UnknownClient)?;
        let user = account
            .users
            .iter()
            .find(|user| user.is_admin)
            .ok_or(HookError::NoUser)?;
        let (account_id, user_id, client_id) = (account.id, user.id, integration.client_id.clone());
        let (uri, domain, platform) = (
            integration.redirect_uri.clone(),
            account_domain(account),
            platform(account),
        );
        let grant = Grant {
            account_id,
            user_id,
            client_id: client_id.clone(),
            scopes: all_scopes(),
            revoked: false,
        };
        let code = world.oauth.issue_code(grant, now);
        let query = [
            ("code", &*code),
            ("referer", &*domain),
            ("platform", platform),
            ("client_id", &*client_id),
            ("from_widget", "1"),
        ];
        Ok(with_query(&uri, &query))
    })?;
    app.mark_changed();
    match url {
        Some(url) => Ok(send(app, &url).await),
        None => Ok(None),
    }
}

async fn send(app: &App, url: &str) -> Option<u16> {
    let request = app
        .deliveries()
        .client()?
        .get(url)
        .header(http::header::USER_AGENT, USER_AGENT);
    let answer = request.timeout(DELIVERY_TIMEOUT).send().await;
    let status = answer.ok().map(|answer| answer.status().as_u16());
    tracing::info!(status, "an integration's server was told");
    status
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn the_signature_is_the_one_of_the_test_vector() {
        assert_eq!(
            signature(
                "demo-integration-secret",
                "11111111-2222-4333-8444-555555555555",
                31_000_001
            ),
            "71ee26197c8420797266dbd73b770ab37423b91d21b007df215ecf3543c750f2"
        );
    }
}
