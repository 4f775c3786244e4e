//! Where events go to, by what their subscribers want.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use service_kit::config::Environment;
use service_kit::egress::SystemLookup;

use super::http::{Endpoint, HttpSink};
#[cfg(feature = "nats")]
use super::nats::NatsSink;
use super::reply::{Limits, Message, Reply};
use super::stdout::StdoutSink;
use super::subscriber::Subscriber;
use crate::config::{Config, Destination};

/// One of each kind, for all subscribers.
#[derive(Debug)]
pub(super) struct Sinks {
    /// `None`: this machine has no TLS that works.
    http: Option<HttpSink>,
    #[cfg(feature = "nats")]
    nats: NatsSink,
    stdout: StdoutSink,
    environment: Environment,
}

impl Sinks {
    pub(super) fn new(config: &Config) -> Self {
        let http = HttpSink::new(config.delivery.guard(), Arc::new(SystemLookup));
        if let Err(error) = &http {
            tracing::error!("nothing can be posted, there is no HTTP client: {error}");
        }
        Self {
            http: http.ok(),
            #[cfg(feature = "nats")]
            nats: NatsSink::new(config.events.nats_url.clone()),
            stdout: StdoutSink::new(),
            environment: config.environment.clone(),
        }
    }

    /// Sends `message`, and tells how it was answered.
    pub(super) async fn send(
        &self,
        subscriber: &Subscriber,
        message: &Message,
        now: DateTime<Utc>,
        limits: Limits,
    ) -> Reply {
        match &subscriber.destination {
            Destination::Http(url) => {
                let Some(http) = &self.http else {
                    return Reply::failed("the gateway has no HTTP client; see its log");
                };
                let keys = match subscriber.keys(now) {
                    Ok(keys) => keys,
                    Err(expected) => {
                        return Reply::failed(format!(
                            "its secret cannot sign: expected {expected}"
                        ));
                    }
                };
                let headers = match subscriber.settings.headers(&self.environment) {
                    Ok(headers) => headers,
                    Err(wrong) => return Reply::failed(wrong),
                };
                let endpoint = Endpoint {
                    url: url.clone(),
                    allow_private: subscriber.settings.allow_private,
                    headers,
                    keys,
                };
                http.send(&endpoint, message, now, limits).await
            }
            #[cfg(feature = "nats")]
            Destination::Nats(prefix) => self.nats.send(prefix, message, limits).await,
            #[cfg(not(feature = "nats"))]
            Destination::Nats(_) => {
                Reply::failed("this gateway was built without NATS (the feature `nats`)")
            }
            Destination::Stdout => self.stdout.send(message, limits).await,
        }
    }
}
