//! `lesson-sync subscribe`: amoCRM is asked to tell of moved deals.

use std::io::Write;

use amocrm_sdk::webhook::WebhookEvent;
use anyhow::Context as _;
use connection::audit_command;
use secrecy::ExposeSecret as _;

use crate::App;
use crate::doctor::destination;

/// Subscribes the webhook's address. Doing it again changes nothing.
///
/// # Errors
///
/// When the address is not configured, or amoCRM refuses it.
pub async fn subscribe(app: &App, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    let config = app.config();
    let secret = config.two_way.webhook_secret();
    let secret =
        secret.context("LESSON_WEBHOOK_SECRET: is unset; make it with: openssl rand -hex 16")?;
    let public = config.server.public_url();
    let public =
        public.context("PUBLIC_URL: is unset; where does the internet reach this service?")?;
    audit_command(app.store(), "subscribe", "").await?;
    let destination = destination(public.as_str(), secret.expose_secret());
    let linked = app.crm().linked().await?;
    let hooks = linked.client.webhooks();
    hooks
        .subscribe(destination, [WebhookEvent::StatusLead])
        .await?;
    writeln!(
        out,
        "amoCRM tells of moved deals at {}",
        crate::doctor::destination(public.as_str(), "…")
    )?;
    Ok(())
}
