//! `webhook-gateway subscribe`, `status`, `unsubscribe`.

use std::io::Write;

use amocrm_sdk::webhook::WebhookEvent;
use anyhow::Context as _;
use clap::Args;
use connection::audit_command;
use url::Url;

use super::subscription::{destination, shown};
use super::watch::{describe, note_seen};
use super::{Account, Standing, Subscription, last_seen};
use crate::App;
use crate::config::read_events;

/// Which account.
#[derive(Debug, Clone, Default, Args)]
pub struct Choice {
    /// The account, by its name in gateway.toml; without it, all of them.
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
}

/// Arguments of `webhook-gateway subscribe`.
#[derive(Debug, Clone, Default, Args)]
pub struct Subscribe {
    /// Which account.
    #[command(flatten)]
    pub choice: Choice,
    /// Codes of amoCRM's events, separated by commas, or all; without it, as GATEWAY_EVENTS or gateway.toml say.
    #[arg(long, value_name = "CODES")]
    pub events: Option<String>,
}

/// Arguments of `webhook-gateway status`.
#[derive(Debug, Clone, Default, Args)]
pub struct Status {
    /// Which account.
    #[command(flatten)]
    pub choice: Choice,
    /// Shows the whole address with its secret, for whoever subscribes by hand.
    #[arg(long)]
    pub address: bool,
}

impl Choice {
    fn of<'a>(&self, app: &'a App) -> anyhow::Result<Vec<&'a Account>> {
        let accounts = app.accounts();
        match &self.account {
            None => Ok(accounts.iter().collect()),
            Some(name) => {
                let found = accounts.named(name).with_context(|| {
                    let names: Vec<_> = accounts.iter().map(|it| it.name.as_str()).collect();
                    format!(
                        "--account: there is no account `{name}`; there are {}",
                        names.join(", ")
                    )
                })?;
                Ok(vec![found])
            }
        }
    }
}

fn public_url(app: &App) -> anyhow::Result<Url> {
    app.config().server.public_url().context(
        "PUBLIC_URL: is unset, so amoCRM cannot be told where to send webhooks; set it to the address that the internet \
         reaches this service at, for example PUBLIC_URL=https://crm.example.ru",
    )
}

/// Subscribes. A subscription that is there and works is left as it is.
pub(crate) async fn subscribe(
    app: &App,
    arguments: &Subscribe,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let public = public_url(app)?;
    let chosen: Option<Vec<WebhookEvent>> = match &arguments.events {
        None => None,
        Some(codes) => Some(read_events(codes).map_err(|code| {
            anyhow::anyhow!("--events: `{code}` is no event of amoCRM; expected codes such as add_lead, status_lead, or all")
        })?),
    };
    for account in arguments.choice.of(app)? {
        audit_command(app.store(), "subscribe", &account.name).await?;
        let found = Subscription::read(account, &public)
            .await
            .with_context(|| format!("account {}", account.name))?;
        let wanted = chosen.as_ref().unwrap_or(&account.events);
        let is_as_wanted = match &chosen {
            None => found.standing() == Standing::Active,
            Some(chosen) => {
                found.standing() != Standing::Disabled
                    && found.events().len() == chosen.len()
                    && chosen.iter().all(|event| found.events().contains(event))
            }
        };
        let told = if is_as_wanted {
            "is subscribed"
        } else {
            found
                .subscribe(app.store(), wanted)
                .await
                .with_context(|| format!("account {}", account.name))?;
            "subscribed"
        };
        note_seen(
            app.store(),
            &account.name,
            Standing::Active,
            describe(Standing::Active),
            app.clock().now(),
        )
        .await?;
        writeln!(out, "{}: {} {told}", account.name, shown(&public))?;
        if found.strangers > 0 {
            writeln!(
                out,
                "{}: {} other subscriptions lead here with secrets that this service does not know; remove them in amoCRM \
                 (Settings → Integrations → Webhooks)",
                account.name, found.strangers
            )?;
        }
    }
    Ok(())
}

/// Says how the subscriptions stand. Returns whether all of them work.
pub(crate) async fn status(
    app: &App,
    arguments: &Status,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let mut is_well = true;
    let public = app.config().server.public_url();
    for account in arguments.choice.of(app)? {
        if arguments.address {
            let local = Url::parse(&format!("http://{}", app.config().server.local_address()))?;
            let address = destination(account, public.as_ref().unwrap_or(&local))?;
            writeln!(out, "{}: {address}", account.name)?;
        }
        let Some(public) = &public else {
            writeln!(
                out,
                "{}: not subscribed by this service, for PUBLIC_URL is unset",
                account.name
            )?;
            is_well = false;
            continue;
        };
        match Subscription::read(account, public).await {
            Ok(found) => {
                let standing = found.standing();
                is_well &= standing == Standing::Active;
                let codes: Vec<_> = found.events().iter().map(ToString::to_string).collect();
                let detail = describe(standing);
                writeln!(
                    out,
                    "{}: {}: {}: {detail}",
                    account.name,
                    shown(public),
                    standing.as_str()
                )?;
                if !codes.is_empty() {
                    writeln!(out, "{}: events: {}", account.name, codes.join(", "))?;
                }
            }
            Err(error) => {
                is_well = false;
                writeln!(out, "{}: amoCRM cannot be asked: {error}", account.name)?;
                if let Some(seen) = last_seen(app.store(), &account.name).await? {
                    let (at, standing) = (seen.at.format("%F %T UTC"), seen.standing.as_str());
                    writeln!(out, "{}: {standing} when it was seen at {at}", account.name)?;
                }
            }
        }
    }
    Ok(is_well)
}

/// Removes the subscriptions.
pub(crate) async fn unsubscribe(
    app: &App,
    choice: &Choice,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<()> {
    let public = public_url(app)?;
    for account in choice.of(app)? {
        audit_command(app.store(), "unsubscribe", &account.name).await?;
        let found = Subscription::read(account, &public)
            .await
            .with_context(|| format!("account {}", account.name))?;
        let told = if found.unsubscribe(app.store()).await? {
            "unsubscribed"
        } else {
            "was not subscribed"
        };
        note_seen(
            app.store(),
            &account.name,
            Standing::Missing,
            "it was removed by webhook-gateway unsubscribe",
            app.clock().now(),
        )
        .await?;
        writeln!(out, "{}: {} {told}", account.name, shown(&public))?;
    }
    Ok(())
}
