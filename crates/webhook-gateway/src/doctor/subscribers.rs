//! The subscribers: whether they can be connected to, and whether anything waits for them for long.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use service_kit::doctor::Finding;
use store::{SubscriberState, job_kind};
use tokio::net::TcpStream;
use url::Url;

use crate::App;
use crate::config::{Destination, SubscriberSettings};

/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events that have waited for so long tell that the subscriber does not take them, or that nobody delivers.
const LONG_WAIT: Duration = Duration::from_mins(15);

pub(super) async fn check(app: &App) -> Vec<Finding> {
    // What the file says is not in the database before the first start.
    let mut all: Vec<(String, Option<SubscriberSettings>, SubscriberState)> = app
        .config()
        .subscribers
        .iter()
        .map(|it| {
            (
                it.name.clone(),
                Some(it.settings.clone()),
                SubscriberState::Active,
            )
        })
        .collect();
    match app.store().gateway().registry().await {
        Ok(registry) => {
            for row in registry.subscribers {
                all.retain(|(name, ..)| *name != row.name);
                let settings = serde_json::from_value(row.settings).ok();
                all.push((row.name, settings, row.state));
            }
        }
        Err(error) => return vec![Finding::bad(error.to_string())],
    }
    if all.is_empty() {
        return vec![
            Finding::warn("there are none: webhooks are kept and go to nobody")
                .remedy("write a [[subscriber]] into gateway.toml, or make one with the admin API (POST /api/subscribers)"),
        ];
    }
    let mut found = Vec::new();
    for (name, settings, state) in all {
        match state {
            SubscriberState::Active => {}
            SubscriberState::Paused => {
                found.push(
                    Finding::warn(format!("{name} is paused; its events wait"))
                        .remedy(format!("`webhook-gateway resume {name}`")),
                );
            }
            SubscriberState::Disabled { reason } => found.push(
                Finding::bad(format!("{name} is disabled ({reason}); its events wait")).remedy(
                    format!("once that is mended: `webhook-gateway resume {name}`"),
                ),
            ),
        }
        found.push(match settings {
            Some(settings) => reach(app, &name, &settings).await,
            None => Finding::bad(format!(
                "the settings of {name} cannot be read by this release"
            ))
            .remedy("write them again, or start the release that wrote them"),
        });
        found.extend(waiting(app, &name).await);
    }
    found
}

async fn reach(app: &App, name: &str, settings: &SubscriberSettings) -> Finding {
    let target = match settings.destination() {
        Some(Destination::Stdout) => {
            return Finding::good(format!("{name} is the standard output"));
        }
        Some(Destination::Http(url)) => Some(url),
        Some(Destination::Nats(_)) => {
            let servers = app.config().events.nats_url.as_ref();
            let first = servers.and_then(|urls| urls.expose_secret().split(',').next());
            first.and_then(|url| Url::parse(url.trim()).ok())
        }
        None => None,
    };
    let Some((host, port)) = target.as_ref().and_then(|url| {
        let port = url.port_or_known_default().unwrap_or(4222);
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), port))
    }) else {
        return Finding::bad(format!("{name} has no address"))
            .remedy("give it one of url, nats and stdout; nats needs NATS_URL");
    };
    let connecting = TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => Finding::good(format!("{name}: {host}:{port} can be connected to")),
        Ok(Err(error)) => Finding::bad(format!("{name}: {host}:{port} cannot be connected to: {error}"))
            .remedy("is it running, does the name lead to it, is the port open from here? Its events wait meanwhile"),
        Err(_) => Finding::bad(format!(
            "{name}: {host}:{port} does not answer within {} s",
            PATIENCE.as_secs()
        ))
        .remedy("is a firewall in the way? Its events wait meanwhile"),
    }
}

async fn waiting(app: &App, name: &str) -> Option<Finding> {
    let stats = app.store().jobs().stats(&job_kind(name)).await.ok()?;
    if stats.dead > 0 {
        return Some(
            Finding::warn(format!("{name}: {} events were given up", stats.dead))
                .remedy("`webhook-gateway dead-letters` says why; once that is mended: `webhook-gateway replay`"),
        );
    }
    (stats.lag > LONG_WAIT).then(|| {
        Finding::warn(format!(
            "{name}: {} events wait, one of them for {} minutes",
            stats.depth,
            stats.lag.as_secs() / 60
        ))
        .remedy("is `webhook-gateway serve` running? Its log says why it does not go on")
    })
}
