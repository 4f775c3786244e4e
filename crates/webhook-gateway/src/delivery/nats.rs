//! Publishing events to NATS JetStream.
//!
//! An event is delivered when the server has acknowledged it, and the event's id is the message's id, so that a
//! repetition within [`DUPLICATE_WINDOW`] is dropped by the server. The stream is ours to make: a server that was
//! started with empty storage gets it back with the next event. JetStream acknowledges before it has synced to its disk
//! unless its `sync_interval` is `always`; what the server loses then, `webhook-gateway replay` sends again.

use std::fmt;
use std::time::Duration;

use amocrm_sdk::webhook::CLOUD_EVENTS_JSON;
use async_nats::connection::State;
use async_nats::jetstream::context::{Context, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, stream};
use async_nats::{ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use super::reply::{Limits, Message, Reply};

/// How long the server remembers the ids of messages. Longer than any claim lasts; each id costs it about 100 bytes.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);
/// How long one server is waited for when connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes to one server, or one cluster, for all subscribers.
pub(crate) struct NatsSink {
    url: Option<SecretString>,
    link: Mutex<Option<Context>>,
}

impl NatsSink {
    /// `url` is that of `NATS_URL`.
    pub(crate) fn new(url: Option<SecretString>) -> Self {
        Self {
            url,
            link: Mutex::default(),
        }
    }

    /// Publishes `message` to `{prefix}.{account}.{entity}.{action}` and waits for the acknowledgement.
    pub(crate) async fn send(&self, prefix: &str, message: &Message, limits: Limits) -> Reply {
        let publishing = Box::pin(self.publish(prefix, message));
        match timeout_at(limits.deadline(), publishing).await {
            Ok(Ok(())) => Reply::taken(),
            Ok(Err(reason)) => Reply::failed(reason),
            Err(_) => Reply::failed(format!(
                "no acknowledgement within {} ms",
                limits.timeout.as_millis()
            )),
        }
    }

    async fn publish(&self, prefix: &str, message: &Message) -> Result<(), String> {
        let context = self.context().await?;
        let subject = subject(prefix, message);
        match publish_once(&context, &subject, message).await {
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => {
                make_stream(&context, prefix).await?;
                publish_once(&context, &subject, message).await
            }
            outcome => outcome,
        }
        .map_err(|error| format!("NATS: {}", error.kind()))
    }

    /// The connection, which renews itself once it has been made.
    async fn context(&self) -> Result<Context, String> {
        let mut link = self.link.lock().await;
        if let Some(context) = &*link {
            // What is published now would wait in the client and leave at a time that nobody knows.
            return match context.client().connection_state() {
                State::Disconnected => Err("NATS: not connected".to_owned()),
                State::Pending | State::Connected => Ok(context.clone()),
            };
        }
        let url = self.url.as_ref().ok_or("NATS_URL is unset")?;
        let servers: Vec<ServerAddr> = url
            .expose_secret()
            .split(',')
            .map(|server| server.trim().parse())
            .collect::<Result<_, _>>()
            .map_err(|_| "NATS_URL is no address of NATS")?;
        let client = credentials(&servers)
            .name("webhook-gateway")
            .connection_timeout(CONNECT_TIMEOUT)
            .event_callback(|event| async move { report(&event) })
            .connect(servers)
            .await
            .map_err(|error| format!("NATS: no connection ({})", error.kind()))?;
        let context = jetstream::new(client);
        *link = Some(context.clone());
        Ok(context)
    }
}

/// The name and password, or the token, of the first address that has any: the client does not look there by itself.
fn credentials(servers: &[ServerAddr]) -> ConnectOptions {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let given = servers
        .iter()
        .find_map(|server| Some((decoded(server.username()?), server.password().map(decoded))));
    match given {
        Some((user, Some(password))) => ConnectOptions::with_user_and_password(user, password),
        Some((token, None)) => ConnectOptions::with_token(token),
        None => ConnectOptions::new(),
    }
}

impl fmt::Debug for NatsSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSink").finish_non_exhaustive()
    }
}

async fn publish_once(
    context: &Context,
    subject: &str,
    message: &Message,
) -> Result<(), PublishError> {
    let publish = PublishMessage::build()
        .payload(message.body.clone())
        .message_id(&message.id)
        .header("Content-Type", CLOUD_EVENTS_JSON);
    // The message has left after the first await; the second one is the server's acknowledgement. A duplicate is one too.
    context
        .send_publish(subject.to_owned(), publish)
        .await?
        .await?;
    Ok(())
}

async fn make_stream(context: &Context, prefix: &str) -> Result<(), String> {
    let config = stream::Config {
        name: stream_name(prefix),
        subjects: vec![format!("{prefix}.>")],
        duplicate_window: DUPLICATE_WINDOW,
        description: Some("events of amoCRM, from webhook-gateway".to_owned()),
        ..stream::Config::default()
    };
    let name = config.name.clone();
    context
        .get_or_create_stream(config)
        .await
        .map_err(|error| format!("NATS: the stream {name} cannot be made ({})", error.kind()))?;
    tracing::info!(stream = name, "the stream was made");
    Ok(())
}

/// The stream of subjects that begin with `prefix`: names of streams have no dots.
fn stream_name(prefix: &str) -> String {
    prefix.replace('.', "_").to_uppercase()
}

/// `amocrm.acme.leads.status`.
fn subject(prefix: &str, message: &Message) -> String {
    let (entity, action) = message
        .kind
        .split_once('.')
        .unwrap_or((&message.kind, "other"));
    let [account, entity, action] = [&message.account, entity, action].map(token);
    format!("{prefix}.{account}.{entity}.{action}")
}

/// A part of a subject: without the characters that mean something in one.
fn token(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let plain = text.replace(|character: char| !is_plain(character), "_");
    if plain.is_empty() {
        return "_".to_owned();
    }
    plain
}

fn report(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected | Event::Closed => tracing::warn!("the connection to NATS is lost"),
        _ => tracing::debug!("NATS: {event}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_made_of_plain_parts() {
        for (account, kind, expected) in [
            ("acme", "leads.status", "amocrm.acme.leads.status"),
            ("a.b c>*", "leads.add", "amocrm.a_b_c__.leads.add"),
            ("", "unknown", "amocrm._.unknown.other"),
            ("acme", "x.y.z", "amocrm.acme.x.y_z"),
        ] {
            let message = Message {
                id: "evt_1".to_owned(),
                account: account.to_owned(),
                kind: kind.to_owned(),
                body: bytes::Bytes::new(),
            };
            assert_eq!(subject("amocrm", &message), expected);
        }
        assert_eq!(stream_name("crm.amo"), "CRM_AMO");
    }
}
