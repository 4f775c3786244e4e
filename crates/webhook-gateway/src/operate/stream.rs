//! A running gateway's `/api/stream`, read by the commands `tail` and `listen`.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use http::{StatusCode, header};
use reqwest::Client;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::clock::read_since;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::sse::{Message, Reader};
use crate::config::Config;

/// A gateway says something every 15 s; one that is silent for three times as long is gone.
const SILENCE: Duration = Duration::from_secs(45);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Pauses between attempts to connect: doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many events are remembered, so that none is told twice when a stream goes on a little before its end.
const REMEMBERED: usize = 4_096;

/// Which gateway, and which of its events.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Source {
    /// A running gateway's address [default: the one of this configuration, http://127.0.0.1:8002].
    #[arg(long, value_name = "URL")]
    gateway: Option<Url>,
    /// Its ADMIN_TOKEN [default: the one of this configuration].
    #[arg(long, value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Only these events, such as leads.* or contacts.update; several with commas between.
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    events: Vec<String>,
    /// Only this account's events, by its name in the gateway.
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Begins with the events since then: 90m, 12h, 3d, a day, or an instant in RFC 3339.
    #[arg(long, value_name = "WHEN", conflicts_with = "latest")]
    since: Option<String>,
    /// Begins with the newest event, which is told again.
    #[arg(long)]
    latest: bool,
}

/// What a stream tells of an event: the envelope as subscribers get it, and what a line shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) envelope: String,
    pub(super) head: Head,
}

/// The attributes that a line shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Head {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subject: Option<String>,
    #[serde(default)]
    pub(super) time: Option<String>,
    #[serde(default)]
    pub(super) receivedtime: Option<String>,
    #[serde(default)]
    pub(super) amocrmsubdomain: Option<String>,
}

impl Head {
    /// `leads.status` of `amocrm.leads.status.v1`.
    pub(super) fn short_kind(&self) -> &str {
        let kind = self.kind.strip_prefix("amocrm.").unwrap_or(&self.kind);
        kind.strip_suffix(".v1").unwrap_or(kind)
    }

    /// `leads` of `amocrm.leads.status.v1`.
    pub(super) fn entity(&self) -> &str {
        self.short_kind().split('.').next().unwrap_or_default()
    }
}

/// What happens on the way, for the one who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// The stream runs.
    Connected,
    /// It broke, and why; it is tried again.
    Lost(String),
    /// An event.
    Event(Told),
}

/// A stream that comes back by itself and goes on where it was.
#[derive(Debug)]
pub(super) struct Stream {
    client: Client,
    url: Url,
    token: Option<SecretString>,
    reader: Reader,
    seen: VecDeque<String>,
}

impl Stream {
    pub(super) fn new(
        source: &Source,
        config: &Config,
        now: chrono::DateTime<chrono::Utc>,
    ) -> anyhow::Result<Self> {
        let own = || {
            let address = config.server.address();
            // Whoever listens on every address is reached on this machine's.
            let address = address
                .replace("0.0.0.0", "127.0.0.1")
                .replace("[::]", "[::1]");
            Url::parse(&format!("http://{address}"))
                .context("SERVER_HOST is no host of an address; give --gateway")
        };
        let given = source.token.clone().map(SecretString::from);
        let (mut url, token) = if let Some(url) = &source.gateway {
            // Our own token is not sent to whatever address was given: another gateway has another one.
            (url.clone(), given)
        } else {
            let own_token = || config.security.admin_token.clone();
            (own()?, given.or_else(own_token))
        };
        if !matches!(url.scheme(), "http" | "https") {
            anyhow::bail!("--gateway: expected an address such as http://127.0.0.1:8002");
        }
        let path = format!("{}/api/stream", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_query(None);
        {
            let mut query = url.query_pairs_mut();
            if !source.events.is_empty() {
                query.append_pair("events", &source.events.join(","));
            }
            if let Some(account) = &source.account {
                query.append_pair("account", account);
            }
            if source.latest {
                query.append_pair("latest", "true");
            }
            if let Some(since) = &source.since {
                // Read here, by this machine's clock and with this command's words for what is wrong.
                let at = read_since(since, now)
                    .map_err(anyhow::Error::msg)
                    .context("--since")?;
                query.append_pair(
                    "since",
                    &at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
                );
            }
        }
        let client = Client::builder()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("no HTTP client can be made")?;
        Ok(Self {
            client,
            url,
            token,
            reader: Reader::default(),
            seen: VecDeque::new(),
        })
    }

    /// The gateway's address without what is asked of it.
    pub(super) fn gateway(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Reads until the token is cancelled, or `tell` says that it has heard enough with `false`.
    ///
    /// # Errors
    ///
    /// When the gateway refuses us, for then asking again does not help.
    pub(super) async fn read(
        mut self,
        shutdown: &CancellationToken,
        mut tell: impl AsyncFnMut(Heard) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let why = match shutdown.run_until_cancelled(self.connect()).await {
                None => return Ok(()),
                Some(Ok(answer)) => {
                    pause = FIRST_PAUSE;
                    if !tell(Heard::Connected).await? {
                        return Ok(());
                    }
                    match self.follow(answer, shutdown, &mut tell).await? {
                        None => return Ok(()),
                        Some(why) => why,
                    }
                }
                Some(Err(Failure::Refused(error))) => return Err(error),
                Some(Err(Failure::Away(why))) => why,
            };
            if !tell(Heard::Lost(why)).await? {
                return Ok(());
            }
            let nap = shutdown
                .run_until_cancelled(tokio::time::sleep(pause))
                .await;
            if nap.is_none() {
                return Ok(());
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&mut self) -> Result<reqwest::Response, Failure> {
        self.reader.reconnected();
        let mut request = self
            .client
            .get(self.url.clone())
            .header(header::ACCEPT, "text/event-stream");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(id) = self.reader.last_id() {
            request = request.header("last-event-id", id);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| Failure::Away(in_short(&error)))?;
        let gateway = self.gateway();
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => Err(Failure::Refused(anyhow::anyhow!(
                "{gateway} needs its ADMIN_TOKEN: give --token"
            ))),
            StatusCode::NOT_FOUND => Err(Failure::Refused(anyhow::anyhow!(
                "{gateway} is no webhook-gateway: it has no /api/stream"
            ))),
            status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
                let text = answer.text().await.unwrap_or_default();
                Err(Failure::Refused(anyhow::anyhow!(
                    "{gateway} answers {status}: {}",
                    detail(&text)
                )))
            }
            status => Err(Failure::Away(format!("it answers {status}"))),
        }
    }

    /// Why the stream ended; `None`: enough was heard.
    async fn follow(
        &mut self,
        mut answer: reqwest::Response,
        shutdown: &CancellationToken,
        tell: &mut impl AsyncFnMut(Heard) -> anyhow::Result<bool>,
    ) -> anyhow::Result<Option<String>> {
        loop {
            let piece = match shutdown.run_until_cancelled(answer.chunk()).await {
                None => return Ok(None),
                Some(Ok(Some(piece))) => piece,
                Some(Ok(None)) => return Ok(Some("the gateway ended the stream".to_owned())),
                Some(Err(error)) => return Ok(Some(in_short(&error))),
            };
            for message in self.reader.push(&piece)? {
                if let Some(told) = self.news(message)
                    && !tell(Heard::Event(told)).await?
                {
                    return Ok(None);
                }
            }
        }
    }

    /// The event of a message, unless it was told before.
    fn news(&mut self, message: Message) -> Option<Told> {
        let head: Head = serde_json::from_str(&message.data).ok()?;
        if self.seen.contains(&head.id) {
            return None;
        }
        self.seen.push_back(head.id.clone());
        if self.seen.len() > REMEMBERED {
            self.seen.pop_front();
        }
        Some(Told {
            envelope: message.data,
            head,
        })
    }
}

enum Failure {
    /// Asking again does not help.
    Refused(anyhow::Error),
    Away(String),
}

/// The innermost reason of a failed request, without its address, which may hold a password.
pub(super) fn in_short(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if std::ptr::addr_eq(innermost, error) {
        return "the connection broke".to_owned();
    }
    innermost.to_string()
}

/// What a problem body says.
fn detail(text: &str) -> String {
    #[derive(Deserialize)]
    struct Said {
        detail: Option<String>,
        #[serde(default)]
        errors: Vec<service_kit::http::FieldError>,
    }
    let Ok(said) = serde_json::from_str::<Said>(text) else {
        return "it does not say why".to_owned();
    };
    match said.errors.first() {
        Some(error) => format!("{}: {}", error.field, error.message),
        None => said.detail.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::Head;

    #[test]
    fn a_line_shows_the_event_as_filters_name_it() {
        let head = |kind: &str| Head {
            kind: kind.to_owned(),
            ..Head::default()
        };
        assert_eq!(head("amocrm.leads.status.v1").short_kind(), "leads.status");
        assert_eq!(head("amocrm.leads.status.v1").entity(), "leads");
        assert_eq!(head("amocrm.unknown.v1").entity(), "unknown");
        assert_eq!(head("other.v2").short_kind(), "other.v2");
    }
}
