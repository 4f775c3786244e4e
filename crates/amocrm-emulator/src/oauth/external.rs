//! External integrations: made on the spot by the site button, their secrets posted to the site's server.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::answer::{self, random_hex};
use crate::app::App;
use crate::oauth::consent::ConsentRequest;
use crate::world::Integration;

/// Nothing is documented; the one of a widget's code delivery is taken.
const SECRETS_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes the integration and delivers its secrets. The receiver must answer exactly 200; anything else ends the consent.
pub(crate) async fn create_integration(
    app: &App,
    account_id: Option<u64>,
    request: &ConsentRequest,
) -> Result<String, Response> {
    let bad = |detail: &str| answer::problem(StatusCode::BAD_REQUEST, detail);
    let (Some(name), Some(redirect_uri), Some(secrets_uri)) =
        (&request.name, &request.redirect_uri, &request.secrets_uri)
    else {
        return Err(bad(
            "name, redirect_uri and secrets_uri are needed without client_id",
        ));
    };
    let integration = Integration {
        client_id: Uuid::new_v4().to_string(),
        client_secret: random_hex(32),
        redirect_uri: redirect_uri.clone(),
        name: name.clone(),
        disabled_hook_url: None,
    };
    let body = json!({
        "client_id": integration.client_id,
        "client_secret": integration.client_secret,
        "state": request.state,
        "name": name,
        "scopes": request.scopes.join(","),
    });
    let client = app
        .deliveries()
        .client()
        .ok_or_else(|| bad("the emulator cannot send requests"))?;
    let post = client
        .post(secrets_uri)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.to_string())
        .timeout(SECRETS_TIMEOUT);
    match post.send().await {
        Ok(answer) if answer.status() == StatusCode::OK => {}
        Ok(answer) => {
            return Err(bad(&format!(
                "secrets_uri answered {}, expected 200",
                answer.status().as_u16()
            )));
        }
        Err(_) => return Err(bad("secrets_uri did not answer")),
    }
    let client_id = integration.client_id.clone();
    app.with_world(|world| {
        let account = match account_id {
            Some(id) => world.account(id),
            None => world.accounts.first_mut(),
        };
        account.map(|account| account.integrations.push(integration))
    })
    .ok_or_else(|| bad("account: no such account"))?;
    Ok(client_id)
}
