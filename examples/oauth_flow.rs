//! Consent, code, tokens, renewal: `cargo run --example oauth_flow`.
//!
//! The administrator's browser is played by a request to the emulator's consent page; everything else is what a
//! service does with the real amoCRM.

#![expect(clippy::print_stdout, reason = "an example tells what it does")]

use std::sync::Arc;

use amocrm_emulator::Emulator;
use amocrm_sdk::Client;
use amocrm_sdk::oauth::{AuthorizeUrl, Callback, Credentials, MemoryTokenStore};
use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;
use url::Url;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await?;
    let keys = emulator.credentials();
    let credentials = Credentials::new(
        &keys.client_id,
        keys.client_secret.clone(),
        &keys.redirect_uri,
    );

    // 1. Send the administrator to the consent page, with a random state.
    let consent = AuthorizeUrl::new(&keys.client_id)
        .base_url(emulator.base_url())
        .state("s-42")
        .build()?;
    println!("open {consent}");

    // 2. amoCRM sends the browser to the redirect URI. Compare the state.
    let callback = press_allow(&emulator, &consent).await?;
    let Callback::Granted(grant) = Callback::parse(callback.query().unwrap_or_default())? else {
        anyhow::bail!("consent was refused")
    };
    anyhow::ensure!(
        grant.state.as_deref() == Some("s-42"),
        "this consent was not asked for"
    );
    println!("{} agreed", grant.account);

    // 3. Exchange the code. The pair is in the store before it is used.
    let client = Client::builder(&grant.account)
        .base_url(emulator.base_url())
        .oauth(credentials, Arc::new(MemoryTokenStore::new()))
        .build()?;
    let connection = client.oauth().exchange_code(&grant.code).await?;
    println!("connected until {}", connection.expires_at);

    // 4. Ten tasks find the token expired at once: one renewal goes out.
    emulator.expire_tokens();
    emulator.clear_requests();
    let calls = (0..10).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.account().get().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await??;
    }
    let renewals = emulator
        .requests()
        .iter()
        .filter(|request| request.grant_type.is_some())
        .count();
    println!("ten calls on an expired token, {renewals} renewal");
    anyhow::ensure!(renewals == 1);

    // 5. Disconnect.
    client.oauth().disconnect().await?;
    let Err(error) = client.account().get().await else {
        anyhow::bail!("a disconnected client still works")
    };
    println!("disconnected: {error}");
    Ok(())
}

/// What the administrator's browser does.
async fn press_allow(emulator: &Emulator, consent: &Url) -> anyhow::Result<Url> {
    let form = format!("{}&action=allow", consent.query().unwrap_or_default());
    let request = Request::post("/oauth")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))?;
    let answer = emulator.router().oneshot(request).await?;
    let location = answer
        .headers()
        .get("location")
        .ok_or_else(|| anyhow::anyhow!("no redirect: {}", answer.status()))?;
    Ok(Url::parse(location.to_str()?)?)
}
